"""Starts the native stack: the processes of the Procfile under honcho, until Ctrl-C.

From the environment (each has a default):
  REPSENSE_DATA                                       where data are kept: ./data
  MQTT_PORT MONGODB_PORT API_PORT DASHBOARD_PORT METRICS_PORT
  DASHBOARD_METRICS_PORT TRAINER_METRICS_PORT         0: none; see docs/monitoring.md
  MODEL_URL                                           onnx:models/bodyweight
  MODELS_DIR                                          where models are trained to: MODEL_URL's folder, or ./models
  API_HOST API_KEY DASHBOARD_HOST DASHBOARD_PASSWORD  for others than this machine: 0.0.0.0 demands key and password
  SENSOR   what follows `repsense-gateway`: simulator, "replay FILE --rate-hz 2" or "ble ADDRESS"
"""

import contextlib
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import honcho.manager
from database_folder import FolderInUseError, only_user
from honcho.environ import parse_procfile
from honcho.manager import Manager

_ROOT = Path(__file__).resolve().parent.parent
_PORTS = {
    "MQTT_PORT": (1883, "the broker"),
    "MONGODB_PORT": (27017, "the database"),
    "API_PORT": (8000, "the REST API"),
    "DASHBOARD_PORT": (8501, "the dashboard"),
    "METRICS_PORT": (9101, "the preprocessor's metrics"),
}
_KILL_AFTER_S = 3
"""honcho waits 5 s before it kills what does not stop; everything is to be gone within 5."""
_SERVERS = {"broker": "broker/nats-server.log", "database": "database/nx-27017.log"}
"""Stopped last, so that the services can say goodbye to them; each with its log in the data folder."""
_GOODBYE_S = 1.5


class CannotStartError(Exception):
    """Something that a person has to put right; the text says what."""


class _OrderedManager(Manager):  # type: ignore[misc]  # honcho carries no types
    """Stops the services first, and what they stand on when they are gone."""

    def __init__(self) -> None:
        super().__init__()
        self._stopping = False

    def terminate(self) -> None:
        """Begin to stop; honcho calls it on a signal and when any process has ended."""
        if not self._stopping:
            self._stopping = True
            self._stop(lambda name: name not in _SERVERS)
            threading.Thread(target=self._stop_servers, daemon=True).start()

    def _stop_servers(self) -> None:
        services = [name for name in self._processes if name not in _SERVERS]
        deadline_s = time.monotonic() + _GOODBYE_S
        while time.monotonic() < deadline_s and any(map(self._runs, services)):
            time.sleep(0.02)
        self._stop(lambda name: name in _SERVERS)

    def _stop(self, chosen: Callable[[str], bool]) -> None:
        for name in self._processes:
            if chosen(name) and self._runs(name):
                self._procmgr.terminate(self._processes[name]["pid"])

    def _runs(self, name: str) -> bool:
        return "pid" in self._processes[name] and "returncode" not in self._processes[name]


def main() -> None:
    """Check, start, and wait."""
    try:
        environment = _environment()
        _check_ports(environment)
        with only_user(Path(environment["REPSENSE_DATA"]) / "database"):
            code = _run(environment)
    except FolderInUseError as error:
        sys.exit(f"RepSense: {error}; stop that first, or set REPSENSE_DATA to another folder")
    except CannotStartError as error:
        sys.exit(f"RepSense: {error}")
    if code in {128 + signal.SIGINT, 128 + signal.SIGTERM}:
        sys.exit(0)
    logs = " and ".join(f"{environment['REPSENSE_DATA']}/{log}" for log in _SERVERS.values())
    sys.exit(f"RepSense: stopped because one of its parts ended, see above; broker and database log to {logs}")


def _run(environment: dict[str, str]) -> int | None:
    """Run every process of the Procfile until one ends or a signal comes; return honcho's code."""
    honcho.manager.KILL_WAIT = _KILL_AFTER_S
    manager = _OrderedManager()
    for name, command in parse_procfile((_ROOT / "Procfile").read_text(encoding="utf-8")).processes.items():
        manager.add_process(name, command, env=environment, cwd=str(_ROOT))
    manager.loop()
    returncode: int | None = manager.returncode
    return returncode


def _environment() -> dict[str, str]:
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment.get('PATH', '')}"
    for name, (default, _) in _PORTS.items():
        environment.setdefault(name, str(default))
        if not environment[name].isdecimal() or not 0 < int(environment[name]) < 1 << 16:
            msg = f"{name}={environment[name]} is not a port; it must be a number from 1 to 65535"
            raise CannotStartError(msg)
    data = Path(environment.setdefault("REPSENSE_DATA", str(_ROOT / "data"))).absolute()
    environment["REPSENSE_DATA"] = str(data)
    # The NATS server reads its value as part of the configuration: without quotes it would end at a space.
    environment["NATS_STORE"] = f'"{data / "broker"}"'
    environment["MQTT_HOST"] = "127.0.0.1"
    environment.setdefault("SENSOR", "simulator")
    for name in ("DASHBOARD_METRICS_PORT", "TRAINER_METRICS_PORT"):
        environment.setdefault(name, "0")
    model_url = environment.setdefault("MODEL_URL", f"onnx:{environment.get('MODELS_DIR', 'models')}/bodyweight")
    models = str(Path(model_url.removeprefix("onnx:")).parent) if model_url.startswith("onnx:") else "models"
    environment.setdefault("MODELS_DIR", models)
    environment["MQTT_URL"] = f"mqtt://127.0.0.1:{environment['MQTT_PORT']}"
    environment["MONGODB_URL"] = f"mongodb://127.0.0.1:{environment['MONGODB_PORT']}/repsense"
    environment["API_URL"] = f"http://127.0.0.1:{environment['API_PORT']}"
    for folder in (data / "broker", data / "database"):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            msg = f"cannot write to {folder} ({error.strerror}); make it writable or set REPSENSE_DATA to another"
            raise CannotStartError(msg) from error
    return environment


def _check_ports(environment: dict[str, str]) -> None:
    taken: dict[str, str] = {}
    for name, (_, owner) in _PORTS.items():
        port = environment[name]
        if port in taken.values():
            msg = f"{name}={port} is given twice; every port must be another one"
            raise CannotStartError(msg)
        taken[name] = port
        with contextlib.closing(socket.socket()) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", int(port)))
            except OSError as error:
                msg = (
                    f"port {port} for {owner} is taken ({error.strerror}); "
                    f"stop what uses it, or choose another: {name}={int(port) + 10} make up"
                )
                raise CannotStartError(msg) from error


if __name__ == "__main__":
    main()
