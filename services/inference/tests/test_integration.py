"""The service between a real broker and a real database."""

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from support.models import MEAN_LABELS, mean_manifest, write_mean_model
from support.servers import Server, broker, database, free_port, process

from repsense.database import Documents, connect_database, ensure_indexes
from repsense.documents import (
    CLASSIFICATIONS,
    MODELS,
    SAMPLES,
    SENSORS,
    SETS,
    WORKOUTS,
    encode_samples,
    sensor_key,
)
from repsense.messages import (
    ClassificationMessage,
    GatewayStatusMessage,
    LabelProbability,
    RunningSet,
    SensorStatusMessage,
)
from repsense.topics import SensorTopic, gateway_status_topic, sensor_topic

_SECOND = 1_000_000
_T0 = 1_772_384_400 * _SECOND  # 2026-03-01T17:00:00Z
_NOW = datetime(2026, 3, 1, 17, tzinfo=UTC)
_N_WINDOWS = 25
_PATIENCE_S = 30.0


@dataclass
class _Stack:
    database: Server
    broker: Server
    client: httpx.Client

    def get(self, path: str, **parameters: str | int) -> dict[str, Any]:
        answer: dict[str, Any] = self.client.get(path, params=parameters).raise_for_status().json()
        return answer


def _eventually(condition: Callable[[], bool]) -> None:
    """Ask again and again: the other process has no event that could be awaited here."""
    deadline = time.monotonic() + _PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.02)


def _is_ready(client: httpx.Client) -> bool:
    return client.get("/readyz").status_code == 200


@contextmanager
def _service(folder: Path, *, database_port: int, broker_port: int) -> Iterator[httpx.Client]:
    port = free_port()
    environment = {
        "MONGODB_URL": f"mongodb://127.0.0.1:{database_port}/repsense",
        "MQTT_URL": f"mqtt://127.0.0.1:{broker_port}",
        "MODEL_URL": f"onnx:{folder / 'mean'}",
        "API_PORT": str(port),
    }
    with (
        process("repsense-inference", folder, port, environment),
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=_PATIENCE_S) as client,
    ):
        yield client


@contextmanager
def _publisher(server: Server, will: GatewayStatusMessage | None = None) -> Iterator[mqtt.Client]:
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    if will is not None:
        client.will_set(gateway_status_topic(will.gateway_id), will.encode(), qos=1, retain=True)
    client.connect("127.0.0.1", server.port)
    client.loop_start()
    try:
        yield client
    finally:
        client.disconnect()
        client.loop_stop()


def _publish(client: mqtt.Client, topic: str, payload: bytes, *, retain: bool = False) -> None:
    sent = client.publish(topic, payload, qos=1, retain=retain)
    sent.wait_for_publish(_PATIENCE_S)
    assert sent.is_published()


@contextmanager
def _live(stack: _Stack, **parameters: str) -> Iterator[Iterator[tuple[str, str]]]:
    """The events of /v1/live, from when the listener is in place."""
    with stack.client.stream("GET", "/v1/live", params=parameters) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        lines = response.iter_lines()
        assert next(lines) == ": listening"
        yield _events(lines)


def _events(lines: Iterator[str]) -> Iterator[tuple[str, str]]:
    name, data = "", []
    for line in lines:
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            data.append(line.removeprefix("data: "))
        elif not line and name:
            yield name, "\n".join(data)
            name, data = "", []


def _status(sensor_id: str, gateway_id: str = "laptop") -> SensorStatusMessage:
    return SensorStatusMessage(
        sensor_id=sensor_id, gateway_id=gateway_id, state="online", name=sensor_id.title(), stream_id="one", at=_NOW
    )


