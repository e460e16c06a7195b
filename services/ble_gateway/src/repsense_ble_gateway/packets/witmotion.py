"""The frame of WitMotion's Bluetooth 5.0 sensors: one sample in 20 bytes.

    offset  type       value
    0       uint8 x 2  0x55 0x61
    2       int16 x 3  acceleration x, y, z; 32768 is the range, 16 g
    8       int16 x 3  angular rate x, y, z; 32768 is the range, 2000 deg/s
    14      int16 x 3  angle about x, y, z; 32768 is 180 deg

Little-endian; no time, sequence or checksum. The angles are what the sensor makes of the other six, not a
measurement, and are dropped. A register that was read comes as 0x55 0x71, also 20 bytes, and is skipped.

Sources: WT901BLECL datasheet (v20-0707), section 6.1; WITMOTION/WitBluetooth_BWT901BLE5_0, device_model.py, whose
service ends in 00805f9a34fb, one letter off the Bluetooth base 00805f9b34fb. Where sources disagree:

- 200 Hz is 0x0B in WitMotion's standard protocol and that of the WT9011DCL-BT50, 0x0A in the WT901BLECL datasheet
  v23-0420. 0x0B is sent here. All agree on the slower ones.
- The magnetic field is only answered when asked for (register 0x3A). One count is 1 mG in the WT901BLECL 5.0 manual;
  other WitMotion documents give 0.013 to 0.15 uT by the part in use. Since no source settles it, it is left out.
- Some units are said to use the Bluetooth base, or fff0, fff1 and fff2; they are not recognised.

A sensor that was set to send displacements (register 0x96) uses the same header, and cannot be told apart.
"""

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from repsense.channels import ACCELERATION, ANGULAR_RATE
from repsense_ble_gateway.packets import STANDARD_GRAVITY_M_S2, Packet, PacketError
from repsense_ble_gateway.packets.scaling import checked_samples, to_counts

__all__ = [
    "ACCELERATION_RANGE_G",
    "ANGULAR_RATE_RANGE_DEG_S",
    "CHANNELS",
    "CHARACTERISTIC_UUID",
    "FRAME_BYTES",
    "RATE_CODES",
    "SAMPLE_RATE_HZ",
    "SERVICE_UUID",
    "UNLOCK",
    "WRITE_UUID",
    "WitMotionDecoder",
    "decode_frame",
    "encode_frame",
    "rate_command",
]

SERVICE_UUID = "0000ffe5-0000-1000-8000-00805f9a34fb"
CHARACTERISTIC_UUID = "0000ffe4-0000-1000-8000-00805f9a34fb"
"""It notifies."""
WRITE_UUID = "0000ffe9-0000-1000-8000-00805f9a34fb"
CHANNELS = ACCELERATION + ANGULAR_RATE
FRAME_BYTES = 20
ACCELERATION_RANGE_G = 16.0
ANGULAR_RATE_RANGE_DEG_S = 2000.0
SAMPLE_RATE_HZ = 50.0
"""What the gateway asks for by default; the factory setting is 10 Hz."""

RATE_CODES: Mapping[float, int] = MappingProxyType(
    {0.2: 0x01, 0.5: 0x02, 1: 0x03, 2: 0x04, 5: 0x05, 10: 0x06, 20: 0x07, 50: 0x08, 100: 0x09, 200: 0x0B}
)
"""Samples per second and what stands for them in register 3."""
UNLOCK = bytes.fromhex("ffaa6988b5")
"""Must come before a register is written, by all sources; holds for ten seconds."""

_HEADER = 0x55
_SAMPLE = 0x61
_REGISTER = 0x71
_N_BITS = 15
_N_ANGLES = 3


def rate_command(rate_hz: float) -> bytes:
    """What to write for a rate out of `RATE_CODES`; it is forgotten when the sensor is switched off."""
    return struct.pack("<BBBH", 0xFF, 0xAA, 0x03, RATE_CODES[rate_hz])


