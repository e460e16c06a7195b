"""Packets: what a sensor's notifications mean. A decoder is a pure function from bytes to samples in SI units."""

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
    """The samples of one notification.

    Attributes:
        samples: (n_samples, n_channels) float32, SI units; at least one sample.
        channels: What the columns of `samples` are.
        sequence: The device's count of samples, of the first one here, modulo 2^32; None if it does not count.
        device_time_us: The device's clock at the first sample, microseconds modulo 2^32; None without a clock.
        sample_rate_hz: The rate that the device says it keeps; None if it does not say.
    """

    samples: NDArray[np.float32]
    channels: tuple[Channel, ...]
    sequence: int | None = None
    device_time_us: int | None = None
    sample_rate_hz: float | None = None


class PacketDecoder(Protocol):
    """Turns one notification into a packet."""

    def __call__(self, notification: bytes) -> Packet:
        """Decode a notification.

        Raises:
            PacketError: If it is not such a packet; nothing else is ever raised, whatever the bytes.
        """
        ...
