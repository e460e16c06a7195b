"""What a window looks like as a whole, in numbers that hardly depend on when it began.

The first ones, by which a window is compared with those of the training (see `familiarity`):

    level         mean of each level channel
    deviation     log of each channel's standard deviation
    norms         per sensor, of the change: logs of its root mean square and of its largest norm

and more, for the network:

    level         least and largest value of each level channel
    deviation     standard deviation and mean absolute deviation of each channel
    skewness      of each channel
    steps         log of the mean absolute step of each channel

Change is what is left of a window when its mean is taken away, so that everything but the level is blind to a sensor's
constant offset. Floors of about the sensors' noise keep the logarithms and quotients of a still window quiet.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops
from numpy.typing import NDArray

from repsense.channels import UNITS, Channel

__all__ = ["FLOORS", "floors_of", "level_tolerances", "n_compared", "sensor_indices", "window_statistics"]

FLOORS = {"m/s^2": 0.3, "rad/s": 0.05, "uT": 0.7}
"""By unit."""
_LEVEL_TOLERANCES = {"m/s^2": 1.0, "rad/s": 0.2, "uT": 8.0}
"""By unit: how far the level of a channel may lie on another occasion, beyond what the training shows."""


def window_statistics(samples: Any, channels: Sequence[Channel], level_indices: Sequence[int]) -> Any:  # noqa: ANN401
    """Statistics of windows, in the graph of a network or at once.

    Args:
        samples: (n_windows, window_size, n_channels) float32, SI units: an array or a Keras tensor.
        channels: What the last axis is.
        level_indices: The channels whose level counts.

    Returns:
        (n_windows, n_statistics) float32, a tensor.
    """
    mean = ops.mean(samples, axis=1, keepdims=True)
    change = samples - mean
    level = ops.take(samples, list(level_indices), axis=2)
    deviation = ops.sqrt(ops.mean(ops.square(change), axis=1)) + floors_of(channels)
    norms = []
    for unit, indices in sensor_indices(channels):
        squares = ops.sum(ops.square(ops.take(change, indices, axis=2)), axis=2)
        norms += [
            ops.log(ops.sqrt(square) + FLOORS[unit])
            for square in (ops.mean(squares, axis=1, keepdims=True), ops.max(squares, axis=1, keepdims=True))
        ]
    return ops.concatenate(
        [
            ops.mean(level, axis=1),
            ops.log(deviation),
            *norms,
            ops.min(level, axis=1),
            ops.max(level, axis=1),
            deviation,
            ops.mean(ops.abs(change), axis=1),
            ops.mean(ops.power(change, 3), axis=1) / ops.power(deviation, 3),
            ops.log(ops.mean(ops.abs(change[:, 1:] - change[:, :-1]), axis=1) + floors_of(channels)),
        ],
        axis=1,
    )


def n_compared(channels: Sequence[Channel], level_indices: Sequence[int]) -> int:
    """How many of the statistics, from the first on, windows are compared by."""
    return len(level_indices) + len(channels) + 2 * len(sensor_indices(channels))


def level_tolerances(channels: Sequence[Channel], level_indices: Sequence[int]) -> NDArray[np.float32]:
    """How far each of the first statistics, the levels, may lie off on another occasion: float32, SI units."""
    return np.array([_LEVEL_TOLERANCES[UNITS[channels[index]]] for index in level_indices], dtype=np.float32)


def floors_of(channels: Sequence[Channel]) -> NDArray[np.float32]:
    """The floor of each channel: (n_channels,) float32, SI units."""
    return np.array([FLOORS[UNITS[channel]] for channel in channels], dtype=np.float32)


def sensor_indices(channels: Sequence[Channel]) -> list[tuple[str, list[int]]]:
    """The unit of each sensor among the channels, and where its channels are."""
    of_unit: dict[str, list[int]] = {}
    for index, channel in enumerate(channels):
        of_unit.setdefault(UNITS[channel], []).append(index)
    return list(of_unit.items())
