"""`repsense-admin secrets …`: makes the passwords, keys and certificates of a deployment, and changes them."""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from repsense.errors import RepSenseError
from repsense_admin.certificates import parse_names
from repsense_admin.deployment_secrets import DeploymentSecrets, GivenSecrets
from repsense_admin.refusal import refusing
from repsense_admin.secret_store import SecretStore

__all__ = ["secrets_app"]

secrets_app = typer.Typer(no_args_is_help=True, help="Passwords, keys and certificates of a deployment.")

_KEY = re.compile(r"[!-~]{16,}")
"""What the REST API takes for a key."""
_SHORTEST_PASSWORD = 8
"""What the dashboard takes for a password."""

Directory = Annotated[
    Path, typer.Option("--directory", envvar="SECRETS_DIRECTORY", help="Where they are kept, a folder for each reader.")
]
"""Of the deployment; not to be confused with SECRETS_DIR, the folder that one service sees."""


Host = Annotated[
    str, typer.Option(help="By which name the broker will be reached; one of BROKER_NAMES, or this machine.")
]


class _Given(BaseSettings):
    """What `.env` says; a variable that is set to nothing is not set."""

    model_config = SettingsConfigDict(frozen=True, env_ignore_empty=True, hide_input_in_errors=True)

    api_key: SecretStr | None = None
    dashboard_password: Annotated[SecretStr, Field(min_length=_SHORTEST_PASSWORD)] | None = None
    broker_names: str = ""
    broker_port: Annotated[int, Field(gt=0, le=65_535)] = 8883

    @field_validator("api_key")
    @classmethod
    def _check_key(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and not _KEY.fullmatch(key.get_secret_value()):
            msg = "a key has at least 16 characters: letters, digits and punctuation without spaces"
            raise ValueError(msg)
        return key


@secrets_app.command()
def create(
    directory: Directory,
    give: Annotated[
        list[Path] | None,
        typer.Option(metavar="FOLDER", help="An empty volume to hand to the services' user; may be repeated."),
    ] = None,
    give_each: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Likewise every empty volume that is mounted in this folder.")
    ] = None,
) -> None:
    """Make what is missing, and bring the rest up to date; what is there stays as it is."""
    with _opened(directory) as (store, deployment, _):
        notes = deployment.create()
        for folder in (*(give or ()), *(sorted(give_each.iterdir()) if give_each is not None else ())):
            deployment.give(folder)
        for name in store.written:
            typer.echo(f"wrote {name}")
        for note in notes:
            typer.echo(note)
        if not store.written:
            typer.echo("all secrets are there")


@secrets_app.command()
def show(directory: Directory) -> None:
    """Print what a person needs: the dashboard's and Grafana's passwords, the API key."""
    with _opened(directory) as (_, deployment, _):
        for title, secret in deployment.shown().items():
            typer.echo(f"{title}: {secret}")


@secrets_app.command()
def ca(directory: Directory) -> None:
    """Print the certificate by which gateways recognise the broker."""
    with _opened(directory) as (_, deployment, _):
        typer.echo(deployment.authority(), nl=False)


@secrets_app.command()
def gateway(
    directory: Directory,
    name: Annotated[str, typer.Argument(help="The gateway's id in topics.")],
    sensors: Annotated[list[str] | None, typer.Argument(metavar="SENSOR", help="The ids of all its sensors.")] = None,
    *,
    host: Host = "127.0.0.1",
    home_assistant: Annotated[
        bool, typer.Option("--home-assistant", help="It may describe its sensors to Home Assistant.")
    ] = False,
    remove: Annotated[bool, typer.Option("--remove", help="It may do nothing any more.")] = False,
) -> None:
    """Let a gateway send these sensors and no others; prints its settings, the lines of a gateway.env."""
    with _opened(directory) as (_, deployment, given):
        if remove:
            deployment.remove_gateway(name)
            _advise(f"gateway {name} is locked out once the broker has read its users anew")
            return
        chosen = tuple(dict.fromkeys(sensors or ()))
        deployment.check_reachable(host)
        password = deployment.gateway(name, chosen, home_assistant=home_assistant)
        authority = f"[{host}]" if ":" in host else host
        typer.echo(f"MQTT_URL=mqtts://gateway-{name}:{password}@{authority}:{given.broker_port}")
        typer.echo("MQTT_CA_FILE=broker-ca.crt")
        typer.echo(f"GATEWAY_ID={name}")
        _advise(f"gateway {name} may send {', '.join(chosen)} once the broker has read its users anew")


@secrets_app.command()
def home_assistant(
    directory: Directory,
    *,
    host: Host = "127.0.0.1",
    remove: Annotated[bool, typer.Option("--remove", help="It may do nothing any more.")] = False,
) -> None:
    """Let Home Assistant read what gateways describe to it; prints what its MQTT integration asks for."""
    with _opened(directory) as (_, deployment, given):
        if remove:
            deployment.remove_home_assistant()
            _advise("Home Assistant is locked out once the broker has read its users anew")
            return
        deployment.check_reachable(host)
        typer.echo(f"Broker: {host}")
        typer.echo(f"Port: {given.broker_port}")
        typer.echo("Username: home-assistant")
        typer.echo(f"Password: {deployment.home_assistant()}")
        _advise("The broker's certificate is checked against what `secrets ca` prints.")
        _advise("Home Assistant may read once the broker has read its users anew")


@secrets_app.command()
def rotate(
    directory: Directory,
    what: Annotated[str, typer.Argument(help="Which; without it they are listed.")] = "",
) -> None:
    """Replace one secret, and say what has to be restarted."""
    with _opened(directory) as (_, deployment, _):
        if not what:
            typer.echo("\n".join(deployment.rotatable()))
            return
        rotation = deployment.rotate(what)
        typer.echo(f"replaced: {rotation.changed}")
        if rotation.reload_broker:
            typer.echo("docker compose kill -s HUP broker")
        if rotation.prepare:
            typer.echo("docker compose run --rm prepare")
        if rotation.restart:
            typer.echo(f"docker compose restart {' '.join(rotation.restart)}")


@contextlib.contextmanager
def _opened(directory: Path) -> Iterator[tuple[SecretStore, DeploymentSecrets, _Given]]:
    with refusing():
        given = _load_given()
        store = SecretStore(directory)
        wanted = GivenSecrets(
            given.api_key.get_secret_value() if given.api_key else None,
            given.dashboard_password.get_secret_value() if given.dashboard_password else None,
            parse_names(given.broker_names),
        )
        with store.locked():
            yield store, DeploymentSecrets(store, wanted), given


def _load_given() -> _Given:
    """What the environment says.

    Raises:
        RepSenseError: If something in it cannot be used; what it is, which may be a secret, is not in the text.
    """
    try:
        return _Given()
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        msg = f"{str(first['loc'][0]).upper()}: {first['msg'].removeprefix('Value error, ')}"
        raise RepSenseError(msg) from error


def _advise(text: str) -> None:
    """Beside the output, which may go to a file."""
    typer.echo(text, err=True)
