"""The bytes of the examples are those of Polar's specification, of the tests of its SDK and of issue #331 there."""

import math
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from repsense.channels import ACCELERATION, ANGULAR_RATE, CHANNELS, MAGNETIC_FIELD
from repsense_ble_gateway.packets import STANDARD_GRAVITY_M_S2, Packet, PacketError
from repsense_ble_gateway.packets.polar import FRAME_TYPES, Frame, PolarDecoder, decode_frame, encode_frame
from repsense_ble_gateway.packets.polar_control import (
    Answer,
    Measurement,
    Request,
    Setting,
    decode_answer,
    decode_factor,
    decode_features,
    decode_settings,
    encode_answer,
    encode_factor,
    encode_features,
    encode_request,
    encode_settings,
)

_ACC, _GYRO, _MAG = Measurement
_MG = STANDARD_GRAVITY_M_S2 / 1_000
_DEGREE = math.pi / 180
_TWO_SECONDS = "00 94 35 77 00 00 00 00"
_FIRST_OF_TYPE_0 = "71 07 F0 6A 9E 8D 0A 38 BE 5C BE BA 2F 96 B3 EE 4B E5 AD FB 42 B9 EB BE 4C FE BA 2F 92"


def _bytes(*parts: str) -> bytes:
    return bytes.fromhex("".join(parts))


