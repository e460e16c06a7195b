"""bleak's scanner and client on a virtual Bluetooth adapter, which behaves as BlueZ and its backend in bleak 3.1 do.

    async with virtual_radio() as radio:
        sensor = await radio.add(RepSenseSensor())
        device = await BleakScanner.find_device_by_address(sensor.address, backend=radio.scanner)
        client = BleakClient(device, backend=radio.client)

Everything that a test makes ends with its context; nothing is known outside of it.
"""

import asyncio
import contextlib
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, ClassVar, TypeVar, cast

from bleak.args import SizedBuffer
from bleak.assigned_numbers import gatt_char_props_to_strs
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.client import BaseBleakClient, NotifyCallback
from bleak.backends.descriptor import BleakGATTDescriptor
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData, AdvertisementDataCallback, BaseBleakScanner
from bleak.backends.service import BleakGATTService, BleakGATTServiceCollection
from bleak.exc import (
    BleakBluetoothNotAvailableError,
    BleakBluetoothNotAvailableReason,
    BleakDBusError,
    BleakDeviceNotFoundError,
    BleakError,
    BleakGATTProtocolError,
)
from bleak.uuids import normalize_uuid_str
from bumble import core
from bumble.att import ATT_Error
from bumble.core import UUID, AdvertisingData
from bumble.device import Advertisement, Connection, Device, Peer
from bumble.gatt_client import CharacteristicProxy
from bumble.hci import Address, HCI_Error, HCI_ErrorCode, HCI_LE_Create_Connection_Cancel_Command
from bumble.host import Host
from bumble.transport.common import AsyncPipeSink

from support.bluetooth.controllers import Air, AirController
from support.bluetooth.peripherals import Peripheral

__all__ = ["VirtualClient", "VirtualRadio", "VirtualScanner", "virtual_radio"]

_ADDRESS = "F5:F4:F3:F2:F1:F0"
_LARGEST_MTU = 517
"""What BlueZ asks for."""
_SMALLEST_MTU = 23
_ATT_HEADER_BYTES = 3
_SERVICE_LISTS = (
    AdvertisingData.INCOMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS,
    AdvertisingData.COMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS,
    AdvertisingData.INCOMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS,
    AdvertisingData.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS,
)

_P = TypeVar("_P", bound=Peripheral)


