"""The signal of a stretch of time, put together from stored chunks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from repsense.channels import Channel
from repsense.documents import SamplesDocument, decode_samples
from repsense.timestamps import MICROSECONDS

__all__ = ["Signal", "written_out"]

_DECIMALS = 5
"""Finer than any sensor resolves, and half the bytes of a float32 written out."""


@dataclass(frozen=True, slots=True)
class Signal:
    """Samples of one sensor in the order in which they were taken, perhaps with gaps.

    Attributes:
        channels: What the columns of `samples` are.
        times_us: (n_samples,) int64, microseconds since 1970.
        sequences: (n_samples,) int64, index of each sample in its stream.
        samples: (n_samples, n_channels) float32, SI units.
    """

    channels: tuple[Channel, ...]
    times_us: NDArray[np.int64]
    sequences: NDArray[np.int64]
    samples: NDArray[np.float32]

    @classmethod
    def from_chunks(cls, chunks: Sequence[SamplesDocument], from_us: int, to_us: int) -> Self:
        """Join chunks and keep what was taken from one time on and before another.

        Args:
            chunks: At least one, oldest first. The last one's channels count: a chunk of an older stream that
                lacks one of them is left out.
            from_us: Microseconds since 1970.
            to_us: Microseconds since 1970, exclusive.
        """
        channels = tuple(Channel(channel) for channel in chunks[-1]["channels"])
        times: list[NDArray[np.int64]] = []
        sequences: list[NDArray[np.int64]] = []
        samples: list[NDArray[np.float32]] = []
        for chunk in chunks:
            if not set(channels) <= set(chunk["channels"]):
                continue
            index = np.arange(chunk["n_samples"])
            period_us = MICROSECONDS / chunk["sample_rate_hz"]
            times.append(chunk["first_sample_us"] + np.rint(index * period_us).astype(np.int64))
            sequences.append(chunk["sequence"] + index)
            columns = np.array([chunk["channels"].index(channel) for channel in channels])
            samples.append(decode_samples(chunk)[:, columns])
        whole = cls(channels, np.concatenate(times), np.concatenate(sequences), np.concatenate(samples))
        # JSON has no word for what is not finite.
        usable = np.isfinite(whole.samples).all(axis=1) & (whole.times_us >= from_us) & (whole.times_us < to_us)
        rows = np.flatnonzero(usable)
        return whole._rows(rows[np.argsort(whole.times_us[rows], kind="stable")])

    def thinned(self, max_samples: int) -> Self:
        """Every k-th sample of each stream, with a k that leaves no more than `max_samples`.

        The choice hangs on the samples' numbers, not on where the stretch begins, so a chart that asks again and
        again sees the same samples move past and does not flicker. Where there are more streams than that, some of
        them are left out.
        """
        n_samples = len(self.times_us)
        step = max(1, -(-n_samples // max_samples))
        rows = np.flatnonzero(self.sequences % step == 0)
        # Each stream and each gap can leave one sample more than its share, and the first of a stream is always left.
        while len(rows) > max_samples and step < n_samples:
            step += 1 + step // 8
            rows = np.flatnonzero(self.sequences % step == 0)
        return self._rows(rows[:: max(1, -(-len(rows) // max_samples))])

    def _rows(self, rows: NDArray[np.int64]) -> Self:
        return type(self)(self.channels, self.times_us[rows], self.sequences[rows], self.samples[rows])


def written_out(samples: NDArray[np.float32]) -> list[list[float]]:
    """Samples, (n_samples, n_channels), as JSON has them."""
    rows: list[list[float]] = np.round(samples.astype(np.float64), _DECIMALS).tolist()
    return rows
