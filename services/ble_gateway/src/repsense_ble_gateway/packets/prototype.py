"""The packet of the 2018 research prototype: one sample of nine channels in 18 bytes.

    offset  type       value
    0       int16 x 3  acceleration x, y, z in mg
    6       int16 x 3  angular rate x, y, z in 0.01 deg/s
    12      int16 x 3  magnetic field x, y, z in mG

Little-endian. There is no sequence number, clock or rate: the firmware refreshes the characteristic every 0.5 s.
The layout is the one that the prototype's collector decoded.
"""

import math
from dataclasses import dataclass

import numpy as np

from repsense.channels import CHANNELS
from repsense_ble_gateway.packets import STANDARD_GRAVITY_M_S2, Packet, PacketError
from repsense_ble_gateway.packets.scaling import to_counts

__all__ = [
    "CHARACTERISTIC_UUID",
    "PACKET_BYTES",
    "SAMPLE_RATE_HZ",
    "PrototypeDecoder",
    "decode_packet",
    "encode_packet",
]

CHARACTERISTIC_UUID = "2d30c082-f39f-4ce6-923f-3484ea480596"
SAMPLE_RATE_HZ = 2.0
"""The firmware's refresh rate."""
PACKET_BYTES = 18

_SI_PER_LSB = np.repeat([STANDARD_GRAVITY_M_S2 / 1_000, math.radians(0.01), 0.1], 3)
"""mg, 0.01 deg/s and mG in m/s^2, rad/s and uT: 1 mG = 0.1 uT."""


def decode_packet(notification: bytes) -> Packet:
    """Decode one notification.

    Raises:
        PacketError: If it has another length; nothing else, whatever the bytes.
    """
    if len(notification) != PACKET_BYTES:
        msg = f"a packet of the prototype has {PACKET_BYTES} bytes, this one {len(notification)}"
        raise PacketError(msg)
    samples = np.frombuffer(notification, dtype="<i2").reshape(1, len(CHANNELS)) * _SI_PER_LSB
    return Packet(samples.astype(np.float32), CHANNELS)


def encode_packet(packet: Packet) -> bytes:
    """The bytes that the prototype would send for a packet of one sample; values out of range are clipped.

    Raises:
        ValueError: If the packet has not one sample of all nine channels.
    """
    if packet.channels != CHANNELS or packet.samples.shape != (1, len(CHANNELS)):
        msg = "the prototype sends one sample of all nine channels at a time"
        raise ValueError(msg)
    return to_counts(packet.samples, _SI_PER_LSB).astype("<i2").tobytes()


@dataclass(frozen=True, slots=True)
class PrototypeDecoder:
    """See `PacketDecoder`; every notification stands for itself."""

    def decode(self, notification: bytes) -> list[Packet]:
        """See `PacketDecoder`."""
        return [decode_packet(notification)]
