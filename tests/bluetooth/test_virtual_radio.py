"""The test ground itself: the virtual adapter keeps the rules that were found on BlueZ, and sensors lose nothing."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from bleak import BleakClient, BleakScanner
from bleak.backends.device import BLEDevice
from bleak.exc import (
    BleakBluetoothNotAvailableError,
    BleakBluetoothNotAvailableReason,
    BleakDBusError,
    BleakDeviceNotFoundError,
    BleakError,
    BleakGATTProtocolError,
)
from support.bluetooth import VirtualRadio, virtual_radio
from support.bluetooth.peripherals import BATTERY_LEVEL_UUID
from support.bluetooth.sensors import PrototypeSensor, RepSenseSensor, Sensor, sample_numbers
from support.bluetooth.vendors import SENSORS, PolarSensor, WitMotionSensor

from repsense_ble_gateway.configuration import SensorConfiguration
from repsense_ble_gateway.packets import repsense
from repsense_ble_gateway.profiles.registry import profile_named, recognised
from repsense_ble_gateway.radio import Found
from repsense_ble_gateway.sources.ble import BleakLink

_PATIENCE_S = 20.0
_SOON_S = 0.2


def _in_air(
    scenario: Callable[[VirtualRadio], Awaitable[None]], n_slots: int | None = None, patience_s: float = _PATIENCE_S
) -> None:
    async def run() -> None:
        async with asyncio.timeout(patience_s):
            async with virtual_radio(n_slots=n_slots) as radio:
                await scenario(radio)
                assert radio.n_scans == 0
            assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(run())


async def _find(radio: VirtualRadio, sensor: Sensor) -> BLEDevice:
    device = await BleakScanner.find_device_by_address(sensor.address, backend=radio.scanner)
    assert device is not None
    return device


async def _connect(
    radio: VirtualRadio, sensor: Sensor, on_disconnect: Callable[[BleakClient], None] | None = None
) -> BleakClient:
    client = BleakClient(await _find(radio, sensor), on_disconnect, backend=radio.client)
    await client.connect()
    return client


async def _subscribe(client: BleakClient, sensor: Sensor) -> asyncio.Queue[bytes]:
    received: asyncio.Queue[bytes] = asyncio.Queue()
    await client.start_notify(sensor.characteristic, lambda _, value: received.put_nowait(bytes(value)))
    return received


def _sequence(notification: bytes) -> int | None:
    return repsense.decode_packet(notification).sequence


def test_a_scan_finds_every_peripheral_with_name_and_services() -> None:
    async def scenario(radio: VirtualRadio) -> None:
        polar, witmotion = await radio.add(PolarSensor()), await radio.add(WitMotionSensor())
        heard = {}
        async with BleakScanner(backend=radio.scanner) as scanner:
            async for device, advertisement in scanner.advertisement_data():
                heard[device.address] = Found(device, advertisement).advertised
                if len(heard) == 2:
                    break
        assert heard[polar.address].name == polar.name
        assert heard[witmotion.address].name == witmotion.name
        # Name and service do not fit into one advertisement: the rest is in the scan response.
        kind = recognised(heard[witmotion.address])
        assert kind is not None
        assert kind.name == "witmotion"

    _in_air(scenario)


def test_a_scan_can_be_for_a_service() -> None:
    async def scenario(radio: VirtualRadio) -> None:
        await radio.add(PrototypeSensor())
        wanted = await radio.add(RepSenseSensor())
        found = await BleakScanner.find_device_by_filter(
            lambda *_: True, service_uuids=[repsense.SERVICE_UUID], backend=radio.scanner
        )
        assert found is not None
        assert found.address == wanted.address

    _in_air(scenario)


def test_every_notification_comes_once_and_in_order() -> None:
    async def scenario(radio: VirtualRadio) -> None:
        sensor = await radio.add(RepSenseSensor(rate_hz=0))
        received = await _subscribe(await _connect(radio, sensor), sensor)
        await sensor.send(200)
        notifications = [await received.get() for _ in range(200)]
        numbers = [
            number
            for packet in map(repsense.decode_packet, notifications)
            for number in sample_numbers(packet.samples, packet.channels)
        ]
        assert numbers == list(sensor.sent) == list(range(1_000))

    _in_air(scenario)


@pytest.mark.parametrize("kind", SENSORS, ids=lambda kind: kind.profile)
def test_what_a_sensor_of_each_kind_sends_is_what_its_profile_reads(kind: Callable[..., Sensor]) -> None:
    async def scenario(radio: VirtualRadio) -> None:
        sensor = await radio.add(kind(rate_hz=0))
        client = await _connect(radio, sensor)
        configuration = SensorConfiguration(id="wrist", address=sensor.address)
        profile = profile_named(sensor.profile)
        decoder = profile.decoder(configuration)
        payloads: asyncio.Queue[bytes] = asyncio.Queue()
        start = asyncio.create_task(_started(profile.start(BleakLink(client), configuration, payloads.put_nowait)))
        await sensor.send(20)
        n_expected, numbers = len(sensor.sent), list[int]()
        while len(numbers) < n_expected:
            for packet in decoder.decode(await payloads.get()):
                numbers += sample_numbers(packet.samples, packet.channels)
        await start
        assert numbers == list(sensor.sent)

    async def _started(starting: Awaitable[None]) -> None:
        await starting

    _in_air(scenario)


def test_a_prototype_without_notifications_gives_another_sample_at_every_reading() -> None:
    async def scenario(radio: VirtualRadio) -> None:
        sensor = await radio.add(PrototypeSensor(notifies=False))
        client = await _connect(radio, sensor)
        values = [bytes(await client.read_gatt_char(sensor.characteristic)) for _ in range(3)]
        assert len(set(values)) == 3
        with pytest.raises(BleakDBusError, match="NotSupported"):
            await _subscribe(client, sensor)

    _in_air(scenario)


def test_an_adapter_without_a_free_slot_says_so_as_bluez_does() -> None:
    async def scenario(radio: VirtualRadio) -> None:
        first, second = await radio.add(RepSenseSensor()), await radio.add(PrototypeSensor())
        holder = await _connect(radio, first)
        with pytest.raises(BleakDBusError, match="le-connection-concurrent-connection-limit"):
            await _connect(radio, second)
        assert radio.open_clients == [holder._backend]
        await holder.disconnect()
        await _connect(radio, second)

    _in_air(scenario, n_slots=1)


def test_a_peripheral_that_drops_the_connection_is_noticed_and_comes_back() -> None:
    async def scenario(radio: VirtualRadio) -> None:
        sensor = await radio.add(RepSenseSensor())
        gone = asyncio.Event()
        client = await _connect(radio, sensor, lambda _: gone.set())
        await sensor.drop()
        await gone.wait()
        assert not client.is_connected
        assert radio.n_links == 0
        assert len(radio.open_clients) == 1
        await client.disconnect()
        assert not radio.open_clients
        await _connect(radio, sensor)
        assert sensor.n_connections == 2

    _in_air(scenario)


def test_a_peripheral_out_of_range_is_noticed_by_the_supervision_timeout() -> None:
    async def scenario(radio: VirtualRadio) -> None:
        sensor = await radio.add(RepSenseSensor(rate_hz=0))
        gone = asyncio.Event()
        client = await _connect(radio, sensor, lambda _: gone.set())
        received = await _subscribe(client, sensor)
        vanishing = asyncio.create_task(sensor.vanish())
        await asyncio.sleep(0)
        await sensor.send()
        assert client.is_connected
        await gone.wait()
        await vanishing
        assert received.empty()
        await client.disconnect()
        received = await _subscribe(await _connect(radio, sensor), sensor)
        await sensor.send()
        assert _sequence(await received.get()) == 5

    _in_air(scenario)


def test_a_link_lost_in_the_middle_of_connecting_is_an_error_and_leaves_nothing() -> None:
    async def scenario(radio: VirtualRadio) -> None:
        sensor = await radio.add(RepSenseSensor())
        connecting = asyncio.create_task(_connect(radio, sensor))
        await sensor.connected()
        await sensor.vanish()
        with pytest.raises(BleakError, match="failed to discover services"):
            await connecting
        assert not radio.open_clients

    _in_air(scenario)


def test_connecting_to_an_absent_peripheral_times_out() -> None:
    async def scenario(radio: VirtualRadio) -> None:
        sensor = await radio.add(RepSenseSensor())
        device = await _find(radio, sensor)
        await sensor.leave()
        with pytest.raises(TimeoutError):
            await BleakClient(device, timeout=_SOON_S, backend=radio.client).connect()
        with pytest.raises(BleakDeviceNotFoundError):
            await BleakClient(sensor.address, timeout=_SOON_S, backend=radio.client).connect()
        await sensor.advertise()
        await _connect(radio, sensor)

    _in_air(scenario)


def test_an_absent_peripheral_does_not_keep_others_from_connecting() -> None:
    async def scenario(radio: VirtualRadio) -> None:
        absent, present = await radio.add(RepSenseSensor()), await radio.add(PrototypeSensor())
        device = await _find(radio, absent)
        await absent.leave()
        waiting = asyncio.create_task(BleakClient(device, timeout=_PATIENCE_S, backend=radio.client).connect())
        await _connect(radio, present)
        waiting.cancel()
        await asyncio.wait([waiting])
        assert waiting.cancelled()
        assert len(radio.open_clients) == 1

    _in_air(scenario)


@pytest.mark.parametrize("disconnects", [True, False])
def test_a_dead_client_that_is_not_disconnected_doubles_every_notification(disconnects: bool) -> None:  # noqa: FBT001
    async def scenario(radio: VirtualRadio) -> None:
        sensor = await radio.add(RepSenseSensor(rate_hz=0))
        dead = await _connect(radio, sensor)
        await _subscribe(dead, sensor)
        await sensor.drop()
        if disconnects:
            await dead.disconnect()
        received = await _subscribe(await _connect(radio, sensor), sensor)
        await sensor.send(2)
        sequences = [_sequence(await received.get()) for _ in range(2 if disconnects else 4)]
        assert sequences == ([0, 5] if disconnects else [0, 0, 5, 5])
        assert received.empty()

    _in_air(scenario)


def test_a_subscription_that_is_refused_leaves_the_link_up_and_the_sensor_hidden() -> None:
    async def scenario(radio: VirtualRadio) -> None:
        sensor = await radio.add(RepSenseSensor())
        radio.n_refused_subscriptions = 1
        client = await _connect(radio, sensor)
        with pytest.raises(BleakDBusError, match="InProgress"):
            await _subscribe(client, sensor)
        assert radio.n_links == 1
        hidden = await BleakScanner.find_device_by_address(sensor.address, timeout=_SOON_S, backend=radio.scanner)
        assert hidden is None
        await client.disconnect()
        await _subscribe(await _connect(radio, sensor), sensor)

    _in_air(scenario)


def test_a_silent_sensor_stays_connected_and_speaks_again_after_the_next_connection() -> None:
    async def scenario(radio: VirtualRadio) -> None:
        sensor = await radio.add(RepSenseSensor(rate_hz=0))
        client = await _connect(radio, sensor)
        received = await _subscribe(client, sensor)
        sensor.silence()
        await sensor.send(3)
        assert client.is_connected
        assert received.empty()
        assert not sensor.sent
        await client.disconnect()
        received = await _subscribe(await _connect(radio, sensor), sensor)
        await sensor.send()
        assert _sequence(await received.get()) == 15

    _in_air(scenario)


def test_an_adapter_that_is_off_is_not_available() -> None:
    async def scenario(radio: VirtualRadio) -> None:
        sensor = await radio.add(RepSenseSensor())
        gone = asyncio.Event()
        client = await _connect(radio, sensor, lambda _: gone.set())
        await radio.power_off()
        await gone.wait()
        for attempt in (BleakScanner(backend=radio.scanner).start, client.connect):
            with pytest.raises(BleakBluetoothNotAvailableError) as caught:
                await attempt()
            assert caught.value.reason is BleakBluetoothNotAvailableReason.POWERED_OFF
        await radio.power_on()
        await _connect(radio, sensor)

    _in_air(scenario)


def test_the_negotiated_mtu_bounds_what_is_sent() -> None:
    async def scenario(radio: VirtualRadio) -> None:
        sensor = await radio.add(RepSenseSensor(rate_hz=0, mtu=64))
        client = await _connect(radio, sensor)
        received = await _subscribe(client, sensor)
        characteristic = client.services.get_characteristic(sensor.characteristic)
        assert characteristic is not None
        assert characteristic.max_write_without_response_size == 61
        # As BlueZ's backend, which does not know.
        with pytest.warns(UserWarning, match="default MTU"):
            assert client.mtu_size == 23
        await sensor.send()
        assert len(await received.get()) <= 61
        assert await sensor.notify(sensor.characteristic, bytes(61))
        with pytest.raises(ValueError, match="do not fit"):
            await sensor.notify(sensor.characteristic, bytes(62))

    _in_air(scenario)


def test_a_battery_can_be_read() -> None:
    async def scenario(radio: VirtualRadio) -> None:
        sensor = await radio.add(RepSenseSensor(battery_percent=80))
        client = await _connect(radio, sensor)
        assert await client.read_gatt_char(BATTERY_LEVEL_UUID) == b"\x50"
        sensor.battery_percent = 79
        assert await client.read_gatt_char(BATTERY_LEVEL_UUID) == b"\x4f"

    _in_air(scenario)


def test_what_a_peripheral_does_not_allow_is_an_error_of_the_protocol() -> None:
    async def scenario(radio: VirtualRadio) -> None:
        sensor = await radio.add(RepSenseSensor())
        client = await _connect(radio, sensor)
        with pytest.raises(BleakGATTProtocolError, match="Write Not Permitted"):
            await client.write_gatt_char(sensor.characteristic, b"\x01", response=True)
        with pytest.raises(BleakGATTProtocolError, match="Read Not Permitted"):
            await client.read_gatt_char(sensor.characteristic)

    _in_air(scenario)


def test_a_sensor_at_its_own_rate_loses_nothing_while_it_is_connected_again_and_again() -> None:
    async def scenario(radio: VirtualRadio) -> None:
        sensor = await radio.add(RepSenseSensor(rate_hz=200.0))
        for n_connections in range(1, 6):
            client = await _connect(radio, sensor)
            n_before = len(sensor.sent)
            notifications = await _subscribe(client, sensor)
            packets = [await notifications.get() for _ in range(3)]
            await client.disconnect()
            assert not radio.open_clients
            assert sensor.n_connections == n_connections
            while not notifications.empty():
                packets.append(notifications.get_nowait())
            received = [
                number
                for packet in map(repsense.decode_packet, packets)
                for number in sample_numbers(packet.samples, packet.channels)
            ]
            # What it handed to the radio last may be lost with the link, as on the air.
            assert received == list(sensor.sent)[n_before:][: len(received)]

    _in_air(scenario)


def test_an_error_in_a_sensor_is_not_swallowed() -> None:
    broke = asyncio.Event()

    class Broken(RepSenseSensor):
        def encode(self, first: int, n_samples: int) -> list[bytes]:
            broke.set()
            msg = f"no sample {first} of {n_samples}"
            raise RuntimeError(msg)

    async def scenario(radio: VirtualRadio) -> None:
        sensor = await radio.add(Broken(rate_hz=1_000.0))
        client = await _connect(radio, sensor)
        await client.start_notify(sensor.characteristic, lambda *_: None)
        await broke.wait()

    with pytest.raises(RuntimeError, match="no sample"):
        _in_air(scenario)
