"""Several preprocessors share the sensors: what is stored is what one of them, left in peace, would have stored.

Real processes, broker and database. A dozen sensors send without a pause while replicas come, go, die and sleep.
"""

import contextlib
import itertools
import signal
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import paho.mqtt.client as mqtt
import pymongo
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample
from support.models import write_mean_model
from support.mqtt import connect, listening, publishing
from support.pipeline import messages, movement
from support.servers import Server, broker, database, free_port, process

from repsense.messages import SamplesMessage
from repsense.topics import SensorTopic, all_sensors_topic, parse_topic, sensor_topic
from repsense_preprocessor.leases import LEASE_S
from repsense_preprocessor.partitions import partition_of

pytestmark = pytest.mark.timeout(400)

N_PARTITIONS = 12
SENSORS = [f"sensor-{number}" for number in range(12)]
PERIOD_S = 0.1
"""Between two messages of a sensor: twice as fast as they were taken."""
_BOUT = [(None, 3), (2, 12), (None, 6), (0, 9), (1, 8)]
_PATIENCE_S = 60.0


def workout(sensor: int) -> list[SamplesMessage]:
    """Four minutes, for each sensor another order of the same sets."""
    bouts = (_BOUT[sensor % len(_BOUT) :] + _BOUT[: sensor % len(_BOUT)]) * 6
    return messages(movement(bouts), sensor_id=SENSORS[sensor], stream_id=f"stream-{sensor}")


@dataclass
class Load:
    """All sensors, sending until they are told that it is enough."""

    port: int
    workouts: list[list[SamplesMessage]] = field(default_factory=lambda: [workout(n) for n in range(len(SENSORS))])
    n_rounds: int = 0
    """How many messages each sensor has sent."""

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        client = mqtt.Client(CallbackAPIVersion.VERSION2)
        client.max_inflight_messages_set(10_000)
        connect(client, self.port)
        client.loop_start()
        enough = threading.Event()
        sender = threading.Thread(target=self._send, args=(client, enough))
        sender.start()
        try:
            yield
        finally:
            enough.set()
            sender.join()
            client.disconnect()
            client.loop_stop()

    def _send(self, client: mqtt.Client, enough: threading.Event) -> None:
        encoded = [[(sensor_topic(m.sensor_id, SensorTopic.SAMPLES), m.encode()) for m in w] for w in self.workouts]
        taken: list[mqtt.MQTTMessageInfo] = []
        for round_ in zip(*encoded, strict=False):
            taken = [client.publish(topic, payload, qos=1) for topic, payload in round_]
            self.n_rounds += 1
            if enough.wait(PERIOD_S):
                break
        for message in taken:
            message.wait_for_publish(_PATIENCE_S)

    def sent(self) -> Iterator[list[SamplesMessage]]:
        return (whole[: self.n_rounds] for whole in self.workouts)


