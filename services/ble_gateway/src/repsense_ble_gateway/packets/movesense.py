"""Movesense's GATT SensorData Protocol (GSP), version 1, as far as the inertial sensors need it.

    command            offset  type    value
    subscribe          0       uint8   1
                       1       uint8   reference, chosen by the client: it comes back in all that answers
                       2       text    resource, such as /Meas/IMU6/52
    unsubscribe        0       uint8   2
                       1       uint8   reference

    notification       offset  type                 value
    answer             0       uint8                1
                       1       uint8                reference
                       2       uint16               status as in HTTP: 200 is success
    data               0       uint8                2
                       1       uint8                reference
                       2       uint32               device clock at the first sample, ms; wraps every 49.7 days
                       6       float32 x 3 x n      acceleration x, y, z of n samples, m/s^2
                               float32 x 3 x n      angular rate of the same samples, deg/s
                               float32 x 3 x n      magnetic field of the same samples, uT (IMU9 only)
    data, continued    0       uint8                3, and 4 for a third part
                       1       uint8                reference
                       2                            what did not fit into the notification before

Little-endian. The number of samples follows from the length: a part that does not end with a whole sample is
continued. (With the 161-byte MTU of these sensors the first part of the eight samples at 104 Hz ends within one.)

Sources: movesense.com/docs/esw/gatt_sensordata_protocol (document GD-77); the vendor's client example for
gatt_sensordata_app, which joins part 2 to part 1 without its two header bytes; the firmware behind it in
niko-j/movesense-offline-firmware. Where they disagree: the document says that every subscription is answered, that
firmware answers only a failed one, and with the status in big-endian. So both orders are read here, and data count as
a success.
"""

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from repsense.channels import ACCELERATION, ANGULAR_RATE, CHANNELS, Channel
from repsense_ble_gateway.packets import Packet, PacketError
from repsense_ble_gateway.packets.scaling import checked_samples

__all__ = [
    "CHARACTERISTIC_UUID",
    "CLOCK_WRAPS_US",
    "IMU6",
    "IMU9",
    "LAYOUTS",
    "RATES_HZ",
    "SAMPLE_RATE_HZ",
    "SERVICE_UUID",
    "SUCCESS",
    "WRITE_UUID",
    "MovesenseDecoder",
    "decode_data",
    "decode_status",
    "encode_data",
    "encode_status",
    "is_data",
    "subscribe_command",
    "unsubscribe_command",
]

SERVICE_UUID = "34802252-7185-4d5d-b431-630e7050e8f0"
WRITE_UUID = "34800001-7185-4d5d-b431-630e7050e8f0"
CHARACTERISTIC_UUID = "34800002-7185-4d5d-b431-630e7050e8f0"
"""It notifies."""
RATES_HZ = (13, 26, 52, 104, 208)
SAMPLE_RATE_HZ = 52
"""What the gateway asks for by default."""
CLOCK_WRAPS_US = 2**32 * 1_000
SUCCESS = 200

IMU6 = 6
IMU9 = 9
"""References: they tell what a notification holds, and are the digit of the resource's name."""
LAYOUTS: Mapping[int, tuple[Channel, ...]] = MappingProxyType({IMU6: ACCELERATION + ANGULAR_RATE, IMU9: CHANNELS})
"""What a sample has, by reference."""

_ANSWER = 1
_DATA = 2
_MAX_PART = 4
_PREFIX_BYTES = 2
_CLOCK = struct.Struct("<I")
_VALUE_BYTES = 4
_US_PER_MS = 1_000
_STATUSES = range(100, 600)
_SI_PER_UNIT = {channel: math.radians(1) if channel in ANGULAR_RATE else 1.0 for channel in CHANNELS}


def subscribe_command(reference: int, rate_hz: int) -> bytes:
    """Ask for the measurements of a reference out of `LAYOUTS`."""
    return bytes([1, reference]) + f"/Meas/IMU{reference}/{rate_hz}".encode()


def unsubscribe_command(reference: int) -> bytes:
    """Ask for no more of them."""
    return bytes([2, reference])


def is_data(notification: bytes, reference: int) -> bool:
    """Whether a notification is the first part of data for a reference."""
    return notification[:_PREFIX_BYTES] == bytes([_DATA, reference])


def decode_status(notification: bytes, reference: int) -> int | None:
    """The status that a notification answers to a command with a reference; None if it is anything else."""
    if notification[:_PREFIX_BYTES] != bytes([_ANSWER, reference]) or len(notification) != _PREFIX_BYTES + 2:
        return None
    statuses = (int.from_bytes(notification[_PREFIX_BYTES:], order) for order in ("little", "big"))
    return next((status for status in statuses if status in _STATUSES), None)


