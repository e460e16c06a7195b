"""Sliding windows: the network's input.

Windows begin at multiples of the stride, counted in resampled samples from the beginning of the stream, and last
`window_size` samples: open inclusive, close exclusive.

    samples  0 1 2 3 4 5 6 7 8 9        window_size 5, stride 2
    windows  |_ _ _ _ _|
                 |_ _ _ _ _|
                     |_ _ _ _ _|        sample 9 waits for more
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from repsense.channels import ACCELERATION, ANGULAR_RATE, Channel, channel_indices
from repsense.resampling import ResampledRun
from repsense.timestamps import MICROSECONDS

__all__ = ["SlidingWindower", "Window", "motion", "sliding_windows"]


@dataclass(frozen=True, slots=True)
class Window:
    """One window of a stream.

    Attributes:
        start_us: Time of its first sample, microseconds since 1970.
        end_us: One sample period after its last sample.
        last_sequence: The last sample of the stream that it depends on.
        samples: (window_size, n_channels) float32; None if the window spans a gap.
    """

    start_us: int
    end_us: int
    last_sequence: int
    samples: NDArray[np.float32] | None


class SlidingWindower:
    """Cuts one stream into windows, run by run."""

    def __init__(self, window_size: int, stride: int, sample_rate_hz: float) -> None:
        """Prepare for a stream.

        Args:
            window_size: Samples per window.
            stride: Samples from one window's start to the next one's.
            sample_rate_hz: Rate of the resampled stream.

        Raises:
            ValueError: If windows would be empty or leave samples out between them.
        """
        if not 1 <= stride <= window_size:
            msg = f"stride {stride} must lie between 1 and the window size {window_size}: no sample is left out"
            raise ValueError(msg)
        self._size = window_size
        self._stride = stride
        self._period_us = MICROSECONDS / sample_rate_hz
        self._buffer: ResampledRun | None = None
        """What the next windows may still need, without gaps."""

    def push(self, run: ResampledRun) -> list[Window]:
        """Take the next resampled run; return the windows that it completes, oldest first.

        A run that does not continue the one before also returns, without samples, each window that the gap
        made impossible although some of its samples had come.
        """
        if not len(run.samples):
            return []
        windows: list[Window] = []
        if not run.continues:
            windows = self._windows_over_gap(run)
        elif self._buffer is not None and len(self._buffer.samples):
            run = _joined(self._buffer, run)
        start = _next_multiple(run.index, self._stride)
        while start + self._size <= run.index + len(run.samples):
            windows.append(self._cut(run, start - run.index))
            start += self._stride
        self._buffer = _from_index(run, start)
        return windows

    def _cut(self, run: ResampledRun, offset: int) -> Window:
        last = offset + self._size - 1
        return Window(
            start_us=int(run.times_us[offset]),
            end_us=round(run.times_us[last] + self._period_us),
            last_sequence=int(run.last_sequences[last]),
            samples=run.samples[offset : offset + self._size],
        )

    def _windows_over_gap(self, after: ResampledRun) -> list[Window]:
        """The windows that began before the gap, then those that begin in it and reach beyond it."""
        before = self._buffer
        if before is None or not len(before.samples):
            return []
        stop = before.index + len(before.samples)
        first_after = _next_multiple(max(stop, after.index - self._size + 1), self._stride)
        starts_us = [
            int(before.times_us[start - before.index]) for start in range(before.index, stop, self._stride)
        ] + [
            round(after.times_us[0] - (after.index - start) * self._period_us)
            for start in range(first_after, after.index, self._stride)
        ]
        last_sequence = int(after.last_sequences[0])
        return [
            Window(start_us, round(start_us + self._size * self._period_us), last_sequence, None)
            for start_us in starts_us
        ]


def sliding_windows(samples: NDArray[np.float32], window_size: int, stride: int) -> NDArray[np.float32]:
    """All windows of one recording at once, the same as `SlidingWindower` cuts.

    Args:
        samples: (n_samples, n_channels) float32; samples that fill no whole window are left over.
        window_size: Samples per window.
        stride: Samples from one window's start to the next one's.

    Returns:
        (n_windows, window_size, n_channels) float32; n_windows is 0 for a recording shorter than a window.
    """
    if len(samples) < window_size:
        return np.empty((0, window_size, samples.shape[1]), dtype=np.float32)
    views = sliding_window_view(samples, window_size, axis=0)[::stride]
    return np.ascontiguousarray(views.transpose(0, 2, 1))


def motion(
    windows: NDArray[np.float32], channels: Sequence[Channel]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """How much moves in each window; constant offsets of the sensor do not count.

    Args:
        windows: (n_windows, window_size, n_channels) float32, SI units.
        channels: What the last axis is; acceleration and angular rate must be among them.

    Returns:
        The standard deviation over time of acceleration in m/s^2 and of angular rate in rad/s, as the square
        root of the sum of the three axes' variances, each (n_windows,) float32.

    Raises:
        KeyError: With the first channel that is missing.
    """
    acceleration, angular_rate = (
        np.sqrt(windows[:, :, channel_indices(channels, axes)].var(axis=1).sum(axis=1))
        for axes in (ACCELERATION, ANGULAR_RATE)
    )
    return acceleration, angular_rate


def _next_multiple(index: int, stride: int) -> int:
    return -(-index // stride) * stride


def _joined(before: ResampledRun, after: ResampledRun) -> ResampledRun:
    return ResampledRun(
        before.index,
        np.concatenate([before.times_us, after.times_us]),
        np.concatenate([before.last_sequences, after.last_sequences]),
        np.concatenate([before.samples, after.samples]),
        before.continues,
    )


def _from_index(run: ResampledRun, index: int) -> ResampledRun:
    offset = max(0, index - run.index)
    return ResampledRun(
        max(run.index, index),
        run.times_us[offset:],
        run.last_sequences[offset:],
        run.samples[offset:],
        run.continues,
    )
