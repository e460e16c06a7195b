"""The command line: `repsense-gateway run | scan | inspect | add | ble | simulator | replay`."""

import asyncio
import contextlib
import logging
import secrets
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from repsense.broker import BrokerAddress
from repsense.errors import RepSenseError
from repsense.logs import LogFormat, configure_logging
from repsense.operations import show_build
from repsense.topics import HOME_ASSISTANT_PREFIX, gateway_status_topic, home_assistant_topic
from repsense_ble_gateway import sensor_commands
from repsense_ble_gateway.gateway import run_gateway
from repsense_ble_gateway.metrics import serving_metrics
from repsense_ble_gateway.options import (
    DEFAULT_CONFIGURATION,
    DEFAULT_GATEWAY_ID,
    DEFAULT_SPOOL,
    Adapter,
    Configuration,
    GatewayId,
    HomeAssistant,
    HomeAssistantPrefix,
    MetricsHost,
    MetricsPort,
    MqttCaFile,
    MqttUrl,
    OptionalSpool,
    SensorId,
    Spool,
    Verbose,
    as_id,
    fail,
)
from repsense_ble_gateway.packets.repsense import MIN_RATE_HZ
from repsense_ble_gateway.radio import Radio
from repsense_ble_gateway.sensor_commands import sensor_at
from repsense_ble_gateway.sensors_file import read_sensors
from repsense_ble_gateway.simulation.exercises import EXERCISES, Exercise
from repsense_ble_gateway.simulation.person import USUAL_REST_S
from repsense_ble_gateway.sources import SensorSource
from repsense_ble_gateway.sources.ble import BleSource
from repsense_ble_gateway.sources.replay import ReplaySource, select_recordings
from repsense_ble_gateway.sources.simulator import DEFAULT_JITTER_S, SimulatorSource

__all__ = ["main"]

_LOGGER = logging.getLogger(__name__)

