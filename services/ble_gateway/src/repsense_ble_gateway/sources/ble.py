"""A real sensor over Bluetooth Low Energy, by bleak."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from bleak import BleakClient
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.exc import BleakError

from repsense.timestamps import now_us
from repsense_ble_gateway.backoff import Backoff
from repsense_ble_gateway.configuration import SensorConfiguration
from repsense_ble_gateway.mounting import MountedDecoder
from repsense_ble_gateway.packets import Packet, PacketDecoder
from repsense_ble_gateway.profiles import Link, Profile, ProfileError, Receive
from repsense_ble_gateway.profiles.registry import PROFILES, profile_named, profile_of
from repsense_ble_gateway.radio import Found, Radio, in_words
from repsense_ble_gateway.sources import Connected, Connecting, Event, Measured, Received

__all__ = ["BleSource", "BleakLink", "connected", "fitting_profile"]

_LOGGER = logging.getLogger(__name__)

_SCAN_S = 10.0
"""Sensors that save power advertise every one to two seconds."""
_UNFIT_PAUSE_S = 60.0
"""Until a sensor is tried again that does not do what is asked of it; somebody may have changed it."""
_START_S = 75.0
"""Until the first packet, while the profile still speaks with the sensor; it has its own, shorter timeouts, Polar's of
60 s the longest."""
_SILENT_PERIODS = 10
"""A slow sensor may be silent for longer than its profile says."""
_BATTERY_INTERVAL_S = 300.0
_BATTERY_LEVEL = "00002a19-0000-1000-8000-00805f9b34fb"
"""Of Bluetooth's Battery Service: one byte, percent (GATT Specification Supplement)."""
_QUEUED_NOTIFICATIONS = 1_000


@dataclass(frozen=True, slots=True)
class BleakLink(Link):
    """A connected client, as profiles see it."""

    client: BleakClient

    def properties(self, characteristic: str) -> frozenset[str]:
        """See `Link`."""
        found = self.client.services.get_characteristic(characteristic)
        return frozenset(found.properties) if found is not None else frozenset()

    async def read(self, characteristic: str) -> bytes:
        """See `Link`."""
        return bytes(await self.client.read_gatt_char(characteristic))

    async def write(self, characteristic: str, value: bytes, *, response: bool) -> None:
        """See `Link`."""
        await self.client.write_gatt_char(characteristic, value, response)

    async def subscribe(self, characteristic: str, receive: Receive) -> None:
        """See `Link`."""

        def on_notification(_: BleakGATTCharacteristic, value: bytearray) -> None:
            receive(bytes(value))

        await self.client.start_notify(characteristic, on_notification)


@dataclass(slots=True)
class _Watch:
    """A decoder that knows until when the sensor must have sent something that can be decoded.

    Notifications alone do not tell: a sensor of which only one part still sends gives nothing that can be used.
    """

    decoder: PacketDecoder
    silence_s: float
    deadline_s: float = field(default_factory=lambda: time.monotonic() + _START_S)

    def decode(self, notification: bytes) -> list[Packet]:
        packets = self.decoder.decode(notification)
        if packets:
            self.extend()
        return packets

    def extend(self) -> None:
        self.deadline_s = time.monotonic() + self.silence_s


_Item = Event | Exception | None
"""What a connection's tasks hand over: an event, an error that ends the connection, or None for its plain end."""


