"""Merging: what several sensors of one device sent separately, each in its own time, becomes one row for each sample.

    leader     o  o  o  o | o  o  o  o |            frames of the acceleration
    follower    x   x   x   x | x   x   x   x |     frames of the angular rate
    merged     .  m  m  m   m  m  m                 rows at the leader's times, follower interpolated linearly

A frame of the leader waits until every follower has come as far; it is never extrapolated, and nothing is
interpolated across a hole.
"""

from collections import deque
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from repsense.timestamps import MICROSECONDS
from repsense_ble_gateway.packets import PacketError

__all__ = ["FrameTimes", "Merger", "Timed"]

_MAX_DEVIATION = 0.1
"""Of a period from the nominal one: a Verity Sense set to 52 Hz was measured at 52.94 Hz (1.8 %); a lost frame
makes the apparent period about twice as long."""
_MAX_JITTER = 0.05
_MAX_FACTOR = 3.0
_MAX_HOLE_US = 250_000.0
"""Movement between samples that are further apart than this cannot be told."""


@dataclass(frozen=True, slots=True)
class Timed:
    """Samples with their times.

    Attributes:
        times_us: (n_samples,) increasing, by the device's clock.
        values: (n_samples, n_channels).
    """

    times_us: NDArray[np.float64]
    values: NDArray[np.float64]

    def __getitem__(self, samples: slice) -> "Timed":
        return Timed(self.times_us[samples], self.values[samples])

    def before(self, time_us: float) -> "Timed":
        """Those taken before a time."""
        return self[: np.searchsorted(self.times_us, time_us)]


@dataclass(slots=True)
class FrameTimes:
    """When the samples of one stream's frames were taken, if each frame only tells the time of its last sample.

    The time since the frame before, divided by the number of samples, is the period if it is plausible: within 10 %
    of the nominal one, or the same twice (the nominal one may be wrong). Otherwise a frame was lost, and the last
    period that was believed counts; at first the nominal one.

    Attributes:
        rate_hz: The nominal rate.
    """

    rate_hz: float
    _last_us: float | None = None
    _apparent_us: float | None = None
    _period_us: float | None = None

    def times_us(self, last_us: float, n_samples: int) -> NDArray[np.float64]:
        """The times of the next frame's samples.

        Args:
            last_us: The frame's own time.
            n_samples: How many samples it has.
        """
        nominal_us = MICROSECONDS / self.rate_hz
        if self._last_us is not None:
            apparent_us = (last_us - self._last_us) / n_samples
            if self._is_plausible(apparent_us, nominal_us):
                self._period_us = apparent_us
            self._apparent_us = apparent_us
        self._last_us = last_us
        return last_us - (self._period_us or nominal_us) * np.arange(n_samples - 1, -1, -1, dtype=np.float64)

    def _is_plausible(self, apparent_us: float, nominal_us: float) -> bool:
        if abs(apparent_us / nominal_us - 1) <= _MAX_DEVIATION:
            return True
        return (
            self._apparent_us is not None
            and nominal_us / _MAX_FACTOR <= apparent_us <= nominal_us * _MAX_FACTOR
            and abs(apparent_us - self._apparent_us) <= _MAX_JITTER * apparent_us
        )


@dataclass(slots=True)
class Merger:
    """Merges the streams of one connection.

    Attributes:
        n_followers: How many streams there are besides the leading one.
        patience_us: How far the leader may be ahead of a follower, by the device's clock, before that counts as
            stopped.
    """

    n_followers: int
    patience_us: float
    _leader: deque[Timed] = field(default_factory=deque)
    _followers: list[Timed | None] = field(init=False)

    def __post_init__(self) -> None:
        self._followers = [None] * self.n_followers

    def lead(self, frame: Timed) -> None:
        """Take a frame of the leading stream. What is held and not before its first sample is dropped."""
        while self._leader and self._leader[-1].times_us[-1] >= frame.times_us[0]:
            earlier = self._leader.pop().before(frame.times_us[0])
            if len(earlier.times_us):
                self._leader.append(earlier)
        self._leader.append(frame)

    def follow(self, follower: int, frame: Timed) -> None:
        """Take a frame of another stream. What is held and not before its first sample is dropped."""
        held = self._followers[follower]
        if held is not None:
            earlier = held.before(frame.times_us[0])
            recent = earlier[np.searchsorted(earlier.times_us, frame.times_us[-1] - 2 * self.patience_us) :]
            frame = Timed(
                np.concatenate([recent.times_us, frame.times_us]), np.concatenate([recent.values, frame.values])
            )
        self._followers[follower] = frame

    def take(self) -> list[Timed]:
        """What has become complete: for every frame of the leader, its runs of samples without a hole.

        Raises:
            PacketError: If the leader is far ahead of a follower; what it had is dropped.
        """
        merged: list[Timed] = []
        while self._leader and self._leader[0].times_us[-1] <= self._complete_until_us():
            merged += self._merged(self._leader.popleft())
        if not merged and self._leader and self._leader[-1].times_us[-1] - self._waiting_since_us() > self.patience_us:
            self._leader.clear()
            msg = "a stream of the sensor has stopped, its others cannot be used alone; switch it off and on"
            raise PacketError(msg)
        return merged

    def _complete_until_us(self) -> float:
        ends = [-np.inf if held is None else held.times_us[-1] for held in self._followers]
        return float(min(ends, default=np.inf))

    def _waiting_since_us(self) -> float:
        return max(float(self._leader[0].times_us[0]), self._complete_until_us())

    def _merged(self, frame: Timed) -> list[Timed]:
        columns = [frame.values]
        covered = np.ones(len(frame.times_us), dtype=bool)
        for held in self._followers:
            if held is not None:
                covered &= _is_covered(frame.times_us, held.times_us)
                columns += [np.interp(frame.times_us, held.times_us, axis)[:, None] for axis in held.values.T]
        merged = Timed(frame.times_us, np.hstack(columns))
        return [merged[run] for run in _runs(covered)]


def _is_covered(times_us: NDArray[np.float64], known_us: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which times lie between two known ones that are near enough."""
    if len(known_us) == 1:
        return np.equal(times_us, known_us)
    after = np.searchsorted(known_us, times_us).clip(1, len(known_us) - 1)
    near = known_us[after] - known_us[after - 1] <= _MAX_HOLE_US
    inside: NDArray[np.bool_] = near & (known_us[0] <= times_us) & (times_us <= known_us[-1])
    return inside


def _runs(covered: NDArray[np.bool_]) -> list[slice]:
    """Where the true values stand together."""
    edges = np.flatnonzero(np.diff(covered, prepend=False, append=False))
    return [slice(begin, end) for begin, end in edges.reshape(-1, 2).tolist()]
