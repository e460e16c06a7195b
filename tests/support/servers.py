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
    "database",
    "free_port",
    "model_server",
    "mosquitto",
    "process",
]

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin")
_PATIENCE_S = 60.0
"""TensorFlow alone takes ten seconds to import where others compute at the same time."""
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


def free_port() -> int:
    """A port that nobody uses, and nobody will get by chance before it is listened on.

    Port 0 would give one of those from which the system also takes the local ends of connections.
    """
    for port in random.sample(_PORTS, len(_PORTS)):
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


def broker(folder: Path, port: int | None = None) -> contextlib.AbstractContextManager[Server]:
    """The NATS server with the project's configuration."""
    port = port or free_port()
    folder.mkdir(parents=True, exist_ok=True)
    environment = {"MQTT_HOST": "127.0.0.1", "MQTT_PORT": str(port), "NATS_STORE": str(folder / "store")}
    command = [str(BIN / "nats-server"), "-c", "broker/nats.conf"]
    return _running(Server(command, environment, folder / "broker.log", port))


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