def _message(sensor_id: str, last_sequence: int, set_id: str | None = None) -> ClassificationMessage:
    running = set_id and RunningSet(
        set_id=set_id,
        exercise="squat",
        form=None,
        started_at=_NOW,
        ended_at=_NOW,
        n_windows=3,
        incorrect_share=0.0,
    )
    return ClassificationMessage(
        sensor_id=sensor_id,
        stream_id="one",
        model_name="mean",
        model_version=1,
        window_start_at=_NOW,
        window_end_at=_NOW,
        last_sequence=last_sequence,
        label=MEAN_LABELS[2],
        confidence=0.9,
        window_label=MEAN_LABELS[2],
        probabilities=tuple(LabelProbability(label=label, probability=0.3) for label in MEAN_LABELS),
        running_set=running or None,
    )


def _fill(documents: Documents) -> None:
    """Two sensors that are classified at the same moments, their sets, workouts, samples and model."""
    ensure_indexes(documents)
    for sensor_id in ("wrist", "wrist-2"):
        set_id = f"{sensor_id}-{_T0}"
        key = {"sensor_key": sensor_key(sensor_id, _T0), "sensor_id": sensor_id}
        common = {**key, "started_us": _T0, "ended_us": _T0 + 40 * _SECOND, "simulated": True}
        documents[CLASSIFICATIONS].insert_many(
            {
                "_id": f"{sensor_id}:mean@1:{start_us}",
                "sensor_key": sensor_key(sensor_id, start_us),
                "sensor_id": sensor_id,
                "stream_id": "one",
                "model_name": "mean",
                "model_version": 1,
                "window_start_us": start_us,
                "window_end_us": start_us + 2_500_000,
                "last_sequence": 24,
                "label": {"exercise": "squat", "form": None},
                "confidence": 0.9,
                "window_label": {"exercise": "squat", "form": None},
                "probabilities": [0.1, 0.2, 0.7],
                "unclassified_reason": None,
                "simulated": True,
            }
            for start_us in range(_T0, _T0 + _N_WINDOWS * _SECOND, _SECOND)
        )
        documents[SETS].insert_many(
            {
                **common,
                "_id": f"{sensor_id}-{started_us}",
                "sensor_key": sensor_key(sensor_id, started_us),
                "workout_id": set_id,
                "state": state,
                "exercise": "squat",
                "form": None,
                "form_windows": {},
                "started_us": started_us,
                "ended_us": started_us + 10 * _SECOND,
                "n_windows": 3,
                "confidence": 0.9,
                "model_name": "mean",
                "model_version": 1,
            }
            for started_us, state in ((_T0, "closed"), (_T0 + 20 * _SECOND, "open"))
        )
        documents[WORKOUTS].insert_one({**common, "_id": set_id, "n_sets": 2, "exercises": {"squat": 2}})
    documents[SAMPLES].insert_many(
        {
            "_id": f"one:{sequence:012d}",
            "sensor_key": sensor_key("wrist", _T0 + sequence * 100_000),
            "sensor_id": "wrist",
            "stream_id": "one",
            "sequence": sequence,
            "n_lost_before": 0,
            "n_samples": 5,
            "first_sample_us": _T0 + sequence * 100_000,
            "last_sample_us": _T0 + (sequence + 4) * 100_000,
            "sample_rate_hz": 10.0,
            "channels": ["ax"],
            "samples": encode_samples(np.arange(sequence, sequence + 5, dtype=np.float32)[:, np.newaxis]),
            "simulated": True,
        }
        for sequence in range(0, 100, 5)
    )
    documents[SENSORS].insert_one(
        {
            "_id": "wrist",
            "stream_id": "one",
            "channels": ["ax"],
            "sample_rate_hz": 10.0,
            "first_seen_us": _T0,
            "last_sample_us": _T0 + 9_900_000,
            "n_samples": 100,
            "n_lost": 0,
            "n_duplicate": 0,
            "problem": None,
            "simulated": True,
        }
    )
    documents[MODELS].insert_one(
        {
            "_id": "mean@1",
            "name": "mean",
            "version": 1,
            "manifest": mean_manifest().model_dump_json(),
            "first_used_us": _T0,
        }
    )


