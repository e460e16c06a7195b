"""Reassembly of a sensor's stream: from messages as they arrive to runs of consecutive samples.

Messages may be lost, doubled, late or cut differently after a restart; sequence numbers make all of that exact.
"""

from dataclasses import dataclass, field

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
    """

    sequence: int
    first_sample_us: int
    samples: NDArray[np.float32]

    @property
    def end(self) -> int:
        """Index in the stream of the first sample after this run."""
        return self.sequence + len(self.samples)


@dataclass(slots=True)
class StreamReassembler:
    """Puts the messages of one stream in order.

        arrives   [0..9] [20..29] [10..19] [10..19] [40..49] … nothing for a while … [60..69]
        comes out [0..9]          [10..29] (doubled) (held)                          [40..49] [60..69]

    A message that is ahead is held until what is missing arrives or `reorder_s` of samples have come after it;
    what is missing is then given up. A reader sees a loss as a run that does not begin where the last one ended.

    Attributes:
        sample_rate_hz: Rate of the stream.
        reorder_s: How far ahead, in seconds of samples, before missing ones are given up.
        n_lost: Samples given up.
        n_duplicate: Samples that had come before, or after they were given up.
    """

    sample_rate_hz: float
    reorder_s: float = 0.5
    n_lost: int = 0
    n_duplicate: int = 0
    _next: int | None = None
    _held: dict[int, Run] = field(default_factory=dict)

    @property
    def n_held(self) -> int:
        """How many messages wait for what is missing before them."""
        return len(self._held)

    def push(self, run: Run) -> list[Run]:
        """Take the samples of one message; return the runs that are now in order, oldest first."""
        if self._next is None:
            self._next = run.sequence
        fresh = self._fresh_part(run)
        if fresh is None:
            return []
        known = self._held.get(fresh.sequence)
        if known is None or known.end < fresh.end:
            self._held[fresh.sequence] = fresh
        return self._release(give_up_all=False)

    def flush(self) -> list[Run]:
        """Give up everything that is missing and return what was held."""
        return self._release(give_up_all=True)

    def _fresh_part(self, run: Run) -> Run | None:
        assert self._next is not None  # noqa: S101 - for the type checker; push() sets it
        overlap = self._next - run.sequence
        if overlap <= 0:
            return run
        n_old = min(overlap, len(run.samples))
        self.n_duplicate += n_old
        if n_old == len(run.samples):
            return None
        first_sample_us = run.first_sample_us + round(n_old * MICROSECONDS / self.sample_rate_hz)
        return Run(run.sequence + n_old, first_sample_us, run.samples[n_old:])

    def _is_overdue(self, sequence: int) -> bool:
        """Whether enough came after the held run at a sequence to give up what is missing before it."""
        newest = max(run.end for run in self._held.values())
        return newest - sequence > self.reorder_s * self.sample_rate_hz

    def _release(self, *, give_up_all: bool) -> list[Run]:
        released: list[Run] = []
        for sequence in sorted(self._held):
            assert self._next is not None  # noqa: S101 - as above
            if sequence > self._next:
                if not (give_up_all or self._is_overdue(sequence)):
                    break
                self.n_lost += sequence - self._next
                self._next = sequence
            fresh = self._fresh_part(self._held.pop(sequence))
            if fresh is not None:
                released.append(fresh)
                self._next = fresh.end
        return released
