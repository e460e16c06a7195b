"""The frames of Polar's measurement data service (PMD), as the H10, OH1 and Verity Sense send them.

    offset  type    value
    0       uint8   measurement type: 2 acceleration, 5 angular rate, 6 magnetic field
    1       uint64  time of the last sample, ns since 2000 by the device's clock
    9       uint8   frame type; bit 7: compressed
    10              samples

    measurement     frame type  samples
    acceleration    0x00        int8 x 3 for each sample, mg
                    0x01        int16 x 3 for each sample, mg
                    0x02        int24 x 3 for each sample, mg
                    0x80        compressed int16 x 3; factor in g
                    0x81        compressed int16 x 3; mg, times the factor if there is one
    angular rate    0x80        compressed int16 x 3; deg/s, times the factor if there is one
                    0x81        compressed float32 x 3 (their bits as integers), likewise
    magnetic field  0x80        compressed int16 x 3; factor in G
                    0x81        compressed int16 x 4; mG, times the factor if there is one; the fourth value tells
                                how well the sensor is calibrated

Little-endian. A compressed frame has one sample as it is, then blocks of differences from sample to sample:

    offset  type    value
    0       uint8   width: bits for each difference
    1       uint8   n: how many samples
    2               n x 3 (or 4) differences, signed, the lowest bit first, without gaps; the end filled to a byte

Sources: Polar Measurement Data Specification for 3rd Party; polarofficial/polar-ble-sdk, classes BlePMDClient,
AccData, GyrData, MagData and PmdTimeStampUtils, and their tests. Where they disagree:

- The specification has compressed acceleration in mg, its own example a factor of 0.000244 g, and so the SDK.
- Types 0x81 are missing in the specification; a Verity Sense sends 0x81 in mg and tells no factor
  (polar-ble-sdk issue #331).
- The specification calls 0xFF45 -184; it is -187.
- The rate is not what was asked for: a Verity Sense set to 52 Hz was measured at 52.94 Hz (see also issue #736).
- A width of 0 is not described; such frames are refused.

Each measurement comes in frames of its own; see `PolarDecoder` for how they are put together.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import radians
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from repsense.channels import ACCELERATION, ANGULAR_RATE, MAGNETIC_FIELD, Channel
from repsense.timestamps import MICROSECONDS
from repsense_ble_gateway.packets import STANDARD_GRAVITY_M_S2, Packet, PacketError
from repsense_ble_gateway.packets.merging import FrameTimes, Merger, Timed
from repsense_ble_gateway.packets.polar_control import (
    Answer,
    Measurement,
    Request,
    Setting,
    decode_answer,
    decode_factor,
    decode_settings,
    is_answer,
)
from repsense_ble_gateway.packets.scaling import checked_samples, to_counts

__all__ = [
    "CHANNELS",
    "CHARACTERISTIC_UUID",
    "FRAME_TYPES",
    "SAMPLE_RATE_HZ",
    "SERVICE_UUID",
    "Frame",
    "FrameType",
    "PolarDecoder",
    "decode_frame",
    "encode_frame",
]

SERVICE_UUID = "fb005c80-02e7-f387-1cad-8acd2d8df0c8"
CHARACTERISTIC_UUID = "fb005c82-02e7-f387-1cad-8acd2d8df0c8"
"""It notifies data; for the other one see `polar_control`."""
SAMPLE_RATE_HZ = 52
"""The only rate of a Verity Sense, and close to one of an H10's."""
CHANNELS: Mapping[Measurement, tuple[Channel, ...]] = MappingProxyType(
    {
        Measurement.ACCELERATION: ACCELERATION,
        Measurement.ANGULAR_RATE: ANGULAR_RATE,
        Measurement.MAGNETIC_FIELD: MAGNETIC_FIELD,
    }
)

_COMPRESSED = 0x80
_HEADER = struct.Struct("<BQB")
_N_AXES = 3
_MAX_WIDTH = 32
_BLOCK_SAMPLES = 32
_NS_PER_US = 1_000
_PATIENCE_SAMPLES = 300
"""A Verity Sense fills its notifications of 232 bytes before it sends them, and 220 bytes of differences of 2 bits are
290 samples: it would be wrong to take a sensor that lies still for one that has stopped."""

