"""The stack of docker-compose.yml, built and run by the real commands under a name and on ports of its own."""

import contextlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pymongo

from repsense.database import Documents
from support.servers import BIN, ROOT, free_port

__all__ = ["ComposeStack", "Figures", "HostGateway", "compose_problem", "engine_problem", "until"]

T = TypeVar("T")

PATIENCE_S = 90.0
"""Only so that a failure does not hang."""
_PORTS = ("BROKER_PORT", "API_PORT", "DASHBOARD_PORT", "GRAFANA_PORT")
_COMMAND_PATIENCE_S = 900
"""An image that holds TensorFlow may have to be built."""


def compose_problem() -> str | None:
    """Say in words why compose files cannot even be read here; None if they can."""
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode:
        return "there is no Docker with Compose: make test-compose brings one"
    return None


def engine_problem() -> str | None:
    """Say in words why no stack can be run here; None if one can."""
    if problem := compose_problem():
        return problem
    asked = subprocess.run(["docker", "version"], capture_output=True, text=True, check=False)
    return None if asked.returncode == 0 else f"no Docker engine answers: {asked.stderr.strip()}"


def until(what: str, look: Callable[[], T | None], patience_s: float = PATIENCE_S) -> T:
    """Look ten times a second until there is something; what cannot be asked at the moment is not there.

    Args:
        what: Is awaited, for the message of the failure.
        look: Returns something true, or raises what a part raises that is away.
        patience_s: How long to look.
    """
    deadline_s = time.monotonic() + patience_s
    while True:
        problem: Exception | None = None
        try:
            if found := look():
                return found
        except (httpx.HTTPError, pymongo.errors.PyMongoError, OSError) as error:
            problem = error
        assert time.monotonic() < deadline_s, f"in vain for {patience_s} s: {what} ({problem or 'not so'})"
        time.sleep(0.1)


@dataclass
class Figures:
    """What was measured, in the order in which it was."""

    lines: list[str] = field(default_factory=list)

    def note(self, what: str, seconds: float) -> None:
        """Keep a duration."""
        self.lines.append(f"{seconds:8.1f} s    {what}")

    def note_memory(self, stack: "ComposeStack", when: str) -> None:
        """Keep what each container of a stack takes now."""
        for service, used in stack.memory().items():
            self.lines.append(f"{used:>10}    {service} {when}")