class TestFrames:
    def test_an_h10_sends_milligravities(self) -> None:
        frame = decode_frame(_bytes("02 EA 54 A2 42 8B 45 52 08 01", "45 FF E4 FF B5 03 45 FF E4 FF B8 03"))
        assert frame.measurement is _ACC
        assert frame.last_sample_ns == 599618164814402794
        np.testing.assert_allclose(frame.samples / _MG, [[-187, -28, 949], [-187, -28, 952]], rtol=1e-6)

    def test_an_uncompressed_frame_ignores_the_factor(self) -> None:
        frame = decode_frame(_bytes("02", _TWO_SECONDS, "01 F7 FF FF FF E7 03"), factor=2.0)
        np.testing.assert_allclose(frame.samples / _MG, [[-9, -1, 999]], rtol=1e-6)

    @pytest.mark.parametrize(
        ("kind", "sample", "expected"),
        [("00", "7F 80 01", [127, -128, 1]), ("02", "FF FF 7F 00 00 80 FE FF FF", [8388607, -8388608, -2])],
    )
    def test_uncompressed_values_may_have_one_or_three_bytes(self, kind: str, sample: str, expected: list[int]) -> None:
        frame = decode_frame(_bytes("02", _TWO_SECONDS, kind, sample))
        np.testing.assert_allclose(frame.samples / _MG, [expected], rtol=1e-6)

    def test_the_specifications_example_of_differences(self) -> None:
        content = "D0 FF 65 01 E4 0F 08 02 FC 07 FF 0C 13 F2"
        frame = decode_frame(_bytes("02 64 6C 76 C4 3C C6 7F 07 80", content), factor=0.000244)
        counts = [[-48, 357, 4068], [-52, 364, 4067], [-40, 383, 4053]]
        assert frame.last_sample_ns == 540368444604181604
        np.testing.assert_allclose(frame.samples, np.array(counts) * 0.000244 * STANDARD_GRAVITY_M_S2, rtol=1e-6)

    def test_differences_of_ten_bits_and_negative_ones(self) -> None:
        # The SDK's example has 56 samples; its first seven differences are 210 bits, 27 bytes.
        content = _bytes(_FIRST_OF_TYPE_0)[:6] + bytes([10, 5]) + _bytes(_FIRST_OF_TYPE_0)[8:27]
        frame = decode_frame(_bytes("02", _TWO_SECONDS, "80") + content, factor=1.0)
        counts = frame.samples / STANDARD_GRAVITY_M_S2
        np.testing.assert_allclose(counts[:2], [[1905, 27376, -29282], [2095, 27271, -29367]], rtol=1e-6)
        assert len(counts) == 6

    def test_a_verity_senses_compressed_milligravities(self) -> None:
        frame = decode_frame(_bytes("02 65 00 00 00 00 00 00 00 81", "F1 FF 14 00 F0 03 06 01 7B 0F 08"))
        np.testing.assert_allclose(frame.samples / _MG, [[-15, 20, 1008], [-20, 17, 1008]], rtol=1e-6)

    def test_angular_rate_of_three_bits(self) -> None:
        frame = decode_frame(_bytes("05 FF FF FF FF FF FF FF 7F 80", "EA FF 08 00 0D 00 03 01 DF 00"), factor=0.07)
        expected = np.array([[-22, 8, 13], [-23, 11, 16]]) * 0.07 * _DEGREE
        np.testing.assert_allclose(frame.samples, expected, rtol=1e-6)

    def test_angular_rate_as_the_bits_of_floats(self) -> None:
        content = "00 00 80 3F 00 00 20 41 00 00 A0 41 1C 01 00 00 A0 01 00 00 08 CD CC EC 0D"
        frame = decode_frame(_bytes("05", _TWO_SECONDS, "81", content))
        bits = [0x3F800000 + 0x1A00000, 0x41200000 + 0x0800000, 0x41A00000 - 0x2133333]
        second = struct.unpack("<3f", struct.pack("<3I", *bits))
        np.testing.assert_allclose(frame.samples / _DEGREE, [[1, 10, 20], second], rtol=1e-6)

    def test_the_magnetic_field_in_gauss(self) -> None:
        content = "E2 E6 FA 15 49 0A 06 01 7F 20 FC"
        frame = decode_frame(_bytes("06", _TWO_SECONDS, "80", content), factor=0.0001)
        # The highest bits of the last byte belong to nothing.
        np.testing.assert_allclose(frame.samples, [[-64.30, 56.26, 26.33], [-64.31, 56.27, 26.35]], rtol=1e-5)

    def test_the_magnetic_field_in_milligauss_without_its_calibration(self) -> None:
        frame = decode_frame(_bytes("06", _TWO_SECONDS, "81", "37 FF 51 FD 6C F6 00 00 03 01 F8 02"))
        np.testing.assert_allclose(frame.samples, [[-20.1, -68.7, -245.2], [-20.1, -68.8, -244.9]], rtol=1e-5)

    @pytest.mark.parametrize(
        ("frame", "words"),
        [
            ("02 00 00 00", "more than 10 bytes"),
            ("01" + "00" * 8 + "01" + "00" * 6, "measurement 1 and type 0x01"),
            ("02" + "00" * 8 + "03" + "00" * 6, "measurement 2 and type 0x03"),
            ("02" + "00" * 8 + "01", "without a sample"),
            ("02" + "00" * 8 + "01" + "00" * 7, "7 bytes of samples"),
            ("02" + "00" * 8 + "80" + "00" * 6, "did not tell its factor"),
            ("02" + "00" * 8 + "81" + "00" * 5, "5 bytes of samples"),
            ("02" + "00" * 8 + "81" + "00" * 6 + "08", "0 differences of 8 bits"),
            ("02" + "00" * 8 + "81" + "00" * 6 + "08 02" + "00" * 5, "2 differences of 8 bits, 5 bytes long"),
            ("02" + "00" * 8 + "81" + "00" * 6 + "00 02", "differences of 0 bits"),
            ("02" + "00" * 8 + "81" + "00" * 6 + "21 01" + "00" * 13, "differences of 33 bits"),
            ("05" + "00" * 8 + "81" + "00 00 C0 7F" * 3, "which no sensor measures"),
            ("05" + "00" * 8 + "81" + "01 00 80 7F" * 3, "which no sensor measures"),
        ],
    )
    def test_what_is_no_frame_is_refused(self, frame: str, words: str) -> None:
        with pytest.raises(PacketError, match=words):
            decode_frame(bytes.fromhex(frame))

    @given(
        kind=st.sampled_from(sorted(FRAME_TYPES)),
        n_samples=st.integers(1, 80),
        seed=st.integers(0, 2**32 - 1),
        spread=st.sampled_from([0.0, 0.01, 1.0]),
    )
    def test_a_frame_comes_back_within_half_a_count(
        self, kind: tuple[Measurement, int], n_samples: int, seed: int, spread: float
    ) -> None:
        frame_type, factor = FRAME_TYPES[kind], 0.001
        count = frame_type.si_per_unit * (factor if kind[1] & 0x80 else 1)
        full = count * 2 ** (8 * min(frame_type.value_bytes, 2) - 1)
        samples = np.random.default_rng(seed).uniform(-full, full - count, (n_samples, 3)) * spread
        frame = Frame(kind[0], seed, samples.astype(np.float32))
        decoded = decode_frame(encode_frame(frame, kind[1], factor), factor)
        assert (decoded.measurement, decoded.last_sample_ns) == (kind[0], seed)
        assert (np.abs(decoded.samples - frame.samples) <= count * 0.51 + np.abs(samples) * 1e-5).all()

    @pytest.mark.parametrize("kind", [key for key, value in FRAME_TYPES.items() if not value.floating])
    def test_values_out_of_range_are_clipped_not_wrapped(self, kind: tuple[Measurement, int]) -> None:
        beyond = np.array([[9e5, -9e5, 0]] * 3, dtype=np.float32)
        decoded = decode_frame(encode_frame(Frame(kind[0], 0, beyond), kind[1], 0.0001), 0.0001).samples
        np.testing.assert_allclose(decoded[:, 0], -decoded[:, 1], rtol=0.01)
        assert (decoded[:, 0] > 0).all()


