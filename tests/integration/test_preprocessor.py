"""The preprocessor as a process, between a real broker and a real database."""

import contextlib
import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymongo
import pytest
from support.brokers import BROKERS, run_broker
from support.models import write_mean_model
from support.mqtt import Listener, listening, publishing
from support.pipeline import Driver, MemoryStore, messages, movement
from support.servers import Server, database, free_port, process

from repsense.messages import SamplesMessage, StoredMessage
from repsense.topics import SensorTopic, all_sensors_topic, sensor_topic

WORKOUT = movement([(None, 3), (2, 12), (None, 9), (0, 6), (1, 8), (None, 2)])


@dataclass
class Stack:
    """Everything around the preprocessor, and the preprocessor itself."""

    broker: Server
    database: Server
    preprocessor: Server
    results: Listener
    publish: Callable[[str, bytes], None]

    def send(self, stream: list[SamplesMessage]) -> None:
        for message in stream:
            self.publish(sensor_topic(message.sensor_id, SensorTopic.SAMPLES), message.encode())

    def await_windows(self, n_windows: int) -> None:
        """Wait until the results of so many windows have been published."""
        self.results.wait(lambda got: len({json.loads(p)["window_start_at"] for _, p in got}) >= n_windows)


@pytest.fixture
def stack(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Stack]:
    write_mean_model(tmp_path / "models" / "mean")
    with contextlib.ExitStack() as running:
        mqtt_server = running.enter_context(run_broker(getattr(request, "param", "nats"), tmp_path / "broker"))
        mongo_server = running.enter_context(database(tmp_path / "database"))
        results = running.enter_context(listening(mqtt_server.port, all_sensors_topic(SensorTopic.CLASSIFICATION)))
        port = free_port()
        environment = {
            "MQTT_URL": f"mqtt://127.0.0.1:{mqtt_server.port}",
            "MONGODB_URL": f"mongodb://127.0.0.1:{mongo_server.port}/repsense",
            "MODEL_URL": f"onnx:{tmp_path / 'models' / 'mean'}",
            "METRICS_PORT": str(port),
            "SAMPLES_RETENTION_HOURS": "1000000",
        }
        preprocessor = running.enter_context(process("repsense-preprocessor", tmp_path, port, environment))
        publish = running.enter_context(publishing(mqtt_server.port))
        # From here on the session exists, and the broker keeps what comes for it.
        await_any(port, subscribed=0)
        yield Stack(mqtt_server, mongo_server, preprocessor, results, publish)


def await_any(port: int, **above: float) -> None:
    """Wait until one of some metrics of the preprocessor is above a value."""
    while True:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            lines = answer.read().decode().splitlines()
        values = {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}
        if any(values[f"repsense_preprocessor_{name}"] > value for name, value in above.items()):
            return
        time.sleep(0.02)


def expected(stream: list[SamplesMessage]) -> MemoryStore:
    """What the pipeline makes of a stream when nothing goes wrong."""
    store = MemoryStore()
    driver = Driver(store)
    for message in stream:
        driver.push([message])
    return store


def stored(stack: Stack, collection: str) -> dict[str, Any]:
    with pymongo.MongoClient[dict[str, Any]](f"mongodb://127.0.0.1:{stack.database.port}") as client:
        return {document["_id"]: document for document in client.repsense[collection].find()}


def assert_stored_as_if_nothing_had_happened(stack: Stack, stream: list[SamplesMessage]) -> None:
    ideal = expected(stream)
    assert stored(stack, "samples") == ideal.samples
    assert stored(stack, "classifications") == ideal.classifications
    assert stored(stack, "sets") == ideal.sets
    assert stored(stack, "workouts") == ideal.workouts


def told(reports: list[tuple[str, bytes]]) -> set[int]:
    """The samples that were reported as stored."""
    decoded = [StoredMessage.decode(payload) for _, payload in reports]
    return {index for message in decoded for first, end in message.ranges for index in range(first, end)}


@pytest.mark.parametrize("stack", BROKERS, indirect=True)
def test_samples_become_stored_and_published_classifications(stack: Stack) -> None:
    stream = messages(WORKOUT)

    stack.send(stream)
    stack.await_windows(len(expected(stream).classifications))

    assert_stored_as_if_nothing_had_happened(stack, stream)
    (model,) = stored(stack, "models")
    assert model == "mean@1"