@dataclass
class ComposeStack:
    """A project of Compose; `files` are docker-compose.yml and overrides."""

    project: str
    folder: Path
    variables: Mapping[str, str] = field(default_factory=dict)
    files: Sequence[str] = ("docker-compose.yml",)
    ports: dict[str, int] = field(default_factory=lambda: {name: free_port() for name in _PORTS})
    _database: Documents | None = None

    def __post_init__(self) -> None:
        lines = {**{name: str(port) for name, port in self.ports.items()}, **self.variables}
        self.environment_file.write_text("".join(f"{name}={value}\n" for name, value in lines.items()))

    @property
    def environment_file(self) -> Path:
        """The project's .env."""
        return self.folder / ".env"

    def compose(self, *arguments: str, stdin: bytes | None = None) -> str:
        """Run `docker compose …` for the project; return what it printed."""
        files = [word for name in self.files for word in ("-f", str(ROOT / name))]
        command = ["docker", "compose", "--progress", "quiet", "-p", self.project, *files]
        return _run([*command, "--env-file", str(self.environment_file), *arguments], stdin)

    def up(self, *arguments: str) -> None:
        """Bring everything up, or to what the files say by now, and wait until it is ready."""
        # Containers that are made anew may have other addresses.
        self.forget_connections()
        self.compose("up", "--detach", *arguments)
        until("a stack that is ready", self.is_ready)

    def down(self, *arguments: str) -> None:
        """End it; `--volumes` takes the data along."""
        self.forget_connections()
        self.compose("down", "--remove-orphans", *arguments)

    def container(self, service: str) -> str:
        """The name of a service's only container."""
        return f"{self.project}-{service}-1"

    def inspect(self, service: str) -> dict[str, Any]:
        """What the engine knows of a service's container."""
        found: list[dict[str, Any]] = json.loads(_run(["docker", "inspect", self.container(service)]))
        return found[0]

    def memory(self) -> dict[str, str]:
        """What each running container takes, as the engine writes it."""
        services = self.compose("ps", "--services").split()
        names = {self.container(service): service for service in services}
        lines = _run(["docker", "stats", "--no-stream", "--format", "{{.Name}} {{.MemUsage}}", *names]).splitlines()
        return {names[line.split()[0]]: line.split()[1] for line in lines}

    def address(self, service: str) -> str:
        """Where a service can be reached from the host within the network `internal`."""
        networks = self.inspect(service)["NetworkSettings"]["Networks"]
        return str(networks[f"{self.project}_internal"]["IPAddress"])

    def secret(self, name: str) -> str:
        """One of the secrets, such as `inference/api_key`."""
        return self.admin("cat", f"/secrets/{name}", entrypoint=True).strip()

    def admin(self, *arguments: str, entrypoint: bool = False) -> str:
        """Run the service `secrets` with another command, or with another program."""
        options = ["run", "--rm", "--no-deps", "-T"]
        if entrypoint:
            program, *arguments_of_it = arguments
            return self.compose(*options, "--entrypoint", program, "secrets", *arguments_of_it)
        return self.compose(*options, "secrets", *arguments)

    @property
    def api(self) -> str:
        """Base URL of the REST API."""
        return f"http://127.0.0.1:{self.ports['API_PORT']}"

    @property
    def dashboard(self) -> str:
        """URL of the dashboard."""
        return f"http://127.0.0.1:{self.ports['DASHBOARD_PORT']}"

    def client(self) -> httpx.Client:
        """A client of the REST API with its key."""
        key = self.secret("inference/api_key")
        return httpx.Client(base_url=self.api, headers={"X-API-Key": key}, timeout=10)

    def is_ready(self) -> bool:
        """Whether API and dashboard say that they can be used."""
        ready = httpx.get(f"{self.api}/readyz", timeout=5).is_success
        return ready and httpx.get(f"{self.dashboard}/_stcore/health", timeout=5).is_success

    def database(self) -> Documents:
        """The database as its administrator sees it; the connection lasts until the container has another address."""
        if self._database is None:
            url = self.secret("admin/mongodb_url").replace("@database:", f"@{self.address('database')}:")
            client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(
                url, serverSelectionTimeoutMS=2000, timeoutMS=5000, tz_aware=True
            )
            self._database = client.get_default_database()
        return self._database

    def forget_connections(self) -> None:
        """Have the next question to the database find it anew."""
        if self._database is not None:
            self._database.client.close()
            self._database = None

    def host_gateway(self, name: str, sensor_name: str, n_sensors: int = 2) -> "HostGateway":
        """A gateway that may send its own sensors, not started yet."""
        gateway = HostGateway(self.folder / name, sensor_name, n_sensors)
        gateway.folder.mkdir(exist_ok=True)
        lines = self.admin("secrets", "gateway", name, *gateway.sensors).splitlines()
        settings = dict(line.split("=", 1) for line in lines if line.partition("=")[0].isupper())
        authority = gateway.folder / settings["MQTT_CA_FILE"]
        authority.write_text(self.admin("secrets", "ca"))
        self.compose("kill", "--signal", "HUP", "broker")
        gateway.environment = {**settings, "MQTT_CA_FILE": str(authority)}
        return gateway


@dataclass
class HostGateway:
    """The gateway as people run it on the host, with simulated sensors `<name>-1`, `<name>-2` …"""

    folder: Path
    sensor_name: str
    n_sensors: int
    environment: Mapping[str, str] = field(default_factory=dict)
    popen: subprocess.Popen[bytes] | None = None

    @property
    def sensors(self) -> list[str]:
        """The ids of its sensors."""
        return [f"{self.sensor_name}-{number}" for number in range(1, self.n_sensors + 1)]

    @property
    def log(self) -> Path:
        """What it says."""
        return self.folder / "gateway.log"

    @contextlib.contextmanager
    def running(self) -> Iterator["HostGateway"]:
        """Run until the block ends."""
        self.start()
        try:
            yield self
        finally:
            if self.popen is not None and self.popen.poll() is None:
                self.stop()

    def start(self) -> None:
        """Start it."""
        command = [str(BIN / "repsense-gateway"), "simulator", "--sensor-id", self.sensor_name]
        command += ["--sensors", str(self.n_sensors), "--seed", "3", "--rest-s", "3"]
        command += ["--spool", str(self.folder / "spool")]
        with self.log.open("ab") as log:
            self.popen = subprocess.Popen(command, env={**os.environ, **self.environment}, stdout=log, stderr=log)

    def stop(self) -> int:
        """End it the polite way; return its exit status."""
        if self.popen is None:
            message = "the gateway was not started"
            raise RuntimeError(message)
        self.popen.terminate()
        return self.popen.wait(timeout=PATIENCE_S)


def _run(command: Sequence[str], stdin: bytes | None = None) -> str:
    done = subprocess.run(command, input=stdin, capture_output=True, check=False, timeout=_COMMAND_PATIENCE_S, cwd=ROOT)
    if done.returncode:
        message = f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr.decode(errors='replace')[-4000:]}"
        raise RuntimeError(message)
    return done.stdout.decode(errors="replace")
