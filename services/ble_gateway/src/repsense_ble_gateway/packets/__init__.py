"""Packets: what a sensor's notifications mean. A decoder turns bytes into samples in SI units.

The layout of each packet is a pure function in the module of its kind; a decoder adds what one connection has to
remember, such as the first half of a packet that was split.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from repsense.channels import Channel
from repsense.errors import RepSenseError

__all__ = ["STANDARD_GRAVITY_M_S2", "Packet", "PacketDecoder", "PacketError"]

STANDARD_GRAVITY_M_S2 = 9.80665
"""One g, by definition (CGPM 1901)."""


class PacketError(RepSenseError):
    """A notification is not a packet of the kind that the sensor should send."""


@dataclass(frozen=True, slots=True)
class Packet:
    """Consecutive samples, as the device sent them together.

    Attributes:
        samples: (n_samples, n_channels) float32, SI units; at least one sample, finite.
        channels: What the columns of `samples` are, in canonical order.
        sequence: The device's count of samples, of the first one here, modulo 2^32; None if it does not count.
        device_time_us: The device's clock at the first sample, microseconds; None without a clock.
        clock_wraps_us: After how many microseconds that clock begins at 0 again; None if it never does.
        sample_rate_hz: The rate that the device says it keeps; None if it does not say.
    """

    samples: NDArray[np.float32]
    channels: tuple[Channel, ...]
    sequence: int | None = None
    device_time_us: int | None = None
    clock_wraps_us: int | None = None
    sample_rate_hz: float | None = None


class PacketDecoder(Protocol):
    """Turns the notifications of one connection into packets; every connection has its own."""

    def decode(self, notification: bytes) -> list[Packet]:
        """Decode a notification.

        Returns:
            The packets that it completes, in order: none while a part is missing, several if they were joined.

        Raises:
            PacketError: If nothing of it can be used; nothing else is ever raised, whatever the bytes, and the
                next notification is decoded as if this one had not come.
        """
        ...
