"""Two simulated sensors that stream into the database, and what a person is told of it, to be broken by tests."""

import contextlib
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pymongo

from repsense.messages import SamplesMessage
from repsense.topics import SensorTopic, all_sensors_topic
from support.database_proxy import DatabaseProxy, database_proxy
from support.models import mean_manifest, write_mean_version
from support.mqtt import Listener, listening
from support.servers import Server, broker, database, free_port, process
from support.small_disk import SmallDisk, small_disk

__all__ = ["Clock", "Streaming", "streaming", "until"]

_PATIENCE_S = 60.0
"""Only so that a failure does not hang."""
_COMPILER = shutil.which("cc") or shutil.which("gcc")
_SHIFTED_CLOCK = Path(__file__).with_name("shifted_clock.c")
_LONG_US = 1_200_000_000

Chunk = tuple[str, int]
"""Stream and sequence."""


def until(condition: Callable[[], Any]) -> Any:  # noqa: ANN401 - whatever it is
    """Wait until something is so, and return what it is."""
    deadline_s = time.monotonic() + _PATIENCE_S
    while not (found := condition()):
        assert time.monotonic() < deadline_s, "it did not come about"
        time.sleep(0.1)
    return found


@dataclass(frozen=True)
class Clock:
    """The time of day that some processes see.

    Attributes:
        file: Holds by how many seconds it is ahead.
        preload: The library by which a process sees it; None where there is no compiler to make it.
    """

    file: Path
    preload: Path | None

    def set(self, ahead_s: int) -> None:
        """Put it some seconds before or behind the real one."""
        with self.file.open("r+b" if self.file.exists() else "wb") as file:
            file.write(struct.pack("=q", ahead_s))

    @property
    def environment(self) -> dict[str, str]:
        """Of a process that is to see it."""
        return {"LD_PRELOAD": str(self.preload), "CLOCK_SHIFT_FILE": str(self.file)} if self.preload else {}


def _shifting_library(folder: Path) -> Path | None:
    if _COMPILER is None or not sys.platform.startswith("linux"):
        return None
    library = folder / "shifted_clock.so"
    subprocess.run([_COMPILER, "-shared", "-fPIC", "-O1", _SHIFTED_CLOCK, "-o", library, "-ldl"], check=True)
    return library


@dataclass
class Streaming:
    """Broker, database, preprocessor, API and a gateway with two sensors, all of them processes.

    Attributes:
        disks: Under "broker", "database", "models" and "spool"; empty where none can be had.
        proxy: Stands between the services and the database.
        server_clock: That of preprocessor and API.
        gateway_clock: That of the gateway.
        sent: What came to the broker.
    """

    broker: Server
    database: Server
    proxy: DatabaseProxy
    preprocessor: Server
    inference: Server
    gateway: Server
    models: Path
    disks: Mapping[str, SmallDisk]
    server_clock: Clock
    gateway_clock: Clock
    sent: Listener
    _versions: Iterator[int] = field(default_factory=lambda: count(2))

    def get(self, path: str) -> httpx.Response:
        """What the API answers."""
        return httpx.get(f"http://127.0.0.1:{self.inference.port}{path}", timeout=20)

    def faults(self) -> dict[str, dict[str, Any]]:
        """What a person is told, by kind."""
        return {fault["kind"]: fault for fault in self.get("/v1/status").json()["faults"]}

    def await_fault(self, kind: str) -> dict[str, Any]:
        """Wait until a person is told of a fault."""
        fault: dict[str, Any] = until(lambda: self.faults().get(kind))
        assert "Traceback" not in str(fault)
        return fault

    def await_recovery(self) -> None:
        """Wait until nobody is told of anything that keeps something from working, and samples come in again."""
        until(lambda: self.get("/readyz").status_code == httpx.codes.OK and not self._errors())
        before = self.stored()
        until(lambda: {stream for stream, _ in set(self.stored()) - set(before)} >= self._newest_streams())
        sent = self.published()
        until(lambda: sent <= set(self.stored()))

    def _errors(self) -> list[str]:
        return [kind for kind, fault in self.faults().items() if fault["severity"] == "error"]

    def _newest_streams(self) -> set[str]:
        newest = {message.sensor_id: message.stream_id for message in self._messages()}
        return set(newest.values())

    def _messages(self) -> list[SamplesMessage]:
        return [SamplesMessage.decode(payload) for _, payload in list(self.sent.messages)]

    def published(self) -> set[Chunk]:
        """What was seen at the broker."""
        return {(message.stream_id, message.sequence) for message in self._messages()}

    def documents(self, collection: str) -> list[dict[str, Any]]:
        """All of a collection, whatever stands between the services and the database."""
        with pymongo.MongoClient[dict[str, Any]](f"mongodb://127.0.0.1:{self.database.port}") as client:
            return list(client.repsense[collection].find())

    def stored(self) -> dict[Chunk, dict[str, Any]]:
        """The pieces of signal in the database."""
        return {(one["stream_id"], one["sequence"]): one for one in self.documents("samples")}

    def assert_whole(self) -> None:
        """See that of each stream everything is stored from the first sample sent on, and nothing twice."""
        first: dict[str, int] = {}
        for stream_id, sequence in self.published():
            first[stream_id] = min(sequence, first.get(stream_id, sequence))
        streams: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for one in self.documents("samples"):
            streams[one["stream_id"]].append((one["sequence"], one["n_samples"]))
        assert len(streams) >= 2
        for stream_id, parts in streams.items():
            expected = first[stream_id]
            for sequence, n_samples in sorted(parts):
                assert sequence == expected
                expected += n_samples
        windows = [(one["stream_id"], one["last_sequence"]) for one in self.documents("classifications")]
        assert windows
        assert len(windows) == len(set(windows))
        # Whatever is done to the clocks, nobody has done anything for longer than this test.
        lasted_us = [one["ended_us"] - one["started_us"] for one in self.documents("sets")]
        assert all(0 <= each_us < _LONG_US for each_us in lasted_us)

    def logs(self) -> str:
        """What preprocessor, API and gateway have written."""
        return "".join(one.log.read_text() for one in (self.preprocessor, self.inference, self.gateway))

    def add_version(self, **changes: object) -> int:
        """Copy another version of the model into its place, as somebody does by hand; returns its number."""
        version = next(self._versions)
        # On the same file system, so that nobody sees half of it.
        made = self.models.parent / "made"
        write_mean_version(made, mean_manifest(version=version, **changes))
        made.rename(self.models / str(version))
        return version

    def terminate(self, *servers: Server) -> list[int]:
        """Tell several to end, all at once; returns their exit codes."""
        running = [server.popen for server in servers if server.popen is not None]
        for popen in running:
            popen.send_signal(signal.SIGTERM)
        return [popen.wait(timeout=15) for popen in running]


