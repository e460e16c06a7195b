"""The database's primary steps down while sensors stream: writes are refused for a while, and nothing is lost."""

import contextlib
import json
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pymongo
import pytest
from pymongo.errors import BulkWriteError, NotPrimaryError
from support.models import write_mean_model
from support.mqtt import Listener, listening, publishing
from support.pipeline import Driver, MemoryStore, messages, movement
from support.servers import broker, free_port, process
from support.users_database import ABSENCE, SECANTUS, without_users

from repsense.database import connect_database, is_repetition
from repsense.topics import SensorTopic, all_sensors_topic, sensor_topic

needs_primary = pytest.mark.skipif(SECANTUS is None, reason=ABSENCE)

_WORKOUT = movement([(None, 3), (2, 12), (None, 9), (0, 6), (1, 8), (None, 2)])
_AWAY_S = 4


@contextlib.contextmanager
def _primary(folder: Path) -> Iterator[tuple[str, pymongo.MongoClient[dict[str, Any]]]]:
    with without_users(folder) as server:
        client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient("127.0.0.1", server.port)
        with client:
            yield f"mongodb://127.0.0.1:{server.port}/repsense", client


def _step_down(client: pymongo.MongoClient[dict[str, Any]]) -> None:
    client.admin.command("replSetStepDown", _AWAY_S, force=True)


@needs_primary
def test_a_write_to_a_secondary_is_an_absence_and_no_repetition(tmp_path: Path) -> None:
    with _primary(tmp_path) as (url, client):
        database = connect_database(f"{url}?retryWrites=false")
        with database.client:
            database["sets"].insert_one({"_id": "before"})
            _step_down(client)
            with pytest.raises(NotPrimaryError):
                database["sets"].insert_many([{"_id": "before"}, {"_id": "after"}], ordered=False)


@pytest.mark.parametrize(
    ("write_errors", "concern_errors", "is_one"),
    [
        ([{"code": 11000}], [], True),
        ([{"code": 11000}, {"code": 8}], [], False),
        ([], [{"code": 64, "errmsg": "waiting for replication timed out"}], False),
        ([{"code": 11000}], [{"code": 189, "errmsg": "Primary stepped down"}], False),
    ],
)
def test_what_most_servers_do_not_have_is_no_repetition(
    write_errors: list[dict[str, Any]], concern_errors: list[dict[str, Any]], *, is_one: bool
) -> None:
    error = BulkWriteError({"writeErrors": write_errors, "writeConcernErrors": concern_errors})
    assert is_repetition(error) is is_one


def _await_subscription(metrics_port: int) -> None:
    """From here on the session exists, and the broker keeps what comes for it."""
    while True:
        with urllib.request.urlopen(f"http://127.0.0.1:{metrics_port}/metrics") as answer:
            if b"repsense_preprocessor_subscribed 1.0" in answer.read():
                return
        time.sleep(0.02)


@pytest.fixture
def results(tmp_path: Path) -> Iterator[tuple[int, Listener]]:
    topic = all_sensors_topic(SensorTopic.CLASSIFICATION)
    with broker(tmp_path / "broker") as server, listening(server.port, topic) as listener:
        yield server.port, listener


@needs_primary
def test_nothing_is_lost_or_stored_twice_while_no_server_takes_writes(
    tmp_path: Path, results: tuple[int, Listener]
) -> None:
    mqtt_port, listener = results
    write_mean_model(tmp_path / "models" / "mean")
    port = free_port()
    stream = messages(_WORKOUT)
    expected = MemoryStore()
    driver = Driver(expected)
    for message in stream:
        driver.push([message])
    with _primary(tmp_path / "database") as (url, client):
        environment = {
            "MQTT_URL": f"mqtt://127.0.0.1:{mqtt_port}",
            "MONGODB_URL": url,
            "MODEL_URL": f"onnx:{tmp_path / 'models' / 'mean'}",
            "METRICS_PORT": str(port),
            "SAMPLES_RETENTION_HOURS": "1000000",
        }
        with process("repsense-preprocessor", tmp_path, port, environment), publishing(mqtt_port) as publish:
            _await_subscription(port)
            for number, message in enumerate(stream):
                if number == len(stream) // 2:
                    _step_down(client)
                publish(sensor_topic(message.sensor_id, SensorTopic.SAMPLES), message.encode())
            listener.wait(
                lambda got: len({json.loads(p)["window_start_at"] for _, p in got}) >= len(expected.classifications)
            )
            for name in ("samples", "classifications", "sets", "workouts"):
                stored = {one["_id"]: one for one in client["repsense"][name].find()}
                assert stored == getattr(expected, name)
    assert "trying again until it is back" in (tmp_path / "repsense-preprocessor.log").read_text()
