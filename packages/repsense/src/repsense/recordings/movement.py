"""How much moves in a signal, from when to when, and how often, whatever the sensor and wherever it is worn."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from repsense.channels import ACCELERATION, ANGULAR_RATE, MAGNETIC_FIELD, Channel
from repsense.recordings.peaks import find_peaks, find_period, moving_mean, smoothed

__all__ = ["AT_REST_M_S2", "MAX_PREVIEW_VALUES", "find_movement", "find_repetitions", "movement", "preview"]

MAX_PREVIEW_VALUES = 120
"""As many as a small picture has room for."""
_PREVIEW_DIGITS = 2

_SPREAD_S = 0.5
"""Over how long the change of acceleration and field is looked at: the shortest movements take about as long."""
_MIN_SPREAD_SAMPLES = 3
_GRAVITY_M_S2 = 9.80665
_PER_RAD_S = _GRAVITY_M_S2 * _SPREAD_S / 12**0.5
"""What turning at 1 rad/s does to the acceleration: gravity turns along, and spreads evenly over so much."""
_PER_MICROTESLA = _GRAVITY_M_S2 / 50
"""The earth's field is some 50 uT; turned by as much, it changes by as large a share as gravity does."""
_UNITS: dict[Channel, float] = {
    channel: unit
    for channels, unit in ((ACCELERATION, 1.0), (ANGULAR_RATE, _PER_RAD_S), (MAGNETIC_FIELD, _PER_MICROTESLA))
    for channel in channels
}
"""What each channel's unit is worth, m/s^2."""

AT_REST_M_S2 = 0.3
"""Nobody trains with less; a sensor that lies still shows a tenth or two."""
_QUIETEST, _LIVELIEST = 3, 95
"""Percentiles of the movement: what is at rest, if anything, and what is in full swing."""
_STANDS_OUT = 4.0
"""How many times as much must move in full swing as at rest."""
_ONSET_SHARE = 0.15
"""Of the way from rest to full swing, where movement begins."""
_PAUSE_S = 2.0
"""A movement may rest for so long; what comes later is another one."""
_SLIGHT_SHARE = 1 / 3
"""Movements that are shorter than this, compared with the longest, are no part of it: somebody sits down."""
_GENEROUS_S = 0.15
"""Added before and after. The movement was spread as long over time, so that it is a little more."""

_REPETITION_RATE_HZ = 25.0
"""Enough to find repetitions, which take half a second at least."""
_REPETITION_S = (0.5, 8.0)
_TREMBLE_S = 0.2
"""What is faster is no repetition."""
_DRIFT_S = 6.0
"""What is slower, neither."""
_LURCH = 3.0
"""How many times as far as usual no repetition swings."""
_MIN_RHYTHM = 0.15
"""Autocorrelation of a rhythm; of random movement as slow as repetitions it is less in nine cases of ten."""
_SMOOTH_PERIODS, _LEVEL_PERIODS = 0.2, 2.0
"""How much is smoothed away, and over how long the level is taken, in periods of the rhythm."""
_MIN_INTERVAL_PERIODS = 0.6
_MIN_PROMINENCE = 0.4
"""Of a repetition, as a share of the usual swing."""
_SWING = 10, 90
"""The percentiles of the usual swing."""
_EDGE_PERIODS = 1 / 6
"""How long the beginning and the end are, where nothing has been lifted yet or any more."""


def movement(samples: NDArray[np.float32], channels: Sequence[Channel], sample_rate_hz: float) -> NDArray[np.float32]:
    """How much moves at each sample; constant offsets, gravity among them, do not count.

    Args:
        samples: (n_samples, n_channels) float32, SI units.
        channels: What the columns are; any will do. The field counts only if there is nothing else.
        sample_rate_hz: The rate.

    Returns:
        (n_samples,) float32, by and large in m/s^2: how far the acceleration spreads over half a second, and the
        angular rate as what turning does to gravity. Some 0.1 at rest, 1 to 10 in exercises.
    """
    values = samples.astype(np.float64)
    if not len(values):
        return np.empty(0, np.float32)
    values -= np.median(values, axis=0)
    values *= _units(channels)
    size = max(_MIN_SPREAD_SAMPLES, round(_SPREAD_S * sample_rate_hz))
    square = np.zeros(len(values))
    has_inertial = not {*ACCELERATION, *ANGULAR_RATE}.isdisjoint(channels)
    for column, channel in enumerate(channels):
        mean_square = moving_mean(values[:, column] ** 2, size)
        if channel in ANGULAR_RATE:
            square += mean_square
        elif channel in ACCELERATION or not has_inertial:
            # What rounding makes of a constant may be less than nothing.
            square += np.maximum(mean_square - moving_mean(values[:, column], size) ** 2, 0)
    # Several channels together may be more than float32 holds, where each of them alone is not.
    moves: NDArray[np.float32] = np.minimum(np.sqrt(square), np.finfo(np.float32).max).astype(np.float32)
    return moves