@contextlib.contextmanager
def streaming(folder: Path, *, with_model: bool = True) -> Iterator[Streaming]:
    """Start everything; it streams when the block begins, unless there is no model yet."""
    with contextlib.ExitStack() as opened:
        sizes = {"broker": 48, "database": 48, "models": 80, "spool": 12}
        disks = {name: opened.enter_context(small_disk(folder / name, size)) for name, size in sizes.items()}
        models = folder / "models" / "mean"
        models.mkdir()
        if with_model:
            write_mean_version(models / "1", mean_manifest())
        mqtt_server = opened.enter_context(broker(folder / "broker"))
        mongo_server = opened.enter_context(database(folder / "database"))
        proxy = opened.enter_context(database_proxy(mongo_server.port))
        library = _shifting_library(folder)
        server_clock, gateway_clock = (Clock(folder / f"{owner}-clock", library) for owner in ("server", "gateway"))
        for clock in (server_clock, gateway_clock):
            clock.set(0)
        metrics_port, api_port, gateway_port = free_port(), free_port(), free_port()
        environment = {
            "MQTT_URL": f"mqtt://127.0.0.1:{mqtt_server.port}",
            "MONGODB_URL": f"mongodb://127.0.0.1:{proxy.port}/repsense",
            "MODEL_URL": f"onnx:{models}",
            "MODELS_DIR": str(folder / "models"),
            "METRICS_PORT": str(metrics_port),
            "API_PORT": str(api_port),
        }
        services = environment | server_clock.environment
        preprocessor = opened.enter_context(process("repsense-preprocessor", folder, metrics_port, services))
        inference = opened.enter_context(process("repsense-inference", folder, api_port, services))
        sent = opened.enter_context(listening(mqtt_server.port, all_sensors_topic(SensorTopic.SAMPLES)))
        simulator = ("simulator", "--sensors", "2", "--sensor-id", "wrist", "--rest-s", "1")
        gateway = opened.enter_context(
            process(
                "repsense-gateway",
                folder,
                gateway_port,
                {**environment, **gateway_clock.environment, "GATEWAY_METRICS_PORT": str(gateway_port)},
                *simulator,
                "--spool",
                str(folder / "spool"),
            )
        )
        yield Streaming(
            mqtt_server,
            mongo_server,
            proxy,
            preprocessor,
            inference,
            gateway,
            models,
            {name: disk for name, disk in disks.items() if disk is not None},
            server_clock,
            gateway_clock,
            sent,
        )