def encode_status(reference: int, status: int) -> bytes:
    """An answer as the document has it."""
    return bytes([_ANSWER, reference]) + status.to_bytes(2, "little")


def decode_data(reference: int, payload: bytes) -> Packet:
    """Decode the parts of one measurement, joined, without their types and references.

    Raises:
        PacketError: If it is not such a measurement; nothing else, whatever the bytes.
    """
    channels = LAYOUTS.get(reference)
    if channels is None:
        msg = f"Movesense data for reference {reference}, which the gateway did not ask for"
        raise PacketError(msg)
    n_samples, rest = divmod(len(payload) - _CLOCK.size, _VALUE_BYTES * len(channels))
    if n_samples < 1 or rest:
        msg = f"Movesense data of {len(payload)} bytes, which is no whole number of samples of {len(channels)} channels"
        raise PacketError(msg)
    # Casting a signalling NaN warns; it is refused below.
    with np.errstate(invalid="ignore"):
        values = np.frombuffer(payload, dtype="<f4", offset=_CLOCK.size).astype(np.float64)
    # From (sensors, samples, axes) to a row for each sample.
    samples = values.reshape(-1, n_samples, 3).transpose(1, 0, 2).reshape(n_samples, len(channels))
    return Packet(
        checked_samples(samples * _si_per_unit(channels)),
        channels,
        device_time_us=_CLOCK.unpack_from(payload)[0] * _US_PER_MS,
        clock_wraps_us=CLOCK_WRAPS_US,
    )


def encode_data(packet: Packet, payload_bytes: int = 158) -> list[bytes]:
    """The notifications that a sensor would send for a packet.

    Args:
        packet: With the channels of one of `LAYOUTS` and a device time, of which the milliseconds remain.
        payload_bytes: What a notification can hold; by default, what these sensors' MTU of 161 leaves.

    Raises:
        ValueError: If there is no device time, the channels are others, or it does not fit into three parts.
    """
    reference = next((reference for reference, channels in LAYOUTS.items() if channels == packet.channels), None)
    if reference is None or packet.device_time_us is None:
        msg = "Movesense data have a device time and the channels of IMU6 or IMU9"
        raise ValueError(msg)
    values = packet.samples.astype(np.float64) / _si_per_unit(packet.channels)
    in_order = values.reshape(len(values), -1, 3).transpose(1, 0, 2)
    payload = _CLOCK.pack(packet.device_time_us % CLOCK_WRAPS_US // _US_PER_MS) + in_order.astype("<f4").tobytes()
    step = payload_bytes - _PREFIX_BYTES
    parts = [payload[start : start + step] for start in range(0, len(payload), step)]
    if len(parts) > _MAX_PART - _DATA + 1:
        msg = f"{len(values)} samples do not fit into three notifications of {payload_bytes} bytes"
        raise ValueError(msg)
    return [bytes([kind, reference]) + part for kind, part in enumerate(parts, _DATA)]


def _is_incomplete(reference: int, n_bytes: int) -> bool:
    """Whether data of a known kind end within a sample."""
    return reference in LAYOUTS and bool((n_bytes - _CLOCK.size) % (_VALUE_BYTES * len(LAYOUTS[reference])))


def _si_per_unit(channels: tuple[Channel, ...]) -> list[float]:
    return [_SI_PER_UNIT[channel] for channel in channels]


@dataclass(slots=True)
class MovesenseDecoder:
    """See `PacketDecoder`. Answers to commands give nothing."""

    _begun: bytes = b""
    """The parts so far of data that are continued, with the type and reference of the last of them."""

    def decode(self, notification: bytes) -> list[Packet]:
        """See `PacketDecoder`."""
        if notification[:1] == bytes([_ANSWER]):
            return []
        joined = self._join(notification)
        reference = joined[1]
        if joined[0] < _MAX_PART and _is_incomplete(reference, len(joined) - _PREFIX_BYTES):
            self._begun = joined
            return []
        packet = decode_data(reference, joined[_PREFIX_BYTES:])
        self._begun = b""
        return [packet]

    def _join(self, notification: bytes) -> bytes:
        """The data up to this notification; a part that was lost makes the others useless."""
        if len(notification) < _PREFIX_BYTES:
            msg = f"Movesense notification of {len(notification)} bytes"
            raise PacketError(msg)
        kind, reference = notification[:_PREFIX_BYTES]
        if kind == _DATA:
            return notification
        if not _DATA < kind <= _MAX_PART or self._begun[:_PREFIX_BYTES] != bytes([kind - 1, reference]):
            msg = f"Movesense notification of type {kind} for reference {reference}, without the part before it"
            raise PacketError(msg)
        return notification[:_PREFIX_BYTES] + self._begun[_PREFIX_BYTES:] + notification[_PREFIX_BYTES:]
