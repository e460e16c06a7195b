"""BleSource against a stand-in for bleak that keeps the rules which were found on the real one."""

import asyncio
import uuid
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import ClassVar

import pytest
from bleak.exc import BleakBluetoothNotAvailableError, BleakBluetoothNotAvailableReason, BleakError

from repsense_ble_gateway.backoff import Backoff
from repsense_ble_gateway.packets import prototype, repsense
from repsense_ble_gateway.sources import Connected, Connecting, Event, Received, SourceError
from repsense_ble_gateway.sources import ble as ble_module
from repsense_ble_gateway.sources.ble import BleSource


@dataclass
class _Air:
    """What the stand-in does, attempt by attempt, and what it saw."""

    uuids: set[str] = field(default_factory=lambda: {prototype.CHARACTERISTIC_UUID})
    scans: list[object] = field(default_factory=list)
    """Results of the next scans; an exception is raised. When used up, the sensor is found."""
    start_notify_fails: bool = False
    n_disconnects: int = 0
    clients: "list[_Client]" = field(default_factory=list)


class _Services:
    def __init__(self, uuids: set[str]) -> None:
        self._uuids = uuids

    def get_characteristic(self, specifier: str) -> str | None:
        return specifier if specifier in self._uuids else None


class _Client:
    air: ClassVar[_Air]

    def __init__(self, device: object, on_disconnect: "Callable[[_Client], None]") -> None:
        self.device = device
        self.on_disconnect = on_disconnect
        self.services = _Services(self.air.uuids)
        self.notify: Callable[[object, bytearray], None]
        # The rule of hbldh/bleak#2002: the client before must have been disconnected.
        assert self.air.n_disconnects == len(self.air.clients)
        self.air.clients.append(self)

    async def connect(self) -> None:
        await asyncio.sleep(0)

    async def start_notify(self, _: str, callback: Callable[[object, bytearray], None]) -> None:
        if self.air.start_notify_fails:
            self.air.start_notify_fails = False
            msg = "InProgress"
            raise BleakError(msg)
        self.notify = callback
        for number in range(3):
            callback(None, bytearray([number] * 18))

    async def disconnect(self) -> None:
        self.air.n_disconnects += 1


class _Scanner:
    air: ClassVar[_Air]

    @classmethod
    async def find_device_by_address(cls, address: str, timeout: float) -> object:  # noqa: ASYNC109 - bleak's
        assert timeout > 0
        result = cls.air.scans.pop(0) if cls.air.scans else address
        if isinstance(result, Exception):
            raise result
        return result


@pytest.fixture
def air(monkeypatch: pytest.MonkeyPatch) -> _Air:
    air = _Air()

    async def no_pause(_: Backoff, __: asyncio.Event | None = None) -> None:
        await asyncio.sleep(0)

    monkeypatch.setattr(Backoff, "wait", no_pause)
    monkeypatch.setattr(_Client, "air", air, raising=False)
    monkeypatch.setattr(_Scanner, "air", air, raising=False)
    monkeypatch.setattr(ble_module, "BleakClient", _Client)
    monkeypatch.setattr(ble_module, "BleakScanner", _Scanner)
    return air


def _collect(n_events: int, after: Callable[[Event], None] = lambda _: None) -> list[Event]:
    async def collect() -> list[Event]:
        events: list[Event] = []
        async with aclosing(BleSource("wrist", "Wrist", "AA:BB").events()) as source:
            async for event in source:
                events.append(event)
                after(event)
                if len(events) == n_events:
                    break
        return events

    return asyncio.run(collect())


def test_a_sensor_is_found_and_its_notifications_come_through(air: _Air) -> None:
    connecting, connected, *received = _collect(5)
    assert connecting == Connecting("looking for AA:BB")
    assert connected == Connected(prototype.decode_packet, 2.0)
    assert [event.payload[0] for event in received if isinstance(event, Received)] == [0, 1, 2]
    assert air.n_disconnects == 1


def test_repsense_packets_are_preferred(air: _Air) -> None:
    air.uuids.add(repsense.CHARACTERISTIC_UUID)
    assert _collect(2)[1] == Connected(repsense.decode_packet)


def test_a_dropped_connection_is_disconnected_before_the_next_one(air: _Air) -> None:
    def drop_after_the_third(event: Event) -> None:
        if isinstance(event, Received) and event.payload[0] == 2 and len(air.clients) == 1:
            air.clients[0].on_disconnect(air.clients[0])

    events = _collect(10, drop_after_the_third)
    assert [type(event) for event in events] == [Connecting, Connected, *[Received] * 3] * 2
    assert events[5] == Connecting("connection lost, looking for the sensor")
    assert air.n_disconnects == 2


def test_a_failed_start_notify_does_not_leave_the_link_up(air: _Air) -> None:
    air.start_notify_fails = True
    events = _collect(4)
    assert events[2] == Connecting("InProgress")
    assert air.n_disconnects == 2


def test_an_absent_sensor_and_an_adapter_that_is_not_ready_are_tried_again(air: _Air) -> None:
    off = BleakBluetoothNotAvailableError("Bluetooth is off", BleakBluetoothNotAvailableReason.POWERED_OFF)
    air.scans = [off, None]
    events = _collect(4)
    assert events[1] == Connecting("Bluetooth is off")
    assert isinstance(events[2], Connecting)
    assert events[2].reason.startswith("not found")
    assert isinstance(events[3], Connected)


def test_a_machine_without_bluetooth_is_told_in_words(air: _Air) -> None:
    air.scans = [FileNotFoundError(2, "No such file or directory"), TimeoutError()]
    events = _collect(3)
    assert events[1] == Connecting(
        "the Bluetooth service of this machine cannot be reached (No such file or directory)"
    )
    assert events[2] == Connecting("the sensor did not answer in time")


def test_a_sensor_of_another_kind_is_given_up_in_words(air: _Air) -> None:
    air.uuids = {str(uuid.UUID(int=0))}
    with pytest.raises(SourceError, match="no characteristic that RepSense can read"):
        _collect(5)
    assert air.n_disconnects == 1
