"""The command line: `repsense-gateway simulator | replay FILE | ble ADDRESS`."""

import asyncio
import contextlib
import logging
import re
import secrets
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from repsense.broker import BrokerAddress
from repsense.errors import RepSenseError
from repsense.topics import gateway_status_topic
from repsense_ble_gateway.gateway import run_gateway
from repsense_ble_gateway.packets.repsense import MIN_RATE_HZ
from repsense_ble_gateway.sources import SensorSource
from repsense_ble_gateway.sources.ble import BleSource
from repsense_ble_gateway.sources.replay import ReplaySource, select_recordings
from repsense_ble_gateway.sources.simulator import DEFAULT_JITTER_S, SimulatorSource

__all__ = ["main"]

_LOGGER = logging.getLogger(__name__)

_USER_ERROR = 2
"""Exit code, as of every command line that was used wrongly."""
_MAX_ID_LENGTH = 63


def _hostname_as_id() -> str:
    safe = re.sub(r"[^a-z0-9]+", "-", socket.gethostname().lower()).strip("-")
    return safe[:_MAX_ID_LENGTH] or "gateway"


_MqttUrl = Annotated[str, typer.Option(envvar="MQTT_URL", help="The broker: mqtt:// or mqtts://.")]
_GatewayId = Annotated[str, typer.Option(envvar="GATEWAY_ID", help="This gateway's id in topics.")]
_SensorId = Annotated[str, typer.Option(envvar="SENSOR_ID", help="The sensor's id in topics.")]
_Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Log more.")]

_DEFAULT_URL = "mqtt://127.0.0.1:1883"
_DEFAULT_GATEWAY_ID = _hostname_as_id()

_app = typer.Typer(
    name="repsense-gateway",
    help="Publishes the samples of one kind of sensor to the MQTT broker.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


@_app.command()
def simulator(
    *,
    mqtt_url: _MqttUrl = _DEFAULT_URL,
    gateway_id: _GatewayId = _DEFAULT_GATEWAY_ID,
    sensor_id: _SensorId = "simulator",
    sensors: Annotated[int, typer.Option(min=1, max=1000, help="How many people, each with a sensor.")] = 1,
    rate_hz: Annotated[float, typer.Option(min=MIN_RATE_HZ, max=1000, help="Samples per second.")] = 50.0,
    loss: Annotated[float, typer.Option(min=0, max=1, help="Share of notifications that are lost.")] = 0.0,
    jitter_ms: Annotated[
        float, typer.Option(min=0, max=10_000, help="Mean random delay of a notification.")
    ] = DEFAULT_JITTER_S * 1e3,
    seed: Annotated[int | None, typer.Option(min=0, help="Decides what the people do; random by default.")] = None,
    verbose: _Verbose = False,
) -> None:
    """A simulated person who does sets of seven exercises, with rests."""
    chosen_seed = secrets.randbelow(1_000_000) if seed is None else seed
    named = [(sensor_id, "Simulated sensor")]
    if sensors > 1:
        named = [(f"{sensor_id}-{n}", f"Simulated sensor {n}") for n in range(1, sensors + 1)]
    sources = [
        SimulatorSource(each_id, name, chosen_seed + index, rate_hz, loss, jitter_ms / 1e3)
        for index, (each_id, name) in enumerate(named)
    ]
    _run(sources, mqtt_url, gateway_id, verbose=verbose, about=f"simulator, seed {chosen_seed}")


@_app.command()
def replay(
    file: Annotated[Path, typer.Argument(help="A recording: .csv, .csv.gz or .parquet; see docs/hardware.md.")],
    *,
    mqtt_url: _MqttUrl = _DEFAULT_URL,
    gateway_id: _GatewayId = _DEFAULT_GATEWAY_ID,
    sensor_id: _SensorId = "replay",
    rate_hz: Annotated[float | None, typer.Option(help="Samples per second, for a file without a column t.")] = None,
    speed: Annotated[float, typer.Option(min=0.01, max=1000, help="Times the recording's own speed.")] = 1.0,
    select: Annotated[
        list[str] | None, typer.Option(metavar="COLUMN=VALUE", help="Only such recordings; may be repeated.")
    ] = None,
    loop: Annotated[bool, typer.Option("--loop", help="Begin again at the end.")] = False,
    verbose: _Verbose = False,
) -> None:
    """The recordings of a file, one after another, as if a sensor sent them now."""
    if loop and speed > 1:
        _fail("--loop goes with a speed of at most 1: each round of a faster replay would overlap the one before.")
    wanted = dict(_column_and_value(text) for text in select or [])
    try:
        recordings = select_recordings(file, sample_rate_hz=rate_hz, select=wanted)
    except RepSenseError as error:
        _fail(f"{error}.")
    source = ReplaySource(sensor_id, f"Replay of {file.name}", recordings, speed, loop)
    _run([source], mqtt_url, gateway_id, verbose=verbose, about=f"replay of {len(recordings)} recordings")


@_app.command()
def ble(
    address: Annotated[str, typer.Argument(help="The sensor's Bluetooth address, or its UUID on macOS.")],
    *,
    mqtt_url: _MqttUrl = _DEFAULT_URL,
    gateway_id: _GatewayId = _DEFAULT_GATEWAY_ID,
    sensor_id: Annotated[
        str | None, typer.Option(envvar="SENSOR_ID", help="The sensor's id in topics; from the address by default.")
    ] = None,
    verbose: _Verbose = False,
) -> None:
    """A Bluetooth sensor with RepSense packets or the prototype's."""
    from_address = re.sub(r"[^a-z0-9]", "", address.lower())
    source = BleSource(sensor_id or f"ble-{from_address}"[:_MAX_ID_LENGTH], f"Sensor {address}", address)
    _run([source], mqtt_url, gateway_id, verbose=verbose, about=f"sensor {address}")


def _column_and_value(text: str) -> tuple[str, str]:
    column, separator, value = text.partition("=")
    if not separator or not column:
        _fail(f"--select takes COLUMN=VALUE, for instance session=13, not {text!r}.")
    return column, value


def _run(sources: Sequence[SensorSource], mqtt_url: str, gateway_id: str, *, verbose: bool, about: str) -> None:
    logging.basicConfig(level=logging.DEBUG if verbose else logging.INFO, format="%(levelname)s %(message)s")
    try:
        address = BrokerAddress.parse(mqtt_url)
        gateway_status_topic(gateway_id)
        for source in sources:
            gateway_status_topic(source.sensor_id)
    except (RepSenseError, ValueError) as error:
        _fail(f"{error}.")
    _LOGGER.info("gateway %s: %s", gateway_id, about)
    # aiomqtt watches sockets, which the default loop of Windows cannot.
    loop_factory = asyncio.SelectorEventLoop if sys.platform == "win32" else None
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        went_well = runner.run(_until_signal(sources, gateway_id, address))
    _LOGGER.info("gateway %s: stopped", gateway_id)
    if not went_well:
        raise typer.Exit(1)


async def _until_signal(sources: Sequence[SensorSource], gateway_id: str, address: BrokerAddress) -> bool:
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        # Windows has no such handlers: Ctrl-C cancels there.
        with contextlib.suppress(NotImplementedError):
            asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    return await run_gateway(sources, gateway_id, address, stopping)


def _fail(message: str) -> NoReturn:
    typer.echo(f"error: {message}", err=True)
    raise typer.Exit(_USER_ERROR)


def main() -> None:
    """Run the command line."""
    _app()


if __name__ == "__main__":
    main()