class VirtualRadio:
    """One adapter and the air around it.

    Attributes:
        scanner: To be given to bleak as `backend`.
        client: Likewise.
        n_scans: How many scanners are running.
        open_clients: Clients that have connected and were not disconnected since, whether or not the link still
            stands; each is a connection to D-Bus in BlueZ's case.
        n_refused_subscriptions: So many of the next subscriptions fail as on a busy BlueZ.
    """

    def __init__(self, n_slots: int | None = None) -> None:
        self.air = Air()
        self.scanner: type[VirtualScanner] = type("BoundScanner", (VirtualScanner,), {"radio": self})
        self.client: type[VirtualClient] = type("BoundClient", (VirtualClient,), {"radio": self})
        self.open_clients: list[VirtualClient] = []
        self.n_scans = 0
        self.n_refused_subscriptions = 0
        self._powered = False
        self._peripherals: list[Peripheral] = []
        self._listeners: list[Callable[[Advertisement], None]] = []
        self._connecting = asyncio.Lock()
        self._controller = AirController("adapter", link=self.air)
        self._controller.n_slots = n_slots
        self._device = Device(address=Address(_ADDRESS), host=Host(self._controller, AsyncPipeSink(self._controller)))
        self._device.on(Device.EVENT_ADVERTISEMENT, self._on_advertisement)

    @property
    def n_links(self) -> int:
        """How many connections there are."""
        return len(self._device.connections)

    async def add(self, peripheral: _P) -> _P:
        """Bring a peripheral into range and switch it on."""
        self._peripherals.append(peripheral)
        await peripheral.power_on(self.air)
        return peripheral

    async def power_on(self) -> None:
        """Switch the adapter on; it is when the context begins."""
        await self._device.power_on()
        # Always: as the kernel does, it waits for an advertisement before it connects.
        await self._device.start_scanning(filter_duplicates=False)
        self._powered = True

    async def power_off(self) -> None:
        """Switch the adapter off: links end, and nothing works until it is on again."""
        self._powered = False
        for connection in list(self._device.connections.values()):
            await connection.disconnect()
        await self._device.stop_scanning()

    async def close(self) -> None:
        """End everything."""
        for peripheral in self._peripherals:
            await peripheral.power_off()
        if self._powered:
            await self.power_off()
        await self._device.power_off()

    def require_power(self) -> None:
        """Raise what bleak does where Bluetooth is off."""
        if not self._powered:
            msg = "No powered Bluetooth adapters found. Turn on Bluetooth and try again."
            raise BleakBluetoothNotAvailableError(msg, BleakBluetoothNotAvailableReason.POWERED_OFF)

    def listen(self, listener: Callable[[Advertisement], None]) -> None:
        """Have advertisements reported from now on."""
        self._listeners.append(listener)

    def unlisten(self, listener: Callable[[Advertisement], None]) -> None:
        """No longer."""
        self._listeners.remove(listener)

    async def link_to(self, address: str) -> Connection:
        """The connection to a peripheral, made as soon as it advertises.

        Raises:
            BleakDBusError: If the adapter has no slot for it.
        """
        peer = Address(address)
        existing = self._device.find_connection_by_bd_addr(peer)
        if existing is not None:
            return existing
        await self._advertised(peer)
        # bumble can make one connection at a time.
        async with self._connecting:
            try:
                return await self._device.connect(peer, timeout=None)
            except core.ConnectionError as error:
                if error.error_code != HCI_ErrorCode.CONNECTION_LIMIT_EXCEEDED_ERROR:
                    raise
                # The kernel makes EMLINK of it and BlueZ (src/error.c) this text of that.
                body = ["le-connection-concurrent-connection-limit"]
                raise BleakDBusError("org.bluez.Error.Failed", body) from error  # noqa: EM101 - the error's name
            except asyncio.CancelledError:
                with contextlib.suppress(HCI_Error):
                    await self._device.send_sync_command(HCI_LE_Create_Connection_Cancel_Command())
                made = self._device.find_connection_by_bd_addr(peer)
                if made is not None:
                    await made.disconnect()
                raise

    def n_repeats(self, address: str, characteristic: str) -> int:
        """How often notifications come too often: once more for each dead client that was not disconnected.

        That is hbldh/bleak#2002: the dead client's connection to D-Bus is still subscribed, so that BlueZ subscribes
        it again when the peripheral is back.
        """
        return sum(
            not client.is_connected and client.address == address and characteristic in client.subscriptions
            for client in self.open_clients
        )

    async def _advertised(self, peer: Address) -> None:
        heard = asyncio.Event()

        def listener(advertisement: Advertisement) -> None:
            if advertisement.address == peer:
                heard.set()

        self.listen(listener)
        try:
            await heard.wait()
        finally:
            self.unlisten(listener)

    def _on_advertisement(self, advertisement: Advertisement) -> None:
        for listener in list(self._listeners):
            listener(advertisement)


@contextlib.asynccontextmanager
async def virtual_radio(*, n_slots: int | None = None) -> AsyncIterator[VirtualRadio]:
    """An adapter of its own, on, with nothing in range.

    Args:
        n_slots: How many connections it can hold; None for no limit.
    """
    radio = VirtualRadio(n_slots)
    await radio.power_on()
    try:
        yield radio
    finally:
        await radio.close()


class VirtualScanner(BaseBleakScanner):
    """bleak's scanner on a virtual adapter."""

    radio: ClassVar[VirtualRadio]

    def __init__(
        self,
        detection_callback: AdvertisementDataCallback | None,
        service_uuids: list[str] | None,
        _scanning_mode: str,
        **_options: object,
    ) -> None:
        super().__init__(detection_callback, service_uuids)
        self._running = False

    async def start(self) -> None:
        """See `BaseBleakScanner`."""
        self.radio.require_power()
        self.seen_devices = {}
        self.radio.listen(self._on_advertisement)
        self.radio.n_scans += 1
        self._running = True

    async def stop(self) -> None:
        """See `BaseBleakScanner`."""
        if self._running:
            self._running = False
            self.radio.n_scans -= 1
            self.radio.unlisten(self._on_advertisement)

    def _on_advertisement(self, advertisement: Advertisement) -> None:
        data = advertisement.data
        found: list[list[UUID]] = [cast("list[UUID]", uuids) for kind in _SERVICE_LISTS for uuids in data.get_all(kind)]
        services = [normalize_uuid_str(uuid.to_hex_str("-")) for uuids in found for uuid in uuids]
        if not self.is_allowed_uuid(services):
            return
        names = data.get_all(AdvertisingData.COMPLETE_LOCAL_NAME) + data.get_all(AdvertisingData.SHORTENED_LOCAL_NAME)
        manufacturers = dict(data.get_all(AdvertisingData.MANUFACTURER_SPECIFIC_DATA))
        name = names[0] if names else None
        address = advertisement.address.to_string(with_type_qualifier=False)
        # What BlueZ says for a transmit power and service data that were not advertised.
        report = AdvertisementData(name, manufacturers, {}, services, None, advertisement.rssi, ())
        device = self.create_or_update_device(address, address, name, advertisement, report)
        self.call_detection_callbacks(device, report)


