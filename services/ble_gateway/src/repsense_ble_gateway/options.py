"""Options that several commands share, and how a command ends that was used wrongly."""

import re
import socket
from pathlib import Path
from typing import Annotated, NoReturn

import platformdirs
import typer

from repsense.errors import RepSenseError
from repsense.secret_files import secrets_directory

__all__ = [
    "DEFAULT_CONFIGURATION",
    "DEFAULT_GATEWAY_ID",
    "DEFAULT_SPOOL",
    "Adapter",
    "Configuration",
    "GatewayId",
    "HomeAssistant",
    "HomeAssistantPrefix",
    "MetricsHost",
    "MetricsPort",
    "MqttCaFile",
    "MqttUrl",
    "OptionalSpool",
    "SensorId",
    "Spool",
    "Verbose",
    "as_id",
    "fail",
]

_USER_ERROR = 2
"""Exit code, as of every command line that was used wrongly."""
_MAX_ID_LENGTH = 63
_LOCAL_MQTT_URL = "mqtt://127.0.0.1:1883"


def as_id(text: str) -> str:
    """The nearest to a text that can be an id; empty if nothing of it can."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:_MAX_ID_LENGTH].strip("-")


def fail(message: str) -> NoReturn:
    """End the command with one sentence."""
    typer.echo(f"error: {message}", err=True)
    raise typer.Exit(_USER_ERROR)


def _default_mqtt_url() -> str:
    try:
        directory = secrets_directory()
        file = None if directory is None else directory / "mqtt_url"
        return file.read_text(encoding="utf-8").strip() if file is not None and file.exists() else _LOCAL_MQTT_URL
    except RepSenseError as error:
        fail(f"{error}.")
    except OSError as error:
        fail(f"SECRETS_DIR: cannot read {error.filename} ({error.strerror}).")


DEFAULT_GATEWAY_ID = as_id(socket.gethostname()) or "gateway"
DEFAULT_CONFIGURATION = platformdirs.user_config_path("repsense") / "gateway.toml"
DEFAULT_SPOOL = platformdirs.user_state_path("repsense") / "gateway"

MqttUrl = Annotated[
    str,
    typer.Option(
        envvar="MQTT_URL",
        default_factory=_default_mqtt_url,
        show_default="the file mqtt_url in SECRETS_DIR, or mqtt://127.0.0.1:1883",
        help="The broker: mqtt:// or mqtts://.",
    ),
]
MqttCaFile = Annotated[
    Path | None,
    typer.Option(envvar="MQTT_CA_FILE", help="Who is trusted to sign its certificate; those of the system by default."),
]
GatewayId = Annotated[str, typer.Option(envvar="GATEWAY_ID", help="This gateway's id in topics.")]
SensorId = Annotated[str, typer.Option(envvar="SENSOR_ID", help="The sensor's id in topics.")]
Configuration = Annotated[
    Path, typer.Option("--config", envvar="GATEWAY_CONFIG", help="The file that names the sensors.")
]
_SPOOL = "Folder in which samples are kept until they are stored."
Spool = Annotated[Path, typer.Option(envvar="GATEWAY_SPOOL", help=_SPOOL)]
OptionalSpool = Annotated[Path | None, typer.Option("--spool", help=f"{_SPOOL} In memory by default.")]
MetricsPort = Annotated[
    int,
    typer.Option(
        envvar="GATEWAY_METRICS_PORT", min=0, max=65_535, help="Prometheus reads /metrics here; 0: not at all."
    ),
]
MetricsHost = Annotated[str, typer.Option(envvar="GATEWAY_METRICS_HOST", help="The address to listen on for it.")]
HomeAssistant = Annotated[
    bool,
    typer.Option("--home-assistant", envvar="HOME_ASSISTANT_DISCOVERY", help="Announce the sensors to Home Assistant."),
]
HomeAssistantPrefix = Annotated[
    str, typer.Option(envvar="HOME_ASSISTANT_PREFIX", help="Where Home Assistant looks for devices.")
]
Adapter = Annotated[
    str | None, typer.Option(envvar="BLUETOOTH_ADAPTER", help="The adapter to use, such as hci1 (Linux only).")
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Log more.")]
