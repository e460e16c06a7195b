"""Augmentation: how a training window could have come out on another occasion. Never used when serving."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from repsense.channels import ACCELERATION, ANGULAR_RATE, MAGNETIC_FIELD, UNITS, Channel, channel_indices
from repsense.training import Augmentation

__all__ = ["augment", "weakened"]


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
    _rotate(changed, channels, augmentation.rotation_rad, random)
    changed *= 1 + augmentation.gain * _normal(random, n_windows, 1, n_channels)
    offset = _per_channel(channels, 0, 0, augmentation.magnetic_field_offset_ut)
    changed += offset * _normal(random, n_windows, 1, n_channels)
    noise = _per_channel(
        channels,
        augmentation.acceleration_noise_m_s2,
        augmentation.angular_rate_noise_rad_s,
        augmentation.magnetic_field_noise_ut,
    )
    changed += noise * _normal(random, *changed.shape)
    return changed


def weakened(augmentation: Augmentation, share: float) -> Augmentation:
    """The same with a share of its offsets and noise."""
    names = (
        "magnetic_field_offset_ut",
        "acceleration_noise_m_s2",
        "angular_rate_noise_rad_s",
        "magnetic_field_noise_ut",
    )
    return augmentation.model_copy(update={name: share * getattr(augmentation, name) for name in names})


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


def _rotate(
    windows: NDArray[np.float32], channels: Sequence[Channel], deviation_rad: float, random: np.random.Generator
) -> None:
    """Turn each window's sensor frame about an axis of its own, for every sensor that has all three axes."""
    if not deviation_rad:
        return
    turns = _rotations(deviation_rad * _normal(random, len(windows), 3))
    for axes in (ACCELERATION, ANGULAR_RATE, MAGNETIC_FIELD):
        if set(axes) <= set(channels):
            columns = channel_indices(channels, axes)
            windows[:, :, columns] = windows[:, :, columns] @ turns


def _rotations(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rotation matrices, (n, 3, 3), of rotation vectors, (n, 3) in rad, by Rodrigues' formula."""
    angles = np.linalg.norm(vectors, axis=1)[:, np.newaxis, np.newaxis]
    x, y, z = (vectors / np.maximum(angles[:, 0], np.finfo(np.float32).tiny)).T
    zero = np.zeros_like(x)
    cross = np.array([[zero, -z, y], [z, zero, -x], [-y, x, zero]]).transpose(2, 0, 1)
    turned = np.eye(3) + np.sin(angles) * cross + (1 - np.cos(angles)) * (cross @ cross)
    return np.asarray(turned, dtype=np.float32)


def _normal(random: np.random.Generator, *shape: int) -> NDArray[np.float32]:
    return random.standard_normal(shape, dtype=np.float32)


def _per_channel(
    channels: Sequence[Channel], acceleration: float, angular_rate: float, magnetic_field: float
) -> NDArray[np.float32]:
    of_unit = {"m/s^2": acceleration, "rad/s": angular_rate, "uT": magnetic_field}
    return np.array([of_unit[UNITS[channel]] for channel in channels], dtype=np.float32)
