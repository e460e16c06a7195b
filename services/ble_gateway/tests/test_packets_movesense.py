import math
import struct
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from repsense.channels import ACCELERATION, ANGULAR_RATE, CHANNELS
from repsense_ble_gateway.packets import Packet, PacketError
from repsense_ble_gateway.packets.movesense import (
    IMU6,
    IMU9,
    LAYOUTS,
    MovesenseDecoder,
    decode_data,
    decode_status,
    encode_data,
    encode_status,
    subscribe_command,
    unsubscribe_command,
)

_SIX = ACCELERATION + ANGULAR_RATE


def _packet(n_samples: int, reference: int = IMU9, time_ms: int = 1_234) -> Packet:
    channels = LAYOUTS[reference]
    samples = np.random.default_rng(n_samples).normal(size=(n_samples, len(channels))).astype(np.float32)
    return Packet(samples, channels, device_time_us=time_ms * 1_000)


def test_all_accelerations_come_before_all_angular_rates() -> None:
    values = [1, 2, 3, 4, 5, 6, 10, 20, 30, 40, 50, 60]
    (packet,) = MovesenseDecoder().decode(struct.pack("<BBI12f", 2, IMU6, 5_000, *values))
    degree = math.pi / 180
    expected = [
        [1, 2, 3, 10 * degree, 20 * degree, 30 * degree],
        [4, 5, 6, 40 * degree, 50 * degree, 60 * degree],
    ]
    np.testing.assert_allclose(packet.samples, expected, rtol=1e-6)
    assert packet.channels == _SIX
    assert packet.device_time_us == 5_000_000
    assert packet.clock_wraps_us == 2**32 * 1_000
    assert packet.sequence is None


def test_the_magnetic_field_comes_last_and_in_microtesla() -> None:
    (packet,) = MovesenseDecoder().decode(struct.pack("<BBI9f", 2, IMU9, 0, 0, 0, 9.81, 0, 0, 0, 20, -5, 40))
    np.testing.assert_allclose(packet.samples, [[0, 0, 9.81, 0, 0, 0, 20, -5, 40]], rtol=1e-6)
    assert packet.channels == CHANNELS


def test_eight_samples_at_104_hz_come_in_two_parts() -> None:
    packet = _packet(8)
    first, second = encode_data(packet)
    assert (first[0], second[0], len(first), len(second)) == (2, 3, 158, 2 + 4 + 288 - 156)
    decoder = MovesenseDecoder()
    assert decoder.decode(first) == []
    (decoded,) = decoder.decode(second)
    np.testing.assert_allclose(decoded.samples, packet.samples, rtol=1e-6)
    assert decoded.device_time_us == packet.device_time_us


@given(
    n_samples=st.integers(1, 12),
    reference=st.sampled_from([IMU6, IMU9]),
    payload_bytes=st.sampled_from([155, 158, 182, 244]),
)
def test_data_come_back_however_they_were_split(n_samples: int, reference: int, payload_bytes: int) -> None:
    packet = _packet(n_samples, reference)
    decoder = MovesenseDecoder()
    *none, last = [decoder.decode(part) for part in encode_data(packet, payload_bytes)]
    assert not any(none)
    np.testing.assert_allclose(last[0].samples, packet.samples, rtol=1e-6)


@pytest.mark.parametrize("lost", [0, 1])
def test_a_lost_part_costs_one_measurement_only(lost: int) -> None:
    parts = encode_data(_packet(8, time_ms=0))
    del parts[lost]
    decoder = MovesenseDecoder()
    packets = []
    for notification in [*parts, *encode_data(_packet(8, time_ms=77))]:
        # A second part without the first is refused.
        with suppress(PacketError):
            packets += decoder.decode(notification)
    assert [packet.device_time_us for packet in packets] == [77_000]


def test_there_is_no_fourth_part() -> None:
    decoder = MovesenseDecoder()
    assert decoder.decode(b"\x02\x06" + bytes(10)) == []
    assert decoder.decode(b"\x03\x06" + bytes(10)) == []
    with pytest.raises(PacketError, match="no whole number of samples"):
        decoder.decode(b"\x04\x06" + bytes(10))


def test_parts_of_different_measurements_are_not_joined() -> None:
    decoder = MovesenseDecoder()
    decoder.decode(encode_data(_packet(8, IMU9))[0])
    with pytest.raises(PacketError, match="without the part before it"):
        decoder.decode(encode_data(_packet(8, IMU6))[1])


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e30])
def test_what_is_no_measurement_is_refused(value: float) -> None:
    with pytest.raises(PacketError, match="which no sensor measures"):
        MovesenseDecoder().decode(struct.pack("<BBI6f", 2, IMU6, 0, 0, 0, 9.81, 0, value, 0))


def test_a_signalling_nan_is_refused_too() -> None:
    payload = struct.pack("<I", 0) + bytes(20) + bytes.fromhex("010080 7f")
    with pytest.raises(PacketError, match="which no sensor measures"):
        decode_data(IMU6, payload)


def test_data_for_an_unknown_reference_are_refused() -> None:
    with pytest.raises(PacketError, match="did not ask for"):
        MovesenseDecoder().decode(struct.pack("<BBI6f", 2, 99, 0, *range(6)))


def test_answers_give_no_packets() -> None:
    assert MovesenseDecoder().decode(encode_status(IMU9, 200)) == []


def test_commands_are_those_of_the_protocol() -> None:
    assert subscribe_command(IMU6, 52) == b"\x01\x06/Meas/IMU6/52"
    assert subscribe_command(IMU9, 104) == b"\x01\x09/Meas/IMU9/104"
    assert unsubscribe_command(IMU9) == b"\x02\x09"


@pytest.mark.parametrize(
    ("notification", "status"),
    [
        ("01 06 c8 00", 200),
        ("01 06 94 01", 404),
        ("01 06 01 fb", 507),
        ("01 09 c8 00", None),
        ("01 06 c8", None),
        ("01 06 00 00", None),
        ("02 06 c8 00", None),
        ("", None),
    ],
)
def test_a_status_is_read_in_either_order(notification: str, status: int | None) -> None:
    assert decode_status(bytes.fromhex(notification), IMU6) == status


def test_what_data_cannot_say_is_refused() -> None:
    with pytest.raises(ValueError, match="device time"):
        encode_data(Packet(np.zeros((1, 6), np.float32), _SIX))
    with pytest.raises(ValueError, match="device time"):
        encode_data(Packet(np.zeros((1, 3), np.float32), ACCELERATION, device_time_us=0))
    with pytest.raises(ValueError, match="three notifications"):
        encode_data(_packet(20))
