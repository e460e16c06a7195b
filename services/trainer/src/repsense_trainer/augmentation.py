"""Augmentation: how a training window could have come out on another occasion. Never used when serving."""

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from repsense.channels import UNITS, Channel

__all__ = ["Augmentation", "augment"]

_Share = Annotated[float, Field(ge=0, le=1)]
_Deviation = Annotated[float, Field(ge=0)]


class Augmentation(BaseModel):
    """Strength of each random change; the README says what each is worth on sessions left out.

    There is no random amplitude of the whole movement: amplitude is what tells an incorrect push-up, which is a small
    one, from a correct one. The field's alone may vary, since it depends on more than the movement.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    magnetic_field_offset_ut: _Deviation = 8.0
    """Standard deviation of an offset that is constant over a window: another room, another way of wearing the sensor.

    A sensor whose level the network does not see needs none.
    """
    magnetic_swing: _Deviation = 0.5
    """Standard deviation of the logarithm of a factor on the field's change within a window.

    How far the field turns in the sensor's frame depends on where a person faces, not on the movement alone.
    """
    gain: _Deviation = 0.03
    """Standard deviation of each channel's gain about 1."""
    acceleration_noise_m_s2: _Deviation = 0.8
    angular_rate_noise_rad_s: _Deviation = 0.3
    magnetic_field_noise_ut: _Deviation = 2.0
    duplicated_share: _Share = 0.1
    """Share of windows in which one sample repeats the one before, as when a sensor is polled too early."""
    interpolated_share: _Share = 0.1
    """Share of windows in which one sample was lost and is interpolated."""

    def noises(self, channels: Sequence[Channel]) -> NDArray[np.float32]:
        """Standard deviation of each channel's noise: (n_channels,) float32, SI units."""
        return _per_channel(
            channels, self.acceleration_noise_m_s2, self.angular_rate_noise_rad_s, self.magnetic_field_noise_ut
        )

    def offsets(self, channels: Sequence[Channel]) -> NDArray[np.float32]:
        """Standard deviation of each channel's offset: (n_channels,) float32, SI units."""
        return _per_channel(channels, 0, 0, self.magnetic_field_offset_ut)


def augment(
    windows: NDArray[np.float32],
    channels: Sequence[Channel],
    augmentation: Augmentation,
    random: np.random.Generator,
) -> NDArray[np.float32]:
    """Change windows at random, each by itself.

    Args:
        windows: (n_windows, window_size, n_channels) float32, SI units; not changed.
        channels: What the last axis is.
        augmentation: How much.
        random: Where chance comes from.

    Returns:
        The changed windows, of the same shape and dtype.
    """
    n_windows, _, n_channels = windows.shape
    changed = windows.copy()
    _duplicate(changed, augmentation.duplicated_share, random)
    _interpolate(changed, augmentation.interpolated_share, random)
    _swing(changed, channels, augmentation.magnetic_swing, random)
    changed *= 1 + augmentation.gain * _normal(random, n_windows, 1, n_channels)
    changed += augmentation.offsets(channels) * _normal(random, n_windows, 1, n_channels)
    changed += augmentation.noises(channels) * _normal(random, *changed.shape)
    return changed


def _duplicate(windows: NDArray[np.float32], share: float, random: np.random.Generator) -> None:
    n_windows, window_size, _ = windows.shape
    rows = np.flatnonzero(random.random(n_windows) < share)
    at = random.integers(1, window_size, len(rows))
    windows[rows, at] = windows[rows, at - 1]


def _interpolate(windows: NDArray[np.float32], share: float, random: np.random.Generator) -> None:
    n_windows, window_size, _ = windows.shape
    n_ends = 2
    if window_size <= n_ends:
        return
    rows = np.flatnonzero(random.random(n_windows) < share)
    at = random.integers(1, window_size - 1, len(rows))
    windows[rows, at] = (windows[rows, at - 1] + windows[rows, at + 1]) / 2


def _swing(
    windows: NDArray[np.float32], channels: Sequence[Channel], deviation: float, random: np.random.Generator
) -> None:
    field = [index for index, channel in enumerate(channels) if UNITS[channel] == "uT"]
    mean = windows[:, :, field].mean(axis=1, keepdims=True)
    windows[:, :, field] = mean + (windows[:, :, field] - mean) * np.exp(
        deviation * _normal(random, len(windows), 1, 1)
    )


def _normal(random: np.random.Generator, *shape: int) -> NDArray[np.float32]:
    return random.standard_normal(shape, dtype=np.float32)


def _per_channel(
    channels: Sequence[Channel], acceleration: float, angular_rate: float, magnetic_field: float
) -> NDArray[np.float32]:
    of_unit = {"m/s^2": acceleration, "rad/s": angular_rate, "uT": magnetic_field}
    return np.array([of_unit[UNITS[channel]] for channel in channels], dtype=np.float32)
