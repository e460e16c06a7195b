"""The RepSense packet, and that of the prototype."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from repsense.channels import CHANNELS, Channel
from repsense_ble_gateway.packets import STANDARD_GRAVITY_M_S2, Packet, PacketError, prototype, repsense

_COUNTS = st.integers(-32768, 32767)
_NON_EMPTY_CHANNELS = st.sets(st.sampled_from(CHANNELS), min_size=1).map(
    lambda chosen: tuple(channel for channel in CHANNELS if channel in chosen)
)


@st.composite
def _packets(draw: st.DrawFn) -> Packet:
    channels = draw(_NON_EMPTY_CHANNELS)
    n_samples = draw(st.integers(1, 255))
    seed = draw(st.integers(0, 2**32 - 1))
    scales = np.array([repsense.SI_PER_LSB[channel] for channel in channels])
    values = np.random.default_rng(seed).uniform(-32768, 32767, (n_samples, len(channels))) * scales
    return Packet(
        samples=values.astype(np.float32),
        channels=channels,
        sequence=draw(st.integers(0, 2**32 - 1)),
        device_time_us=draw(st.integers(0, 2**32 - 1)),
        sample_rate_hz=draw(st.integers(1, 65535)) / 10,
    )


@given(
    header=st.tuples(st.integers(0, 3), st.integers(0, 12), st.integers(0, 1023)),
    body=st.binary(min_size=10, max_size=250),
)
def test_bytes_that_look_like_a_repsense_packet_are_one_or_a_packet_error(
    header: tuple[int, int, int], body: bytes
) -> None:
    version, n_samples, mask = header
    notification = bytes([version, n_samples]) + mask.to_bytes(2, "little") + body
    try:
        packet = repsense.decode_packet(notification)
    except PacketError:
        return
    assert repsense.encode_packet(packet) == notification


@given(packet=_packets())
def test_a_repsense_packet_comes_back_within_half_a_least_significant_bit(packet: Packet) -> None:
    decoded = repsense.decode_packet(repsense.encode_packet(packet))
    half_lsb = np.array([repsense.SI_PER_LSB[channel] for channel in packet.channels]) / 2
    # A little more for what float32 itself cannot say.
    assert (np.abs(decoded.samples - packet.samples) <= half_lsb * 1.01 + np.abs(packet.samples) * 1e-6).all()
    assert decoded.channels == packet.channels
    assert decoded.sequence == packet.sequence
    assert decoded.device_time_us == packet.device_time_us
    assert decoded.clock_wraps_us == 2**32
    assert decoded.sample_rate_hz == packet.sample_rate_hz


@given(counts=st.lists(_COUNTS, min_size=9, max_size=9))
def test_a_prototype_packet_comes_back_exactly(counts: list[int]) -> None:
    notification = np.array(counts, dtype="<i2").tobytes()
    assert prototype.encode_packet(prototype.decode_packet(notification)) == notification


def test_the_prototype_sends_mg_hundredths_of_degrees_and_mg_of_field() -> None:
    notification = np.array([1000, -500, 0, 9000, -18000, 0, 300, -450, 0], dtype="<i2").tobytes()
    packet = prototype.decode_packet(notification)
    expected = [STANDARD_GRAVITY_M_S2, -STANDARD_GRAVITY_M_S2 / 2, 0, math.pi / 2, -math.pi, 0, 30, -45, 0]
    np.testing.assert_allclose(packet.samples, [expected], rtol=1e-6)
    assert packet.channels == CHANNELS
    assert packet.sequence is None


def test_the_layout_of_a_repsense_packet_is_the_documented_one() -> None:
    notification = bytes.fromhex("01 01 3800 04030201 40420f00 f401 0040 00c0 ff7f")
    packet = repsense.decode_packet(notification)
    assert packet.channels == (Channel.GX, Channel.GY, Channel.GZ)
    assert packet.sequence == 0x01020304
    assert packet.device_time_us == 1_000_000
    assert packet.sample_rate_hz == 50.0
    np.testing.assert_allclose(packet.samples, np.radians([[1000, -1000, 2000 * 32767 / 32768]]), rtol=1e-6)


@pytest.mark.parametrize(
    ("decode", "encode"),
    [(repsense.decode_packet, repsense.encode_packet), (prototype.decode_packet, prototype.encode_packet)],
)
def test_values_out_of_range_are_clipped_not_wrapped(
    decode: Callable[[bytes], Packet], encode: Callable[[Packet], bytes]
) -> None:
    beyond = np.array([[1e6, -1e6, 0] * 3], dtype=np.float32)
    packet = Packet(beyond, CHANNELS, sequence=0, device_time_us=0, sample_rate_hz=50.0)
    samples: NDArray[np.float32] = decode(encode(packet)).samples
    assert (samples[0, 0::3] > 0).all()
    assert (samples[0, 1::3] < 0).all()
    np.testing.assert_allclose(samples[0, 0::3] / -samples[0, 1::3], 32767 / 32768, rtol=1e-5)


@pytest.mark.parametrize(
    ("rate_hz", "n_channels", "expected"), [(50.0, 9, 5), (2.0, 9, 1), (0.5, 9, 1), (1000.0, 9, 12), (1000.0, 3, 38)]
)
def test_a_notification_spans_a_tenth_of_a_second_and_fits_the_air(
    rate_hz: float, n_channels: int, expected: int
) -> None:
    assert repsense.samples_per_notification(rate_hz, n_channels) == expected


@pytest.mark.parametrize(("mtu", "expected"), [(35, 1), (52, 1), (53, 2), (107, 5), (517, 5)])
def test_a_notification_fits_the_negotiated_mtu(mtu: int, expected: int) -> None:
    n_samples = repsense.samples_per_notification(50.0, 9, mtu - 3)
    packet = Packet(np.zeros((n_samples, 9), np.float32), CHANNELS, sequence=0, device_time_us=0, sample_rate_hz=50.0)
    assert n_samples == expected
    assert len(repsense.encode_packet(packet)) <= mtu - 3


def test_an_mtu_too_small_for_one_sample_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 32 bytes, more than 20"):
        repsense.samples_per_notification(50.0, 9, 20)


def test_what_a_header_cannot_say_is_refused() -> None:
    samples = np.zeros((1, 9), dtype=np.float32)
    with pytest.raises(ValueError, match="needs sequence"):
        repsense.encode_packet(Packet(samples, CHANNELS))
    with pytest.raises(ValueError, match="cannot say"):
        repsense.encode_packet(Packet(samples, CHANNELS, sequence=0, device_time_us=0, sample_rate_hz=7000.0))
    with pytest.raises(ValueError, match="canonical order"):
        repsense.encode_packet(Packet(samples, CHANNELS[::-1], sequence=0, device_time_us=0, sample_rate_hz=50.0))
    with pytest.raises(ValueError, match="one sample"):
        prototype.encode_packet(Packet(np.zeros((2, 9), dtype=np.float32), CHANNELS))