_app = typer.Typer(
    name="repsense-gateway",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


@_app.callback()
def _configure(
    log_format: Annotated[
        LogFormat, typer.Option(envvar="LOG_FORMAT", help="json: one object per line, for what collects logs.")
    ] = "text",
) -> None:
    """Brings the samples of sensors to the MQTT broker."""
    configure_logging(logging.WARNING, log_format, stream=sys.stderr)


_app.command()(sensor_commands.scan)
_app.command()(sensor_commands.inspect)
_app.command()(sensor_commands.add)


@_app.command()
def run(
    *,
    config: Configuration = DEFAULT_CONFIGURATION,
    mqtt_url: MqttUrl,
    mqtt_ca_file: MqttCaFile = None,
    gateway_id: GatewayId = DEFAULT_GATEWAY_ID,
    spool: Spool = DEFAULT_SPOOL,
    metrics_port: MetricsPort = 0,
    metrics_host: MetricsHost = "127.0.0.1",
    home_assistant: HomeAssistant = False,
    home_assistant_prefix: HomeAssistantPrefix = HOME_ASSISTANT_PREFIX,
    adapter: Adapter = None,
    verbose: Verbose = False,
) -> None:
    """The Bluetooth sensors that the configuration names, for as long as you like."""
    try:
        sensors = read_sensors(config)
    except RepSenseError as error:
        fail(f"{error}.")
    if not sensors:
        fail(f"{config} names no sensor; `repsense-gateway add` writes one into it.")
    radio = Radio(adapter)
    _run(
        [BleSource(sensor, radio) for sensor in sensors],
        _Service(
            mqtt_url,
            mqtt_ca_file,
            gateway_id,
            spool,
            metrics_port,
            metrics_host,
            home_assistant_prefix if home_assistant else None,
        ),
        verbose=verbose,
        about=f"{len(sensors)} sensor{'s' if len(sensors) > 1 else ''} from {config}",
    )


@_app.command()
def ble(
    sensor: Annotated[str, typer.Argument(metavar="SENSOR", help="Its address, or the name that it advertises.")],
    *,
    mqtt_url: MqttUrl,
    mqtt_ca_file: MqttCaFile = None,
    gateway_id: GatewayId = DEFAULT_GATEWAY_ID,
    sensor_id: Annotated[
        str | None, typer.Option(envvar="SENSOR_ID", help="The sensor's id in topics; from the address by default.")
    ] = None,
    spool: Spool = DEFAULT_SPOOL,
    adapter: Adapter = None,
    verbose: Verbose = False,
) -> None:
    """One Bluetooth sensor, without a configuration."""
    described = sensor_at(sensor, id=sensor_id or as_id(f"ble-{sensor.replace(':', '')}"), name=f"Sensor {sensor}")
    _run(
        [BleSource(described, Radio(adapter))],
        _Service(mqtt_url, mqtt_ca_file, gateway_id, spool),
        verbose=verbose,
        about=f"sensor {sensor}",
    )


@_app.command()
def simulator(
    *,
    mqtt_url: MqttUrl,
    mqtt_ca_file: MqttCaFile = None,
    gateway_id: GatewayId = DEFAULT_GATEWAY_ID,
    sensor_id: SensorId = "simulator",
    sensors: Annotated[int, typer.Option(min=1, max=1000, help="How many people, each with a sensor.")] = 1,
    rate_hz: Annotated[float, typer.Option(min=MIN_RATE_HZ, max=1000, help="Samples per second.")] = 50.0,
    loss: Annotated[float, typer.Option(min=0, max=1, help="Share of notifications that are lost.")] = 0.0,
    jitter_ms: Annotated[
        float, typer.Option(min=0, max=10_000, help="Mean random delay of a notification.")
    ] = DEFAULT_JITTER_S * 1e3,
    seed: Annotated[int | None, typer.Option(min=0, help="Decides what the people do; random by default.")] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(help='Only sets of this, such as "squat" or "push-up (incorrect)"; may be repeated.'),
    ] = None,
    rest_s: Annotated[
        float | None, typer.Option(min=0, max=3600, help="Seconds between two sets; 8 to 15 by default.")
    ] = None,
    spool: OptionalSpool = None,
    metrics_port: MetricsPort = 0,
    metrics_host: MetricsHost = "127.0.0.1",
    verbose: Verbose = False,
) -> None:
    """A simulated person who does sets of seven exercises, with rests."""
    exercises = _simulated_exercises(only)
    rests_s = USUAL_REST_S if rest_s is None else (rest_s, rest_s)
    chosen_seed = secrets.randbelow(1_000_000) if seed is None else seed
    named = [(sensor_id, "Simulated sensor")]
    if sensors > 1:
        named = [(f"{sensor_id}-{n}", f"Simulated sensor {n}") for n in range(1, sensors + 1)]
    sources = [
        SimulatorSource(each_id, name, chosen_seed + index, rate_hz, loss, jitter_ms / 1e3, exercises, rests_s)
        for index, (each_id, name) in enumerate(named)
    ]
    _run(
        sources,
        _Service(mqtt_url, mqtt_ca_file, gateway_id, spool, metrics_port, metrics_host),
        verbose=verbose,
        about=f"simulator, seed {chosen_seed}",
    )


def _simulated_exercises(only: Sequence[str] | None) -> Sequence[Exercise]:
    by_name = {str(exercise.label): exercise for exercise in EXERCISES}
    for name in only or ():
        if name not in by_name:
            fail(f"--only {name}: nobody is simulated doing that; there is {', '.join(by_name)}.")
    return [by_name[name] for name in only] if only else EXERCISES


