"""Batches: how many samples travel in one message."""

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = ["Batch", "Batcher"]

_MAX_BATCH_S = 0.2
"""Latency against overhead: a message per packet would cost the broker and its readers twice as much."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive samples.

    Attributes:
        sequence: Number in the stream of the first sample.
        samples: (n_samples, n_channels) float32, SI units.
        n_lost_before: How many samples are missing right before them.
    """

    sequence: int
    samples: NDArray[np.float32]
    n_lost_before: int = 0

    @property
    def end(self) -> int:
        """Number in the stream of the first sample after these."""
        return self.sequence + len(self.samples)


@dataclass(slots=True)
class Batcher:
    """Joins packets of one stream to batches of at most 200 ms, never across missing samples.

    Attributes:
        sample_rate_hz: Rate of the stream. A sensor so slow that two samples are no batch sends each at once.
    """

    sample_rate_hz: float
    _waiting: list[Batch] = field(default_factory=list)
    _end: int | None = None
    """Number in the stream of the first sample that has not come yet."""

    def push(self, sequence: int, samples: NDArray[np.float32]) -> list[Batch]:
        """Take the samples of a packet; return the batches that are due, oldest first.

        Args:
            sequence: Number in the stream of the first sample.
            samples: (n_samples, n_channels) float32, SI units; they come after all that came before.
        """
        most = max(1, math.floor(_MAX_BATCH_S * self.sample_rate_hz))
        n_lost = 0 if self._end is None else sequence - self._end
        due: list[Batch] = []
        if n_lost or self._n_waiting() + len(samples) > most:
            due += self.flush()
        for start in range(0, len(samples), most):
            part = samples[start : start + most]
            self._waiting.append(Batch(sequence + start, part, 0 if start else n_lost))
            if self._n_waiting() >= most:
                due += self.flush()
        self._end = sequence + len(samples)
        return due

    def flush(self) -> list[Batch]:
        """Return what waits, at most one batch."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return []
        first = waiting[0]
        return [Batch(first.sequence, np.concatenate([part.samples for part in waiting]), first.n_lost_before)]

    def _n_waiting(self) -> int:
        return self._waiting[-1].end - self._waiting[0].sequence if self._waiting else 0