@lru_cache
def _si_per_count(acceleration_range_g: float, angular_rate_range_deg_s: float) -> NDArray[np.float64]:
    ranges = [acceleration_range_g * STANDARD_GRAVITY_M_S2, math.radians(angular_rate_range_deg_s)]
    return np.repeat(np.array(ranges) / 2**_N_BITS, len(ACCELERATION))


def decode_frame(
    frame: bytes,
    acceleration_range_g: float = ACCELERATION_RANGE_G,
    angular_rate_range_deg_s: float = ANGULAR_RATE_RANGE_DEG_S,
) -> NDArray[np.float32]:
    """Decode one frame.

    Returns:
        (6,) float32: acceleration in m/s^2, angular rate in rad/s.

    Raises:
        PacketError: If it is not such a frame; nothing else, whatever the bytes.
    """
    if len(frame) != FRAME_BYTES or frame[:2] != bytes([_HEADER, _SAMPLE]):
        msg = f"a WitMotion frame has {FRAME_BYTES} bytes and begins with 55 61, not {frame[:2].hex(' ') or 'nothing'}"
        raise PacketError(msg)
    counts = np.frombuffer(frame, dtype="<i2", offset=2, count=len(CHANNELS))
    return checked_samples(counts * _si_per_count(acceleration_range_g, angular_rate_range_deg_s))


def encode_frame(
    sample: NDArray[np.float32],
    acceleration_range_g: float = ACCELERATION_RANGE_G,
    angular_rate_range_deg_s: float = ANGULAR_RATE_RANGE_DEG_S,
) -> bytes:
    """The frame of a sample, (6,) as from `decode_frame`; values out of range are clipped, the angles are 0."""
    counts = to_counts(sample, _si_per_count(acceleration_range_g, angular_rate_range_deg_s))
    return bytes([_HEADER, _SAMPLE]) + counts.astype("<i2").tobytes() + bytes(2 * _N_ANGLES)


@dataclass(slots=True)
class WitMotionDecoder:
    """See `PacketDecoder`. Frames may be split or joined across notifications.

    Attributes:
        acceleration_range_g: What 32768 stands for.
        angular_rate_range_deg_s: Likewise.
    """

    acceleration_range_g: float = ACCELERATION_RANGE_G
    angular_rate_range_deg_s: float = ANGULAR_RATE_RANGE_DEG_S
    _begun: bytes = b""
    """The first part of a frame, shorter than a frame."""

    def decode(self, notification: bytes) -> list[Packet]:
        """See `PacketDecoder`; the samples of all frames that end in this notification are one packet."""
        frames, begun = _split(self._begun, notification)
        if not frames and not begun:
            msg = f"{len(notification)} bytes without a WitMotion frame, which begins with 55 61"
            raise PacketError(msg)
        samples = [
            decode_frame(frame, self.acceleration_range_g, self.angular_rate_range_deg_s)
            for frame in frames
            if frame[1] == _SAMPLE
        ]
        self._begun = begun
        return [Packet(np.stack(samples), CHANNELS)] if samples else []


def _split(begun: bytes, notification: bytes) -> tuple[list[bytes], bytes]:
    """The frames that end in a notification, and the beginning of one that does not.

    A frame of two notifications counts only if another header or nothing follows: if the notification between them
    was lost, a whole frame that comes next would otherwise be taken for the missing end.
    """
    data = begun + notification
    frames: list[bytes] = []
    position = 0
    while (start := _find_header(data, position)) < len(data):
        end = start + FRAME_BYTES
        if end > len(data):
            return frames, data[start:]
        if start < len(begun) < end and data[end : end + 1] not in (b"", bytes([_HEADER])):
            position = start + 1
            continue
        frames.append(data[start:end])
        position = end
    return frames, b""


def _find_header(data: bytes, position: int) -> int:
    """Where a frame may begin, from a position on; the length of the data if nowhere."""
    while (start := data.find(_HEADER, position)) >= 0:
        if data[start + 1 : start + 2] in (b"", bytes([_SAMPLE]), bytes([_REGISTER])):
            return start
        position = start + 1
    return len(data)
