"""The brokers of a cluster, in compose and in Kubernetes, let each other in, encrypted, and nobody else."""

import os
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from support import servers
from support.servers import ROOT, Server, free_port

from repsense_admin.broker_users import nats_routes
from repsense_admin.certificates import is_named
from repsense_admin.deployment_secrets import DeploymentSecrets, GivenSecrets
from repsense_admin.secret_store import SecretStore

pytestmark = pytest.mark.skipif(not (servers.BIN / "nats-server").exists(), reason="nats-server is not installed")

_LONGEST_S = 30.0
"""Only so that a failure does not hang."""


@dataclass(frozen=True)
class Configuration:
    """How one of the ways to run RepSense configures the servers of a cluster.

    Attributes:
        files: The configuration, first what the server is started with.
        peers: Where the servers find each other.
    """

    files: tuple[Path, ...]
    peers: tuple[str, str, str]


COMPOSE = Configuration(
    (
        ROOT / "broker/nats-compose-cluster.conf",
        *(ROOT / "broker" / f"nats-{name}.conf" for name in ("compose", "limits", "partitions", "sessions")),
    ),
    ("broker-1:6222", "broker-2:6222", "broker-3:6222"),
)
KUBERNETES = Configuration(
    (ROOT / "kubernetes/overlays/scaled/nats-cluster.conf", *(ROOT / "kubernetes/base/broker").glob("*.conf")),
    ("broker-0.broker-peers:6222", "broker-1.broker-peers:6222", "broker-2.broker-peers:6222"),
)
BOTH = pytest.mark.parametrize("configuration", [COMPOSE, KUBERNETES], ids=["compose", "kubernetes"])


@pytest.fixture
def running() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def make_secrets(folder: Path) -> Path:
    """What the brokers of a deployment see as /run/secrets."""
    folder.mkdir()
    DeploymentSecrets(SecretStore(folder), GivenSecrets()).create()
    return folder / "broker"


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    return make_secrets(tmp_path / "secrets")


def start(
    folder: Path,
    configuration: Configuration,
    secrets: Path,
    running: ExitStack,
    *,
    changes: Mapping[str, str],
    routes: str | None = None,
) -> Server:
    """A server of the configuration, but for its folders and ports; ready for questions.

    Args:
        folder: A new one of its own, whose name is the server's.
        configuration: As it is in the deployment.
        secrets: What it sees as /run/secrets.
        running: Ends it.
        changes: What is written in place of what else.
        routes: In place of the secrets' routes.conf.
    """
    folder.mkdir()
    (folder / "routes.conf").write_text(routes or (secrets / "routes.conf").read_text())
    port = free_port()
    changes = {
        "../../../run/secrets/routes.conf": "routes.conf",
        # An included file is looked for from here, also if its path is absolute.
        "../../../run/secrets": os.path.relpath(secrets, folder),
        '"/run/secrets': f'"{secrets}',
        "store_dir: /data": f'store_dir: "{folder}/store"',
        "0.0.0.0:8883": f"127.0.0.1:{free_port()}",
        "0.0.0.0:8222": f"127.0.0.1:{port}",
        **changes,
    }
    for file in (*configuration.files, folder / "routes.conf"):
        text = file.read_text()
        for here, there in changes.items():
            text = text.replace(here, there)
        (folder / file.name).write_text(text)
    command = [str(servers.BIN / "nats-server"), "-c", str(folder / configuration.files[0].name)]
    server = Server(command, {"NATS_NAME": folder.name}, folder / "log", port)
    running.callback(server.kill)
    server.start()
    return server


def peers(server: Server) -> set[str]:
    routes = httpx.get(f"http://127.0.0.1:{server.port}/routez").json()["routes"] or []
    return {route["remote_name"] for route in routes}


def until(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + _LONGEST_S
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.05)


@BOTH
def test_servers_of_one_authority_find_each_other(
    configuration: Configuration, tmp_path: Path, secrets: Path, running: ExitStack
) -> None:
    places = {peer: f"127.0.0.1:{free_port()}" for peer in configuration.peers}
    started = {
        name: start(tmp_path / name, configuration, secrets, running, changes={"0.0.0.0:6222": place, **places})
        for name, place in zip(("one", "two", "three"), places.values(), strict=True)
    }

    for name, server in started.items():
        until(lambda server=server, name=name: peers(server) == started.keys() - {name})  # type: ignore[misc]
    # Encrypted, and to whoever has no certificate of that authority they say nothing.
    trusting = ssl.create_default_context(cafile=str(secrets / "broker-ca.crt"))
    for place in places.values():
        host, _, port = place.partition(":")
        with (
            socket.create_connection((host, int(port)), timeout=_LONGEST_S) as connection,
            trusting.wrap_socket(connection, server_hostname=host) as encrypted,
            pytest.raises(ssl.SSLError, match="certificate required"),
        ):
            encrypted.recv(1)


@BOTH
def test_the_certificate_has_the_names_by_which_they_find_each_other(
    configuration: Configuration, secrets: Path
) -> None:
    for peer in configuration.peers:
        assert is_named((secrets / "server.crt").read_text(), peer.partition(":")[0])


@BOTH
def test_a_server_of_another_authority_stays_outside(
    configuration: Configuration, tmp_path: Path, secrets: Path, running: ExitStack
) -> None:
    one_place, place = (f"127.0.0.1:{free_port()}" for _ in range(2))
    changes = {configuration.peers[0]: one_place}
    one = start(tmp_path / "one", configuration, secrets, running, changes={"0.0.0.0:6222": one_place, **changes})
    routes = (secrets / "routes.conf").read_text()
    others = make_secrets(tmp_path / "others")
    stranger = start(
        tmp_path / "stranger", configuration, others, running, changes={"0.0.0.0:6222": place, **changes}, routes=routes
    )

    until(lambda: "TLS route handshake error" in stranger.log.read_text())
    assert "stranger" not in peers(one)
    assert "one" not in peers(stranger)


@pytest.mark.parametrize("routes", [nats_routes("guessed", ["{one}"]), '{"routes": ["nats://{one}"]}'])
def test_a_server_that_does_not_know_the_password_stays_outside(
    tmp_path: Path, secrets: Path, running: ExitStack, routes: str
) -> None:
    one_place, place = (f"127.0.0.1:{free_port()}" for _ in range(2))
    changes = {"0.0.0.0:6222": one_place, COMPOSE.peers[0]: one_place}
    one = start(tmp_path / "one", COMPOSE, secrets, running, changes=changes)
    changes = {"0.0.0.0:6222": place}
    stranger = start(
        tmp_path / "stranger", COMPOSE, secrets, running, changes=changes, routes=routes.replace("{one}", one_place)
    )

    until(lambda: "authentication error" in one.log.read_text().lower())
    assert "stranger" not in peers(one)
    assert "one" not in peers(stranger)