@contextmanager
def _filled_database(folder: Path) -> Iterator[Server]:
    with database(folder) as server:
        documents = connect_database(f"mongodb://127.0.0.1:{server.port}/repsense")
        _fill(documents)
        documents.client.close()
        yield server


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Stack]:
    """Everything running; the status of "wrist" was retained before the service came."""
    folder = tmp_path_factory.mktemp("inference")
    write_mean_model(folder / "mean")
    with _filled_database(folder / "database") as stored, broker(folder / "broker") as messages:
        with _publisher(messages) as gateway:
            topic = sensor_topic("wrist", SensorTopic.STATUS)
            _publish(gateway, topic, _status("wrist").encode(), retain=True)
        with _service(folder, database_port=stored.port, broker_port=messages.port) as client:
            _eventually(lambda: _is_ready(client))
            yield _Stack(stored, messages, client)


def test_a_retained_status_is_merged_with_what_is_stored(stack: _Stack) -> None:
    _eventually(lambda: stack.get("/v1/sensors/wrist")["state"] == "online")

    sensor = stack.get("/v1/sensors/wrist")

    assert (sensor["name"], sensor["gateway_id"], sensor["n_samples"]) == ("Wrist", "laptop", 100)
    assert sensor["last_sample_at"] == "2026-03-01T17:00:09.900000Z"
    assert sensor in stack.get("/v1/sensors")["items"]


def test_a_gateway_that_dies_takes_its_sensors_offline(stack: _Stack) -> None:
    will = GatewayStatusMessage(gateway_id="phone", state="offline", reason="connection lost")
    with _live(stack, sensor_id="ankle") as events, _publisher(stack.broker, will) as gateway:
        topic = sensor_topic("ankle", SensorTopic.STATUS)
        _publish(gateway, topic, _status("ankle", "phone").encode(), retain=True)
        name, data = next(events)
        assert (name, json.loads(data)["state"]) == ("status", "online")
        assert stack.get("/v1/sensors/ankle")["state"] == "online"

        connection = gateway.socket()
        assert isinstance(connection, socket.socket)
        connection.shutdown(socket.SHUT_RDWR)
        name, data = next(events)

    assert (name, json.loads(data)["state"]) == ("status", "offline")
    sensor = stack.get("/v1/sensors/ankle")
    assert (sensor["state"], sensor["state_reason"]) == (
        "offline",
        "its gateway phone is offline: connection lost",
    )


def test_a_classification_goes_to_the_listeners_as_it_was_published_and_is_the_newest(stack: _Stack) -> None:
    message = _message("wrist", 77, f"wrist-{_T0 + 20 * _SECOND}")
    with _live(stack) as everyone, _live(stack, sensor_id="wrist") as one, _publisher(stack.broker) as preprocessor:
        other = _message("ankle", 1)
        _publish(preprocessor, sensor_topic("ankle", SensorTopic.CLASSIFICATION), other.encode())
        _publish(preprocessor, sensor_topic("wrist", SensorTopic.CLASSIFICATION), message.encode())

        of_everyone = [next(event for event in everyone if event[0] == "classification") for _ in range(2)]
        of_one = next(event for event in one if event[0] == "classification")

    assert of_everyone == [("classification", other.encode().decode()), ("classification", message.encode().decode())]
    assert of_one == of_everyone[1]
    live = stack.get("/v1/sensors/wrist/live")
    assert live["classification"]["last_sequence"] == 77
    assert live["running_set"]["set_id"] == f"wrist-{_T0 + 20 * _SECOND}"


def test_a_listener_that_leaves_is_forgotten(stack: _Stack) -> None:
    def n_listeners() -> str:
        lines = stack.client.get("/metrics").text.splitlines()
        return next(line.split()[-1] for line in lines if line.startswith("repsense_inference_live_listeners "))

    with _live(stack):
        assert n_listeners() == "1.0"

    _eventually(lambda: n_listeners() == "0.0")


