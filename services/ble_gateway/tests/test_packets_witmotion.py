import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from repsense_ble_gateway.packets import STANDARD_GRAVITY_M_S2, PacketError
from repsense_ble_gateway.packets.witmotion import (
    CHANNELS,
    RATE_CODES,
    UNLOCK,
    WitMotionDecoder,
    decode_frame,
    encode_frame,
    rate_command,
)

_COUNTS = st.lists(st.integers(-32768, 32767), min_size=6, max_size=6)
_REGISTER = bytes.fromhex("55 71 3A 00 68 01 69 00 7A 00 00 00 00 00 00 00 00 00 00 00")
"""The answer to reading the magnetic field, as in the WT901BLECL 5.0 manual."""


def _frame(number: int) -> bytes:
    """One that can be told from others and has no header inside."""
    return encode_frame(np.full(6, number / 10, dtype=np.float32))


def _numbers(decoder: WitMotionDecoder, *notifications: bytes) -> list[float]:
    """The numbers of the frames that come out."""
    packets = [packet for notification in notifications for packet in decoder.decode(notification)]
    return [round(float(sample[0]) * 10) for packet in packets for sample in packet.samples]


def test_counts_are_parts_of_the_range() -> None:
    counts = [2048, -4096, 16384, 8192, -16384, 1, 0x4000, 0x2000, 0x1000]
    frame = b"\x55\x61" + np.array(counts, dtype="<i2").tobytes()
    g, degree = STANDARD_GRAVITY_M_S2, math.pi / 180
    expected = [1 * g, -2 * g, 8 * g, 500 * degree, -1000 * degree, 2000 / 32768 * degree]
    np.testing.assert_allclose(decode_frame(frame), expected, rtol=1e-6)


def test_the_range_can_be_that_of_another_model() -> None:
    frame = b"\x55\x61" + np.array([16384, 0, 0, 16384, 0, 0, 0, 0, 0], dtype="<i2").tobytes()
    sample = decode_frame(frame, acceleration_range_g=4, angular_rate_range_deg_s=250)
    np.testing.assert_allclose(sample[[0, 3]], [2 * STANDARD_GRAVITY_M_S2, math.radians(125)], rtol=1e-6)
    np.testing.assert_array_equal(encode_frame(sample, 4, 250), frame)


@given(counts=_COUNTS, acceleration_range_g=st.sampled_from([2.0, 16.0]))
def test_a_frame_comes_back_exactly(counts: list[int], acceleration_range_g: float) -> None:
    frame = b"\x55\x61" + np.array([*counts, 0, 0, 0], dtype="<i2").tobytes()
    assert encode_frame(decode_frame(frame, acceleration_range_g), acceleration_range_g) == frame


def test_values_out_of_range_are_clipped_not_wrapped() -> None:
    sample = decode_frame(encode_frame(np.array([1e4, -1e4, 0, 1e3, -1e3, 0], dtype=np.float32)))
    np.testing.assert_allclose(sample[[0, 1]], np.array([32767 / 32768, -1]) * 16 * STANDARD_GRAVITY_M_S2, rtol=1e-6)


def test_a_packet_has_no_clock_and_no_count() -> None:
    (packet,) = WitMotionDecoder().decode(_frame(1))
    assert packet.channels == CHANNELS
    assert (packet.sequence, packet.device_time_us, packet.sample_rate_hz) == (None, None, None)


@given(cuts=st.sets(st.integers(1, 99)))
def test_frames_may_be_cut_anywhere(cuts: set[int]) -> None:
    data = b"".join(map(_frame, range(5)))
    edges = [0, *sorted(cuts), len(data)]
    pieces = [data[begin:end] for begin, end in pairwise(edges)]
    assert _numbers(WitMotionDecoder(), *pieces) == [0, 1, 2, 3, 4]


def test_joined_frames_are_one_packet_in_order() -> None:
    (packet,) = WitMotionDecoder().decode(_frame(1) + _frame(2) + _frame(3))
    np.testing.assert_allclose(packet.samples[:, 0], [0.1, 0.2, 0.3], atol=0.003)


@pytest.mark.parametrize("kept", [1, 2, 5, 12, 19])
def test_a_frame_whose_end_was_lost_does_not_spoil_the_next(kept: int) -> None:
    assert _numbers(WitMotionDecoder(), _frame(1)[:kept], _frame(2), _frame(3)) == [2, 3]


@pytest.mark.parametrize("lost", [1, 2, 8, 19])
def test_a_frame_whose_beginning_was_lost_does_not_spoil_the_next(lost: int) -> None:
    assert _numbers(WitMotionDecoder(), _frame(1)[lost:] + _frame(2), _frame(3)) == [2, 3]


def test_garbage_around_frames_is_skipped() -> None:
    assert _numbers(WitMotionDecoder(), b"\x00\x55\x13" + _frame(1) + b"\x55\x07\x99", _frame(2)) == [1, 2]


def test_registers_are_skipped() -> None:
    assert _numbers(WitMotionDecoder(), _REGISTER, _frame(1) + _REGISTER + _frame(2)) == [1, 2]


def test_a_header_inside_a_frame_is_a_value() -> None:
    frame = b"\x55\x61" + b"\x00\x55\x61\x55" * 4 + b"\x55\x61"
    (packet,) = WitMotionDecoder().decode(frame)
    assert len(packet.samples) == 1


@pytest.mark.parametrize("garbage", [b"", b"hello", bytes(20), b"\x55\x62" * 10])
def test_nothing_to_use_is_an_error(garbage: bytes) -> None:
    with pytest.raises(PacketError, match="without a WitMotion frame"):
        WitMotionDecoder().decode(garbage)


@pytest.mark.parametrize("wrong", [b"", b"\x55\x61", _REGISTER, _frame(1) + b"\x00"])
def test_what_is_no_frame_is_refused(wrong: bytes) -> None:
    with pytest.raises(PacketError, match="begins with 55 61"):
        decode_frame(wrong)


def test_commands_are_those_of_the_protocol() -> None:
    assert UNLOCK.hex() == "ffaa6988b5"
    assert {rate_hz: rate_command(rate_hz).hex() for rate_hz in RATE_CODES} == {
        0.2: "ffaa030100",
        0.5: "ffaa030200",
        1: "ffaa030300",
        2: "ffaa030400",
        5: "ffaa030500",
        10: "ffaa030600",
        20: "ffaa030700",
        50: "ffaa030800",
        100: "ffaa030900",
        200: "ffaa030b00",
    }
