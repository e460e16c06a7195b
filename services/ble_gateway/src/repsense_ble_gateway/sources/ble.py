"""A real sensor over Bluetooth Low Energy, by bleak."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from bleak import BleakClient, BleakScanner
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.exc import BleakDeviceNotFoundError, BleakError

from repsense_ble_gateway.backoff import Backoff
from repsense_ble_gateway.packets import prototype, repsense
from repsense_ble_gateway.sources import Connected, Connecting, Event, Received, SourceError

__all__ = ["BleSource"]

_LOGGER = logging.getLogger(__name__)

_SCAN_S = 10.0
"""Sensors that save power advertise every one to two seconds."""
_QUEUED_NOTIFICATIONS = 1_000
_NANOSECONDS_PER_MICROSECOND = 1_000

_PROFILES = {
    repsense.CHARACTERISTIC_UUID: Connected(repsense.decode_packet),
    prototype.CHARACTERISTIC_UUID: Connected(prototype.decode_packet, prototype.SAMPLE_RATE_HZ),
}
"""What notifications mean, by the characteristic that sends them."""


@dataclass(frozen=True, slots=True)
class BleSource:
    """One Bluetooth sensor by its address, reconnected for ever.

    Attributes:
        sensor_id: Its id in topics.
        name: What to call it on a screen.
        address: As the system writes it: six bytes in hexadecimal, or a UUID on macOS.
    """

    sensor_id: str
    name: str
    address: str

    simulated = False

    async def events(self) -> AsyncGenerator[Event, None]:
        """See `SensorSource`; never ends.

        Raises:
            SourceError: If the sensor has no characteristic that this gateway can read.
        """
        backoff = Backoff()
        reason = f"looking for {self.address}"
        while True:
            yield Connecting(reason)
            reason = "connection lost, looking for the sensor"
            try:
                async with aclosing(self._connection()) as events:
                    async for event in events:
                        if isinstance(event, Received):
                            backoff.reset()
                        yield event
            except (BleakError, TimeoutError, OSError) as error:
                # BleakBluetoothNotAvailableError is among them: right after boot the adapter is not ready yet.
                reason = _in_words(error)
            await backoff.wait()

    async def _connection(self) -> AsyncGenerator[Event, None]:
        device = await BleakScanner.find_device_by_address(self.address, timeout=_SCAN_S)
        if device is None:
            msg = "not found: is it switched on, near, and not connected elsewhere?"
            raise BleakDeviceNotFoundError(self.address, msg)
        # None ends the connection.
        queue: asyncio.Queue[Received | None] = asyncio.Queue(_QUEUED_NOTIFICATIONS)

        def on_disconnect(_: BleakClient) -> None:
            _put(queue, None)

        def on_notification(_: BleakGATTCharacteristic, payload: bytearray) -> None:
            _put(queue, Received(bytes(payload), time.time_ns() // _NANOSECONDS_PER_MICROSECOND))

        client = BleakClient(device, on_disconnect)
        try:
            await client.connect()
            uuid = next((uuid for uuid in _PROFILES if client.services.get_characteristic(uuid)), None)
            if uuid is None:
                msg = f"{self.address} has no characteristic that RepSense can read ({', '.join(_PROFILES)})"
                raise SourceError(msg)
            yield _PROFILES[uuid]
            await client.start_notify(uuid, on_notification)
            while (received := await queue.get()) is not None:
                yield received
        finally:
            # Also after the link is gone and when start_notify failed: otherwise every notification comes twice
            # after the reconnect (hbldh/bleak#2002), or the link stays up and the sensor cannot be found again.
            await client.disconnect()


def _put(queue: asyncio.Queue[Received | None], item: Received | None) -> None:
    """Add to the queue; when nobody reads, the oldest goes."""
    if queue.full():
        queue.get_nowait()
    queue.put_nowait(item)


def _in_words(error: Exception) -> str:
    if isinstance(error, OSError) and not isinstance(error, TimeoutError):
        return f"the Bluetooth service of this machine cannot be reached ({error.strerror or error})"
    # bleak's errors have the text first and perhaps codes after it.
    text = str(error.args[0]) if error.args else ""
    return text or "the sensor did not answer in time"
