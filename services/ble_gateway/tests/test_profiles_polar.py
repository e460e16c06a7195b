"""The dialogue with the control point of Polar's sensors."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from repsense.channels import ACCELERATION, CHANNELS
from repsense_ble_gateway.configuration import SensorConfiguration
from repsense_ble_gateway.packets import PacketError, polar
from repsense_ble_gateway.packets.polar_control import (
    CONTROL_UUID,
    Answer,
    Measurement,
    Request,
    Setting,
    encode_answer,
    encode_factor,
    encode_features,
    encode_settings,
)
from repsense_ble_gateway.profiles import ProfileError, Receive
from repsense_ble_gateway.profiles import polar as polar_profile
from repsense_ble_gateway.profiles.polar import POLAR

_ACC, _GYRO, _MAG = Measurement
_H10 = {_ACC: {Setting.SAMPLE_RATE: [25, 50, 100, 200], Setting.RESOLUTION: [16], Setting.RANGE: [2, 4, 8]}}
_VERITY_SENSE = {
    _ACC: {Setting.SAMPLE_RATE: [52], Setting.RESOLUTION: [16], Setting.RANGE: [8], Setting.N_CHANNELS: [3]},
    _GYRO: {Setting.SAMPLE_RATE: [52], Setting.RESOLUTION: [16], Setting.RANGE: [500, 2000], Setting.N_CHANNELS: [3]},
    _MAG: {Setting.SAMPLE_RATE: [10, 20, 50, 100], Setting.RESOLUTION: [16], Setting.RANGE: [50]},
}


@dataclass
class _Sensor:
    """A Polar sensor, as a link.

    Attributes:
        offered: Its settings.
        statuses: Of its next answers to a request, by request and measurement; success when used up.
        features: What it says that it has, if not what it offers.
        split: Whether its answers about settings come in two parts.
        answer: What becomes of an answer before it is sent.
        requests: What was written.
    """

    offered: dict[Measurement, dict[Setting, list[int]]]
    statuses: dict[tuple[Request, Measurement], list[int]] = field(default_factory=dict)
    features: bytes | None = None
    split: bool = False
    answer: Callable[[bytes], Sequence[bytes]] = lambda answer: [answer]
    requests: list[str] = field(default_factory=list)
    receivers: dict[str, Receive] = field(default_factory=dict)

    def properties(self, _: str) -> frozenset[str]:
        return frozenset({"read", "write", "notify", "indicate"})

    async def read(self, characteristic: str) -> bytes:
        assert characteristic == CONTROL_UUID
        return encode_features(frozenset(self.offered)) if self.features is None else self.features

    async def subscribe(self, characteristic: str, receive: Receive) -> None:
        self.receivers[characteristic] = receive

    async def write(self, characteristic: str, value: bytes, *, response: bool) -> None:
        assert characteristic == CONTROL_UUID
        assert response
        assert set(self.receivers) == {CONTROL_UUID, polar.CHARACTERISTIC_UUID}
        self.requests.append(value.hex(" "))
        request, measurement = Request(value[0]), Measurement(value[1])
        statuses = self.statuses.get((request, measurement), [])
        status = statuses.pop(0) if statuses else 0
        for answer in self._answers(request, measurement, status):
            for part in self.answer(encode_answer(answer)):
                self.receivers[CONTROL_UUID](part)

    def _answers(self, request: Request, measurement: Measurement, status: int) -> list[Answer]:
        if status or request is Request.STOP:
            return [Answer(request, measurement, status)]
        encoded = encode_settings(self.offered[measurement] if request is Request.SETTINGS else encode_factor(0.001))
        if self.split and request is Request.SETTINGS:
            first, rest = Answer(request, measurement, more=True, settings=encoded[:5]), encoded[5:]
            return [first, Answer(request, measurement, settings=rest)]
        return [Answer(request, measurement, settings=encoded)]


def _start(sensor: _Sensor, **options: object) -> list[bytes]:
    """What the decoder is given."""
    received: list[bytes] = []
    configuration = SensorConfiguration.model_validate({"id": "arm", "ble_name": "Polar", **options})
    asyncio.run(_awaited(sensor, configuration, received.append))
    return received


async def _awaited(sensor: _Sensor, configuration: SensorConfiguration, receive: Receive) -> None:
    await POLAR.start(sensor, configuration, receive)


def test_the_acceleration_of_a_verity_sense_starts_as_in_polars_specification() -> None:
    sensor = _Sensor({_ACC: _VERITY_SENSE[_ACC]})
    _start(sensor)
    assert sensor.requests == ["01 02", "02 02 00 01 34 00 01 01 10 00 02 01 08 00 04 01 03"]


def test_an_h10_sends_50_samples_per_second_with_its_largest_range_by_default() -> None:
    sensor = _Sensor(_H10)
    _start(sensor)
    assert sensor.requests == ["01 02", "02 02 00 01 32 00 01 01 10 00 02 01 08 00"]


def test_rate_and_range_are_those_configured() -> None:
    sensor = _Sensor(_H10)
    _start(sensor, rate_hz=200, acceleration_range_g=4)
    assert sensor.requests[-1] == "02 02 00 01 c8 00 01 01 10 00 02 01 04 00"


def test_the_acceleration_is_started_last_and_the_others_at_the_nearest_rate() -> None:
    sensor = _Sensor(_VERITY_SENSE)
    _start(sensor, angular_rate_range_deg_s=500)
    assert sensor.requests == [
        "01 05",
        "02 05 00 01 34 00 01 01 10 00 02 01 f4 01 04 01 03",
        "01 06",
        "02 06 00 01 32 00 01 01 10 00 02 01 32 00",
        "01 02",
        "02 02 00 01 34 00 01 01 10 00 02 01 08 00 04 01 03",
    ]


def test_a_magnetometer_that_is_not_wanted_is_not_started() -> None:
    sensor = _Sensor(_VERITY_SENSE)
    _start(sensor, magnetometer=False)
    assert [request[:5] for request in sensor.requests] == ["01 05", "02 05", "01 02", "02 02"]


def test_the_decoder_learns_rates_factors_and_what_to_wait_for() -> None:
    decoder = POLAR.decoder(SensorConfiguration(id="arm", ble_name="Polar"))
    for notification in _start(_Sensor(_VERITY_SENSE)):
        assert decoder.decode(notification) == []
    packets = []
    for measurement in (_GYRO, _MAG, _ACC):
        frame = polar.Frame(measurement, 10**9, np.ones((60, 3), np.float32))
        packets += decoder.decode(polar.encode_frame(frame, 0x80, 0.001))
    (packet,) = packets
    assert packet.channels == CHANNELS
    assert packet.sample_rate_hz == 52
    np.testing.assert_allclose(packet.samples, 1, atol=0.45)


def test_an_h10_has_three_channels() -> None:
    decoder = POLAR.decoder(SensorConfiguration(id="chest", ble_name="Polar"))
    for notification in _start(_Sensor(_H10), rate_hz=100):
        decoder.decode(notification)
    frame = polar.Frame(_ACC, 10**9, np.ones((36, 3), np.float32))
    (packet,) = decoder.decode(polar.encode_frame(frame, 0x01))
    assert packet.channels == ACCELERATION
    assert packet.sample_rate_hz == 100


def test_answers_in_parts_are_put_together() -> None:
    sensor = _Sensor(_H10, split=True)
    _start(sensor, rate_hz=200)
    assert sensor.requests[-1].startswith("02 02 00 01 c8 00")


def test_other_answers_in_between_are_passed_over() -> None:
    stopped, late = bytes.fromhex("01 02"), bytes.fromhex("f0 03 00 00 00")
    sensor = _Sensor(_H10, answer=lambda answer: [stopped, late, answer])
    _start(sensor)
    assert len(sensor.requests) == 2


def test_a_measurement_that_runs_already_is_stopped_and_started_again() -> None:
    sensor = _Sensor(_H10, statuses={(Request.START, _ACC): [6]})
    _start(sensor)
    assert [request[:5] for request in sensor.requests] == ["01 02", "02 02", "03 02", "02 02"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"rate_hz": 60}, "the Polar sensor offers 25, 50, 100, 200 for rate_hz, not 60"),
        ({"acceleration_range_g": 16}, "the Polar sensor offers 2, 4, 8 for acceleration_range_g, not 16"),
    ],
)
def test_what_the_sensor_does_not_offer_is_refused_with_what_it_offers(options: dict[str, int], words: str) -> None:
    with pytest.raises(ProfileError, match=words):
        _start(_Sensor(_H10), **options)


@pytest.mark.parametrize(
    ("request_", "status", "words"),
    [
        (Request.START, 8, "refuses to send its acceleration: invalid sample rate"),
        (Request.START, 10, "its MTU must be 232 or more"),
        (Request.START, 13, "it is in its charger"),
        (Request.START, 99, "error 99"),
        (Request.SETTINGS, 3, "does not tell what it offers for its acceleration: it does not support"),
    ],
)
def test_a_refusal_is_said_in_words(request_: Request, status: int, words: str) -> None:
    with pytest.raises(ProfileError, match=words):
        _start(_Sensor(_H10, statuses={(request_, _ACC): [status]}))


def test_a_measurement_that_cannot_be_started_again_is_said_in_words() -> None:
    with pytest.raises(ProfileError, match="it already does so"):
        _start(_Sensor(_H10, statuses={(Request.START, _ACC): [6, 6]}))


def test_a_sensor_without_acceleration_is_said_in_words() -> None:
    with pytest.raises(ProfileError, match="an H10, OH1 or Verity Sense does"):
        _start(_Sensor({}))


@pytest.mark.parametrize("features", [b"", b"\xf0\x01"])
def test_features_that_make_no_sense_are_said_in_words(features: bytes) -> None:
    with pytest.raises(ProfileError, match="in a way that RepSense does not know: not the features") as caught:
        _start(_Sensor(_H10, features=features))
    assert isinstance(caught.value.__cause__, PacketError)


def test_settings_that_make_no_sense_are_said_in_words() -> None:
    sensor = _Sensor(_H10, answer=lambda answer: [answer + b"\x07"])
    with pytest.raises(ProfileError, match="in a way that RepSense does not know: not the settings"):
        _start(sensor)


def test_an_answer_without_end_is_said_in_words() -> None:
    endless = encode_answer(Answer(Request.SETTINGS, _ACC, more=True))
    sensor = _Sensor(_H10, answer=lambda _: [endless] * 100)
    with pytest.raises(ProfileError, match="has no end"):
        _start(sensor)


def test_a_sensor_that_does_not_answer_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polar_profile, "_ANSWER_S", 0)
    with pytest.raises(TimeoutError, match="does not answer about its acceleration"):
        _start(_Sensor(_H10, answer=lambda _: []))
    monkeypatch.setattr(polar_profile, "_ANSWER_S", 10)
    monkeypatch.setattr(polar_profile, "_START_S", 0)
    with pytest.raises(TimeoutError, match="did not begin to send"):
        _start(_Sensor(_H10, answer=lambda _: []))