@dataclass(frozen=True, slots=True)
class BleSource:
    """One Bluetooth sensor, reconnected for ever.

    Attributes:
        sensor: Which one, and how to use it.
        radio: Shared by all sensors of an adapter.
    """

    sensor: SensorConfiguration
    radio: Radio

    simulated = False

    @property
    def sensor_id(self) -> str:
        """See `SensorSource`."""
        return self.sensor.id

    @property
    def name(self) -> str:
        """See `SensorSource`."""
        return self.sensor.title

    async def events(self) -> AsyncGenerator[Event, None]:
        """See `SensorSource`; never ends."""
        backoff = Backoff()
        if self.sensor.address is not None:
            await self.radio.release(self.sensor.address)
        reason = f"looking for {self.sensor.place}"
        while True:
            yield Connecting(reason)
            reason = "connection lost, looking for the sensor"
            try:
                async with aclosing(self._connection()) as events:
                    async for event in events:
                        if isinstance(event, Received):
                            backoff.reset()
                        yield event
            except ProfileError as error:
                reason = str(error)
                yield Connecting(reason)
                await asyncio.sleep(_UNFIT_PAUSE_S)
            except (BleakError, TimeoutError, OSError, EOFError) as error:
                # BleakBluetoothNotAvailableError is among them: right after boot the adapter is not ready yet.
                reason = in_words(error)
            await backoff.wait()

    async def _connection(self) -> AsyncGenerator[Event, None]:
        items: asyncio.Queue[_Item] = asyncio.Queue(_QUEUED_NOTIFICATIONS)

        def receive(payload: bytes) -> None:
            _put(items, Received(payload, now_us()))

        async with connected(self.radio, self.sensor, lambda: _put(items, None)) as (found, client):
            link = BleakLink(client)
            profile = fitting_profile(self.sensor, link)
            decoder = MountedDecoder.make(
                profile.decoder(self.sensor), self.sensor.mounting, self.sensor.magnetometer_mounting
            )
            sample_rate_hz = profile.sample_rate_hz(self.sensor)
            watch = _Watch(decoder, _silence_s(profile, sample_rate_hz))
            yield Connected(watch, sample_rate_hz)
            if found.rssi_dbm is not None:
                yield Measured(rssi_dbm=found.rssi_dbm)

            async def start() -> None:
                await profile.start(link, self.sensor, receive)
                watch.extend()

            battery = _watch_battery(link, lambda percent: _put(items, Measured(battery_percent=percent)))
            tasks = [asyncio.create_task(_reporting(work, items)) for work in (start(), battery)]
            try:
                async with aclosing(_until_silent(items, watch)) as events:
                    async for event in events:
                        yield event
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def connected(
    radio: Radio, sensor: SensorConfiguration, on_disconnect: Callable[[], None]
) -> AsyncIterator[tuple[Found, BleakClient]]:
    """Find a sensor and keep it connected while the context lasts.

    Raises:
        BleakError: If it is not found or cannot be connected.
        TimeoutError: If it does not answer.
    """

    def is_it(found: Found) -> bool:
        if sensor.address is not None:
            return found.device.address.lower() == sensor.address.lower()
        return found.advertised.name == sensor.ble_name

    found = await radio.find(is_it, _SCAN_S)
    if found is None:
        msg = "not found: is it switched on, near, and not connected elsewhere?"
        raise BleakError(msg)
    client = await radio.connect(found.device, on_disconnect)
    try:
        yield found, client
    finally:
        await radio.disconnect(client)


def fitting_profile(sensor: SensorConfiguration, link: Link) -> Profile:
    """The profile that is configured for a connected sensor, or else the one that it has the characteristic of.

    Raises:
        ProfileError: If there is none, or it cannot do what is configured.
    """
    profile = profile_of(link) if sensor.profile is None else profile_named(sensor.profile)
    if profile is None or not link.properties(profile.characteristic):
        wanted = (
            "anything that RepSense can read" if profile is None else f"what a sensor of the kind {profile.name} has"
        )
        msg = f"{sensor.place} does not offer {wanted}; the kinds are {', '.join(PROFILES)}"
        raise ProfileError(msg)
    profile.check(sensor)
    return profile


async def _until_silent(items: asyncio.Queue[_Item], watch: _Watch) -> AsyncGenerator[Event, None]:
    """What a connection brings, until it ends.

    Raises:
        TimeoutError: If nothing that can be decoded came for too long.
        Exception: Whatever a task of the connection failed with.
    """
    while True:
        try:
            async with asyncio.timeout(watch.deadline_s - time.monotonic()):
                item = await items.get()
        except TimeoutError as error:
            if time.monotonic() < watch.deadline_s:
                continue
            msg = f"the sensor is connected but sent nothing of use for {watch.silence_s:g} s, connecting anew"
            raise TimeoutError(msg) from error
        if item is None:
            return
        if isinstance(item, Exception):
            raise item
        yield item


async def _watch_battery(link: Link, report: Callable[[int], None]) -> None:
    """Read the battery's level now and then, from sensors that have Bluetooth's own Battery Service."""
    while "read" in link.properties(_BATTERY_LEVEL):
        # A battery that cannot be read is no reason to lose the samples.
        with contextlib.suppress(BleakError, TimeoutError):
            level = await link.read(_BATTERY_LEVEL)
            if level:
                report(min(100, level[0]))
        await asyncio.sleep(_BATTERY_INTERVAL_S)


async def _reporting(work: Coroutine[Any, Any, None], items: asyncio.Queue[_Item]) -> None:
    """Do a part of a connection's work; an error of it ends the connection."""
    try:
        await work
    except Exception as error:  # noqa: BLE001 - raised again where the connection is kept
        _put(items, error)


def _silence_s(profile: Profile, sample_rate_hz: float | None) -> float:
    return profile.silence_s if sample_rate_hz is None else max(profile.silence_s, _SILENT_PERIODS / sample_rate_hz)


def _put(items: asyncio.Queue[_Item], item: _Item) -> None:
    """Add to the queue; when nobody reads, the oldest goes."""
    if items.full():
        items.get_nowait()
    items.put_nowait(item)