@pytest.mark.parametrize("stack", BROKERS, indirect=True)
def test_nothing_is_lost_or_doubled_when_the_preprocessor_is_killed(stack: Stack) -> None:
    stream = messages(WORKOUT)
    n_windows = len(expected(stream).classifications)

    stack.send(stream[:70])
    stack.await_windows(10)
    stack.preprocessor.kill()
    stack.send(stream[70:110])
    stack.preprocessor.start()
    stack.send(stream[110:])
    # What was stored in the very moment of the crash may be published no more: the database is what counts.
    while len(stored(stack, "classifications")) < n_windows:
        time.sleep(0.1)

    assert_stored_as_if_nothing_had_happened(stack, stream)


@pytest.mark.parametrize("stack", BROKERS, indirect=True)
def test_a_stream_of_which_nothing_was_stored_when_the_preprocessor_was_killed_has_its_beginning(stack: Stack) -> None:
    stream = messages(WORKOUT)

    stack.database.kill()
    stack.send(stream[:70])
    # The NATS server sends what had been delivered again only after a while, and what is newer at once.
    # Where it was about to ask the database for something else, it has begun with none.
    await_any(stack.preprocessor.port, oldest_waiting_seconds=0.5, queued_messages=69)
    stack.preprocessor.kill()
    stack.database.start()
    stack.preprocessor.start()
    stack.send(stream[70:])
    while len(stored(stack, "classifications")) < len(expected(stream).classifications):
        time.sleep(0.1)

    assert_stored_as_if_nothing_had_happened(stack, stream)


@pytest.mark.parametrize("stack", BROKERS, indirect=True)
def test_what_is_in_the_database_is_reported_and_a_stop_leaves_nothing_out(stack: Stack) -> None:
    stream = messages(WORKOUT)
    n_samples = sum(len(message.samples) for message in stream)

    with listening(stack.broker.port, all_sensors_topic(SensorTopic.STORED)) as reports:
        stack.send(stream)
        while len(stored(stack, "samples")) < len(stream):
            time.sleep(0.05)
        stack.preprocessor.stop()
        reports.wait(lambda got: len(told(got)) == n_samples)

    documents = stored(stack, "samples").values()
    in_database = {d["sequence"] + index for d in documents for index in range(d["n_samples"])}
    assert told(reports.messages) == in_database
    assert {topic for topic, _ in reports.messages} == {sensor_topic(stream[0].sensor_id, SensorTopic.STORED)}


def test_nothing_is_lost_when_the_database_goes_away_and_comes_back(stack: Stack) -> None:
    stream = messages(WORKOUT)

    stack.send(stream[:70])
    stack.await_windows(10)
    stack.database.kill()
    stack.send(stream[70:])
    stack.database.start()
    stack.await_windows(len(expected(stream).classifications))

    assert_stored_as_if_nothing_had_happened(stack, stream)


def test_nothing_is_lost_when_the_broker_restarts(stack: Stack) -> None:
    stream = messages(WORKOUT)

    stack.send(stream[:70])
    stack.await_windows(10)
    stack.broker.stop()
    stack.broker.start()
    stack.send(stream[70:])
    stack.await_windows(len(expected(stream).classifications))

    assert_stored_as_if_nothing_had_happened(stack, stream)


def test_a_message_that_cannot_be_used_is_dropped_and_the_next_one_is_not(stack: Stack) -> None:
    (good, *_) = stream = messages(movement([(2, 4)]))
    stack.publish(sensor_topic("wrist", SensorTopic.SAMPLES), b"not json")
    stack.publish(sensor_topic("ankle", SensorTopic.SAMPLES), good.encode())
    stack.send(stream)

    stack.await_windows(4)

    assert len(stored(stack, "samples")) == len(stream)
    log = stack.preprocessor.log.read_text()
    assert "not a SamplesMessage" in log
    assert "it speaks of sensor wrist" in log


def test_sigterm_ends_it_at_once_and_in_order(stack: Stack) -> None:
    stack.send(messages(movement([(2, 4)])))
    stack.await_windows(4)
    running = stack.preprocessor.popen
    assert running is not None

    running.terminate()

    assert running.wait(timeout=10) == 0
    assert "Traceback" not in stack.preprocessor.log.read_text()
