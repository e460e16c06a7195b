"""Reassembly of a sensor's stream: from messages as they arrive to runs of consecutive samples.

Messages may be lost, doubled, late or cut differently after a restart; sequence numbers make all of that exact.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from repsense.timestamps import MICROSECONDS

__all__ = ["Run", "StreamReassembler"]


@dataclass(frozen=True, slots=True)
class Run:
    """Consecutive samples of one stream.

    Attributes:
        sequence: Index in the stream of the first sample.
        first_sample_us: When it was taken, microseconds since 1970.
        samples: (n_samples, n_channels) float32, SI units.
        n_lost_before: How many samples right before it are known to be lost.
    """

    sequence: int
    first_sample_us: int
    samples: NDArray[np.float32]
    n_lost_before: int = 0

    @property
    def end(self) -> int:
        """Index in the stream of the first sample after this run."""
        return self.sequence + len(self.samples)


@dataclass(frozen=True, slots=True)
class _Held:
    run: Run
    since_s: float


class StreamReassembler:
    """Puts the messages of one stream in order.

        arrives   [0..9] [20..29] [10..19]        [10..19] [40..49] … nothing for reorder_s …
        comes out [0..9]          [10..19][20..29] (doubled)                                  [40..49]

    A run that is ahead is held until what is missing arrives, or is known to be lost, or `reorder_s` have passed;
    what is missing is then given up. A reader sees a loss as a run that does not begin where the last one ended.

    Attributes:
        n_lost: Samples given up; not those before the first that came, since a stream may begin anywhere.
        n_duplicate: Samples that had come before, or after they were given up.
    """

    def __init__(self, sample_rate_hz: float, reorder_s: float, first: int | None = None) -> None:
        """Begin a stream.

        Args:
            sample_rate_hz: Rate of the stream.
            reorder_s: How long missing samples are waited for.
            first: Index in the stream of the sample that is waited for at the beginning; None begins with whatever
                comes first.
        """
        self.n_lost = 0
        self.n_duplicate = 0
        self._sample_rate_hz = sample_rate_hz
        self._reorder_s = reorder_s
        self._next = first
        """Index of the sample that comes out next; None before the first one."""
        self._has_begun = False
        self._held: dict[int, _Held] = {}

    def push(self, run: Run, now_s: float) -> list[Run]:
        """Take the samples of one message.

        Args:
            run: The samples.
            now_s: A clock that only runs forward, in seconds.

        Returns:
            The runs that are now in order, oldest first.
        """
        if self._next is None:
            self._next = run.sequence
        fresh = self._fresh_part(run, self._next)
        if fresh is None:
            return []
        known = self._held.get(fresh.sequence)
        if known is None or known.run.end < fresh.end:
            self._held[fresh.sequence] = _Held(fresh, now_s if known is None else known.since_s)
        return self.release(now_s)

    def release(self, now_s: float) -> list[Run]:
        """Return the runs that are in order by now, because what was missing is given up."""
        released: list[Run] = []
        for sequence in sorted(self._held):
            held = self._held[sequence]
            n_missing = sequence - (self._next or 0)
            if n_missing > max(0, held.run.n_lost_before) and now_s - held.since_s < self._reorder_s:
                break
            del self._held[sequence]
            if self._has_begun:
                self.n_lost += max(0, n_missing)
            fresh = self._fresh_part(held.run, self._next or 0)
            if fresh is not None:
                self._has_begun = True
                released.append(fresh)
                self._next = fresh.end
        return released

    def _fresh_part(self, run: Run, expected: int) -> Run | None:
        """What of a run did not come out before; None if all of it did."""
        n_old = min(max(0, expected - run.sequence), len(run.samples))
        self.n_duplicate += n_old
        if n_old == 0:
            return run
        if n_old == len(run.samples):
            return None
        first_sample_us = run.first_sample_us + round(n_old * MICROSECONDS / self._sample_rate_hz)
        return Run(run.sequence + n_old, first_sample_us, run.samples[n_old:])
