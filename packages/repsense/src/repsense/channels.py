"""The channels of an inertial measurement unit, in the one order that RepSense uses everywhere."""

from collections.abc import Sequence
from enum import StrEnum

__all__ = ["ACCELERATION", "ANGULAR_RATE", "CHANNELS", "MAGNETIC_FIELD", "UNITS", "Channel", "channel_indices"]


class Channel(StrEnum):
    """One axis of one sensor: acceleration a, angular rate g, magnetic field m."""

    AX = "ax"
    AY = "ay"
    AZ = "az"
    GX = "gx"
    GY = "gy"
    GZ = "gz"
    MX = "mx"
    MY = "my"
    MZ = "mz"


CHANNELS: tuple[Channel, ...] = tuple(Channel)
"""All nine channels in canonical order: ax ay az gx gy gz mx my mz."""

ACCELERATION = (Channel.AX, Channel.AY, Channel.AZ)
ANGULAR_RATE = (Channel.GX, Channel.GY, Channel.GZ)
MAGNETIC_FIELD = (Channel.MX, Channel.MY, Channel.MZ)

UNITS: dict[Channel, str] = {
    channel: unit
    for unit, channels in (
        ("m/s^2", ACCELERATION),
        ("rad/s", ANGULAR_RATE),
        ("uT", MAGNETIC_FIELD),
    )
    for channel in channels
}
"""The unit in which each channel travels and is stored."""


def channel_indices(available: Sequence[Channel], wanted: Sequence[Channel]) -> list[int]:
    """Find the columns that hold the wanted channels.

    Args:
        available: The channels of an array's columns, in column order.
        wanted: The channels to pick, in the order in which they are needed.

    Returns:
        One column index per wanted channel.

    Raises:
        KeyError: With the first wanted channel that is not available.
    """
    columns = {channel: column for column, channel in enumerate(available)}
    return [columns[channel] for channel in wanted]