@dataclass
class Scaled:
    """A stack with as many preprocessors as the test wants."""

    folder: Path
    broker: Server
    database: Server
    environment: dict[str, str]
    stack: contextlib.ExitStack
    replicas: dict[str, Server] = field(default_factory=dict)
    _names: Iterator[int] = field(default_factory=itertools.count)

    def start(self) -> str:
        name = f"replica-{next(self._names)}"
        port = free_port()
        folder = self.folder / name
        folder.mkdir()
        environment = self.environment | {"METRICS_PORT": str(port), "REPLICA_ID": name}
        self.replicas[name] = self.stack.enter_context(process("repsense-preprocessor", folder, port, environment))
        return name

    def collection(self, name: str) -> dict[Any, dict[str, Any]]:
        with pymongo.MongoClient[dict[str, Any]](f"mongodb://127.0.0.1:{self.database.port}") as client:
            return {document["_id"]: document for document in client.repsense[name].find()}

    def holders(self) -> dict[int, str]:
        """Which replica has each partition; none of them if it is free."""
        leases = self.collection("partitions").values()
        return {lease["_id"]: (lease["replica"] or "").rpartition("-")[0] for lease in leases}

    def metric(self, name: str, metric: str) -> list[Sample]:
        """One of a replica's metrics."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.replicas[name].port}/metrics") as answer:
            families = text_string_to_metric_families(answer.read().decode())
        return [sample for family in families for sample in family.samples if sample.name == metric]

    def sensors_of(self, name: str) -> set[str]:
        """The sensors that a replica is following, as it says itself."""
        return {each.labels["sensor"] for each in self.metric(name, "repsense_preprocessor_sensor_samples_total")}

    def await_sessions(self, *names: str) -> None:
        """Wait until the broker keeps messages of every partition, for these replicas, which have just started."""

        def n_subscribed() -> float:
            return sum(each.value for name in names for each in self.metric(name, "repsense_preprocessor_subscribed"))

        eventually(lambda: set(self.holders().values()) == set(names))
        eventually(lambda: n_subscribed() == N_PARTITIONS)

    def await_balance(self, *names: str) -> dict[str, str]:
        """Wait until these replicas share all partitions equally and follow their sensors; who follows each sensor."""

        def balanced() -> bool:
            holders = self.holders()
            shares = [sum(holder == name for holder in holders.values()) for name in names]
            return len(holders) == N_PARTITIONS and shares == [N_PARTITIONS // len(names)] * len(names)

        eventually(balanced)
        holders = self.holders()
        belonging = {name: {s for s in SENSORS if holders[partition_of(s, N_PARTITIONS)] == name} for name in names}
        eventually(lambda: {name: self.sensors_of(name) for name in names} == belonging)
        assert self.holders() == holders
        return {sensor: name for name, sensors in belonging.items() for sensor in sensors}


def eventually(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + _PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.1)


@pytest.fixture
def scaled(tmp_path: Path) -> Iterator[Scaled]:
    write_mean_model(tmp_path / "models" / "mean")
    with contextlib.ExitStack() as running:
        mqtt_server = running.enter_context(broker(tmp_path / "broker", configuration="nats-scaled.conf"))
        mongo_server = running.enter_context(database(tmp_path / "database"))
        environment = {
            "MQTT_URL": f"mqtt://127.0.0.1:{mqtt_server.port}",
            "MONGODB_URL": f"mongodb://127.0.0.1:{mongo_server.port}/repsense",
            "MODEL_URL": f"onnx:{tmp_path / 'models' / 'mean'}",
            "SAMPLES_RETENTION_HOURS": "1000000",
            "PARTITIONS": str(N_PARTITIONS),
        }
        yield Scaled(tmp_path, mqtt_server, mongo_server, environment, running)


@dataclass(frozen=True)
class Stored:
    """What a database holds in the end, as far as it follows from the samples."""

    samples: dict[str, Any]
    documents: dict[str, Any]
    """Classifications, sets, workouts and the counts of the sensors, without floating-point numbers."""
    numbers: dict[str, list[float]]
    """Probabilities and confidences; the last digit may depend on which windows were classified together."""

    @classmethod
    def read(cls, port: int) -> Self:
        documents: dict[str, Any] = {}
        numbers: dict[str, list[float]] = {}
        with pymongo.MongoClient[dict[str, Any]](f"mongodb://127.0.0.1:{port}") as client:
            samples = {document["_id"]: document for document in client.repsense.samples.find()}
            for name in ("classifications", "sets", "workouts", "sensors"):
                for document in client.repsense[name].find():
                    key = f"{name} {document['_id']}"
                    numbers[key] = [document.pop("confidence", 0.0), *(document.pop("probabilities", None) or [])]
                    # How much came again while the work changed hands means nothing.
                    for by_the_way in ("generation", "n_samples", "n_duplicate"):
                        document.pop(by_the_way, None)
                    documents[key] = document
        return cls(samples, documents, numbers)


def is_over(port: int, n_sent: int) -> bool:
    """Whether everything is stored and every set closed; who would read all of it to know holds the database up."""
    with pymongo.MongoClient[dict[str, Any]](f"mongodb://127.0.0.1:{port}") as client:
        stored = client.repsense
        return stored.samples.estimated_document_count() == n_sent and not stored.sets.find_one({"state": "open"})


def sorted_by_time(samples: dict[str, Any]) -> list[dict[str, Any]]:
    return sorted(samples.values(), key=lambda document: document["first_sample_us"])


def await_end(port: int, load: Load) -> Stored:
    """Wait until everything that was sent is stored, and the silence afterwards has closed the last sets."""
    n_sent = sum(map(len, load.sent()))

    def ended() -> bool:
        if not is_over(port, n_sent):
            return False
        stored = Stored.read(port)
        last_us = {one["sensor_id"]: one["last_sample_us"] for one in sorted_by_time(stored.samples)}
        known_us = {one["_id"]: one["last_sample_us"] for key, one in stored.documents.items() if "sensors " in key}
        return known_us == last_us

    eventually(ended)
    return Stored.read(port)


def undisturbed(folder: Path, environment: dict[str, str], load: Load) -> Stored:
    """What one preprocessor stores of all that was sent, without partitions and without anything happening to it."""
    with broker(folder / "broker") as mqtt_server, database(folder / "database") as mongo_server:
        port = free_port()
        alone = environment | {
            "MQTT_URL": f"mqtt://127.0.0.1:{mqtt_server.port}",
            "MONGODB_URL": f"mongodb://127.0.0.1:{mongo_server.port}/repsense",
            "METRICS_PORT": str(port),
            "PARTITIONS": "1",
        }
        with process("repsense-preprocessor", folder, port, alone) as server:
            eventually(lambda: "connected to the broker" in server.log.read_text())
            with publishing(mqtt_server.port) as publish:
                for round_ in zip(*load.sent(), strict=True):
                    for message in round_:
                        publish(sensor_topic(message.sensor_id, SensorTopic.SAMPLES), message.encode())
            return await_end(mongo_server.port, load)


def assert_stored_as_if_nothing_had_happened(scaled: Scaled, load: Load) -> None:
    # Both wait for a silence of ten seconds; they can do so at once.
    with ThreadPoolExecutor(1) as other:
        running = other.submit(undisturbed, scaled.folder / "undisturbed", scaled.environment, load)
        stored = await_end(scaled.database.port, load)
        ideal = running.result()
    assert stored.samples == ideal.samples
    assert stored.documents == ideal.documents
    for key, numbers in ideal.numbers.items():
        assert stored.numbers[key] == pytest.approx(numbers, abs=2e-6)
    assert len({one["sensor_id"] for key, one in stored.documents.items() if key.startswith("sets ")}) == len(SENSORS)
    assert not any("Traceback" in server.log.read_text() for server in scaled.replicas.values())


def test_one_three_two_replicas_under_load(scaled: Scaled) -> None:
    load = Load(scaled.broker.port)
    one = scaled.start()
    scaled.await_sessions(one)
    with load.running():
        alone = scaled.await_balance(one)
        assert set(alone.values()) == {one}

        two, three = scaled.start(), scaled.start()
        shared = scaled.await_balance(one, two, three)
        n_rounds = load.n_rounds
        eventually(lambda: load.n_rounds > n_rounds + 30)
        assert scaled.await_balance(one, two, three) == shared

        scaled.replicas[two].stop()
        left = scaled.await_balance(one, three)
        n_rounds = load.n_rounds
        eventually(lambda: load.n_rounds > n_rounds + 30)
        assert scaled.await_balance(one, three) == left
        # Who has stayed has kept its sensors.
        assert all(left[sensor] == name for sensor, name in shared.items() if name != two)

    assert_stored_as_if_nothing_had_happened(scaled, load)


def test_a_replica_is_killed_and_one_sleeps_past_its_leases(scaled: Scaled) -> None:
    load = Load(scaled.broker.port)
    one, two, three = (scaled.start() for _ in range(3))
    scaled.await_sessions(one, two, three)
    with load.running():
        scaled.await_balance(one, two, three)

        scaled.replicas[one].kill()
        scaled.await_balance(two, three)
        four = scaled.start()
        scaled.await_balance(two, three, four)

        sleeper = scaled.replicas[three].popen
        assert sleeper is not None
        sleeper.send_signal(signal.SIGSTOP)
        began_s = time.monotonic()
        scaled.await_balance(two, four)
        assert time.monotonic() - began_s > LEASE_S / 2
        n_rounds = load.n_rounds
        eventually(lambda: load.n_rounds > n_rounds + 50)
        sleeper.send_signal(signal.SIGCONT)
        scaled.await_balance(two, three, four)
        n_rounds = load.n_rounds
        eventually(lambda: load.n_rounds > n_rounds + 30)

    assert_stored_as_if_nothing_had_happened(scaled, load)


def test_the_broker_gives_the_partitions_that_are_expected(tmp_path: Path) -> None:
    with (
        broker(tmp_path / "broker", configuration="nats-scaled.conf") as server,
        listening(server.port, "repsense/v1/partitions/+/sensors/+/samples") as partitioned,
        listening(server.port, all_sensors_topic(SensorTopic.SAMPLES)) as plain,
    ):
        client = mqtt.Client(CallbackAPIVersion.VERSION2)
        connect(client, server.port)
        client.loop_start()
        sensors = [f"{name}-{number}" for name in ("wrist", "a", "left-ankle") for number in range(50)]
        for sensor in sensors:
            client.publish(sensor_topic(sensor, SensorTopic.SAMPLES), b"x", qos=1)
        partitioned.wait(lambda got: len(got) == len(sensors))
        client.disconnect()
        client.loop_stop()

    for topic, _ in partitioned.messages:
        parsed = parse_topic(topic)
        assert parsed is not None
        assert topic == (
            f"repsense/v1/partitions/{partition_of(parsed.id, N_PARTITIONS)}/sensors/{parsed.id}/{SensorTopic.SAMPLES}"
        )
    assert not plain.messages
