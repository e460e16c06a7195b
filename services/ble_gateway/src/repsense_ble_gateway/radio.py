"""The Bluetooth adapter, shared by all sensors of a gateway.

There is one scan for all that are looked for, and one attempt to connect at a time, during which the scan pauses: BlueZ
aborts connections that are made during a scan on many adapters, and two attempts at a time fail with "InProgress".
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from bleak import BleakClient, BleakScanner
from bleak.backends.client import BaseBleakClient
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData, BaseBleakScanner
from bleak.exc import BleakDBusError, BleakError
from bleak_retry_connector import (
    BleakOutOfConnectionSlotsError,
    close_stale_connections_by_address,
    establish_connection,
)

from repsense_ble_gateway.profiles import Advertised

__all__ = ["Found", "Radio", "in_words"]

_LOGGER = logging.getLogger(__name__)

_DISCONNECT_S = 10.0
"""BlueZ answers within a second; a hung one must not keep the sensor from being connected anew."""
_NO_RSSI_DBM = -127
"""What bleak says for an unknown signal strength, as the Bluetooth specification does."""
_DBUS = "org.freedesktop.DBus.Error."
"""Begins the name of an error that does not come from BlueZ itself."""
_OUT_OF_SLOTS = "concurrent-connection-limit"
"""In BlueZ's error when the controller refuses a further connection."""
_NO_SLOT = (
    "the Bluetooth adapter has no free connection: disconnect another device, or add an adapter and choose it with "
    "--adapter (most adapters hold 5 to 10 connections)"
)
_MAX_ATTEMPTS = 2
"""Of a connection, before the sensor is looked for again: it may have gone, or have another address by now."""


@dataclass(frozen=True, slots=True)
class Found:
    """A sensor that has advertised."""

    device: BLEDevice
    advertisement: AdvertisementData

    @property
    def advertised(self) -> Advertised:
        """What it says of itself."""
        name = self.advertisement.local_name or self.device.name or ""
        return Advertised(name, frozenset(uuid.lower() for uuid in self.advertisement.service_uuids))

    @property
    def rssi_dbm(self) -> int | None:
        """Signal strength, dBm; None if the system does not know it."""
        return self.advertisement.rssi if self.advertisement.rssi > _NO_RSSI_DBM else None


Matches = Callable[[Found], bool]


@dataclass(slots=True)
class Radio:
    """One adapter.

    Attributes:
        adapter: Its name, such as hci1, on Linux; the system's own choice by default.
        scanner_backend: In place of the system's Bluetooth, for tests.
        client_backend: Likewise.
    """

    adapter: str | None = None
    scanner_backend: type[BaseBleakScanner] | None = None
    client_backend: type[BaseBleakClient] | None = None
    _searches: list[Callable[[Found], None]] = field(default_factory=list)
    _scanner: BleakScanner | None = None
    _scanning: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while the scan is started or stopped."""
    _connecting: asyncio.Lock = field(default_factory=asyncio.Lock)
    _n_connecting: int = 0
    """How many connections are being made, or wait for their turn."""

    @contextlib.asynccontextmanager
    async def scan(self, on_found: Callable[[Found], None]) -> AsyncIterator[None]:
        """Have advertisements reported while the context lasts.

        Raises:
            BleakError: If there is no usable adapter.
        """
        self._searches.append(on_found)
        try:
            await self._adjust()
            yield
        finally:
            self._searches.remove(on_found)
            await self._adjust()

    async def find(self, matches: Matches, timeout_s: float) -> Found | None:
        """The first sensor that advertises and matches; None if none does in time.

        Raises:
            BleakError: If there is no usable adapter.
        """
        first: asyncio.Future[Found] = asyncio.get_running_loop().create_future()

        def on_found(found: Found) -> None:
            if not first.done() and matches(found):
                first.set_result(found)

        async with self.scan(on_found):
            # Not wait_for, which loses a cancellation that comes together with the result (python/cpython#86296).
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    return await first
            # A scan in which nothing is found may have died with the system's Bluetooth service.
            async with self._scanning:
                await self._stop_scanning()
        return None

    async def connect(self, device: BLEDevice, on_disconnect: Callable[[], None]) -> BleakClient:
        """Connect and discover the services.

        Raises:
            BleakError: If that did not succeed; nothing is left connected.
            TimeoutError: Likewise.
        """
        self._n_connecting += 1
        try:
            await self._adjust()
            async with self._connecting:
                return await establish_connection(
                    BleakClient,
                    device,
                    device.name or device.address,
                    lambda _: on_disconnect(),
                    max_attempts=_MAX_ATTEMPTS,
                    # A sensor whose firmware was changed has other services than the system remembers.
                    use_services_cache=False,
                    **self._options(self.client_backend),
                )
        finally:
            self._n_connecting -= 1
            # If the scan cannot go on, those who look find nothing, and find out why when they look again.
            with contextlib.suppress(BleakError, OSError):
                await self._adjust()

    async def disconnect(self, client: BleakClient) -> None:
        """Let a client go, whatever its state; never fails.

        Also after the link is gone and when a subscription failed: otherwise every notification comes twice after
        the reconnect (hbldh/bleak#2002), or the link stays up and the sensor cannot be found again.
        """
        try:
            async with asyncio.timeout(_DISCONNECT_S):
                await client.disconnect()
        except (BleakError, OSError, EOFError) as error:
            _LOGGER.debug("%s: disconnecting failed: %s", client.address, error)

    async def release(self, address: str) -> None:
        """End a connection that a gateway before this one has left behind; never fails.

        BlueZ keeps the connections of a client that was killed, and a connected sensor does not advertise.
        """
        with contextlib.suppress(BleakError, OSError, EOFError):
            await close_stale_connections_by_address(address)

    async def _adjust(self) -> None:
        """Scan if anybody looks for a sensor, unless a connection is being made."""
        async with self._scanning:
            wanted = bool(self._searches) and not self._n_connecting
            if wanted and self._scanner is None:
                scanner = BleakScanner(self._on_advertisement, **self._options(self.scanner_backend))
                await scanner.start()
                self._scanner = scanner
            elif not wanted:
                await self._stop_scanning()

    async def _stop_scanning(self) -> None:
        scanner, self._scanner = self._scanner, None
        if scanner is not None:
            with contextlib.suppress(BleakError, OSError, EOFError):
                await scanner.stop()

    def _on_advertisement(self, device: BLEDevice, advertisement: AdvertisementData) -> None:
        for on_found in list(self._searches):
            on_found(Found(device, advertisement))

    def _options(self, backend: type[Any] | None) -> dict[str, Any]:
        options: dict[str, Any] = {}
        if backend is not None:
            options["backend"] = backend
        if self.adapter is not None:
            options["bluez"] = {"adapter": self.adapter}
        return options


def in_words(error: Exception) -> str:
    """What to tell a person of an error of bleak, the system's Bluetooth or the sensor."""
    if isinstance(error, OSError) and not isinstance(error, TimeoutError):
        return f"the Bluetooth service of this machine cannot be reached ({error.strerror or error})"
    if isinstance(error, BleakOutOfConnectionSlotsError) or _OUT_OF_SLOTS in str(error):
        return _NO_SLOT
    if isinstance(error, BleakDBusError):
        details = error.dbus_error_details or error.dbus_error
        if error.dbus_error.startswith(_DBUS):
            return f"the Bluetooth service of this machine does not answer ({details})"
        return str(details)
    # bleak's errors have the text first and perhaps codes after it.
    text = str(error.args[0]) if error.args else ""
    return text or "the sensor did not answer in time"
