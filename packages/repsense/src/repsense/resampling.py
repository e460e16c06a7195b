"""From the sensor's rate to the model's rate.

Positions are counted in samples of the stream, not in seconds: output sample j lies at input position
j * (input rate / output rate), whatever jitter the fitted times have. A 50 Hz stream read at 2 Hz is every 25th
sample, exactly; two equal rates pass through untouched; and a reader that joins late or restarts lands on the
same output samples as one that was there from the beginning.

There is no low-pass filter before the rate is lowered: the network must be fed in use as it was in training, and
training reads its recordings through this same code.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from repsense.errors import StreamError, StreamErrorReason
from repsense.streams import Run
from repsense.timestamps import MICROSECONDS

__all__ = ["ResampledRun", "Resampler", "resample"]

_SAME_RATE = 0.02
"""Rates that differ by no more than this share are taken as equal: crystals drift and firmware rounds."""
_EXACT = 1e-6
"""A position this close to a sample, in samples, is that sample."""


@dataclass(frozen=True, slots=True)
class ResampledRun:
    """Consecutive samples at the model's rate.

    Attributes:
        index: Number of the first one, counted from the beginning of the stream.
        times_us: (n,) int64, when each was taken, microseconds since 1970.
        last_sequences: (n,) int64, for each the last sample of the stream that it depends on.
        samples: (n, n_channels) float32.
        continues: Whether it follows without a gap on the last run that was not empty.
    """

    index: int
    times_us: NDArray[np.int64]
    last_sequences: NDArray[np.int64]
    samples: NDArray[np.float32]
    continues: bool


class Resampler:
    """Resamples one stream, run by run, by linear interpolation."""

    def __init__(self, input_rate_hz: float, output_rate_hz: float) -> None:
        """Prepare for a stream.

        Args:
            input_rate_hz: Rate of the stream.
            output_rate_hz: Rate that the model needs.

        Raises:
            StreamError: If the stream is slower than the model.
        """
        ratio = input_rate_hz / output_rate_hz
        if ratio < 1 - _SAME_RATE:
            msg = (
                f"the sensor delivers {input_rate_hz:g} Hz but the model needs {output_rate_hz:g} Hz: "
                "raise the sensor's rate or use a model that was trained at its rate"
            )
            raise StreamError(StreamErrorReason.RATE_TOO_LOW, msg)
        self._ratio = 1.0 if abs(ratio - 1) <= _SAME_RATE else ratio
        self._period_us = MICROSECONDS / input_rate_hz
        self._tail: Run | None = None
        """The last sample of the run before, for positions between two runs."""
        self._gap = True
        """Whether samples are missing since the last output sample."""

    def push(self, run: Run) -> ResampledRun:
        """Take the next run of the stream; return what lies within it (perhaps nothing)."""
        tail, continues = self._tail, self._tail is not None and self._tail.end == run.sequence
        self._gap = self._gap or not continues
        n_samples = len(run.samples)
        tail_us = run.first_sample_us + round((n_samples - 1) * self._period_us)
        self._tail = Run(run.end - 1, tail_us, run.samples[-1:])
        # The tail's own position was returned with the run before.
        lowest = run.sequence - 1 + _EXACT if continues else run.sequence - _EXACT
        index = math.ceil(lowest / self._ratio)
        stop = math.floor((run.end - 1 + _EXACT) / self._ratio) + 1
        if stop <= index:
            return _nothing(index, run)
        samples, first = run.samples, run.sequence
        times_us = run.first_sample_us + np.arange(n_samples) * self._period_us
        if tail is not None and continues:
            samples = np.concatenate([tail.samples, samples])
            times_us = np.concatenate([[tail.first_sample_us], times_us])
            first -= 1
        positions = np.arange(index, stop) * self._ratio - first
        below = np.clip(np.floor(positions + _EXACT).astype(np.int64), 0, len(samples) - 1)
        share = positions - below
        share[np.abs(share) <= _EXACT] = 0.0
        above = np.where(share > 0, np.minimum(below + 1, len(samples) - 1), below)
        weights = share[:, np.newaxis].astype(np.float32)
        resampled = samples[below] * (1 - weights) + samples[above] * weights
        resampled_us = np.rint(times_us[below] * (1 - share) + times_us[above] * share).astype(np.int64)
        output = ResampledRun(index, resampled_us, above + first, resampled, continues=not self._gap)
        self._gap = False
        return output


def _nothing(index: int, run: Run) -> ResampledRun:
    """Most runs of a fast sensor end before the next sample of a slow model."""
    none = np.empty(0, np.int64)
    return ResampledRun(index, none, none, run.samples[:0], continues=True)


def resample(samples: NDArray[np.float32], input_rate_hz: float, output_rate_hz: float) -> NDArray[np.float32]:
    """Resample one whole recording.

    Args:
        samples: (n_samples, n_channels) float32.
        input_rate_hz: Its rate.
        output_rate_hz: The rate wanted.

    Returns:
        (n_resampled, n_channels) float32; the first sample is the recording's first.

    Raises:
        StreamError: If the recording is slower than the rate wanted.
    """
    return Resampler(input_rate_hz, output_rate_hz).push(Run(0, 0, samples)).samples
