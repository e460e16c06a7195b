"""`scan` and `inspect` on a virtual radio."""

import asyncio
import io
from collections.abc import Callable, Coroutine

import pytest
from rich.console import Console
from support.bluetooth.peripherals import Peripheral
from support.bluetooth.radio import VirtualRadio, virtual_radio
from support.bluetooth.sensors import RepSenseSensor
from support.bluetooth.vendors import WitMotionSensor

from repsense_ble_gateway.configuration import SensorConfiguration
from repsense_ble_gateway.discovery import inspect_sensor, scan, scan_table
from repsense_ble_gateway.profiles import ProfileError
from repsense_ble_gateway.radio import Radio

_STRANGER = "F0:00:00:00:00:03"


def _run(scenario: Callable[[], Coroutine[None, None, None]]) -> None:
    asyncio.run(scenario())


def _radio(air: VirtualRadio) -> Radio:
    return Radio(scanner_backend=air.scanner, client_backend=air.client)


def _console() -> Console:
    return Console(file=io.StringIO(), width=200)


def _printed(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_what_can_be_heard_is_listed_with_its_kind_the_recognised_first() -> None:
    async def scenario() -> None:
        async with virtual_radio() as air:
            await air.add(Peripheral({}, address=_STRANGER, name="[/tv] Headphones"))
            await air.add(RepSenseSensor(address="F0:00:00:00:00:01"))
            await air.add(WitMotionSensor(address="F0:00:00:00:00:02"))
            found = await scan(_radio(air), 1.0)
            assert air.n_scans == 0
        assert found[-1].device.address == _STRANGER
        console = _console()
        console.print(scan_table(found))
        lines = {line.split("│")[2].strip(): line for line in _printed(console).splitlines() if "F0:" in line}
        assert "repsense" in lines["F0:00:00:00:00:01"]
        assert "witmotion" in lines["F0:00:00:00:00:02"]
        assert "-50 dBm" in lines[_STRANGER]
        assert "[/tv] Headphones" in lines[_STRANGER]

    _run(scenario)


def test_a_sensor_is_looked_at_while_it_sends() -> None:
    async def scenario() -> None:
        console = _console()
        async with virtual_radio() as air:
            sensor = await air.add(RepSenseSensor(battery_percent=80))
            wrist = SensorConfiguration(id="wrist", address=sensor.address)
            assert await inspect_sensor(_radio(air), wrist, 2, console)
            assert (air.n_links, air.open_clients, air.n_scans) == (0, [], 0)
        printed = _printed(console)
        assert sensor.characteristic in printed
        assert "profile repsense" in printed
        assert "samples/s in" in printed
        assert "ax in m/s^2" in printed

    _run(scenario)


def test_a_sensor_of_no_known_kind_is_described_all_the_same() -> None:
    async def scenario() -> None:
        console = _console()
        async with virtual_radio() as air:
            await air.add(Peripheral({}, address=_STRANGER, name="[/tv] Headphones", battery_percent=50))
            stranger = SensorConfiguration(id="wrist", address=_STRANGER)
            with pytest.raises(ProfileError, match="does not offer anything that RepSense can read"):
                await inspect_sensor(_radio(air), stranger, 2, console)
            assert (air.n_links, air.open_clients) == (0, [])
        assert "[/tv] Headphones" in _printed(console)
        assert "Battery Level" in _printed(console)

    _run(scenario)
