"""Finding sensors and looking at one: what is behind `scan` and `inspect`."""

import asyncio
import time
from dataclasses import dataclass

import numpy as np
from bleak import BleakClient
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from rich.text import Text

from repsense.channels import UNITS, Channel
from repsense_ble_gateway.configuration import SensorConfiguration
from repsense_ble_gateway.packets import PacketDecoder, PacketError
from repsense_ble_gateway.profiles.registry import recognised
from repsense_ble_gateway.radio import Found, Radio
from repsense_ble_gateway.sources.ble import BleakLink, connected, fitting_profile

__all__ = ["inspect_sensor", "scan", "scan_table"]


async def scan(radio: Radio, duration_s: float) -> list[Found]:
    """Every sensor that advertises, by its newest advertisement: those that are recognised first, then by strength.

    Raises:
        BleakError: If there is no usable adapter.
    """
    newest: dict[str, Found] = {}

    def on_found(found: Found) -> None:
        newest[found.device.address] = found

    async with radio.scan(on_found):
        await asyncio.sleep(duration_s)
    return sorted(newest.values(), key=lambda found: (recognised(found.advertised) is None, -found.advertisement.rssi))


def scan_table(sensors: list[Found]) -> Table:
    """What was found, for people."""
    table = Table("Name", "Address", "Signal", "Profile")
    for found in sensors:
        profile = recognised(found.advertised)
        signal = "" if found.rssi_dbm is None else f"{found.rssi_dbm} dBm"
        # Anybody's name may look like rich's markup.
        name = Text(found.advertised.name)
        table.add_row(name, found.device.address, signal, profile.name if profile else "")
    return table


@dataclass(slots=True)
class _Tally:
    """What a sensor has sent since it was looked at last."""

    decoder: PacketDecoder
    channels: tuple[Channel, ...] = ()
    newest: NDArray[np.float32] | None = None
    n_samples: int = 0
    n_notifications: int = 0
    problem: str | None = None
    n_in_all: int = 0

    def receive(self, payload: bytes) -> None:
        self.n_notifications += 1
        try:
            packets = self.decoder.decode(payload)
        except PacketError as error:
            self.problem = str(error)
            return
        for packet in packets:
            self.channels, self.newest = packet.channels, packet.samples[-1]
            self.n_samples += len(packet.samples)
            self.n_in_all += len(packet.samples)

    def line(self, elapsed_s: float, interval_s: float) -> str:
        """One line about the last interval; begins the next one."""
        if self.newest is None:
            said = self.problem or "nothing yet"
        else:
            values = zip(self.channels, self.newest, strict=True)
            said = " ".join(f"{channel} {value:+.2f}" for channel, value in values)
            said = f"{self.n_samples / interval_s:.0f} samples/s in {self.n_notifications} notifications  {said}"
        self.n_samples = self.n_notifications = 0
        self.newest = None
        return f"{elapsed_s:4.0f} s  {said}"


async def inspect_sensor(radio: Radio, sensor: SensorConfiguration, duration_s: int, console: Console) -> bool:
    """Print what a sensor offers, and for some seconds what it sends.

    Returns:
        Whether it sent samples.

    Raises:
        BleakError: If it cannot be reached.
        TimeoutError: Likewise.
        ProfileError: If it is of no kind that can be read; what it offers was printed by then.
    """
    gone = asyncio.Event()
    async with connected(radio, sensor, gone.set) as (found, client):
        name = found.advertised.name or "A sensor without a name"
        console.print(Text(f"{name} ({found.device.address}), connected"))
        console.print(_services_table(client))
        link = BleakLink(client)
        profile = fitting_profile(sensor, link)
        console.print(f"profile {profile.name}: {profile.title}")
        tally = _Tally(profile.decoder(sensor))
        sending = asyncio.create_task(profile.start(link, sensor, tally.receive))
        try:
            await _watch(tally, sending, gone, duration_s, console)
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
    return tally.n_in_all > 0


async def _watch(
    tally: _Tally, sending: asyncio.Task[None], gone: asyncio.Event, duration_s: int, console: Console
) -> None:
    began_s = before_s = time.monotonic()
    while (elapsed_s := time.monotonic() - began_s) < duration_s and not gone.is_set():
        await asyncio.sleep(min(1.0, duration_s - elapsed_s))
        if sending.done():
            # An error in the dialogue with the sensor ends the inspection.
            sending.result()
        now_s = time.monotonic()
        console.print(tally.line(now_s - began_s, now_s - before_s), highlight=False)
        before_s = now_s
    if tally.channels:
        units = ", ".join(f"{channel} in {UNITS[channel]}" for channel in tally.channels)
        console.print(f"channels: {units}", highlight=False)
    if gone.is_set():
        console.print("the sensor has disconnected")


def _services_table(client: BleakClient) -> Table:
    table = Table("What it is", "Can")
    # Whole, so that it can be copied.
    table.add_column("UUID", no_wrap=True)
    for service in client.services:
        table.add_row(f"[bold]{service.description}[/bold]", "", f"[bold]{service.uuid}[/bold]")
        for characteristic in service.characteristics:
            table.add_row(f"  {characteristic.description}", ", ".join(characteristic.properties), characteristic.uuid)
    return table