_MILLIGRAVITY = STANDARD_GRAVITY_M_S2 / 1_000
_GAUSS = 100.0
_MILLIGAUSS = 0.1


@dataclass(frozen=True, slots=True)
class FrameType:
    """How the samples of a frame are written.

    Attributes:
        value_bytes: Of each value of an uncompressed sample.
        si_per_unit: What a value of 1 stands for, times the factor.
        n_values: Of each sample; those after the third are not axes.
        floating: Whether values are the bits of a float32.
        needs_factor: Whether the value means nothing without the factor.
    """

    value_bytes: int
    si_per_unit: float
    n_values: int = _N_AXES
    floating: bool = False
    needs_factor: bool = False


FRAME_TYPES: Mapping[tuple[Measurement, int], FrameType] = MappingProxyType(
    {
        (Measurement.ACCELERATION, 0x00): FrameType(1, _MILLIGRAVITY),
        (Measurement.ACCELERATION, 0x01): FrameType(2, _MILLIGRAVITY),
        (Measurement.ACCELERATION, 0x02): FrameType(3, _MILLIGRAVITY),
        (Measurement.ACCELERATION, 0x80): FrameType(2, STANDARD_GRAVITY_M_S2, needs_factor=True),
        (Measurement.ACCELERATION, 0x81): FrameType(2, _MILLIGRAVITY),
        (Measurement.ANGULAR_RATE, 0x80): FrameType(2, radians(1)),
        (Measurement.ANGULAR_RATE, 0x81): FrameType(4, radians(1), floating=True),
        (Measurement.MAGNETIC_FIELD, 0x80): FrameType(2, _GAUSS, needs_factor=True),
        (Measurement.MAGNETIC_FIELD, 0x81): FrameType(2, _MILLIGAUSS, n_values=4),
    }
)
"""By measurement and frame type."""


@dataclass(frozen=True, slots=True)
class Frame:
    """The samples of one measurement.

    Attributes:
        measurement: What they measure.
        last_sample_ns: When the last one was taken, by the device's clock.
        samples: (n_samples, 3) float32, SI units; at least one sample, finite.
    """

    measurement: Measurement
    last_sample_ns: int
    samples: NDArray[np.float32]


def decode_frame(notification: bytes, factor: float | None = None) -> Frame:
    """Decode one notification.

    Args:
        notification: Its bytes.
        factor: The sensor's for this measurement, if it told one.

    Raises:
        PacketError: If it is no such frame; nothing else, whatever the bytes.
    """
    if len(notification) < _HEADER.size:
        msg = f"a Polar frame has more than {_HEADER.size} bytes, this one {len(notification)}"
        raise PacketError(msg)
    measurement, last_sample_ns, kind = _HEADER.unpack_from(notification)
    frame_type = FRAME_TYPES.get((measurement, kind))
    if frame_type is None:
        msg = f"Polar frame of measurement {measurement} and type {kind:#04x}, which is not known"
        raise PacketError(msg)
    if factor is None and frame_type.needs_factor:
        msg = f"Polar frame of type {kind:#04x}, but the sensor did not tell its factor"
        raise PacketError(msg)
    decode = _decode_compressed if kind & _COMPRESSED else _decode_values
    counts = decode(notification[_HEADER.size :], frame_type)
    if not len(counts):
        msg = "Polar frame without a sample"
        raise PacketError(msg)
    scale = frame_type.si_per_unit * (factor if factor is not None and kind & _COMPRESSED else 1)
    samples = checked_samples(_to_numbers(counts[:, :_N_AXES], frame_type) * scale)
    return Frame(Measurement(measurement), last_sample_ns, samples)


def encode_frame(frame: Frame, kind: int, factor: float = 1.0) -> bytes:
    """The notification that a sensor would send for a frame; integer values out of range are clipped.

    Args:
        frame: What to send.
        kind: A frame type that the measurement has.
        factor: Of compressed frames.
    """
    frame_type = FRAME_TYPES[frame.measurement, kind]
    scale = frame_type.si_per_unit * (factor if kind & _COMPRESSED else 1)
    if frame_type.floating:
        counts = (frame.samples / scale).astype("<f4").view("<u4").astype(np.int64)
    else:
        counts = to_counts(frame.samples, scale, 8 * frame_type.value_bytes)
    counts = np.pad(counts, ((0, 0), (0, frame_type.n_values - _N_AXES)))
    encode = _encode_compressed if kind & _COMPRESSED else _encode_values
    return _HEADER.pack(frame.measurement, frame.last_sample_ns, kind) + encode(counts, frame_type)


