"""Which profile a sensor has, what can be configured, and how each kind is made to send."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np
import pytest

from repsense.channels import CHANNELS
from repsense_ble_gateway.configuration import SensorConfiguration
from repsense_ble_gateway.packets import Packet, movesense, polar, prototype, repsense, witmotion
from repsense_ble_gateway.profiles import Advertised, Profile, ProfileError, Receive
from repsense_ble_gateway.profiles import movesense as movesense_profile
from repsense_ble_gateway.profiles import prototype as prototype_profile
from repsense_ble_gateway.profiles import repsense as repsense_profile
from repsense_ble_gateway.profiles import witmotion as witmotion_profile
from repsense_ble_gateway.profiles.registry import PROFILES, profile_named, profile_of, recognised

_PROTOTYPE_PACKET = prototype.encode_packet(Packet(np.ones((1, 9), np.float32), CHANNELS))


def _configuration(**options: object) -> SensorConfiguration:
    return SensorConfiguration.model_validate({"id": "wrist", "address": "AA:BB", **options})


@dataclass
class FakeLink:
    """A connected sensor.

    Attributes:
        characteristics: What each can do.
        on_write: The sensor's reaction.
        on_read: What it has to say.
        silent: Whether it answers nothing at all, not even a subscription.
        done: What was done, in order.
    """

    characteristics: Mapping[str, Iterable[str]]
    on_write: Callable[["FakeLink", bytes], None] = lambda _, __: None
    on_read: Callable[[], bytes] = lambda: b""
    silent: bool = False
    done: list[tuple[str, str] | tuple[str, str, str]] = field(default_factory=list)
    receivers: dict[str, Receive] = field(default_factory=dict)

    def properties(self, characteristic: str) -> frozenset[str]:
        return frozenset(self.characteristics.get(characteristic, ()))

    async def _answer(self) -> None:
        await (asyncio.Event().wait() if self.silent else asyncio.sleep(0))

    async def read(self, characteristic: str) -> bytes:
        await self._answer()
        self.done.append(("read", characteristic))
        return self.on_read()

    async def write(self, characteristic: str, value: bytes, *, response: bool) -> None:
        await self._answer()
        self.done.append(("request" if response else "command", characteristic, value.hex()))
        self.on_write(self, value)

    async def subscribe(self, characteristic: str, receive: Receive) -> None:
        await self._answer()
        self.done.append(("subscribe", characteristic))
        self.receivers[characteristic] = receive


def _start(profile: Profile, link: FakeLink, **options: object) -> list[bytes]:
    """What the decoder is given until the sensor has been made to send."""
    received: list[bytes] = []
    asyncio.run(_started(profile, link, received, **options))
    return received


async def _started(profile: Profile, link: FakeLink, received: list[bytes], **options: object) -> None:
    await profile.start(link, _configuration(**options), received.append)


class TestRegistry:
    def test_every_profile_has_its_name_and_its_own_characteristic(self) -> None:
        assert list(PROFILES) == ["repsense", "movesense", "polar", "witmotion", "prototype"]
        assert all(profile.name == name and profile.title for name, profile in PROFILES.items())
        assert len({profile.characteristic for profile in PROFILES.values()}) == len(PROFILES)
        assert all(profile.characteristic == profile.characteristic.lower() for profile in PROFILES.values())

    def test_an_unknown_name_lists_those_that_there_are(self) -> None:
        assert profile_named("polar").title == "Polar H10, OH1 and Verity Sense"
        with pytest.raises(ProfileError, match='no profile "fitbit"; use one of repsense, movesense, polar, witmotion'):
            profile_named("fitbit")

    @pytest.mark.parametrize("name", PROFILES)
    def test_a_connected_sensor_is_known_by_its_characteristic(self, name: str) -> None:
        assert profile_of(FakeLink({PROFILES[name].characteristic: ["notify"]})) is PROFILES[name]

    def test_repsense_packets_are_preferred(self) -> None:
        both = FakeLink({prototype.CHARACTERISTIC_UUID: ["read"], repsense.CHARACTERISTIC_UUID: ["notify"]})
        assert profile_of(both) is PROFILES["repsense"]

    def test_a_sensor_without_any_of_them_is_not_known(self) -> None:
        assert profile_of(FakeLink({"00002a19-0000-1000-8000-00805f9b34fb": ["read"]})) is None

    @pytest.mark.parametrize(
        ("name", "services", "expected"),
        [
            ("", [repsense.SERVICE_UUID], "repsense"),
            ("", [movesense.SERVICE_UUID], "movesense"),
            ("", [polar.SERVICE_UUID], "polar"),
            ("", [witmotion.SERVICE_UUID], "witmotion"),
            ("Movesense 204730000081", [], "movesense"),
            ("Polar H10 12345678", [], "polar"),
            ("Polar Sense 12345678", [], "polar"),
            ("WT901BLE67", [], "witmotion"),
            ("BWT901BLE", [], "witmotion"),
            ("Headphones", ["0000ffe5-0000-1000-8000-00805f9b34fb"], None),
            ("", [], None),
        ],
    )
    def test_an_advertisement_is_recognised(self, name: str, services: list[str], expected: str | None) -> None:
        profile = recognised(Advertised(name, frozenset(services)))
        assert (profile and profile.name) == expected


class TestCheck:
    @pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
    def test_what_is_not_configured_suits_every_sensor(self, profile: Profile) -> None:
        profile.check(_configuration())

    @pytest.mark.parametrize(
        ("name", "options"),
        [
            ("prototype", {"rate_hz": 4}),
            ("witmotion", {"rate_hz": 200, "acceleration_range_g": 4, "angular_rate_range_deg_s": 250}),
            ("movesense", {"rate_hz": 208, "magnetometer": False}),
            ("polar", {"rate_hz": 200, "acceleration_range_g": 2, "angular_rate_range_deg_s": 500}),
        ],
    )
    def test_what_a_sensor_can_do_may_be_configured(self, name: str, options: dict[str, object]) -> None:
        PROFILES[name].check(_configuration(**options))

    @pytest.mark.parametrize(
        ("name", "options", "words"),
        [
            ("repsense", {"rate_hz": 50}, "decides on its rate and ranges itself: leave out rate_hz"),
            ("repsense", {"acceleration_range_g": 16}, "leave out acceleration_range_g"),
            ("prototype", {"rate_hz": 11}, "10 times per second at most: lower rate_hz"),
            ("prototype", {"angular_rate_range_deg_s": 250}, "fixed scale: leave out angular_rate_range_deg_s"),
            (
                "witmotion",
                {"rate_hz": 60},
                "a WitMotion sensor sends 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100 or 200 samples per second, not 60",
            ),
            ("witmotion", {"acceleration_range_g": 16_000}, "acceleration_range_g .* not more than 1000"),
            ("movesense", {"rate_hz": 50}, "sends 13, 26, 52, 104 or 208 samples per second, not 50"),
            ("movesense", {"acceleration_range_g": 8}, "whatever its ranges: leave out acceleration_range_g"),
            ("polar", {"rate_hz": 52.5}, "rate_hz cannot be 52.5"),
            ("polar", {"angular_rate_range_deg_s": 70_000}, "angular_rate_range_deg_s cannot be 70000"),
        ],
    )
    def test_what_a_sensor_cannot_do_is_said_in_words(self, name: str, options: dict[str, object], words: str) -> None:
        with pytest.raises(ProfileError, match=words):
            PROFILES[name].check(_configuration(**options))

    @pytest.mark.parametrize(
        ("name", "rate_hz", "expected"),
        [
            ("repsense", None, None),
            ("prototype", None, 2),
            ("prototype", 4, 4),
            ("witmotion", None, 50),
            ("witmotion", 100, 100),
            ("movesense", None, 52),
            ("movesense", 104, 104),
            ("polar", None, None),
            ("polar", 200, 200),
        ],
    )
    def test_the_nominal_rate_is_the_configured_or_the_profiles_own(
        self, name: str, rate_hz: float | None, expected: float | None
    ) -> None:
        assert PROFILES[name].sample_rate_hz(_configuration(rate_hz=rate_hz)) == expected

    def test_the_decoder_has_the_configured_ranges(self) -> None:
        decoder = PROFILES["witmotion"].decoder(_configuration(acceleration_range_g=4, angular_rate_range_deg_s=250))
        sample = np.array([30, -30, 0, 4, -4, 0], dtype=np.float32)
        (packet,) = decoder.decode(witmotion.encode_frame(sample, 4, 250))
        np.testing.assert_allclose(packet.samples, [sample], atol=0.001)

    @pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
    def test_every_connection_has_a_decoder_of_its_own(self, profile: Profile) -> None:
        one, other = profile.decoder(_configuration()), profile.decoder(_configuration())
        assert one is not other


class TestRepSense:
    def test_it_is_subscribed_to(self) -> None:
        link = FakeLink({repsense.CHARACTERISTIC_UUID: ["notify"]})
        _start(PROFILES["repsense"], link)
        assert link.done == [("subscribe", repsense.CHARACTERISTIC_UUID)]

    def test_a_sensor_that_does_not_answer_is_not_waited_for_for_ever(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(repsense_profile, "_START_S", 0)
        with pytest.raises(TimeoutError, match="did not begin to send"):
            _start(PROFILES["repsense"], FakeLink({}, silent=True))


class TestPrototype:
    @pytest.mark.parametrize("can", [["notify"], ["indicate"], ["read", "notify"]])
    def test_firmware_that_notifies_is_subscribed_to(self, can: list[str]) -> None:
        link = FakeLink({prototype.CHARACTERISTIC_UUID: can})
        _start(PROFILES["prototype"], link)
        assert link.done == [("subscribe", prototype.CHARACTERISTIC_UUID)]

    def test_other_firmware_is_read_until_it_is_cancelled(self) -> None:
        async def scenario() -> list[bytes]:
            received: list[bytes] = []
            thrice = asyncio.Event()

            def on_read() -> bytes:
                if len(received) == 2:
                    thrice.set()
                return _PROTOTYPE_PACKET

            link = FakeLink({prototype.CHARACTERISTIC_UUID: ["read"]}, on_read=on_read)
            polling = asyncio.create_task(_started(PROFILES["prototype"], link, received, rate_hz=10_000))
            await thrice.wait()
            polling.cancel()
            with suppress(asyncio.CancelledError):
                await polling
            return received

        # The same value again is a sample again.
        assert asyncio.run(scenario()) == [_PROTOTYPE_PACKET] * 3

    def test_readings_keep_their_rate_and_those_overdue_are_left_out(self, monkeypatch: pytest.MonkeyPatch) -> None:
        read_at_s: list[float] = []
        reading_takes_s = iter([0.0, 0.1, 1.2, 0.0])

        async def scenario() -> None:
            loop = asyncio.get_running_loop()
            clock_s = 100.0

            async def sleep(delay_s: float) -> None:
                nonlocal clock_s
                clock_s += delay_s

            def on_read() -> bytes:
                nonlocal clock_s
                read_at_s.append(clock_s - 100)
                clock_s += next(reading_takes_s)
                return _PROTOTYPE_PACKET

            link = FakeLink({prototype.CHARACTERISTIC_UUID: ["read"]}, on_read=on_read)
            monkeypatch.setattr(loop, "time", lambda: clock_s)
            monkeypatch.setattr(asyncio, "sleep", sleep)
            with pytest.raises(RuntimeError):
                await _started(PROFILES["prototype"], link, [])

        asyncio.run(scenario())
        assert read_at_s == [0, 0.5, 1.0, 2.5, 3.0]

    def test_a_prototype_that_does_not_answer_is_not_waited_for_for_ever(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(prototype_profile, "_ANSWER_S", 0)
        for can in ("notify", "read"):
            with pytest.raises(TimeoutError, match="is it near enough"):
                _start(PROFILES["prototype"], FakeLink({prototype.CHARACTERISTIC_UUID: [can]}, silent=True))

    def test_a_characteristic_that_can_do_neither_is_said_in_words(self) -> None:
        with pytest.raises(ProfileError, match="neither notify nor be read"):
            _start(PROFILES["prototype"], FakeLink({prototype.CHARACTERISTIC_UUID: ["write"]}))


class TestWitMotion:
    @pytest.fixture(autouse=True)
    def _no_pause(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(witmotion_profile, "_PAUSE_S", 0)

    @pytest.mark.parametrize(
        ("can", "how"),
        [
            (["write-without-response"], "command"),
            (["write"], "request"),
            (["write", "write-without-response"], "command"),
        ],
    )
    def test_it_is_unlocked_and_its_rate_set_before_it_sends(self, can: list[str], how: str) -> None:
        link = FakeLink({witmotion.CHARACTERISTIC_UUID: ["notify"], witmotion.WRITE_UUID: can})
        _start(PROFILES["witmotion"], link, rate_hz=100)
        assert link.done == [
            (how, witmotion.WRITE_UUID, "ffaa6988b5"),
            (how, witmotion.WRITE_UUID, "ffaa030900"),
            ("subscribe", witmotion.CHARACTERISTIC_UUID),
        ]

    def test_a_sensor_that_cannot_be_written_to_is_said_in_words(self) -> None:
        with pytest.raises(ProfileError, match="no characteristic to set its rate with"):
            _start(PROFILES["witmotion"], FakeLink({witmotion.CHARACTERISTIC_UUID: ["notify"]}))

    def test_a_sensor_that_does_not_answer_is_not_waited_for_for_ever(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(witmotion_profile, "_START_S", 0)
        with pytest.raises(TimeoutError, match="did not take its rate"):
            _start(PROFILES["witmotion"], FakeLink({witmotion.WRITE_UUID: ["write"]}, silent=True))


def _movesense(answers: Mapping[bytes, bytes]) -> FakeLink:
    """A Movesense sensor that notifies something for some commands."""

    def on_write(link: FakeLink, value: bytes) -> None:
        if value in answers:
            link.receivers[movesense.CHARACTERISTIC_UUID](answers[value])

    return FakeLink({movesense.CHARACTERISTIC_UUID: ["notify"], movesense.WRITE_UUID: ["write"]}, on_write)


def _written(link: FakeLink) -> list[bytes]:
    return [bytes.fromhex(done[2]) for done in link.done if len(done) == 3]


class TestMovesense:
    @pytest.fixture(autouse=True)
    def _impatient(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(movesense_profile, "_ANSWER_S", 0)

    def test_all_nine_channels_are_asked_for(self) -> None:
        link = _movesense({b"\x01\x09/Meas/IMU9/104": b"\x01\x09\xc8\x00"})
        assert _start(PROFILES["movesense"], link, rate_hz=104) == [b"\x01\x09\xc8\x00"]
        assert link.done[0] == ("subscribe", movesense.CHARACTERISTIC_UUID)
        assert link.done[1] == ("request", movesense.WRITE_UUID, b"\x01\x09/Meas/IMU9/104".hex())
        assert len(link.done) == 2

    def test_data_count_as_an_answer_and_are_passed_on(self) -> None:
        (data,) = movesense.encode_data(Packet(np.zeros((1, 9), np.float32), CHANNELS, device_time_us=0))
        assert _start(PROFILES["movesense"], _movesense({b"\x01\x09/Meas/IMU9/52": data})) == [data]

    @pytest.mark.parametrize("refusal", [{}, {b"\x01\x09/Meas/IMU9/52": b"\x01\x09\x94\x01"}])
    def test_without_a_magnetometer_the_other_six_are_asked_for(self, refusal: dict[bytes, bytes]) -> None:
        link = _movesense({**refusal, b"\x01\x06/Meas/IMU6/52": b"\x01\x06\xc8\x00"})
        _start(PROFILES["movesense"], link)
        assert _written(link) == [b"\x01\x09/Meas/IMU9/52", b"\x02\x09", b"\x01\x06/Meas/IMU6/52"]

    def test_a_magnetometer_that_is_not_wanted_is_not_asked_for(self) -> None:
        link = _movesense({b"\x01\x06/Meas/IMU6/52": b"\x01\x06\xc8\x00"})
        _start(PROFILES["movesense"], link, magnetometer=False)
        assert _written(link) == [b"\x01\x06/Meas/IMU6/52"]

    def test_answers_to_others_do_not_count(self) -> None:
        link = _movesense({b"\x01\x06/Meas/IMU6/52": b"\x01\x07\xc8\x00"})
        with pytest.raises(TimeoutError, match="does not answer"):
            _start(PROFILES["movesense"], link, magnetometer=False)

    def test_a_refusal_is_said_in_words(self) -> None:
        link = _movesense({b"\x01\x06/Meas/IMU6/52": b"\x01\x06\x94\x01"})
        with pytest.raises(ProfileError, match=r"refuses to send its measurements \(status 404\): install a firmware"):
            _start(PROFILES["movesense"], link)

    def test_a_sensor_that_does_not_answer_is_not_waited_for_for_ever(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with pytest.raises(TimeoutError, match="does not answer: restart it"):
            _start(PROFILES["movesense"], _movesense({}))
        monkeypatch.setattr(movesense_profile, "_START_S", 0)
        with pytest.raises(TimeoutError, match="did not begin to send"):
            _start(PROFILES["movesense"], FakeLink({}, silent=True))
