"""BleSource on a virtual radio: bleak's own client and scanner; sensors that drop, vanish, fall silent or babble."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field

import pytest
from bleak.exc import BleakBluetoothNotAvailableError, BleakBluetoothNotAvailableReason, BleakDBusError, BleakError
from support.bluetooth.radio import VirtualRadio, virtual_radio
from support.bluetooth.sensors import RepSenseSensor, sample_numbers
from support.bluetooth.vendors import SENSORS, AnySensor

from repsense_ble_gateway.backoff import Backoff
from repsense_ble_gateway.configuration import SensorConfiguration
from repsense_ble_gateway.packets import PacketDecoder, PacketError
from repsense_ble_gateway.radio import Radio, in_words
from repsense_ble_gateway.sources import Connected, Connecting, Event, Measured, Received
from repsense_ble_gateway.sources import ble as ble_module
from repsense_ble_gateway.sources.ble import BleSource

_LONGEST_S = 90.0
"""Only so that a failure does not hang."""


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    async def short_pause(_: Backoff, __: asyncio.Event | None = None) -> None:
        await asyncio.sleep(0.05)

    monkeypatch.setattr(Backoff, "wait", short_pause)


@dataclass
class _Listener:
    """Runs a source and remembers what it tells; a test waits for what it expects."""

    source: BleSource
    numbers: list[int] = field(default_factory=list)
    """Of the samples, as the sensor numbers them."""
    events: list[Event] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self._listen())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(_LONGEST_S):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def more(self, n_samples: int) -> None:
        wanted = len(self.numbers) + n_samples
        await self.until(lambda: len(self.numbers) >= wanted)

    async def _listen(self) -> None:
        decoder = None
        async with aclosing(self.source.events()) as events:
            async for event in events:
                self.events.append(event)
                if isinstance(event, Connecting):
                    self.reasons.append(event.reason)
                elif isinstance(event, Connected):
                    decoder = event.decoder
                elif isinstance(event, Received) and decoder is not None:
                    self._take(decoder, event.payload)
                self._changed.set()

    def _take(self, decoder: PacketDecoder, payload: bytes) -> None:
        try:
            for packet in decoder.decode(payload):
                self.numbers += sample_numbers(packet.samples, packet.channels)
        except PacketError:
            pass


def _radio(air: VirtualRadio) -> Radio:
    return Radio(scanner_backend=air.scanner, client_backend=air.client)


def _run(scenario: Callable[[], Coroutine[None, None, None]]) -> None:
    asyncio.run(scenario())


def _wrist(address: str, **described: object) -> SensorConfiguration:
    return SensorConfiguration.model_validate({"id": "wrist", "address": address, **described})


@asynccontextmanager
async def _listening(
    sensor: AnySensor | None = None, **described: object
) -> AsyncIterator[tuple[VirtualRadio, AnySensor, _Listener]]:
    """A sensor and who listens to it; in the end every sample came once and in order, and nothing is left open."""
    async with virtual_radio() as air:
        sensor = await air.add(sensor or RepSenseSensor())
        listener = _Listener(BleSource(_wrist(sensor.address, **described), _radio(air)))
        async with listener.listening():
            yield air, sensor, listener
        assert listener.numbers == sorted(set(listener.numbers))
        assert set(listener.numbers) <= set(sensor.sent)
        assert (air.n_links, air.open_clients, air.n_scans) == (0, [], 0)


@pytest.mark.parametrize("kind", SENSORS)
def test_every_kind_of_sensor_comes_through_whole_and_once(kind: type[AnySensor]) -> None:
    async def scenario() -> None:
        async with _listening(kind()) as (_, sensor, listener):
            await listener.more(8)
            await sensor.drop()
            await listener.more(8)
            assert "connection lost, looking for the sensor" in listener.reasons

    _run(scenario)


def test_signal_and_battery_are_told() -> None:
    async def scenario() -> None:
        async with _listening(RepSenseSensor(battery_percent=80)) as (_, _, listener):
            await listener.until(lambda: Measured(battery_percent=80) in listener.events)
            assert Measured(rssi_dbm=-50) in listener.events

    _run(scenario)


def test_a_sensor_is_found_by_its_name_too() -> None:
    async def scenario() -> None:
        async with virtual_radio() as air:
            sensor = await air.add(RepSenseSensor())
            listener = _Listener(BleSource(SensorConfiguration(id="wrist", ble_name=sensor.name), _radio(air)))
            async with listener.listening():
                await listener.more(10)

    _run(scenario)


def test_contact_that_is_lost_is_made_again() -> None:
    async def scenario() -> None:
        async with _listening() as (_, sensor, listener):
            await listener.more(40)
            await sensor.vanish(0.5, 0.5)
            await listener.more(40)

    _run(scenario)


def test_a_sensor_that_is_connected_and_silent_is_connected_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ble_module, "_silence_s", lambda _profile, _rate_hz: 0.5)

    async def scenario() -> None:
        async with _listening() as (_, sensor, listener):
            await listener.more(20)
            sensor.silence()
            await listener.until(lambda: sensor.n_connections == 2)
            await listener.more(20)
            assert any("sent nothing of use" in reason for reason in listener.reasons)

    _run(scenario)


def test_notifications_that_mean_nothing_count_as_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ble_module, "_silence_s", lambda _profile, _rate_hz: 0.5)

    async def scenario() -> None:
        # It sends nothing by itself.
        async with _listening(RepSenseSensor(rate_hz=0)) as (_, sensor, listener):
            await sensor.subscribed(sensor.characteristic)
            await sensor.send(2)
            babbling = asyncio.create_task(_babble(sensor))
            await listener.until(lambda: sensor.n_connections == 2)
            babbling.cancel()
            assert any("sent nothing of use" in reason for reason in listener.reasons)

    _run(scenario)


async def _babble(sensor: AnySensor) -> None:
    while True:
        await sensor.notify(sensor.characteristic, b"garbage")
        await asyncio.sleep(0.05)


def test_a_subscription_that_fails_does_not_leave_the_link_up() -> None:
    async def scenario() -> None:
        async with virtual_radio() as air:
            air.n_refused_subscriptions = 1
            sensor = await air.add(RepSenseSensor())
            listener = _Listener(BleSource(_wrist(sensor.address), _radio(air)))
            async with listener.listening():
                await listener.more(20)
            assert any("progress" in reason.lower() for reason in listener.reasons), listener.reasons
            assert listener.numbers == sorted(set(listener.numbers))
            assert (air.n_links, air.open_clients) == (0, [])

    _run(scenario)


def test_a_sensor_that_is_away_does_not_disturb_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ble_module, "_SCAN_S", 0.5)

    async def scenario() -> None:
        async with virtual_radio() as air:
            sensor = await air.add(RepSenseSensor())
            radio = _radio(air)
            near = _Listener(BleSource(_wrist(sensor.address), radio))
            away = _Listener(BleSource(_wrist("AA:AA:AA:AA:AA:AA", id="ankle"), radio))
            async with away.listening(), near.listening():
                await away.until(lambda: len(away.reasons) > 2)
                await near.more(20)
            assert away.reasons[0] == "looking for AA:AA:AA:AA:AA:AA"
            assert away.reasons[1].startswith("not found")
            assert near.numbers == sorted(set(near.numbers))

    _run(scenario)


def test_a_search_without_success_begins_the_scan_anew_for_the_others() -> None:
    async def scenario() -> None:
        async with virtual_radio() as air:
            radio = _radio(air)
            async with radio.scan(lambda _: None):
                before = radio._scanner
                assert await radio.find(lambda _: False, 0.2) is None
                assert radio._scanner not in {before, None}
                assert air.n_scans == 1
            assert air.n_scans == 0

    _run(scenario)


def test_an_adapter_without_a_free_connection_says_so_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ble_module, "_SCAN_S", 5.0)

    async def scenario() -> None:
        async with virtual_radio(n_slots=1) as air:
            first = await air.add(RepSenseSensor(address="F0:00:00:00:00:01"))
            second = await air.add(RepSenseSensor(address="F0:00:00:00:00:02"))
            radio = _radio(air)
            lucky = _Listener(BleSource(_wrist(first.address), radio))
            unlucky = _Listener(BleSource(_wrist(second.address, id="ankle"), radio))
            async with lucky.listening():
                await lucky.more(10)
                async with unlucky.listening():
                    await unlucky.until(lambda: any("no free connection" in reason for reason in unlucky.reasons))
                await lucky.more(10)
            assert lucky.numbers == sorted(set(lucky.numbers))

    _run(scenario)


@pytest.mark.parametrize(
    ("described", "words"),
    [
        ({"profile": "polar"}, "does not offer what a sensor of the kind polar has"),
        ({"profile": "fitbit"}, "fitbit"),
    ],
)
def test_a_sensor_of_another_kind_is_told_in_words_and_tried_again(
    described: dict[str, str], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ble_module, "_UNFIT_PAUSE_S", 0.0)

    async def scenario() -> None:
        async with _listening(None, **described) as (_, _, listener):
            await listener.until(lambda: sum(words in reason for reason in listener.reasons) > 1)

    _run(scenario)


def test_bluetooth_that_is_off_is_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)

    async def scenario() -> None:
        async with _listening() as (air, _, listener):
            await listener.more(10)
            await air.power_off()
            n_reasons = len(listener.reasons)
            await listener.until(lambda: len(listener.reasons) > n_reasons + 1)
            await air.power_on()
            await listener.more(10)

    _run(scenario)
    assert not [record for record in caplog.records if record.name.startswith("repsense")]


def test_many_reconnects_leave_nothing_behind() -> None:
    async def scenario() -> None:
        async with _listening() as (_, sensor, listener):
            for n_connections in range(1, 21):
                await sensor.subscribed(sensor.characteristic)
                assert sensor.n_connections == n_connections
                await listener.more(5)
                await sensor.drop()
            assert len(asyncio.all_tasks()) < 30

    _run(scenario)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            FileNotFoundError(2, "No such file"),
            "this machine cannot be reached (No such file)",
        ),
        (TimeoutError(), "the sensor did not answer in time"),
        (BleakError("Service Discovery failed"), "Service Discovery failed"),
        (BleakDBusError("org.bluez.Error.Failed", ["Software caused connection abort"]), "Software caused"),
        (BleakDBusError("org.freedesktop.DBus.Error.Spawn.ChildExited", []), "Bluetooth service of this machine does"),
        (BleakDBusError("org.bluez.Error.Failed", ["le-connection-concurrent-connection-limit"]), "add an adapter"),
        (
            BleakBluetoothNotAvailableError("Bluetooth is off", BleakBluetoothNotAvailableReason.POWERED_OFF),
            "Bluetooth is off",
        ),
    ],
)
def test_errors_are_told_in_words(error: Exception, words: str) -> None:
    assert words in in_words(error)