@pytest.mark.parametrize("limit", [1, 7, _N_WINDOWS, 1000])
@pytest.mark.parametrize("sensor_id", ["wrist", None])
def test_all_classifications_are_listed_once_newest_first_page_by_page(
    stack: _Stack, sensor_id: str | None, limit: int
) -> None:
    parameters: dict[str, str | int] = {"limit": limit} | ({"sensor_id": sensor_id} if sensor_id else {})
    found: list[tuple[str, str]] = []
    page = stack.get("/v1/classifications", **parameters)
    while True:
        assert len(page["items"]) <= limit
        found += [(one["window_start_at"], one["sensor_id"]) for one in page["items"]]
        if page["next_cursor"] is None:
            break
        page = stack.get("/v1/classifications", cursor=page["next_cursor"], **parameters)

    sensors = 1 if sensor_id else 2
    assert len(found) == len(set(found)) == _N_WINDOWS * sensors
    assert [time for time, _ in found] == sorted((time for time, _ in found), reverse=True)
    assert {sensor for _, sensor in found} == ({"wrist"} if sensor_id else {"wrist", "wrist-2"})


@pytest.mark.parametrize("sensor_id", ["wrist", None])
def test_classifications_between_two_times(stack: _Stack, sensor_id: str | None) -> None:
    parameters = {"from": "2026-03-01T17:00:03Z", "to": "2026-03-01T17:00:05Z"}

    items = stack.get("/v1/classifications", **parameters, **({"sensor_id": sensor_id} if sensor_id else {}))["items"]

    assert {one["window_start_at"] for one in items} == {"2026-03-01T17:00:03Z", "2026-03-01T17:00:04Z"}
    assert len(items) == (2 if sensor_id else 4)
    assert items[0]["probabilities"][2] == {"label": {"exercise": "squat", "form": None}, "probability": 0.7}


def test_a_cursor_of_another_list_is_refused(stack: _Stack) -> None:
    cursor = stack.get("/v1/classifications", sensor_id="wrist-2", limit=1)["next_cursor"]

    for parameters in ({"sensor_id": "wrist"}, {}, {"sensor_id": "ankle"}):
        response = stack.client.get("/v1/classifications", params={**parameters, "cursor": cursor})
        assert response.status_code == 422
        assert response.json()["type"] == "urn:repsense:invalid-cursor"


@pytest.mark.parametrize(
    ("filters", "n_sets"),
    [
        ({}, 4),
        ({"sensor_id": "wrist"}, 2),
        ({"workout_id": f"wrist-{_T0}"}, 2),
        ({"workout_id": f"wrist-{_T0}", "sensor_id": "wrist"}, 2),
        ({"workout_id": f"wrist-{_T0}", "sensor_id": "ankle"}, 0),
        ({"sensor_id": "ankle"}, 0),
    ],
)
def test_sets_are_listed_newest_first_page_by_page(stack: _Stack, filters: dict[str, str], n_sets: int) -> None:
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        page = stack.get("/v1/sets", limit=1, **filters, **cursor)
        found += page["items"]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}

    assert len({one["set_id"] for one in found}) == len(found) == n_sets
    assert [one["started_at"] for one in found] == sorted((one["started_at"] for one in found), reverse=True)
    for one in found:
        assert stack.get(f"/v1/sets/{one['set_id']}") == one


def test_workouts_are_listed_and_read(stack: _Stack) -> None:
    (workout,) = stack.get("/v1/workouts", sensor_id="wrist")["items"]

    assert stack.get(f"/v1/workouts/{workout['workout_id']}") == workout
    assert len(stack.get("/v1/workouts")["items"]) == 2


def test_the_newest_stored_seconds_are_read(stack: _Stack) -> None:
    signal = stack.get("/v1/sensors/wrist/samples", seconds=1)

    assert [row[0] for row in signal["samples"]] == list(range(90, 100))
    assert signal["start_at"] == "2026-03-01T17:00:09Z"


def test_a_stretch_that_begins_within_a_chunk_is_whole(stack: _Stack) -> None:
    times = {"from": "2026-03-01T17:00:02.200Z", "to": "2026-03-01T17:00:03.100Z"}

    signal = stack.get("/v1/sensors/wrist/samples", **times)

    assert [row[0] for row in signal["samples"]] == list(range(22, 31))
    assert signal["offsets_s"] == pytest.approx([0.1 * index for index in range(9)])


