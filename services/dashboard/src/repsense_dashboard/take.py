"""One take of a recording, from the button to the review: what happens when, decided apart from how it looks.

           start            go                 time is up, or stop          stored
    IDLE ────────▶ COUNTDOWN ────▶ RECORDING ──────────────────▶ STORING ──────────▶ REVIEW
     ▲                 │               │ sensor silent              │ nothing there     │
     └─────────────────┴───────────────┴────────────────────────────┴───────────────────┘
          cancel                    cancel                                      done

Two clocks take part. The page's own (`now_s`, any that does not jump) says how long to wait; what is recorded is cut
by the sensor's, in which samples are stored and which may be minutes off.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from repsense_dashboard.api import Label
from repsense_dashboard.api.recordings import Recording

__all__ = ["COUNTDOWN_S", "LONGEST_TAKE_S", "Plan", "SensorClock", "Take", "TakeState"]

COUNTDOWN_S = 3.0
LONGEST_TAKE_S = 600.0
"""As much as the API makes a recording of at once; "until I stop" ends by itself here."""

_DROP_OUT_S = 2.0
"""Batches come every 0.1 to 0.25 s, and are stored a moment later; a pause of this length is not one of them."""
_GIVE_UP_S = 12.0
"""A sensor that reconnects is back sooner; after this long, what there is of the take is kept."""
_LONGEST_WAIT_S = 6.0
"""For samples that were taken and are not stored yet. Whatever comes later belongs to nobody's take."""


class TakeState(StrEnum):
    """How far a take is."""

    IDLE = "idle"
    """Nothing goes on."""
    COUNTDOWN = "countdown"
    """Somebody gets into position."""
    RECORDING = "recording"
    """It counts."""
    STORING = "storing"
    """It is over; its last samples are under way."""
    REVIEW = "review"
    """It is stored, and somebody decides whether to keep it."""


@dataclass(frozen=True)
class Plan:
    """What a take is to be."""

    sensor_id: str
    label: Label | None
    subject: str | None
    session: str | None
    duration_s: float | None
    """None until somebody stops."""


class SensorClock:
    """Knows what time it is for a sensor, from the times of its newest samples."""

    def __init__(self) -> None:
        self._newest: tuple[datetime, float] | None = None

    def observe(self, last_sample_at: datetime | None, now_s: float) -> None:
        """Take note of the newest stored sample's time."""
        if last_sample_at is not None and (self._newest is None or last_sample_at != self._newest[0]):
            self._newest = last_sample_at, now_s

    @property
    def last_sample_at(self) -> datetime | None:
        """The time of the newest stored sample, None if there never was one."""
        return self._newest[0] if self._newest else None

    def at(self, now_s: float) -> datetime | None:
        """Return the sensor's time at an instant of the page's clock; None while it is not known.

        It is early by as long as samples take to be stored, a fraction of a second, and never late.
        """
        if self._newest is None:
            return None
        last_sample_at, seen_s = self._newest
        return last_sample_at + timedelta(seconds=now_s - seen_s)

    def silent_s(self, now_s: float) -> float:
        """Return for how long nothing new has come."""
        return now_s - self._newest[1] if self._newest else float("inf")


@dataclass
class Take:
    """A take under way. Time is given by the caller."""

    plan: Plan | None = None
    state: TakeState = TakeState.IDLE
    clock: SensorClock = field(default_factory=SensorClock)
    number: int = 0
    """Counts the takes, so that what was said of one is not said of the next."""
    began_at: datetime | None = None
    """Where the recording begins, in the sensor's time."""
    ends_at: datetime | None = None
    """Where it ends; None while that is open."""
    recordings: tuple[Recording, ...] = ()
    """What was stored: one, or one per uninterrupted part."""
    failure: str | None = None
    """In words, why the last take came to nothing."""

    _go_s: float = 0.0
    _ended_s: float = 0.0

    def start(self, plan: Plan, now_s: float) -> None:
        """Begin to count down."""
        self.plan, self.number, self._go_s = plan, self.number + 1, now_s + COUNTDOWN_S
        self.began_at = self.ends_at = self.failure = None
        self.recordings = ()
        self.state = TakeState.COUNTDOWN

    def cancel(self) -> None:
        """End it without a recording."""
        self.state = TakeState.IDLE

    def stop(self, now_s: float) -> None:
        """End the recording now."""
        if self.state is TakeState.RECORDING:
            self._end(self.clock.at(now_s), now_s)

    def observe(self, last_sample_at: datetime | None, now_s: float) -> None:
        """Take note of the newest stored sample, and of the time."""
        self.clock.observe(last_sample_at, now_s)
        if self.state is TakeState.COUNTDOWN and now_s >= self._go_s:
            self._go(now_s)
        if self.state is TakeState.RECORDING:
            self._continue(now_s)

    @property
    def is_complete(self) -> bool:
        """Tell whether all samples of it are stored."""
        last, end = self.clock.last_sample_at, self.ends_at
        return last is not None and end is not None and last >= end

    def can_be_stored(self, now_s: float) -> bool:
        """Tell whether it is time to store it: all samples are there, or no more will come."""
        waited_s = now_s - self._ended_s
        return self.state is TakeState.STORING and (self.is_complete or waited_s >= _LONGEST_WAIT_S)

    def store(self, recordings: tuple[Recording, ...]) -> None:
        """Take note of what was stored."""
        self.recordings = recordings
        self.state = TakeState.REVIEW

    def fail(self, reason: str) -> None:
        """End it, as nothing came of it.

        Args:
            reason: Why, as a sentence.
        """
        self.failure = reason
        self.state = TakeState.IDLE

    def counted_s(self, now_s: float) -> float:
        """Return how long is left until "go"."""
        return max(0.0, self._go_s - now_s)

    def elapsed_s(self, now_s: float) -> float:
        """Return how long it has been recorded."""
        if self.began_at is not None and self.ends_at is not None:
            return (self.ends_at - self.began_at).total_seconds()
        return max(0.0, now_s - self._go_s)

    def is_interrupted(self, now_s: float) -> bool:
        """Tell whether the sensor has gone silent in the middle of it."""
        return self.state in {TakeState.COUNTDOWN, TakeState.RECORDING} and self.clock.silent_s(now_s) > _DROP_OUT_S

    def _go(self, now_s: float) -> None:
        began_at = self.clock.at(self._go_s)
        if began_at is None or self.clock.silent_s(now_s) > _DROP_OUT_S:
            self.fail("The sensor stopped sending before the take began. Wait until it is online, then start again.")
            return
        self.began_at = began_at
        self.state = TakeState.RECORDING

    def _continue(self, now_s: float) -> None:
        duration_s = (self.plan and self.plan.duration_s) or LONGEST_TAKE_S
        if now_s - self._go_s >= duration_s and self.began_at is not None:
            self._end(self.began_at + timedelta(seconds=duration_s), now_s)
        elif self.clock.silent_s(now_s) > _GIVE_UP_S:
            self._end(self.clock.last_sample_at, now_s)

    def _end(self, ends_at: datetime | None, now_s: float) -> None:
        if ends_at is None or self.began_at is None or ends_at <= self.began_at:
            self.fail("Nothing was recorded: the take was over before a sample had come.")
            return
        self.ends_at, self._ended_s = ends_at, now_s
        self.state = TakeState.STORING
