"""What holds for the decoder of every kind of sensor."""

from collections.abc import Callable, Sequence
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from repsense.channels import ACCELERATION, ANGULAR_RATE, CHANNELS, MAGNETIC_FIELD
from repsense.messages import MAX_MAGNITUDE
from repsense_ble_gateway.packets import (
    Packet,
    PacketDecoder,
    PacketError,
    movesense,
    polar,
    prototype,
    repsense,
    witmotion,
)
from repsense_ble_gateway.packets.polar_control import (
    Answer,
    Measurement,
    Request,
    Setting,
    encode_answer,
    encode_factor,
    encode_settings,
)

_RNG = np.random.default_rng(1)
_SAMPLES = _RNG.normal(scale=5, size=(6, 9)).astype(np.float32)


def _polar_frame(measurement: Measurement, kind: int, last_ms: int) -> bytes:
    return polar.encode_frame(polar.Frame(measurement, last_ms * 1_000_000, _SAMPLES[:, :3]), kind, 0.001)


def _polar_start(measurement: Measurement) -> bytes:
    settings = encode_settings(encode_factor(0.001))
    return encode_answer(Answer(Request.START, measurement, settings=settings))


_REPSENSE = [
    repsense.encode_packet(Packet(_SAMPLES, CHANNELS, sequence=number, device_time_us=0, sample_rate_hz=50.0))
    for number in (0, 6)
]
_PROTOTYPE = [prototype.encode_packet(Packet(sample[None], CHANNELS)) for sample in _SAMPLES]
_WITMOTION = [witmotion.encode_frame(sample[:6]) for sample in _SAMPLES]
_WITMOTION_SPLIT = [_WITMOTION[0][:7], _WITMOTION[0][7:] + _WITMOTION[1], _WITMOTION[2]]
_MOVESENSE = [
    part
    for channels in (ACCELERATION + ANGULAR_RATE, CHANNELS)
    for part in movesense.encode_data(Packet(_SAMPLES[:, : len(channels)], channels, device_time_us=1_000))
]
_POLAR = [
    encode_answer(
        Answer(Request.SETTINGS, Measurement.ACCELERATION, settings=encode_settings({Setting.SAMPLE_RATE: [50]}))
    ),
    *(_polar_start(measurement) for measurement in Measurement),
    _polar_frame(Measurement.ANGULAR_RATE, 0x81, 1_000),
    _polar_frame(Measurement.MAGNETIC_FIELD, 0x80, 1_000),
    _polar_frame(Measurement.ACCELERATION, 0x80, 990),
    _polar_frame(Measurement.ANGULAR_RATE, 0x80, 1_120),
    _polar_frame(Measurement.MAGNETIC_FIELD, 0x81, 1_120),
    _polar_frame(Measurement.ACCELERATION, 0x01, 1_110),
]
_KINDS: list[tuple[Callable[[], PacketDecoder], Sequence[bytes]]] = [
    (repsense.RepSenseDecoder, _REPSENSE),
    (prototype.PrototypeDecoder, _PROTOTYPE),
    (witmotion.WitMotionDecoder, _WITMOTION_SPLIT),
    (movesense.MovesenseDecoder, _MOVESENSE),
    (polar.PolarDecoder, _POLAR),
]
_every_kind = pytest.mark.parametrize(
    ("make_decoder", "valid"), _KINDS, ids=["repsense", "prototype", "witmotion", "movesense", "polar"]
)
_edits = st.lists(st.tuples(st.integers(0, 300), st.sampled_from(["flip", "cut", "insert"]), st.integers(1, 255)))


def _edited(notification: bytes, edits: Sequence[tuple[int, str, int]]) -> bytes:
    edited = bytearray(notification)
    for place, what, value in edits:
        position = place % (len(edited) + 1)
        if what == "insert":
            edited.insert(position, value)
        elif what == "cut":
            del edited[position : position + value]
        elif position < len(edited):
            edited[position] ^= value
    return bytes(edited)


def _decode_all(decoder: PacketDecoder, notifications: Sequence[bytes]) -> list[Packet]:
    """What comes of them; fails on anything that a decoder must not do."""
    packets: list[Packet] = []
    for notification in notifications:
        with suppress(PacketError):
            packets += decoder.decode(notification)
    for packet in packets:
        assert packet.samples.dtype == np.float32
        assert packet.samples.shape == (len(packet.samples), len(packet.channels))
        assert len(packet.samples) >= 1
        assert (np.abs(packet.samples) <= MAX_MAGNITUDE).all()
        assert packet.channels == tuple(channel for channel in CHANNELS if channel in packet.channels)
        assert packet.device_time_us is None or type(packet.device_time_us) is int
        assert packet.sample_rate_hz is None or packet.sample_rate_hz > 0
    return packets


def _same(one: Sequence[Packet], other: Sequence[Packet]) -> bool:
    return len(one) == len(other) and all(
        first.device_time_us == second.device_time_us and np.array_equal(first.samples, second.samples)
        for first, second in zip(one, other, strict=True)
    )


@_every_kind
def test_what_a_sensor_sends_becomes_packets(make_decoder: Callable[[], PacketDecoder], valid: Sequence[bytes]) -> None:
    assert len(_decode_all(make_decoder(), valid)) >= 2


@_every_kind
@given(notifications=st.lists(st.binary(max_size=300), max_size=5))
def test_any_bytes_are_packets_or_a_packet_error(
    make_decoder: Callable[[], PacketDecoder], valid: Sequence[bytes], notifications: list[bytes]
) -> None:
    decoder = make_decoder()
    _decode_all(decoder, notifications)
    _decode_all(decoder, valid)


@_every_kind
@given(edits=st.lists(st.tuples(st.integers(0, 20), _edits), max_size=12))
def test_damaged_notifications_are_packets_or_a_packet_error(
    make_decoder: Callable[[], PacketDecoder],
    valid: Sequence[bytes],
    edits: list[tuple[int, list[tuple[int, str, int]]]],
) -> None:
    damaged = [_edited(valid[number % len(valid)], changes) for number, changes in edits]
    _decode_all(make_decoder(), [*valid, *damaged])


@_every_kind
@given(garbage=st.binary(max_size=40), place=st.integers(0, 20))
def test_a_packet_error_leaves_no_trace(
    make_decoder: Callable[[], PacketDecoder], valid: Sequence[bytes], garbage: bytes, place: int
) -> None:
    position = place % len(valid)
    decoder = make_decoder()
    packets = _decode_all(decoder, valid[:position])
    try:
        decoder.decode(garbage)
    except PacketError:
        packets += _decode_all(decoder, valid[position:])
        assert _same(packets, _decode_all(make_decoder(), valid))


def test_the_channels_of_a_field_are_in_every_full_packet() -> None:
    full = _decode_all(polar.PolarDecoder(), _POLAR)[-1]
    assert full.channels == ACCELERATION + ANGULAR_RATE + MAGNETIC_FIELD
