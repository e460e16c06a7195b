"""The native stack, started as `make up` starts it."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil

from support.servers import BIN, ROOT, free_port

__all__ = ["NativeStack", "native_stack"]

_PATIENCE_S = 60.0
_PORTS = ("MQTT_PORT", "MONGODB_PORT", "API_PORT", "DASHBOARD_PORT", "METRICS_PORT")


@dataclass
class NativeStack:
    """One run of scripts/up.py with ports and a data folder of its own."""

    data: Path
    log: Path
    environment: dict[str, str]
    ports: dict[str, int] = field(default_factory=lambda: {name: free_port() for name in _PORTS})
    popen: subprocess.Popen[bytes] | None = None

    def start(self, until: str = "RepSense is ready") -> None:
        """Start, and wait until it has said something: by default that the API is ready."""
        ports = {name: str(port) for name, port in self.ports.items()}
        environment = {**os.environ, **ports, "REPSENSE_DATA": str(self.data), **self.environment}
        with self.log.open("ab") as log:
            said_before = log.tell()
            self.popen = subprocess.Popen(
                [sys.executable, "scripts/up.py"],
                env=environment,
                cwd=ROOT,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline_s = time.monotonic() + _PATIENCE_S
        while until.encode() not in self.log.read_bytes()[said_before:]:
            if self.popen.poll() is not None or time.monotonic() > deadline_s:
                message = f"the stack did not start:\n{self.log.read_text(errors='replace')[-4000:]}"
                raise RuntimeError(message)
            time.sleep(0.05)

    def interrupt(self) -> int:
        """Press Ctrl-C; return the exit status once everything has ended."""
        if self.popen is None:
            message = "the stack was not started"
            raise RuntimeError(message)
        self.popen.send_signal(signal.SIGINT)
        return self.popen.wait(timeout=_PATIENCE_S)

    def run_gateway(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start another gateway beside the stack's own."""
        environment = {**os.environ, "MQTT_URL": f"mqtt://127.0.0.1:{self.ports['MQTT_PORT']}"}
        environment["REPSENSE_DATA"] = str(self.data)
        with self.log.open("ab") as log:
            return subprocess.Popen([BIN / "repsense-gateway", *arguments], env=environment, stdout=log, stderr=log)

    def processes(self) -> list[psutil.Process]:
        """Everything that belongs to this run, by its data folder or ports in the environment."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get("REPSENSE_DATA") == str(self.data) and process.status() != "zombie":
                    found.append(process)
        return found

    def get(self, path: str) -> Any:  # noqa: ANN401 - JSON
        """The answer of the REST API to a GET."""
        return httpx.get(f"{self.api}{path}", timeout=10).raise_for_status().json()

    @property
    def api(self) -> str:
        """Base URL of the REST API."""
        return f"http://127.0.0.1:{self.ports['API_PORT']}"

    @property
    def dashboard(self) -> str:
        """URL of the dashboard."""
        return f"http://127.0.0.1:{self.ports['DASHBOARD_PORT']}"


@contextlib.contextmanager
def native_stack(folder: Path, *, until: str = "RepSense is ready", **environment: str) -> Iterator[NativeStack]:
    """A stack that runs until the block ends, whatever happens in it; the block begins when it has said something."""
    folder.mkdir(parents=True, exist_ok=True)
    stack = NativeStack(folder / "data", folder / "up.log", environment)
    try:
        stack.start(until)
        yield stack
    finally:
        if stack.popen is not None and stack.popen.poll() is None:
            stack.interrupt()
        for process in stack.processes():
            with contextlib.suppress(psutil.Error):
                process.kill()