def test_the_model_on_disk_is_the_one_in_use(stack: _Stack) -> None:
    (model,) = stack.get("/v1/models")["items"]

    assert model["in_use"]
    assert (model["manifest"]["name"], model["manifest"]["version"]) == ("mean", 1)


def test_a_recording_is_classified_by_the_network(stack: _Stack) -> None:
    recording = {
        "sample_rate_hz": 50,
        "channels": ["ax", "ay", "az", "gx", "gy", "gz"],
        "samples": [[0.0, 0.0, 9.8, (step // 25) % 2, 0.0, 0.0] for step in range(150)],
    }

    answer = stack.client.post("/v1/classify", json=recording).raise_for_status().json()

    assert (answer["model_name"], answer["model_version"]) == ("mean", 1)
    assert [one["label"] for one in answer["windows"]] == [{"exercise": "squat", "form": None}] * 2


def test_a_training_job_is_asked_for_found_and_cancelled(stack: _Stack) -> None:
    key = {"Idempotency-Key": "integration"}
    answers = [
        stack.client.post("/v1/training-jobs", json={"model_name": "mean"}, headers=key).raise_for_status()
        for _ in range(2)
    ]
    address = answers[0].headers["location"]

    assert answers[0].json() == answers[1].json() == stack.get(address)
    assert stack.get("/v1/training-jobs")["items"] == stack.get("/v1/training-jobs", state="queued")["items"]
    assert stack.get(address)["queue_position"] == 1
    for _ in range(2):
        assert stack.client.post(f"{address}/cancel").raise_for_status().json()["state"] == "cancelled"
    assert stack.get("/v1/training-jobs", state="queued")["items"] == []
    assert stack.get(f"{address}/log") == {"lines": []}


def test_after_a_restart_of_the_database_everything_is_there_again(tmp_path: Path) -> None:
    write_mean_model(tmp_path / "mean")
    with (
        _filled_database(tmp_path / "database") as stored,
        _service(tmp_path, database_port=stored.port, broker_port=free_port()) as client,
    ):
        before = client.get("/v1/sets").raise_for_status().json()
        stored.kill()

        response = client.get("/v1/sets")

        assert response.status_code == 503
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json()["type"] == "urn:repsense:database-unavailable"
        # The broker is away all this time and nothing minds.
        checks = {check["name"]: check["ok"] for check in client.get("/readyz").json()["checks"]}
        assert (checks["database"], checks["broker"]) == (False, False)

        stored.start()
        _eventually(lambda: client.get("/v1/sets").status_code == 200)
        assert client.get("/v1/sets").json() == before


def test_it_starts_without_anything_and_recovers_when_things_come(tmp_path: Path) -> None:
    database_port, broker_port = free_port(), free_port()
    with ExitStack() as things, _service(tmp_path, database_port=database_port, broker_port=broker_port) as client:
        missing = client.get("/readyz")

        assert missing.status_code == 503
        assert [check["ok"] for check in missing.json()["checks"][:3]] == [False, False, False]
        assert client.get("/healthz").status_code == 200
        assert client.get("/v1/sensors").status_code == 503

        write_mean_model(tmp_path / "mean")
        things.enter_context(database(tmp_path / "database", database_port))
        messages = things.enter_context(broker(tmp_path / "broker", broker_port))
        _eventually(lambda: _is_ready(client))
        # Nobody else has made the indexes by which names are unique.
        created = [client.post("/v1/persons", json={"name": "Anna"}).status_code for _ in range(2)]
        assert created == [201, 409]

        with _publisher(messages) as gateway:
            topic = sensor_topic("wrist", SensorTopic.STATUS)
            _publish(gateway, topic, _status("wrist").encode(), retain=True)
        _eventually(lambda: client.get("/v1/sensors/wrist").status_code == 200)

        messages.stop()
        _eventually(lambda: client.get("/v1/sensors").json()["items"] == [])
        messages.start()
        _eventually(lambda: _is_ready(client))
        _eventually(lambda: client.get("/v1/sensors/wrist").status_code == 200)
