"""A peripheral: what any Bluetooth sensor has in common, and what can happen to it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from bumble.att import ATT_Error, ErrorCode
from bumble.core import UUID, AdvertisingData
from bumble.device import Connection, Device
from bumble.gatt import Characteristic, CharacteristicValue, Service
from bumble.hci import Address, HCI_ErrorCode
from bumble.host import Host
from bumble.transport.common import AsyncPipeSink

from support.bluetooth.controllers import Air, AirController

__all__ = ["BATTERY_LEVEL_UUID", "Offered", "Peripheral", "Written"]

BATTERY_LEVEL_UUID = "00002a19-0000-1000-8000-00805f9b34fb"
_BATTERY_SERVICE_UUID = "0000180f-0000-1000-8000-00805f9b34fb"
_LARGEST_ADVERTISEMENT_BYTES = 31
_ATT_HEADER_BYTES = 3
_ADVERTISING_INTERVAL_MS = 20.0
"""The shortest that there is."""
_SUPERVISION_TIMEOUT_S = 0.42
"""What Linux asks for."""

Written = Callable[[bytes], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Offered:
    """A characteristic.

    Attributes:
        uuid: 128 bits, lower case.
        properties: What can be done with it, as bumble names it: "READ|NOTIFY", say.
        read: Gives its value; None if it cannot be read.
        written: Takes what is written to it; None if it cannot be written.
    """

    uuid: str
    properties: str
    read: Callable[[], bytes] | None = None
    written: Written | None = None


class Peripheral:
    """A peripheral with a table of services; it advertises whenever it is neither connected nor away.

    Attributes:
        address: A random static one: the first digit is C to F.
        name: What it advertises.
        mtu: The largest that it agrees to.
        battery_percent: What its Battery Service says; None if it has no such service.
        n_connections: How often it has been connected.
    """

    def __init__(
        self,
        table: Mapping[str, Sequence[Offered]],
        *,
        address: str,
        name: str,
        advertised: Sequence[str] = (),
        mtu: int = 247,
        battery_percent: int | None = None,
        advertising_interval_ms: float = _ADVERTISING_INTERVAL_MS,
    ) -> None:
        self.address = address
        self.name = name
        self.mtu = mtu
        self.battery_percent = battery_percent
        self.n_connections = 0
        self._advertised = advertised
        self._advertising_interval_ms = advertising_interval_ms
        self._table = dict(table)
        if battery_percent is not None:
            self._table[_BATTERY_SERVICE_UUID] = [
                Offered(BATTERY_LEVEL_UUID, "READ|NOTIFY", lambda: bytes([self.battery_percent or 0]))
            ]
        self._characteristics: dict[str, Characteristic[bytes]] = {}
        self._away = True
        self._silent = False
        self._subscribed: dict[str, asyncio.Event] = {}
        self._linked = asyncio.Event()
        self._unlinked = asyncio.Event()
        self._unlinked.set()
        self._tasks: list[asyncio.Future[None]] = []

    @property
    def is_connected(self) -> bool:
        """Whether it believes to be connected."""
        return self._connection is not None

    @property
    def largest_notification_bytes(self) -> int:
        """By the MTU that was negotiated."""
        mtu = self._connection.att_mtu if self._connection is not None else self.mtu
        return mtu - _ATT_HEADER_BYTES

    async def power_on(self, air: Air) -> None:
        """Switch it on: it advertises."""
        self._air = air
        self._controller = AirController(self.name, link=air)
        host = Host(self._controller, AsyncPipeSink(self._controller))
        self._device = Device(name=self.name, address=Address(self.address), host=host)
        self._device.gatt_server.max_mtu = self.mtu
        for uuid, offered in self._table.items():
            self._device.add_service(Service(UUID(uuid), [self._characteristic(each) for each in offered]))
        self._device.on("connection", self._on_connection)
        await self._device.power_on()
        await self.advertise()

    async def power_off(self) -> None:
        """Switch it off for good; whoever is connected notices by the supervision timeout, at once here."""
        self._away = True
        for task in self._tasks:
            task.cancel()
        results = await asyncio.gather(*self._tasks, return_exceptions=True)
        self._time_out()
        await self.disconnected()
        self._controller.le_legacy_advertiser.stop()
        await self._device.power_off()
        self._air.remove_controller(self._controller)
        for result in results:
            if isinstance(result, Exception):
                raise result

    async def advertise(self) -> None:
        """Be there, and be found."""
        self._away = False
        if not self.is_connected and not self._device.is_advertising:
            advertisement, scan_response = self._advertising_data()
            await self._device.start_advertising(
                advertising_data=advertisement,
                scan_response_data=scan_response,
                advertising_interval_min=self._advertising_interval_ms,
                advertising_interval_max=self._advertising_interval_ms,
            )

    async def leave(self) -> None:
        """Go: disconnect cleanly and do not advertise any more."""
        self._away = True
        if self._device.is_advertising:
            await self._device.stop_advertising()
        if self._connection is not None:
            await self._connection.disconnect(HCI_ErrorCode.REMOTE_USER_TERMINATED_CONNECTION_ERROR)

    async def drop(self, away_s: float = 0.0) -> None:
        """Disconnect cleanly, and be there again after a while."""
        await self.leave()
        await asyncio.sleep(away_s)
        await self.advertise()

    async def vanish(self, away_s: float = 0.0, supervision_timeout_s: float = _SUPERVISION_TIMEOUT_S) -> None:
        """Go out of range: both ends notice by the supervision timeout only; then be there again after a while."""
        self._away = True
        if self._device.is_advertising:
            await self._device.stop_advertising()
        self._air.out_of_range.add(self._controller)
        try:
            await asyncio.sleep(supervision_timeout_s)
            self._time_out()
            await asyncio.sleep(away_s)
        finally:
            self._air.out_of_range.discard(self._controller)
        await self.advertise()

    def silence(self) -> None:
        """Stay connected but send nothing until the next connection."""
        self._silent = True

    async def subscribed(self, characteristic: str) -> None:
        """Wait until somebody is subscribed to a characteristic."""
        await self._event(characteristic).wait()

    async def connected(self) -> None:
        """Wait until somebody is connected."""
        await self._linked.wait()

    async def disconnected(self) -> None:
        """Wait until nobody is connected."""
        await self._unlinked.wait()

    async def notify(self, characteristic: str, value: bytes) -> bool:
        """Send a notification, or an indication where the characteristic has only that.

        Returns:
            Whether it was sent: not while nobody is subscribed, or in silence.

        Raises:
            ValueError: If it does not fit the negotiated MTU.
        """
        if not self._event(characteristic).is_set() or self._silent:
            return False
        if len(value) > self.largest_notification_bytes:
            msg = f"{len(value)} bytes do not fit into a notification of {self.largest_notification_bytes}"
            raise ValueError(msg)
        offered = self._characteristics[characteristic]
        if offered.properties & Characteristic.Properties.NOTIFY:
            await self._device.notify_subscribers(offered, value)
        else:
            await self._device.indicate_subscribers(offered, value)
        return True

    def spawn(self, work: Awaitable[None]) -> None:
        """Do something in the background until it is switched off, when errors of it are raised."""
        self._tasks.append(asyncio.ensure_future(work))

    @property
    def _connection(self) -> Connection | None:
        return next(iter(self._device.connections.values()), None)

    def _event(self, characteristic: str) -> asyncio.Event:
        return self._subscribed.setdefault(characteristic, asyncio.Event())

    def _characteristic(self, offered: Offered) -> Characteristic[bytes]:
        # bumble itself checks neither properties nor permissions.
        def read(_: Connection) -> bytes:
            if offered.read is None:
                raise ATT_Error(ErrorCode.READ_NOT_PERMITTED)
            return offered.read()

        async def written(_: Connection, value: bytes) -> None:
            if offered.written is None:
                raise ATT_Error(ErrorCode.WRITE_NOT_PERMITTED)
            await offered.written(value)

        characteristic = Characteristic[bytes](
            offered.uuid,
            Characteristic.Properties.from_string(offered.properties),
            Characteristic.READABLE | Characteristic.WRITEABLE,
            CharacteristicValue(read=read, write=written),
        )

        def on_subscription(_: Connection, notify: bool, indicate: bool) -> None:  # noqa: FBT001 - bumble's signature
            event = self._event(offered.uuid)
            if notify or indicate:
                event.set()
            else:
                event.clear()

        characteristic.on(Characteristic.EVENT_SUBSCRIPTION, on_subscription)
        self._characteristics[offered.uuid] = characteristic
        return characteristic

    def _on_connection(self, connection: Connection) -> None:
        self.n_connections += 1
        self._silent = False
        self._linked.set()
        self._unlinked.clear()
        connection.on(Connection.EVENT_DISCONNECTION, self._on_disconnection)

    def _on_disconnection(self, _reason: int) -> None:
        for event in self._subscribed.values():
            event.clear()
        self._linked.clear()
        self._unlinked.set()
        if not self._away:
            self.spawn(self.advertise())

    def _time_out(self) -> None:
        mine = Address(self.address)
        for controller in self._air.controllers:
            if isinstance(controller, AirController):
                controller.time_out_connection(mine)
        if self._connection is not None:
            self._controller.time_out_connection(self._connection.peer_address)

    def _advertising_data(self) -> tuple[bytes, bytes]:
        """As much as fits into the advertisement, the rest into the scan response."""
        kinds = {
            16: AdvertisingData.COMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS,
            128: AdvertisingData.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS,
        }
        uuids = [UUID(text) for text in self._advertised]
        parts = [bytes(AdvertisingData([(AdvertisingData.FLAGS, b"\x06")]))]
        for uuid in uuids:
            raw = uuid.to_bytes()
            parts.append(bytes(AdvertisingData([(kinds[8 * len(raw)], raw)])))
        parts.append(bytes(AdvertisingData([(AdvertisingData.COMPLETE_LOCAL_NAME, self.name.encode())])))
        advertisement = scan_response = b""
        for part in parts:
            if not scan_response and len(advertisement + part) <= _LARGEST_ADVERTISEMENT_BYTES:
                advertisement += part
            else:
                scan_response += part
        return advertisement, scan_response
