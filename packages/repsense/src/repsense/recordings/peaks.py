"""What `movement` needs of signal processing, in numpy alone: moving means, the period of a rhythm, peaks."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["find_peaks", "find_period", "moving_mean", "smoothed"]

_SIMILAR = 0.6
"""Two rounds of a rhythm are as alike as one; the shortest lag that is nearly as good is the period."""
_MIN_ROUNDS = 2


def moving_mean(values: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """The mean over `size` values around each, or as many of them as there are.

    Args:
        values: (n,) or (n, n_columns).
        size: At least 1.
    """
    sums = np.concatenate([np.zeros_like(values[:1]), values.cumsum(axis=0)])
    places = np.arange(len(values))
    starts = np.maximum(places - size // 2, 0)
    stops = np.minimum(places - size // 2 + size, len(values))
    counts = (stops - starts).reshape(-1, *[1] * (values.ndim - 1))
    means: NDArray[np.float64] = (sums[stops] - sums[starts]) / counts
    return means


def smoothed(values: NDArray[np.float64], size: float) -> NDArray[np.float64]:
    """The moving mean of the moving mean: by weights that rise and fall evenly."""
    whole = max(1, round(size))
    return moving_mean(moving_mean(values, whole), whole)


def find_period(values: NDArray[np.float64], bounds: tuple[float, float], min_correlation: float) -> int | None:
    """The lag after which a signal repeats itself.

    Args:
        values: (n, n_channels), without drift. All channels count together, so that it does not matter along which axes
            they were taken.
        bounds: The shortest and the longest lag, in samples; also not more than half of the signal.
        min_correlation: How like itself the signal must be, of at most 1.

    Returns:
        The lag in samples; None if there is none.
    """
    n_values = len(values)
    n_lags = min(int(bounds[1]) + 2, n_values // _MIN_ROUNDS)
    size = 2 ** (2 * n_values - 1).bit_length()
    spectrum = np.fft.rfft(values, size, axis=0)
    correlation = np.fft.irfft((spectrum * spectrum.conj()).real.sum(axis=1), size)[:n_lags]
    if n_lags < 3 or correlation[0] <= 0:  # noqa: PLR2004 - a maximum has two neighbours
        return None
    correlation /= correlation[0]
    lags = _maxima(correlation)
    lags = lags[lags >= bounds[0]]
    if not len(lags) or correlation[lags].max() < min_correlation:
        return None
    alike = lags[correlation[lags] >= _SIMILAR * correlation[lags].max()]
    return int(alike[0])


def find_peaks(values: NDArray[np.float64], min_interval: float, min_prominence: float) -> list[int]:
    """Where a signal is at its highest.

    Args:
        values: (n,)
        min_interval: How far apart peaks must be; of those that are closer, the highest counts.
        min_prominence: How far the signal must fall on both sides before it is higher again.

    Returns:
        Indices, in order.
    """
    places = [int(place) for place in _maxima(values) if _prominence(values, int(place)) >= min_prominence]
    chosen: list[int] = []
    for place in sorted(places, key=lambda place: -values[place]):
        if all(abs(place - other) >= min_interval for other in chosen):
            chosen.append(place)
    return sorted(chosen)


def _maxima(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Where a value is higher than the one before and not lower than the next."""
    return np.flatnonzero((values[1:-1] > values[:-2]) & (values[1:-1] >= values[2:])) + 1


def _prominence(values: NDArray[np.float64], place: int) -> float:
    before, after = values[:place], values[place + 1 :]
    higher_before, higher_after = np.flatnonzero(before > values[place]), np.flatnonzero(after > values[place])
    start = int(higher_before[-1]) if len(higher_before) else 0
    stop = int(higher_after[0]) + 1 if len(higher_after) else len(after)
    return float(values[place] - max(before[start:].min(), after[:stop].min()))
