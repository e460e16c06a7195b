"""The RepSense packet: several samples per notification, with sequence, clock, rate and channels.

    offset  type    value
    0       uint8   version, 1
    1       uint8   n, number of samples, from 1
    2       uint16  channel mask: bit i stands for the i-th channel in canonical order, ax ay az gx gy gz mx my mz
    4       uint32  sequence: the device's count of samples since it was started, of the first one here; wraps
    8       uint32  device clock at the first sample, microseconds; wraps every 71.6 minutes
    12      uint16  sample rate in 0.1 Hz
    14      int16   n x channels values, sample by sample

Little-endian. Fixed scales: acceleration 1/2048 g (+-16 g), angular rate 2000/32768 deg/s (+-2000 deg/s), magnetic
field 0.15 uT (the resolution of the AK8963 in an MPU-9250 with 16 bits). docs/hardware.md has this for makers of
firmware. The unit of loss on the air is the notification, so the sequence counts samples, not notifications: a
reader knows how many are missing without knowing how many each packet held. A packet is never split: it holds as
many samples as fit the ATT MTU that was negotiated.
"""

import math
import struct
from dataclasses import dataclass

import numpy as np

from repsense.channels import CHANNELS, UNITS
from repsense_ble_gateway.packets import STANDARD_GRAVITY_M_S2, Packet, PacketError
from repsense_ble_gateway.packets.scaling import to_counts

__all__ = [
    "CHARACTERISTIC_UUID",
    "CLOCK_WRAPS_US",
    "MAX_RATE_HZ",
    "MIN_RATE_HZ",
    "SEQUENCE_MODULUS",
    "SERVICE_UUID",
    "SI_PER_LSB",
    "RepSenseDecoder",
    "decode_packet",
    "encode_packet",
    "samples_per_notification",
]

SERVICE_UUID = "bdd066e2-d432-4603-857e-07a67e3d137c"
CHARACTERISTIC_UUID = "bdd066e3-d432-4603-857e-07a67e3d137c"
"""From one random UUID (version 4); they belong to RepSense."""
SEQUENCE_MODULUS = 2**32
CLOCK_WRAPS_US = 2**32
MIN_RATE_HZ = 0.1
MAX_RATE_HZ = 6553.5
"""What a uint16 in 0.1 Hz can say."""

_VERSION = 1
_HEADER = struct.Struct("<BBHIIH")
_RATE_PER_HZ = 10
_MAX_SAMPLES = 255
_PAYLOAD_BYTES = 244
"""Of a notification with the 247-byte ATT MTU that most stacks agree on: it fills one data packet of Bluetooth 4.2."""
_NOTIFICATION_S = 0.1
"""How much time one notification may span: live enough, and ten connection events a second cost little power."""
_MASK = (1 << len(CHANNELS)) - 1

SI_PER_LSB = {
    channel: {"m/s^2": STANDARD_GRAVITY_M_S2 / 2048, "rad/s": math.radians(2000 / 32768), "uT": 0.15}[UNITS[channel]]
    for channel in CHANNELS
}
"""Scale of each channel: SI units per least significant bit."""


def samples_per_notification(sample_rate_hz: float, n_channels: int, payload_bytes: int = _PAYLOAD_BYTES) -> int:
    """How many samples a device should put into one notification.

    Args:
        sample_rate_hz: The device's rate.
        n_channels: How many values a sample has.
        payload_bytes: What a notification can hold: the negotiated ATT MTU less 3.

    Raises:
        ValueError: If not even one sample fits.
    """
    fitting = (payload_bytes - _HEADER.size) // (2 * n_channels)
    if fitting < 1:
        needed = _HEADER.size + 2 * n_channels
        msg = f"a RepSense packet of {n_channels} channels has at least {needed} bytes, more than {payload_bytes}"
        raise ValueError(msg)
    return max(1, min(fitting, math.floor(sample_rate_hz * _NOTIFICATION_S), _MAX_SAMPLES))


def decode_packet(notification: bytes) -> Packet:
    """Decode one notification.

    Raises:
        PacketError: If it is not a RepSense packet; nothing else, whatever the bytes.
    """
    if len(notification) < _HEADER.size:
        msg = f"a RepSense packet has at least {_HEADER.size} bytes, this one {len(notification)}"
        raise PacketError(msg)
    version, n_samples, mask, sequence, device_time_us, rate = _HEADER.unpack_from(notification)
    if version != _VERSION:
        msg = f"RepSense packet of version {version}; this gateway reads version {_VERSION}"
        raise PacketError(msg)
    if not n_samples or not rate or not mask or mask & ~_MASK:
        msg = f"RepSense packet with {n_samples} samples, rate {rate} and channel mask {mask:#06x}"
        raise PacketError(msg)
    channels = tuple(channel for bit, channel in enumerate(CHANNELS) if mask & 1 << bit)
    expected_bytes = _HEADER.size + 2 * n_samples * len(channels)
    if len(notification) != expected_bytes:
        msg = (
            f"RepSense packet of {n_samples} samples of {len(channels)} channels must have {expected_bytes} bytes, "
            f"this one has {len(notification)}"
        )
        raise PacketError(msg)
    counts = np.frombuffer(notification, dtype="<i2", offset=_HEADER.size).reshape(n_samples, len(channels))
    samples = counts * np.array([SI_PER_LSB[channel] for channel in channels])
    return Packet(
        samples.astype(np.float32),
        channels,
        sequence=sequence,
        device_time_us=device_time_us,
        clock_wraps_us=CLOCK_WRAPS_US,
        sample_rate_hz=rate / _RATE_PER_HZ,
    )


def encode_packet(packet: Packet) -> bytes:
    """The bytes of a packet; values beyond a channel's range are clipped to it.

    Raises:
        ValueError: If there is no sequence, clock or rate, or what the header must say does not fit into it.
    """
    n_samples = len(packet.samples)
    if packet.sequence is None or packet.device_time_us is None or packet.sample_rate_hz is None:
        msg = "a RepSense packet needs sequence, device time and sample rate"
        raise ValueError(msg)
    rate = round(packet.sample_rate_hz * _RATE_PER_HZ)
    if not 1 <= n_samples <= _MAX_SAMPLES or not 1 <= rate <= np.iinfo(np.uint16).max:
        msg = f"a RepSense packet cannot say {n_samples} samples at {packet.sample_rate_hz} Hz"
        raise ValueError(msg)
    if packet.channels != tuple(channel for channel in CHANNELS if channel in packet.channels):
        msg = f"channels must be in canonical order, not {', '.join(packet.channels)}"
        raise ValueError(msg)
    mask = sum(1 << bit for bit, channel in enumerate(CHANNELS) if channel in packet.channels)
    header = _HEADER.pack(
        _VERSION, n_samples, mask, packet.sequence % SEQUENCE_MODULUS, packet.device_time_us % CLOCK_WRAPS_US, rate
    )
    si_per_lsb = np.array([SI_PER_LSB[channel] for channel in packet.channels])
    return header + to_counts(packet.samples, si_per_lsb).astype("<i2").tobytes()


@dataclass(frozen=True, slots=True)
class RepSenseDecoder:
    """See `PacketDecoder`; every notification is one packet."""

    def decode(self, notification: bytes) -> list[Packet]:
        """See `PacketDecoder`."""
        return [decode_packet(notification)]
