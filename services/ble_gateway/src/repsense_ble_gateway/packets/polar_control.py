"""The control point of Polar's measurement data service (PMD): what a sensor offers, and what it is asked for.

    request            offset  type    value
    settings           0       uint8   1
                       1       uint8   measurement type
    start              0       uint8   2
                       1       uint8   measurement type
                       2               settings, one value of each
    stop               0       uint8   3
                       1       uint8   measurement type

    answer             0       uint8   0xF0
                       1       uint8   what was requested: 1, 2 or 3
                       2       uint8   measurement type
                       3       uint8   status: 0 is success
                       4       uint8   not 0 if a further answer continues the settings; may be missing
                       5               settings

    features (read)    0       uint8   0x0F
                       1       uint8   bit i: measurement type i is there, up to 7

    settings, one after the other: uint8 type, uint8 n, n values
                       type    value
                       0       uint16  samples per second
                       1       uint16  bits per value
                       2       uint16  range: g, deg/s or G
                       3       uint32  range in thousandths
                       4       uint8   values per sample
                       5       uint32  factor, the bits of a float32: what one count of a compressed frame stands
                                       for (in the answer to start only)

Little-endian. Sources: Polar Measurement Data Specification for 3rd Party; polarofficial/polar-ble-sdk, classes
PmdControlPointResponse and PmdSetting, and the answers of the H10 and the Verity Sense quoted in both.
"""

import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType

from repsense_ble_gateway.packets import PacketError

__all__ = [
    "CONTROL_UUID",
    "STATUS_WORDS",
    "Answer",
    "Measurement",
    "Request",
    "Setting",
    "Settings",
    "decode_answer",
    "decode_factor",
    "decode_features",
    "decode_settings",
    "encode_answer",
    "encode_factor",
    "encode_features",
    "encode_request",
    "encode_settings",
    "is_answer",
    "is_start_answer",
]

CONTROL_UUID = "fb005c81-02e7-f387-1cad-8acd2d8df0c8"


class Measurement(IntEnum):
    """The measurement types that RepSense can use."""

    ACCELERATION = 2
    ANGULAR_RATE = 5
    MAGNETIC_FIELD = 6


class Request(IntEnum):
    """What can be requested."""

    SETTINGS = 1
    START = 2
    STOP = 3


class Setting(IntEnum):
    """Types of settings."""

    SAMPLE_RATE = 0
    RESOLUTION = 1
    RANGE = 2
    RANGE_MILLI = 3
    N_CHANNELS = 4
    FACTOR = 5


Settings = Mapping[Setting, Sequence[int]]
"""The values of each setting; for the factor, see `decode_factor`."""

STATUS_WORDS: Mapping[int, str] = MappingProxyType(
    {
        0: "success",
        1: "it does not know the request",
        2: "it does not know the measurement",
        3: "it does not support the measurement",
        4: "invalid length",
        5: "invalid parameter",
        6: "it already does so",
        7: "invalid resolution",
        8: "invalid sample rate",
        9: "invalid range",
        10: "the connection's packets are too small (its MTU must be 232 or more)",
        11: "invalid number of channels",
        12: "it cannot do so in its present state",
        13: "it is in its charger",
        14: "its memory is full",
    }
)
"""What a status means."""