@_app.command()
def replay(
    file: Annotated[Path, typer.Argument(help="A recording: .csv, .csv.gz or .parquet; see docs/hardware.md.")],
    *,
    mqtt_url: MqttUrl,
    mqtt_ca_file: MqttCaFile = None,
    gateway_id: GatewayId = DEFAULT_GATEWAY_ID,
    sensor_id: SensorId = "replay",
    rate_hz: Annotated[float | None, typer.Option(help="Samples per second, for a file without a column t.")] = None,
    speed: Annotated[float, typer.Option(min=0.01, max=1000, help="Times the recording's own speed.")] = 1.0,
    select: Annotated[
        list[str] | None, typer.Option(metavar="COLUMN=VALUE", help="Only such recordings; may be repeated.")
    ] = None,
    loop: Annotated[bool, typer.Option("--loop", help="Begin again at the end.")] = False,
    spool: OptionalSpool = None,
    verbose: Verbose = False,
) -> None:
    """The recordings of a file, one after another, as if a sensor sent them now."""
    if loop and speed > 1:
        fail("--loop goes with a speed of at most 1: each round of a faster replay would overlap the one before.")
    wanted = dict(_column_and_value(text) for text in select or [])
    try:
        recordings = select_recordings(file, sample_rate_hz=rate_hz, select=wanted)
    except RepSenseError as error:
        fail(f"{error}.")
    source = ReplaySource(sensor_id, f"Replay of {file.name}", recordings, speed, loop)
    _run(
        [source],
        _Service(mqtt_url, mqtt_ca_file, gateway_id, spool),
        verbose=verbose,
        about=f"replay of {len(recordings)} recordings",
    )


def _column_and_value(text: str) -> tuple[str, str]:
    column, separator, value = text.partition("=")
    if not separator or not column:
        fail(f"--select takes COLUMN=VALUE, for instance session=13, not {text!r}.")
    return column, value


@dataclass(frozen=True, slots=True)
class _Service:
    """How a gateway runs, whatever its sensors are."""

    mqtt_url: str
    mqtt_ca_file: Path | None
    gateway_id: str
    spool: Path | None = None
    metrics_port: int = 0
    metrics_host: str = "127.0.0.1"
    home_assistant_prefix: str | None = None


def _run(sources: Sequence[SensorSource], service: _Service, *, verbose: bool, about: str) -> None:
    logging.getLogger().setLevel(logging.DEBUG if verbose else logging.INFO)
    try:
        address = BrokerAddress.parse(service.mqtt_url, service.mqtt_ca_file)
        for identifier in (service.gateway_id, *(source.sensor_id for source in sources)):
            gateway_status_topic(identifier)
            if service.home_assistant_prefix is not None:
                home_assistant_topic(identifier, service.home_assistant_prefix)
    except (RepSenseError, ValueError) as error:
        fail(f"{error}.")
    _LOGGER.info("gateway %s: %s", service.gateway_id, about)
    try:
        with contextlib.ExitStack() as opened:
            if service.metrics_port:
                show_build("gateway")
                opened.enter_context(serving_metrics(service.metrics_port, service.metrics_host))
            # aiomqtt watches sockets, which the default loop of Windows cannot.
            loop_factory = asyncio.SelectorEventLoop if sys.platform == "win32" else None
            runner = opened.enter_context(asyncio.Runner(loop_factory=loop_factory))
            went_well = runner.run(_until_signal(sources, service, address))
    except RepSenseError as error:
        fail(f"{error}.")
    _LOGGER.info("gateway %s: stopped", service.gateway_id)
    if not went_well:
        raise typer.Exit(1)


async def _until_signal(sources: Sequence[SensorSource], service: _Service, address: BrokerAddress) -> bool:
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        # Windows has no such handlers: Ctrl-C cancels there.
        with contextlib.suppress(NotImplementedError):
            asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    return await run_gateway(
        sources,
        service.gateway_id,
        address,
        stopping,
        spool_folder=service.spool,
        home_assistant_prefix=service.home_assistant_prefix,
    )


def main() -> None:
    """Run the command line."""
    _app()


if __name__ == "__main__":
    main()