class TestControlPoint:
    def test_the_start_of_a_verity_sense_is_that_of_the_specification(self) -> None:
        chosen = {Setting.RANGE: [8], Setting.SAMPLE_RATE: [52], Setting.N_CHANNELS: [3], Setting.RESOLUTION: [16]}
        expected = _bytes("02 02 00 01 34 00 01 01 10 00 02 01 08 00 04 01 03")
        assert encode_request(Request.START, _ACC, chosen) == expected

    def test_other_requests_have_no_settings(self) -> None:
        assert encode_request(Request.SETTINGS, _GYRO) == _bytes("01 05")
        assert encode_request(Request.STOP, _MAG) == _bytes("03 06")

    def test_an_h10_tells_what_it_offers(self) -> None:
        answer = decode_answer(
            _bytes("F0 01 02 00 00 00 04 19 00 32 00 64 00 C8 00 01 01 10 00 02 03 02 00 04 00 08 00")
        )
        assert (answer.request, answer.measurement, answer.status, answer.more) == (1, 2, 0, False)
        assert decode_settings(answer.settings) == {
            Setting.SAMPLE_RATE: (25, 50, 100, 200),
            Setting.RESOLUTION: (16,),
            Setting.RANGE: (2, 4, 8),
        }

    @pytest.mark.parametrize(
        ("answer", "factor"),
        [
            ("F0 02 02 00 00 05 01 40 DA 7F 39", 0.000244),
            ("F0 02 05 00 00 05 01 29 5C 8F 3D", 0.07),
            ("F0 02 02 00 00", None),
            ("F0 02 02 00", None),
            ("F0 02 02 00 00 05 00", None),
        ],
    )
    def test_the_answer_to_a_start_may_tell_the_factor(self, answer: str, factor: float | None) -> None:
        decoded = decode_factor(decode_settings(decode_answer(_bytes(answer)).settings))
        assert decoded == (factor and pytest.approx(factor, rel=1e-6))

    @pytest.mark.parametrize("bits", ["00 00 C0 7F", "00 00 80 7F", "00 00 00 00", "00 00 80 BF"])
    def test_a_factor_that_is_no_positive_number_is_refused(self, bits: str) -> None:
        with pytest.raises(PacketError, match="must be a positive number"):
            decode_factor(decode_settings(_bytes("05 01", bits)))

    @pytest.mark.parametrize("settings", ["00", "00 01", "00 01 34", "00 02 34 00", "06 01 00", "04 01 03 09"])
    def test_settings_that_are_not_well_formed_are_refused(self, settings: str) -> None:
        with pytest.raises(PacketError, match="not the settings"):
            decode_settings(_bytes(settings))

    @pytest.mark.parametrize("answer", ["", "F0", "F0 01 02", "0F 01 02 00 00"])
    def test_what_is_no_answer_is_refused(self, answer: str) -> None:
        with pytest.raises(PacketError, match="not an answer"):
            decode_answer(_bytes(answer))

    def test_features_tell_what_there_is(self) -> None:
        verity_sense = decode_features(_bytes("0F 6E" + "00" * 15))
        assert verity_sense == {_ACC, _GYRO, _MAG}
        assert decode_features(_bytes("0F 05" + "00" * 15)) == {_ACC}
        assert encode_features(verity_sense) == _bytes("0F 64" + "00" * 15)
        for value in ("", "0F", "F0 6E"):
            with pytest.raises(PacketError, match="not the features"):
                decode_features(_bytes(value))

    @given(
        st.dictionaries(st.sampled_from(Setting), st.lists(st.integers(0, 255), max_size=5)),
        st.integers(0, 255),
        st.booleans(),
    )
    def test_an_answer_comes_back(self, settings: dict[Setting, list[int]], status: int, more: bool) -> None:  # noqa: FBT001
        answer = Answer(Request.SETTINGS, _ACC, status, more, encode_settings(settings))
        assert decode_answer(encode_answer(answer)) == answer
        assert decode_settings(answer.settings) == {setting: tuple(values) for setting, values in settings.items()}

    @given(st.binary(max_size=60))
    def test_any_bytes_are_settings_or_a_packet_error(self, encoded: bytes) -> None:
        try:
            settings = decode_settings(encoded)
        except PacketError:
            return
        assert decode_settings(encode_settings(settings)) == settings