_ANSWER = 0xF0
_FEATURES = 0x0F
_FEATURES_BYTES = 17
_HEAD_BYTES = 4
_MORE = 4
_FORMATS: Mapping[Setting, str] = MappingProxyType(
    {
        Setting.SAMPLE_RATE: "H",
        Setting.RESOLUTION: "H",
        Setting.RANGE: "H",
        Setting.RANGE_MILLI: "I",
        Setting.N_CHANNELS: "B",
        Setting.FACTOR: "I",
    }
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a sensor answers to a request.

    Attributes:
        request: The request's code.
        measurement: The measurement's type, also one that RepSense does not use.
        status: See `STATUS_WORDS`.
        more: Whether a further answer continues the settings.
        settings: Encoded; empty if there are none.
    """

    request: int
    measurement: int
    status: int = 0
    more: bool = False
    settings: bytes = b""


def is_answer(notification: bytes) -> bool:
    """Whether it is an answer of the control point, and not a frame of data."""
    return notification[:1] == bytes([_ANSWER])


def is_start_answer(notification: bytes) -> bool:
    """Whether it answers a request to start."""
    return notification[:2] == bytes([_ANSWER, Request.START])


def decode_answer(notification: bytes) -> Answer:
    """Decode an answer.

    Raises:
        PacketError: If it is none; nothing else, whatever the bytes.
    """
    if not is_answer(notification) or len(notification) < _HEAD_BYTES:
        msg = f"not an answer of a Polar control point: {notification.hex(' ') or 'no bytes'}"
        raise PacketError(msg)
    _, request, measurement, status = notification[:_HEAD_BYTES]
    more = any(notification[_MORE : _MORE + 1])
    return Answer(request, measurement, status, more, notification[_MORE + 1 :])


def encode_answer(answer: Answer) -> bytes:
    """The bytes of an answer."""
    return bytes([_ANSWER, answer.request, answer.measurement, answer.status, answer.more]) + answer.settings


def encode_request(request: Request, measurement: Measurement, settings: Settings | None = None) -> bytes:
    """The bytes of a request."""
    return bytes([request, measurement]) + encode_settings(settings or {})


def decode_features(value: bytes) -> frozenset[Measurement]:
    """What a sensor can measure, of what RepSense can use.

    Raises:
        PacketError: If it is not such a value; nothing else, whatever the bytes.
    """
    if value[:1] != bytes([_FEATURES]) or not value[1:]:
        msg = f"not the features of a Polar sensor: {value.hex(' ') or 'no bytes'}"
        raise PacketError(msg)
    return frozenset(measurement for measurement in Measurement if value[1] >> measurement & 1)


def encode_features(measurements: frozenset[Measurement]) -> bytes:
    """The value that a sensor with these would have."""
    mask = sum(1 << measurement for measurement in measurements)
    return bytes([_FEATURES, mask]).ljust(_FEATURES_BYTES, b"\0")


def decode_settings(encoded: bytes) -> dict[Setting, tuple[int, ...]]:
    """Decode settings.

    Raises:
        PacketError: If they are not well formed; nothing else, whatever the bytes.
    """
    settings: dict[Setting, tuple[int, ...]] = {}
    position = 0
    try:
        while position < len(encoded):
            setting, n_values = Setting(encoded[position]), encoded[position + 1]
            layout = struct.Struct(f"<{n_values}{_FORMATS[setting]}")
            settings[setting] = layout.unpack_from(encoded, position + 2)
            position += 2 + layout.size
    except (IndexError, ValueError, struct.error) as error:
        msg = f"not the settings of a Polar sensor: {encoded.hex(' ')}"
        raise PacketError(msg) from error
    return settings


def encode_settings(settings: Settings) -> bytes:
    """The bytes of settings, in the order of their types.

    Raises:
        struct.error: If a value does not fit its type.
    """
    return b"".join(
        struct.pack(f"<BB{len(values)}{_FORMATS[setting]}", setting, len(values), *values)
        for setting, values in sorted(settings.items())
    )


def decode_factor(settings: Settings) -> float | None:
    """The factor among settings; None if there is none.

    Raises:
        PacketError: If it is not a number that a sample can be multiplied with.
    """
    if not settings.get(Setting.FACTOR):
        return None
    (factor,) = struct.unpack("<f", struct.pack("<I", settings[Setting.FACTOR][0]))
    if not math.isfinite(factor) or factor <= 0:
        msg = f"a Polar sensor's factor must be a positive number, not {factor}"
        raise PacketError(msg)
    return float(factor)


def encode_factor(factor: float) -> dict[Setting, tuple[int, ...]]:
    """The setting that holds a factor."""
    return {Setting.FACTOR: struct.unpack("<I", struct.pack("<f", factor))}