def _decode_values(content: bytes, frame_type: FrameType) -> NDArray[np.int64]:
    """(n_samples, n_values) of samples that are written one after the other."""
    sample_bytes = frame_type.value_bytes * frame_type.n_values
    if len(content) % sample_bytes:
        msg = f"Polar frame with {len(content)} bytes of samples, each of which has {sample_bytes}"
        raise PacketError(msg)
    digits = np.frombuffer(content, dtype=np.uint8).reshape(-1, frame_type.n_values, frame_type.value_bytes)
    return _signed(digits @ (1 << 8 * np.arange(frame_type.value_bytes)), 8 * frame_type.value_bytes)


def _encode_values(counts: NDArray[np.int64], frame_type: FrameType) -> bytes:
    digits = counts[:, :, None] >> 8 * np.arange(frame_type.value_bytes)
    return (digits & 0xFF).astype(np.uint8).tobytes()


def _decode_compressed(content: bytes, frame_type: FrameType) -> NDArray[np.int64]:
    """(n_samples, n_values) of one sample and the differences of the others."""
    position = frame_type.value_bytes * frame_type.n_values
    parts = [_decode_values(content[:position], frame_type)]
    while position < len(content):
        differences, position = _decode_block(content, position, frame_type.n_values)
        parts.append(differences)
    return np.concatenate(parts).cumsum(axis=0)


