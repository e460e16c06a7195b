"""Real servers for tests, each on a free port of loopback with its files in a folder of the test."""

import contextlib
import os
import random
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "BIN",
    "MOSQUITTO",
    "ROOT",
    "Server",
    "broker",
    "cluster",
    "database",
    "free_port",
    "model_server",
    "mosquitto",
    "process",
]

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin")
_PATIENCE_S = 100.0
"""TensorFlow alone takes a minute to import where twenty others compute at the same time. Less than a test's time, so
that what a server has written is shown."""
_PORTS = range(20_000, 32_000)
"""Below those that Linux (from 32768) and macOS (from 49152) give to outgoing connections."""


@dataclass
class Server:
    """A running server that a test can stop, kill and start again on the same port and files."""

    command: list[str]
    environment: Mapping[str, str]
    log: Path
    port: int
    cwd: Path = ROOT
    popen: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start and wait until the port answers."""
        with self.log.open("ab") as log:
            self.popen = subprocess.Popen(
                self.command, env={**os.environ, **self.environment}, cwd=self.cwd, stdout=log, stderr=log
            )
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return
            if self.popen.poll() is not None or time.monotonic() > deadline:
                message = f"{self.command[0]} did not start:\n{self.log.read_text(errors='replace')[-2000:]}"
                raise RuntimeError(message)
            time.sleep(0.02)

    def stop(self) -> None:
        """End it the polite way."""
        self._end("terminate")

    def kill(self) -> None:
        """End it as a power cut would."""
        self._end("kill")

    def _end(self, how: str) -> None:
        if self.popen is None:
            return
        getattr(self.popen, how)()
        try:
            self.popen.wait(timeout=10)
        finally:
            self.popen.kill()
            self.popen.wait()
            self.popen = None


def _own_ports() -> list[int]:
    """The ports that this process of the tests gives out, and no other that runs beside it; in any order."""
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    ports = _PORTS[number :: int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))]
    return random.sample(ports, len(ports))


_own = _own_ports()


def free_port() -> int:
    """A port that nobody uses, and nobody will get before it is listened on: each is given out once.

    Port 0 would give one of those from which the system also takes the local ends of connections.
    """
    while _own:
        port = _own.pop()
        with contextlib.suppress(OSError), contextlib.closing(socket.socket()) as probe:
            probe.bind(("127.0.0.1", port))
            return port
    message = "no port is free"
    raise RuntimeError(message)


@contextlib.contextmanager
def _running(server: Server) -> Iterator[Server]:
    try:
        server.start()
        yield server
    finally:
        server.kill()


def broker(
    folder: Path, port: int | None = None, configuration: str = "nats.conf"
) -> contextlib.AbstractContextManager[Server]:
    """The NATS server with one of the project's configurations."""
    port = port or free_port()
    folder.mkdir(parents=True, exist_ok=True)
    environment = {"MQTT_HOST": "127.0.0.1", "MQTT_PORT": str(port), "NATS_STORE": str(folder / "store")}
    command = [str(BIN / "nats-server"), "-c", f"broker/{configuration}"]
    return _running(Server(command, environment, folder / "broker.log", port))


def cluster(folder: Path, n_servers: int = 3) -> list[Server]:
    """NATS servers that replicate sessions and messages among them, not started yet."""
    ports = [free_port() for _ in range(n_servers)]
    routes = [free_port() for _ in range(n_servers)]
    servers = []
    for number, (port, route) in enumerate(zip(ports, routes, strict=True)):
        folder.mkdir(parents=True, exist_ok=True)
        environment = {
            "MQTT_HOST": "127.0.0.1",
            "MQTT_PORT": str(port),
            "NATS_STORE": str(folder / f"store-{number}"),
            "NATS_NAME": f"broker-{number + 1}",
            "NATS_CLUSTER": f"127.0.0.1:{route}",
            "NATS_ROUTES": "[{}]".format(", ".join(f'"nats://127.0.0.1:{each}"' for each in routes)),
        }
        command = [str(BIN / "nats-server"), "-c", "broker/nats-cluster.conf"]
        servers.append(Server(command, environment, folder / f"broker-{number}.log", port))
    return servers


def mosquitto(folder: Path) -> contextlib.AbstractContextManager[Server]:
    """Mosquitto with the project's configuration, on another port."""
    if MOSQUITTO is None:
        message = "mosquitto is not installed"
        raise RuntimeError(message)
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    configuration = (ROOT / "broker" / "mosquitto.conf").read_text().replace("listener 1883", f"listener {port}")
    (folder / "mosquitto.conf").write_text(f"{configuration}\npersistence_location {folder}/\nuser root\n")
    return _running(Server([MOSQUITTO, "-c", str(folder / "mosquitto.conf")], {}, folder / "mosquitto.log", port))


def database(folder: Path, port: int | None = None) -> contextlib.AbstractContextManager[Server]:
    """The embedded document database on a file."""
    port = port or free_port()
    folder.mkdir(parents=True, exist_ok=True)
    command = [str(BIN / "nx-27017"), "--db", str(folder / "repsense.db"), "--host", "127.0.0.1", "-p", str(port)]
    command += ["--log-file", str(folder / "nx.log"), "--pid-file", str(folder / "nx.pid")]
    return _running(Server(command, {}, folder / "database.log", port))


def model_server(folder: Path, models: Mapping[str, Path]) -> contextlib.AbstractContextManager[Server]:
    """The stand-in for TensorFlow Serving, with models by their names."""
    port = free_port()
    command = [sys.executable, "-m", "support.tensorflow_serving", "--port", str(port)]
    for name, directory in models.items():
        command += ["--model", f"{name}={directory}"]
    return _running(Server(command, {"PYTHONPATH": str(ROOT / "tests")}, folder / "tensorflow_serving.log", port))


def process(
    name: str, folder: Path, port: int, environment: Mapping[str, str], *arguments: str
) -> contextlib.AbstractContextManager[Server]:
    """A service of the project by its console script, ready when the port answers."""
    return _running(Server([str(BIN / name), *arguments], environment, folder / f"{name}.log", port))
