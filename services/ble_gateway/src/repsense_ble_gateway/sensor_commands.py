"""The commands that find sensors and write them down: `scan`, `inspect` and `add`."""

import asyncio
import re
from typing import Annotated

import typer
from bleak.exc import BleakError
from pydantic import ValidationError
from rich.console import Console

from repsense.errors import RepSenseError
from repsense_ble_gateway import discovery
from repsense_ble_gateway.configuration import SensorConfiguration
from repsense_ble_gateway.options import DEFAULT_CONFIGURATION, Adapter, Configuration, as_id, fail
from repsense_ble_gateway.radio import Radio, in_words
from repsense_ble_gateway.sensors_file import add_sensor

__all__ = ["add", "inspect", "scan", "sensor_at"]

_ADDRESS = re.compile(r"([0-9A-F]{2}:){5}[0-9A-F]{2}|[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}", re.IGNORECASE)
"""Six bytes in hexadecimal, or a UUID on macOS, which hides addresses."""
_FAILED = 1

_Sensor = Annotated[str, typer.Argument(metavar="SENSOR", help="Its address, or the name that it advertises.")]
_Profile = Annotated[str | None, typer.Option(help="The kind of sensor; recognised by default.")]
_Rate = Annotated[float | None, typer.Option(help="Samples per second to ask for; the kind's own by default.")]


def scan(
    *,
    seconds: Annotated[float, typer.Option(min=1, max=600, help="How long to listen.")] = 8.0,
    adapter: Adapter = None,
) -> None:
    """List the Bluetooth sensors that can be heard."""
    console = Console()
    try:
        found = asyncio.run(discovery.scan(Radio(adapter), seconds))
    except (BleakError, OSError) as error:
        fail(f"{in_words(error)}.")
    if not found:
        fail(f"no sensor was heard in {seconds:g} s: is it switched on, near, and not connected elsewhere?")
    console.print(discovery.scan_table(found))
    console.print("Next: repsense-gateway inspect ADDRESS, or repsense-gateway add ADDRESS --id left-wrist")


def inspect(
    sensor: _Sensor,
    *,
    seconds: Annotated[int, typer.Option(min=1, max=3600, help="How long to show what it sends.")] = 5,
    profile: _Profile = None,
    rate_hz: _Rate = None,
    adapter: Adapter = None,
) -> None:
    """Show what a sensor offers, and live what it sends."""
    try:
        sends = asyncio.run(
            discovery.inspect_sensor(
                Radio(adapter), sensor_at(sensor, profile=profile, rate_hz=rate_hz), seconds, Console()
            )
        )
    except RepSenseError as error:
        fail(f"{error}.")
    except (BleakError, OSError) as error:
        fail(f"{sensor}: {in_words(error)}.")
    if not sends:
        typer.echo("error: the sensor is connected but sent no sample.", err=True)
        raise typer.Exit(_FAILED)


def add(
    sensor: _Sensor,
    *,
    sensor_id: Annotated[str | None, typer.Option("--id", help="Its id in topics; from SENSOR by default.")] = None,
    name: Annotated[str | None, typer.Option(help="What to call it on a screen.")] = None,
    profile: _Profile = None,
    rate_hz: _Rate = None,
    mounting: Annotated[
        str | None, typer.Option(help="Which of its axes lies along x, y and z of the body, such as --mounting=-y,x,z.")
    ] = None,
    config: Configuration = DEFAULT_CONFIGURATION,
) -> None:
    """Write a sensor into the gateway's configuration."""
    axes = None if mounting is None else tuple(axis.strip() for axis in mounting.split(","))
    described = sensor_at(
        sensor, id=sensor_id or as_id(sensor), name=name, profile=profile, rate_hz=rate_hz, mounting=axes
    )
    try:
        add_sensor(config, described)
    except RepSenseError as error:
        fail(f"{error}.")
    except OSError as error:
        fail(f"{config} cannot be written ({error.strerror}).")
    typer.echo(f"{described.id} ({described.place}) is in {config}; `repsense-gateway run` uses it from its next start")


def sensor_at(place: str, **described: object) -> SensorConfiguration:
    """A sensor by its address or the name that it advertises; a mistake ends the command."""
    key = "address" if _ADDRESS.fullmatch(place) else "ble_name"
    given = {name: value for name, value in described.items() if value is not None}
    try:
        return SensorConfiguration.model_validate({"id": as_id(place) or "sensor", key: place, **given})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        fail(f"{'.'.join(map(str, first['loc'][:1]))}: {first['msg'].removeprefix('Value error, ')}.")
