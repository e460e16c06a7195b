"""Whether server, gateways and samples agree on the time."""

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from repsense.documents import SensorDocument
from repsense.timestamps import from_epoch_us
from repsense_inference.faults import Fault, FaultKind
from repsense_inference.watching.words import name_some, span

__all__ = ["ServerClock", "future_fault", "offset_fault", "steady_s", "utc_now"]

JUMP_S = 5.0
"""Time servers correct by less, and in small steps."""
REMEMBERED_S = 600.0
TOLERANCE_S = 30.0
"""Between two machines; more than a slow network or a long queue make of it."""
FUTURE_S = 60.0


def steady_s() -> float:
    """Seconds that nobody can set, from some moment on; they go on while the machine sleeps, where it can tell."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


class ServerClock:
    """Notices that the clock of this machine was set: it then goes on otherwise than one that nobody can set."""

    def __init__(self, steady_s: Callable[[], float], now: Callable[[], datetime]) -> None:
        """Begin to watch the clock.

        Args:
            steady_s: Goes on evenly.
            now: The clock.
        """
        self._steady_s = steady_s
        self._now = now
        self._offset_s = self._read()
        self._jump_s = 0.0
        self._jumped_at = self._now()
        self._jumped_s = float("-inf")

    def fault(self) -> Fault | None:
        """That the clock was set, for a while."""
        offset_s, steady_s = self._read(), self._steady_s()
        change_s, self._offset_s = offset_s - self._offset_s, offset_s
        if abs(change_s) > JUMP_S:
            self._jump_s, self._jumped_at, self._jumped_s = change_s, self._now(), steady_s
        if steady_s - self._jumped_s > REMEMBERED_S:
            return None
        way = "forward" if self._jump_s > 0 else "back"
        detail = f"at {self._jumped_at:%H:%M} UTC it was put {way} by {span(abs(self._jump_s))}"
        return Fault(FaultKind.CLOCK_JUMPED, detail)

    def _read(self) -> float:
        return self._now().timestamp() - self._steady_s()


def offset_fault(offsets_s: Mapping[str, float]) -> Fault | None:
    """That clocks of gateways do not agree with this server's.

    Args:
        offsets_s: By how much each is ahead.
    """
    wrong = {gateway_id: offset_s for gateway_id, offset_s in sorted(offsets_s.items()) if abs(offset_s) > TOLERANCE_S}
    if not wrong:
        return None
    each = [
        f"that of {gateway_id} is {span(abs(offset_s))} {'ahead of' if offset_s > 0 else 'behind'} this server's"
        for gateway_id, offset_s in wrong.items()
    ]
    return Fault(FaultKind.CLOCKS_DIFFER, name_some(each), subjects=tuple(wrong))


def future_fault(documents: Mapping[str, SensorDocument], now: datetime) -> Fault | None:
    """That samples are stored for times that are not here yet.

    Args:
        documents: What is stored of each sensor.
        now: The time here.
    """
    ahead_s = {
        sensor_id: (from_epoch_us(document["last_sample_us"]) - now).total_seconds()
        for sensor_id, document in sorted(documents.items())
    }
    wrong = {sensor_id: seconds for sensor_id, seconds in ahead_s.items() if seconds > FUTURE_S}
    if not wrong:
        return None
    each = [f"the last of {sensor_id} was taken in {span(seconds)}" for sensor_id, seconds in wrong.items()]
    return Fault(FaultKind.SAMPLES_FROM_FUTURE, name_some(each), subjects=tuple(wrong))


def utc_now() -> datetime:
    """The time here."""
    return datetime.now(UTC)