_FACTORS = {_ACC: 0.001, _GYRO: 0.01, _MAG: 0.0001}


def _started(measurement: Measurement, rate_hz: int = 50) -> list[bytes]:
    """What the decoder hears when a measurement is started."""
    settings = encode_settings({Setting.SAMPLE_RATE: [rate_hz]})
    factor = encode_settings(encode_factor(_FACTORS[measurement]))
    return [
        encode_answer(Answer(Request.SETTINGS, measurement, settings=settings)),
        encode_answer(Answer(Request.START, measurement, settings=factor)),
    ]


def _frame(measurement: Measurement, begin_ms: int, n_samples: int = 50, period_ms: int = 20) -> bytes:
    """A frame whose values are their times in seconds, if those are small."""
    times_ms = begin_ms + period_ms * np.arange(n_samples)
    samples = np.repeat(times_ms[:, None] / 1_000, 3, axis=1).astype(np.float32)
    return encode_frame(Frame(measurement, int(times_ms[-1]) * 1_000_000, samples), 0x80, _FACTORS[measurement])


def _decode(decoder: PolarDecoder, notifications: list[bytes]) -> list[Packet]:
    return [packet for notification in notifications for packet in decoder.decode(notification)]


class TestDecoder:
    def test_acceleration_alone_is_three_channels_with_clock_and_rate(self) -> None:
        decoder = PolarDecoder()
        (packet,) = _decode(decoder, [*_started(_ACC), _frame(_ACC, 1_000)])
        assert packet.channels == ACCELERATION
        assert packet.samples.shape == (50, 3)
        assert packet.device_time_us == 1_000_000
        assert (packet.clock_wraps_us, packet.sequence, packet.sample_rate_hz) == (None, None, 50.0)

    def test_a_packet_begins_one_period_after_the_one_before(self) -> None:
        decoder = PolarDecoder()
        # 19.9 ms instead of 20.
        frames = [_frame(_ACC, 0, 51), encode_frame(Frame(_ACC, 1_995_000_000, np.zeros((50, 3), np.float32)), 0x01)]
        _, second = _decode(decoder, [*_started(_ACC), *frames])
        assert second.device_time_us == 1_000_000 + 19_900

    def test_all_measurements_are_merged_at_the_times_of_the_acceleration(self) -> None:
        decoder = PolarDecoder()
        started = [*_started(_GYRO), *_started(_MAG, 10), *_started(_ACC)]
        frames = [_frame(_GYRO, 993, 60), _frame(_MAG, 900, 15, 100), _frame(_ACC, 1_000)]
        (packet,) = _decode(decoder, [*started, *frames])
        assert packet.channels == ACCELERATION + ANGULAR_RATE + MAGNETIC_FIELD == CHANNELS
        expected = np.repeat(1 + 0.02 * np.arange(50)[:, None], 9, axis=1)
        # Half a count of each: 0.001 g, 0.01 deg/s, 0.0001 G.
        np.testing.assert_allclose(packet.samples, expected, atol=0.0051)
        np.testing.assert_allclose(packet.samples[:, 3:6], expected[:, 3:6], atol=0.0001)

    def test_the_order_of_arrival_does_not_matter(self) -> None:
        frames = [_frame(_ACC, 1_000), _frame(_GYRO, 995, 60)]
        started = [*_started(_GYRO), *_started(_ACC)]
        (one,) = _decode(PolarDecoder(), [*started, *frames])
        (other,) = _decode(PolarDecoder(), [*started, *frames[::-1]])
        np.testing.assert_array_equal(one.samples, other.samples)

    def test_a_lost_frame_of_angular_rate_is_a_hole_in_the_device_time(self) -> None:
        gyro = [_frame(_GYRO, 995 + 1_000 * number) for number in range(4)]
        acc = [_frame(_ACC, 1_000 + 1_000 * number) for number in range(3)]
        del gyro[1]
        packets = _decode(PolarDecoder(), [*_started(_GYRO), *_started(_ACC), *gyro, *acc])
        covered = np.concatenate([packet.samples[:, 0] for packet in packets])
        assert not ((covered > 2.0) & (covered < 2.95)).any()
        begins = [packet.device_time_us or 0 for packet in packets]
        assert begins == sorted(begins)
        np.testing.assert_allclose([packet.samples[0, 0] for packet in packets], np.array(begins) / 1e6, atol=0.006)

    def test_an_angular_rate_that_stops_is_an_error_after_300_samples_time(self) -> None:
        decoder = PolarDecoder()
        _decode(decoder, [*_started(_GYRO), *_started(_ACC), _frame(_GYRO, 0)])
        packets = _decode(decoder, [_frame(_ACC, 1_000 * second) for second in range(7)])
        assert [packet.device_time_us for packet in packets] == [0]
        with pytest.raises(PacketError, match="has stopped"):
            decoder.decode(_frame(_ACC, 7_000))
        (packet,) = _decode(decoder, [_frame(_GYRO, 8_000, 60), _frame(_ACC, 8_100)])
        assert packet.device_time_us == 8_100_000

    def test_what_was_not_started_is_not_waited_for(self) -> None:
        refused = encode_answer(Answer(Request.START, _GYRO, status=3))
        (packet,) = _decode(PolarDecoder(), [*_started(_ACC), refused, _frame(_GYRO, 0), _frame(_ACC, 0)])
        assert packet.channels == ACCELERATION

    def test_what_was_stopped_is_not_waited_for(self) -> None:
        stopped = encode_answer(Answer(Request.STOP, _GYRO))
        (packet,) = _decode(PolarDecoder(), [*_started(_GYRO), *_started(_ACC), stopped, _frame(_ACC, 0)])
        assert packet.channels == ACCELERATION

    def test_without_settings_the_configured_rate_is_reckoned_with(self) -> None:
        (packet,) = PolarDecoder(25).decode(_bytes("02", _TWO_SECONDS, "01", "00 00 00 00 E8 03" * 2))
        assert packet.sample_rate_hz == 25.0
        assert packet.device_time_us == 2_000_000 - 40_000

    def test_settings_with_a_choice_of_rates_tell_none(self) -> None:
        offered = encode_answer(
            Answer(Request.SETTINGS, _ACC, settings=encode_settings({Setting.SAMPLE_RATE: [25, 50]}))
        )
        *_, packet = _decode(PolarDecoder(52), [offered, _bytes("02", _TWO_SECONDS, "01", "00 00 00 00 E8 03")])
        assert packet.sample_rate_hz == 52.0

    @given(last_ns=st.integers(0, 2**64 - 1))
    def test_the_clock_keeps_its_microseconds(self, last_ns: int) -> None:
        frame = Frame(_ACC, last_ns, np.zeros((1, 3), np.float32))
        (packet,) = PolarDecoder().decode(encode_frame(frame, 0x01))
        assert packet.device_time_us == last_ns // 1_000