def _decode_block(content: bytes, position: int, n_values: int) -> tuple[NDArray[np.int64], int]:
    """The differences (n_samples, n_values) of the block at a position, and where it ends."""
    width, n_samples = content[position : position + 2].ljust(2, b"\0")
    n_bits = n_samples * n_values * width
    begin, end = position + 2, position + 2 + -(-n_bits // 8)
    if not 1 <= width <= _MAX_WIDTH or end > len(content):
        msg = f"Polar frame with a block of {n_samples} differences of {width} bits, {len(content) - begin} bytes long"
        raise PacketError(msg)
    bits = np.unpackbits(np.frombuffer(content[begin:end], dtype=np.uint8), count=n_bits, bitorder="little")
    return _signed(bits.reshape(n_samples, n_values, width) @ (1 << np.arange(width)), width), end


def _encode_compressed(counts: NDArray[np.int64], frame_type: FrameType) -> bytes:
    # The bits of a float32 may differ by more than 31 bits can say; the sum wraps.
    differences = _signed(np.diff(counts, axis=0) & 0xFFFFFFFF, _MAX_WIDTH)
    starts = range(0, len(differences), _BLOCK_SAMPLES)
    blocks = (_encode_block(differences[start : start + _BLOCK_SAMPLES]) for start in starts)
    return _encode_values(counts[:1], frame_type) + b"".join(blocks)


def _encode_block(differences: NDArray[np.int64]) -> bytes:
    extremes = (int(differences.max()), ~int(differences.min()))
    width = 1 + max(extreme.bit_length() for extreme in extremes if extreme >= 0)
    bits = differences.reshape(-1, 1) >> np.arange(width) & 1
    return bytes([width, len(differences)]) + np.packbits(bits.astype(np.uint8), bitorder="little").tobytes()


def _signed(values: NDArray[np.int64], n_bits: int) -> NDArray[np.int64]:
    """The two's complement of the lowest bits."""
    return values - (values >> (n_bits - 1) << n_bits)


def _to_numbers(counts: NDArray[np.int64], frame_type: FrameType) -> NDArray[np.float64]:
    if not frame_type.floating:
        return counts.astype(np.float64)
    # Casting a signalling NaN warns; it is refused later.
    with np.errstate(invalid="ignore"):
        return (counts & 0xFFFFFFFF).astype(np.uint32).view(np.float32).astype(np.float64)


@dataclass(slots=True)
class _Stream:
    """What is known of one measurement."""

    rate_hz: float
    factor: float | None = None
    started: bool = False
    times: FrameTimes = field(init=False)

    def __post_init__(self) -> None:
        self.times = FrameTimes(self.rate_hz)


@dataclass(slots=True)
class PolarDecoder:
    """See `PacketDecoder`. It needs the answers of the control point too, as they come.

    Each measurement is sent on its own and at its own times: the angular rate and the magnetic field, if their start
    was answered with success, are interpolated linearly at the times of the acceleration (see `merging`). An
    acceleration without them at its time is dropped, be it that they began later or that a frame was lost; nothing is
    filled in. While one of them stays out, the acceleration is dropped too, with an error after every 300 samples' time
    of the slowest: samples with fewer channels would be another sensor.

    The answer to a request for settings tells a measurement's rate if it names just one.

    Attributes:
        rate_hz: To reckon with where no settings were heard.
    """

    rate_hz: float = SAMPLE_RATE_HZ
    _streams: dict[Measurement, _Stream] = field(default_factory=dict)
    _merger: Merger | None = None
    _begin_ns: int | None = None

    def decode(self, notification: bytes) -> list[Packet]:
        """See `PacketDecoder`; a packet for each frame of the acceleration, or more around what was dropped."""
        if is_answer(notification):
            self._learn(decode_answer(notification))
            return []
        factors = {bytes([measurement]): stream.factor for measurement, stream in self._streams.items()}
        frame = decode_frame(notification, factors.get(notification[:1]))
        return [self._packet(merged) for merged in self._merged(frame)]

    def _learn(self, answer: Answer) -> None:
        if answer.status or answer.measurement not in CHANNELS:
            return
        measurement = Measurement(answer.measurement)
        known = self._stream(measurement)
        settings = decode_settings(answer.settings)
        rates = settings.get(Setting.SAMPLE_RATE, ())
        match answer.request:
            case Request.SETTINGS if len(rates) == 1 and rates[0]:
                self._streams[measurement] = replace(known, rate_hz=rates[0])
            case Request.START:
                self._streams[measurement] = replace(known, factor=decode_factor(settings), started=True)
                self._merger = None
            case Request.STOP:
                self._streams[measurement] = replace(known, started=False)
                self._merger = None

    def _stream(self, measurement: Measurement) -> _Stream:
        return self._streams.setdefault(measurement, _Stream(self.rate_hz))

    @property
    def _followers(self) -> list[Measurement]:
        started = sorted(measurement for measurement, stream in self._streams.items() if stream.started)
        return [measurement for measurement in started if measurement is not Measurement.ACCELERATION]

    def _merged(self, frame: Frame) -> list[Timed]:
        followers = self._followers
        if self._merger is None:
            slowest_hz = min(
                self._stream(measurement).rate_hz for measurement in (Measurement.ACCELERATION, *followers)
            )
            self._merger = Merger(len(followers), _PATIENCE_SAMPLES * MICROSECONDS / slowest_hz)
        if frame.measurement is Measurement.ACCELERATION:
            self._merger.lead(self._timed(frame))
        elif frame.measurement in followers:
            self._merger.follow(followers.index(frame.measurement), self._timed(frame))
        return self._merger.take()

    def _timed(self, frame: Frame) -> Timed:
        if self._begin_ns is None:
            self._begin_ns = frame.last_sample_ns
        last_us = (frame.last_sample_ns - self._begin_ns) / _NS_PER_US
        times_us = self._stream(frame.measurement).times.times_us(last_us, len(frame.samples))
        return Timed(times_us, frame.samples.astype(np.float64))

    def _packet(self, merged: Timed) -> Packet:
        measurements = (Measurement.ACCELERATION, *self._followers)
        return Packet(
            merged.values.astype(np.float32),
            tuple(channel for measurement in measurements for channel in CHANNELS[measurement]),
            device_time_us=((self._begin_ns or 0) + round(merged.times_us[0] * _NS_PER_US)) // _NS_PER_US,
            sample_rate_hz=float(self._stream(Measurement.ACCELERATION).rate_hz),
        )