def preview(samples: NDArray[np.float32], channels: Sequence[Channel], sample_rate_hz: float) -> list[float]:
    """The movement for a small picture.

    Args:
        samples: As for `movement`, as are the others.
        channels: What the columns are.
        sample_rate_hz: The rate.

    Returns:
        At most `MAX_PREVIEW_VALUES` means of equal parts, m/s^2; as many as there are samples if these are fewer.
    """
    moves = movement(samples, channels, sample_rate_hz).astype(np.float64)
    if not len(moves):
        return []
    starts = np.linspace(0, len(moves), min(len(moves), MAX_PREVIEW_VALUES), endpoint=False).astype(np.int64)
    means = np.add.reduceat(moves, starts) / np.diff([*starts, len(moves)])
    return [float(value) for value in means.round(_PREVIEW_DIGITS)]


def find_movement(samples: NDArray[np.float32], channels: Sequence[Channel], sample_rate_hz: float) -> tuple[int, int]:
    """Find what is worth keeping of a take: from where the movement begins to where it ends.

    It may pause in between, and what is much shorter, before or after a pause, is no part of it. A fifth of a second
    before and after is kept.

    Args:
        samples: As for `movement`, as are the others.
        channels: What the columns are.
        sample_rate_hz: The rate.

    Returns:
        The first sample, and one after the last; the whole take if nothing in it stands out from rest.
    """
    moves = movement(samples, channels, sample_rate_hz)
    if not len(moves):
        return 0, 0
    at_rest, in_swing = np.percentile(moves, [_QUIETEST, _LIVELIEST])
    if in_swing < max(AT_REST_M_S2, _STANDS_OUT * at_rest):
        return 0, len(moves)
    edges = np.diff(np.concatenate([[False], moves > at_rest + _ONSET_SHARE * (in_swing - at_rest), [False]]))
    starts, stops = np.flatnonzero(edges)[::2], np.flatnonzero(edges)[1::2]
    paused = starts[1:] - stops[:-1] > _PAUSE_S * sample_rate_hz
    starts, stops = starts[np.concatenate([[True], paused])], stops[np.concatenate([paused, [True]])]
    is_long = stops - starts >= _SLIGHT_SHARE * (stops - starts).max()
    generous = round(_GENEROUS_S * sample_rate_hz)
    return max(0, int(starts[is_long][0]) - generous), min(len(moves), int(stops[is_long][-1]) + generous)


def find_repetitions(samples: NDArray[np.float32], channels: Sequence[Channel], sample_rate_hz: float) -> list[int]:
    """Find the repetitions of an exercise.

    The rhythm is that of all channels together, so it does not depend on how the sensor lies. Along the direction in
    which most moves in that rhythm, a repetition is what stands out from where the movement begins and ends.

    Args:
        samples: As for `movement`, as are the others.
        channels: What the columns are.
        sample_rate_hz: The rate.

    Returns:
        The sample in the middle of each repetition, in order; none without two rounds of a rhythm.
    """
    start, stop = find_movement(samples, channels, sample_rate_hz)
    step = max(1, int(sample_rate_hz / _REPETITION_RATE_HZ))
    n_steps = (stop - start) // step
    if not n_steps or np.percentile(movement(samples, channels, sample_rate_hz), _LIVELIEST) < AT_REST_M_S2:
        return []
    taken = samples[start : start + n_steps * step].astype(np.float64).reshape(n_steps, step, len(channels))
    values = taken.mean(axis=1) * _units(channels)
    rate_hz = sample_rate_hz / step
    swinging = smoothed(values, _TREMBLE_S * rate_hz) - smoothed(values, _DRIFT_S * rate_hz)
    bounds = (_REPETITION_S[0] * rate_hz, _REPETITION_S[1] * rate_hz)
    period = find_period(_without_lurches(swinging), bounds, _MIN_RHYTHM)
    if period is None:
        return []
    for column, channel in enumerate(channels):
        if channel in ANGULAR_RATE:
            # The angle, and what it does to gravity: like the others, it says where the sensor is.
            rates = values[:, column] - values[:, column].mean()
            values[:, column] = np.cumsum(rates) / rate_hz * (_GRAVITY_M_S2 / _PER_RAD_S)
    position = _principal(smoothed(values, _SMOOTH_PERIODS * period) - smoothed(values, _LEVEL_PERIODS * period))
    low, high = np.percentile(position, _SWING)
    above, below = (
        find_peaks(signed, _MIN_INTERVAL_PERIODS * period, _MIN_PROMINENCE * (high - low))
        for signed in (position, -position)
    )
    if len(above) == len(below):
        edge = max(1, round(_EDGE_PERIODS * period))
        begins_above = position[:edge].mean() + position[-edge:].mean() > 0
    else:
        # Who begins and ends at one side is at the other side once more in between.
        begins_above = len(below) > len(above)
    return [start + place * step + step // 2 for place in (below if begins_above else above)]


def _units(channels: Sequence[Channel]) -> NDArray[np.float64]:
    return np.array([_UNITS[channel] for channel in channels])


def _without_lurches(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shorten the samples, (n, n_channels), that are far longer than most, as where somebody gets down on the floor."""
    lengths = np.linalg.norm(values, axis=1)
    longest = _LURCH * np.median(lengths)
    return values * (longest / np.maximum(lengths, longest))[:, np.newaxis] if longest > 0 else values


def _principal(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values, (n, n_channels), along the direction in which they spread most."""
    centred = values - values.mean(axis=0)
    _, directions = np.linalg.eigh(centred.T @ centred)
    along: NDArray[np.float64] = centred @ directions[:, -1]
    return along
