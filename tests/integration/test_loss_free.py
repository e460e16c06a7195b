"""From the gateway's spool to the database: what was ever sent is stored, whatever was killed in between."""

import contextlib
import shutil
import sqlite3
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pymongo
import pytest
from support.brokers import BROKERS, run_broker
from support.models import write_mean_model
from support.mqtt import Listener, listening
from support.servers import BIN, Server, database, free_port, process

from repsense.messages import SamplesMessage
from repsense.topics import SensorTopic, all_sensors_topic

PATIENCE_S = 90.0
"""Only so that a failure does not hang; what the broker lost is sent again after ten seconds at the earliest."""
Message = tuple[str, int]
"""Stream and sequence."""


@dataclass
class Gateway:
    """A gateway with two simulated sensors, in a process of its own."""

    port: int
    folder: Path
    popen: subprocess.Popen[bytes] | None = None
    logs: list[Path] = field(default_factory=list)

    def start(self) -> None:
        self.logs.append(self.folder / f"gateway-{len(self.logs)}.log")
        command = [str(BIN / "repsense-gateway"), "simulator", "--sensors", "2", "--sensor-id", "wrist"]
        command += ["--mqtt-url", f"mqtt://127.0.0.1:{self.port}", "--spool", str(self.folder / "spool")]
        with self.logs[-1].open("wb") as log:
            self.popen = subprocess.Popen(command, stdout=log, stderr=log)

    def kill(self) -> None:
        if self.popen is not None:
            self.popen.kill()
            self.popen.wait()

    def keys(self) -> set[int]:
        """What the spool holds; nothing while it is being made."""
        # Whoever may write would tidy up after a killed gateway.
        address = f"{(self.folder / 'spool' / 'spool.db').as_uri()}?mode=ro"
        try:
            with contextlib.closing(sqlite3.connect(address, uri=True)) as spool:
                return {key for (key,) in spool.execute("SELECT key FROM messages")}
        except sqlite3.OperationalError:
            return set()

    def start_and_keep_samples(self) -> None:
        """Start it and wait until samples of this run are in the spool."""
        before = self.keys()
        self.start()
        until(lambda: not self.keys() <= before)


@dataclass
class Stack:
    broker: Server
    broker_files: Path
    database: Server
    preprocessor: Server
    gateway: Gateway
    sent: Listener

    def published(self) -> set[Message]:
        """What was seen at the broker."""
        with_duplicates = [SamplesMessage.decode(payload) for _, payload in list(self.sent.messages)]
        return {(message.stream_id, message.sequence) for message in with_duplicates}

    def stored(self) -> dict[Message, int]:
        """The numbers of samples of the messages in the database."""
        with pymongo.MongoClient[dict[str, int]](f"mongodb://127.0.0.1:{self.database.port}") as client:
            found = client.repsense["samples"].find({}, {"stream_id": 1, "sequence": 1, "n_samples": 1})
            return {(str(each["stream_id"]), each["sequence"]): each["n_samples"] for each in found}

    def assert_streams_are_complete(self) -> None:
        streams: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for (stream_id, sequence), n_samples in self.stored().items():
            streams[stream_id].append((sequence, n_samples))
        assert streams
        for parts in streams.values():
            expected = 0
            for sequence, n_samples in sorted(parts):
                assert sequence == expected
                expected += n_samples


@pytest.fixture
def stack(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Stack]:
    write_mean_model(tmp_path / "models" / "mean")
    with contextlib.ExitStack() as running:
        mqtt_server = running.enter_context(run_broker(request.param, tmp_path / "broker"))
        mongo_server = running.enter_context(database(tmp_path / "database"))
        port = free_port()
        environment = {
            "MQTT_URL": f"mqtt://127.0.0.1:{mqtt_server.port}",
            "MONGODB_URL": f"mongodb://127.0.0.1:{mongo_server.port}/repsense",
            "MODEL_URL": f"onnx:{tmp_path / 'models' / 'mean'}",
            "METRICS_PORT": str(port),
        }
        preprocessor = running.enter_context(process("repsense-preprocessor", tmp_path, port, environment))
        sent = running.enter_context(listening(mqtt_server.port, all_sensors_topic(SensorTopic.SAMPLES)))
        gateway = Gateway(mqtt_server.port, tmp_path)
        running.callback(gateway.kill)
        yield Stack(mqtt_server, tmp_path / "broker", mongo_server, preprocessor, gateway, sent)


def until(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.1)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("stack", BROKERS, indirect=True)
def test_kills_of_the_gateway_and_of_the_broker_at_any_moment_lose_nothing(stack: Stack) -> None:
    moments = np.random.default_rng(4)
    for n_round in range(8):
        stack.gateway.start_and_keep_samples()
        time.sleep(moments.uniform(0, 1.5))
        if n_round % 2:
            stack.broker.kill()
            time.sleep(moments.uniform(0, 1.5))
        stack.gateway.kill()
        if n_round % 4 == 1:
            # Every other time the next gateway begins without a broker.
            stack.broker.start()
        if n_round % 4 == 3:
            stack.gateway.start_and_keep_samples()
            stack.broker.start()
            stack.gateway.kill()
    left = stack.gateway.keys()
    stack.gateway.start()

    until(lambda: left.isdisjoint(stack.gateway.keys()))
    until(lambda: stack.published() <= set(stack.stored()))

    assert left
    stack.assert_streams_are_complete()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("stack", BROKERS, indirect=True)
def test_what_the_broker_forgets_in_a_power_cut_is_sent_again(stack: Stack) -> None:
    stack.gateway.start()
    until(lambda: len(stack.stored()) > 10)
    stack.preprocessor.kill()
    n_before = len(stack.published())
    until(lambda: len(stack.published()) > n_before + 30)

    stack.broker.kill()
    shutil.rmtree(stack.broker_files / "store", ignore_errors=True)
    (stack.broker_files / "mosquitto.db").unlink(missing_ok=True)
    acknowledged = stack.published()
    assert not acknowledged <= set(stack.stored())
    stack.broker.start()
    stack.preprocessor.start()

    until(lambda: acknowledged <= set(stack.stored()))

    until(lambda: stack.published() <= set(stack.stored()))
    stack.assert_streams_are_complete()
    assert "lost behind the broker" in stack.gateway.logs[0].read_text()