class VirtualClient(BaseBleakClient):
    """bleak's client on a virtual adapter.

    Attributes:
        subscriptions: UUIDs of the characteristics that it was subscribed to when the link ended, or is.
    """

    radio: ClassVar[VirtualRadio]

    def __init__(
        self,
        address_or_ble_device: BLEDevice | str,
        *,
        disconnected_callback: Callable[[], None] | None,
        timeout: float,
        **_options: object,
    ) -> None:
        super().__init__(address_or_ble_device, disconnected_callback=disconnected_callback, timeout=timeout)
        self.subscriptions: set[str] = set()
        self._device = address_or_ble_device if isinstance(address_or_ble_device, BLEDevice) else None
        self._connection: Connection | None = None

    @property
    def name(self) -> str:
        """See `BaseBleakClient`."""
        return (self._device.name if self._device else None) or self.address.replace(":", "-")

    @property
    def mtu_size(self) -> int:
        """BlueZ's backend does not know it, whatever was negotiated, and warns."""
        warnings.warn("Using default MTU value; ask the characteristic for what can be written.", stacklevel=2)
        return _SMALLEST_MTU

    @property
    def is_connected(self) -> bool:
        """See `BaseBleakClient`."""
        return self._connection is not None

    async def connect(self, pair: bool, **options: Any) -> None:  # noqa: ANN401, FBT001 - bleak's signature
        """See `BaseBleakClient`.

        Raises:
            TimeoutError: If the peripheral is away.
            BleakDeviceNotFoundError: Likewise, if it was not scanned for before.
            BleakDBusError: If the adapter has no slot for it.
            BleakError: If the link ends while services are discovered.
        """
        if self.is_connected:
            msg = "Client is already connected"
            raise BleakError(msg)
        if pair:
            msg = "the virtual adapter does not pair"
            raise NotImplementedError(msg)
        self.radio.require_power()
        timeout_s = options.get("timeout", self._timeout)
        try:
            async with asyncio.timeout(timeout_s):
                connection = await self.radio.link_to(self.address)
        except TimeoutError:
            if self._device is not None:
                raise
            msg = f"Device with address {self.address} was not found."
            raise BleakDeviceNotFoundError(self.address, msg) from None
        self._connection = connection
        connection.on(Connection.EVENT_DISCONNECTION, self._on_disconnection)
        self.radio.open_clients.append(self)
        try:
            with self._errors_of_bleak("failed to discover services, device disconnected"):
                async with asyncio.timeout(timeout_s):
                    self.services = await self._discover(Peer(connection))
        except BaseException:
            await self.disconnect()
            raise

    async def disconnect(self) -> None:
        """See `BaseBleakClient`."""
        if self._connection is not None:
            await self._connection.disconnect()
        self.subscriptions.clear()
        if self in self.radio.open_clients:
            self.radio.open_clients.remove(self)

    async def pair(self, *_args: Any, **_options: Any) -> None:  # noqa: ANN401 - bleak's signature
        """Not offered."""
        raise NotImplementedError

    async def unpair(self) -> None:
        """Not offered."""
        raise NotImplementedError

    async def read_gatt_char(
        self,
        characteristic: BleakGATTCharacteristic,
        *,
        use_cached: bool = False,  # noqa: ARG002 - bleak's signature
        **_options: Any,  # noqa: ANN401
    ) -> bytearray:
        """See `BaseBleakClient`."""
        with self._errors_of_bleak():
            return bytearray(await self._proxy(characteristic).read_value())

    async def read_gatt_descriptor(
        self,
        descriptor: BleakGATTDescriptor,
        *,
        use_cached: bool = False,  # noqa: ARG002 - bleak's signature
        **_options: Any,  # noqa: ANN401
    ) -> bytearray:
        """See `BaseBleakClient`."""
        with self._errors_of_bleak():
            return bytearray(await descriptor.obj.read_value())

    async def write_gatt_char(
        self,
        characteristic: BleakGATTCharacteristic,
        data: SizedBuffer,
        response: bool,  # noqa: FBT001 - bleak's signature
    ) -> None:
        """See `BaseBleakClient`."""
        with self._errors_of_bleak():
            await self._proxy(characteristic).write_value(bytes(data), with_response=response)

    async def write_gatt_descriptor(self, descriptor: BleakGATTDescriptor, data: SizedBuffer) -> None:
        """See `BaseBleakClient`."""
        with self._errors_of_bleak():
            await descriptor.obj.write_value(bytes(data), with_response=True)

    async def start_notify(
        self,
        characteristic: BleakGATTCharacteristic,
        callback: NotifyCallback,
        **_options: Any,  # noqa: ANN401 - bleak's signature
    ) -> None:
        """See `BaseBleakClient`."""
        proxy = self._proxy(characteristic)
        if not {"notify", "indicate"} & set(characteristic.properties):
            raise BleakDBusError("org.bluez.Error.NotSupported", ["Operation is not supported"])  # noqa: EM101
        if self.radio.n_refused_subscriptions:
            self.radio.n_refused_subscriptions -= 1
            raise BleakDBusError("org.bluez.Error.InProgress", ["In Progress"])  # noqa: EM101

        def deliver(value: bytes) -> None:
            for _ in range(1 + self.radio.n_repeats(self.address, characteristic.uuid)):
                callback(bytearray(value))

        with self._errors_of_bleak():
            await proxy.subscribe(deliver)
        self.subscriptions.add(characteristic.uuid)

    async def stop_notify(self, characteristic: BleakGATTCharacteristic) -> None:
        """See `BaseBleakClient`."""
        with self._errors_of_bleak():
            await self._proxy(characteristic).unsubscribe(force=True)
        self.subscriptions.discard(characteristic.uuid)

    def _on_disconnection(self, _reason: int) -> None:
        self._connection = None
        self.services = None
        if self._disconnected_callback is not None:
            self._disconnected_callback()

    def _proxy(self, characteristic: BleakGATTCharacteristic) -> CharacteristicProxy[bytes]:
        if self._connection is None:
            msg = "Not connected"
            raise BleakError(msg)
        proxy: CharacteristicProxy[bytes] = characteristic.obj
        return proxy

    async def _discover(self, peer: Peer) -> BleakGATTServiceCollection:
        mtu = await peer.request_mtu(_LARGEST_MTU)
        services = BleakGATTServiceCollection()
        for service in await peer.discover_services():
            found = BleakGATTService(service, service.handle, normalize_uuid_str(service.uuid.to_hex_str("-")))
            services.add_service(found)
            for characteristic in await service.discover_characteristics():
                offered = BleakGATTCharacteristic(
                    characteristic,
                    characteristic.handle,
                    normalize_uuid_str(characteristic.uuid.to_hex_str("-")),
                    list(gatt_char_props_to_strs(int(characteristic.properties))),
                    lambda: mtu - _ATT_HEADER_BYTES,
                    found,
                )
                services.add_characteristic(offered)
                for descriptor in await characteristic.discover_descriptors():
                    uuid = normalize_uuid_str(descriptor.type.to_hex_str("-"))
                    services.add_descriptor(BleakGATTDescriptor(descriptor, descriptor.handle, uuid, offered))
        return services

    @contextlib.contextmanager
    def _errors_of_bleak(self, when_disconnected: str = "Not connected") -> Iterator[None]:
        try:
            yield
        except ATT_Error as error:
            raise BleakGATTProtocolError(error.error_code) from error
        except core.TimeoutError as error:
            raise TimeoutError from error
        except asyncio.CancelledError as error:
            # bumble cancels what waits for an answer when the link ends; the task itself is not cancelled then.
            task = asyncio.current_task()
            if self._connection is not None or (task is not None and task.cancelling()):
                raise
            raise BleakError(when_disconnected) from error
