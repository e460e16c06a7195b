"""The routes on parts that are made up here: what a client sends and what it gets."""

import json
import re
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import numpy as np
import pytest
from pydantic import BaseModel
from services.inference.tests.fakes_workouts import make_set
from services.inference.tests.fakes_world import (
    AwayClassifier,
    FakeModel,
    LargestAxis,
    LostSensors,
    MistakenSensors,
    UnloadedClassifier,
    World,
    assert_problem,
)
from support.models import MEAN_LABELS, mean_manifest

from repsense.documents import (
    ClassificationDocument,
    ModelDocument,
    SamplesDocument,
    SensorDocument,
    TrainingJobDocument,
    TrainingJobState,
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
from repsense.training import TrainingConfiguration
from repsense_inference.app import MAX_BODY_BYTES
from repsense_inference.faults import Fault, FaultKind
from repsense_inference.problems import Problem, ProblemKind
from repsense_inference.schemas.base import Request

_SECOND = 1_000_000
_T0 = 1_772_384_400 * _SECOND  # 2026-03-01T17:00:00Z
_NOW = datetime(2026, 3, 1, 17, tzinfo=UTC)
_DOCUMENTATION = Path(__file__).parents[3] / "docs" / "api.md"
_SET_ID = f"wrist-{_T0}"
_JOB_ID = "6f1d0c8e5b1f4f0c9a3e2d7b8c9d0e1f"


@pytest.fixture
def world() -> World:
    return World()


def _sensor(sensor_id: str = "wrist") -> SensorDocument:
    return SensorDocument(
        _id=sensor_id,
        stream_id="one",
        channels=["ax", "ay"],
        sample_rate_hz=10.0,
        first_seen_us=_T0,
        last_sample_us=_T0 + 60 * _SECOND,
        n_samples=98,
        n_lost=2,
        n_duplicate=0,
        problem=None,
        simulated=True,
    )


def _chunk(n_samples: int = 100) -> SamplesDocument:
    samples = np.stack([np.arange(n_samples), np.full(n_samples, 0.1)], axis=1).astype(np.float32)
    return SamplesDocument(
        _id="one:000000000000",
        sensor_key=sensor_key("wrist", _T0),
        sensor_id="wrist",
        stream_id="one",
        sequence=0,
        n_lost_before=0,
        n_samples=n_samples,
        first_sample_us=_T0,
        last_sample_us=_T0 + (n_samples - 1) * 100_000,
        sample_rate_hz=10.0,
        channels=["ax", "ay"],
        samples=encode_samples(samples),
        simulated=True,
    )


def _classification(version: int = 1) -> ClassificationDocument:
    return ClassificationDocument(
        _id=f"wrist:mean@{version}:{_T0}",
        sensor_key=sensor_key("wrist", _T0),
        sensor_id="wrist",
        stream_id="one",
        model_name="mean",
        model_version=version,
        window_start_us=_T0,
        window_end_us=_T0 + 2_500_000,
        last_sequence=24,
        label={"exercise": "push-up", "form": "correct"},
        confidence=0.9,
        window_label={"exercise": "squat", "form": None},
        probabilities=[0.1, 0.2, 0.7],
        unclassified_reason=None,
        simulated=True,
    )


def _model(version: int = 1) -> ModelDocument:
    manifest = mean_manifest(version=version).model_dump_json()
    return ModelDocument(_id=f"mean@{version}", name="mean", version=version, manifest=manifest, first_used_us=_T0)


def _training_job(job_id: str = _JOB_ID, state: TrainingJobState = "queued") -> TrainingJobDocument:
    return TrainingJobDocument(
        _id=job_id,
        state=state,
        model_name="bodyweight",
        selection='{"subjects":["anna"]}',
        configuration='{"seed":1}',
        promote=False,
        created_us=_T0,
        started_us=None,
        ended_us=None,
        worker_id=None,
        lease_until_us=0,
        n_attempts=0,
        cancel_requested=False,
        progress=None,
        error=None,
        model_version=None,
        log=["INFO 24 recordings", "INFO 1 of 3: leaving out session 1"],
    )


def _status(**changes: object) -> SensorStatusMessage:
    fields = {"sensor_id": "wrist", "gateway_id": "laptop", "state": "online", "at": _NOW}
    return SensorStatusMessage.model_validate(fields | changes)


def _message(**changes: object) -> ClassificationMessage:
    fields = {
        "sensor_id": "wrist",
        "stream_id": "one",
        "model_name": "mean",
        "model_version": 1,
        "window_start_at": _NOW,
        "window_end_at": _NOW,
        "last_sequence": 30,
        "label": MEAN_LABELS[0],
        "confidence": 0.8,
        "window_label": MEAN_LABELS[0],
        "probabilities": [LabelProbability(label=label, probability=1 / 3) for label in MEAN_LABELS],
    }
    return ClassificationMessage.model_validate(fields | changes)


def _publish(world: World, message: SensorStatusMessage | ClassificationMessage) -> None:
    kind = SensorTopic.STATUS if isinstance(message, SensorStatusMessage) else SensorTopic.CLASSIFICATION
    world.hub.receive(sensor_topic(message.sensor_id, kind), message.encode())


def test_sensors_are_merged_from_the_database_and_the_broker(world: World) -> None:
    world.sensors.documents = {"wrist": _sensor()}
    _publish(world, _status(sensor_id="ankle", state="connecting", reason="searching"))
    measured = {"effective_rate_hz": 9.97, "loss": 0.015, "rssi_dbm": -61, "battery_percent": 83, "n_reconnects": 2}
    _publish(world, _status(name="Left wrist", **measured))

    ankle, wrist = world.get("/v1/sensors").json()["items"]

    assert (ankle["sensor_id"], ankle["state"], ankle["state_reason"]) == ("ankle", "connecting", "searching")
    assert (ankle["last_sample_at"], ankle["n_samples"], ankle["loss_share"]) == (None, 0, 0.0)
    assert (ankle["effective_rate_hz"], ankle["battery_percent"], ankle["n_reconnects"]) == (None, None, 0)
    assert wrist == {
        "sensor_id": "wrist",
        "name": "Left wrist",
        "state": "online",
        "state_reason": None,
        "gateway_id": "laptop",
        "simulated": False,
        "stream_id": "one",
        "channels": ["ax", "ay"],
        "sample_rate_hz": 10.0,
        "effective_rate_hz": 9.97,
        "loss": 0.015,
        "rssi_dbm": -61,
        "battery_percent": 83,
        "n_reconnects": 2,
        "first_seen_at": "2026-03-01T17:00:00Z",
        "last_sample_at": "2026-03-01T17:01:00Z",
        "n_samples": 98,
        "n_lost": 2,
        "n_duplicate": 0,
        "loss_share": 0.02,
        "problem": None,
    }
    assert world.get("/v1/sensors/wrist").json() == wrist


def test_a_sensor_is_offline_with_its_gateway(world: World) -> None:
    _publish(world, _status())
    will = GatewayStatusMessage(gateway_id="laptop", state="offline", reason="connection lost")
    world.hub.receive(gateway_status_topic("laptop"), will.encode())

    sensor = world.get("/v1/sensors/wrist").json()

    assert sensor["state"] == "offline"
    assert sensor["state_reason"] == "its gateway laptop is offline: connection lost"


@pytest.mark.parametrize(
    "path",
    [
        "/v1/sensors/nobody",
        "/v1/sensors/nobody/live",
        "/v1/sensors/nobody/samples",
        "/v1/sets/nothing-1",
        "/v1/workouts/nothing-1",
        f"/v1/training-jobs/{_JOB_ID}",
        f"/v1/training-jobs/{_JOB_ID}/log",
        "/v2/sensors",
    ],
)
def test_what_is_not_there_is_a_problem(world: World, path: str) -> None:
    assert_problem(world.get(path), 404, "not-found")


def test_live_is_the_newest_message_and_its_running_set(world: World) -> None:
    world.sets.documents = {_SET_ID: make_set(state="open")}
    world.classifications.documents = [_classification()]
    running = RunningSet(
        set_id=_SET_ID,
        exercise="push-up",
        form="correct",
        started_at=_NOW,
        ended_at=_NOW,
        n_windows=8,
        incorrect_share=0.25,
    )
    _publish(world, _status())
    _publish(world, _message(running_set=running))

    live = world.get("/v1/sensors/wrist/live").json()

    assert live["sensor"]["state"] == "online"
    assert live["classification"]["last_sequence"] == 30
    assert live["classification"]["set_id"] == _SET_ID
    assert live["classification"]["label"] == {"exercise": "push-up", "form": "correct"}
    assert live["running_set"] == {
        "set_id": _SET_ID,
        "version": 0,
        "sensor_id": "wrist",
        "workout_id": _SET_ID,
        "state": "open",
        "exercise": "push-up",
        "form": "correct",
        "form_windows": {"correct": 6, "incorrect": 2},
        "incorrect_share": 0.25,
        "recognised": {"exercise": "push-up", "form": "correct"},
        "corrected": False,
        "discarded": False,
        "repetitions": None,
        "note": None,
        "started_at": "2026-03-01T17:00:00Z",
        "ended_at": "2026-03-01T17:00:30Z",
        "duration_s": 30.0,
        "n_windows": 8,
        "confidence": 0.9,
        "model_name": "mean",
        "model_version": 1,
        "simulated": True,
    }


def test_live_has_no_running_set_when_the_newest_message_has_none(world: World) -> None:
    world.sets.documents = {_SET_ID: make_set(state="open")}
    _publish(world, _status())
    _publish(world, _message(label=None, probabilities=None, window_label=None, unclassified_reason="still"))

    live = world.get("/v1/sensors/wrist/live").json()

    assert live["classification"]["unclassified_reason"] == "still"
    assert live["running_set"] is None


@pytest.mark.parametrize(("state", "is_running"), [("open", True), ("closed", False)])
def test_live_falls_back_to_what_is_stored(world: World, state: str, is_running: bool) -> None:  # noqa: FBT001 - a parameter
    world.sensors.documents = {"wrist": _sensor()}
    world.models.documents = {"mean@1": _model()}
    world.sets.documents = {_SET_ID: make_set(state=state)}
    world.classifications.documents = [_classification()]

    live = world.get("/v1/sensors/wrist/live").json()

    assert live["classification"]["probabilities"][2] == {
        "label": {"exercise": "squat", "form": None},
        "probability": 0.7,
    }
    assert (live["running_set"] is not None) == is_running


def test_live_of_a_sensor_without_classifications_is_only_the_sensor(world: World) -> None:
    world.sensors.documents = {"wrist": _sensor()}

    live = world.get("/v1/sensors/wrist/live").json()

    assert live["sensor"]["sensor_id"] == "wrist"
    assert (live["classification"], live["running_set"]) == (None, None)


def test_the_newest_seconds_are_counted_from_the_newest_stored_sample(world: World) -> None:
    world.samples.chunks = [_chunk()]

    signal = world.get("/v1/sensors/wrist/samples", params={"seconds": 2}).json()

    assert (signal["channels"], signal["units"]) == (["ax", "ay"], {"ax": "m/s^2", "ay": "m/s^2"})
    assert [row[0] for row in signal["samples"]] == list(range(80, 100))
    assert signal["samples"][0][1] == 0.1
    assert signal["start_at"] == "2026-03-01T17:00:08Z"
    assert signal["offsets_s"] == pytest.approx([0.1 * index for index in range(20)])


def test_the_last_sample_of_one_sensor_is_that_of_the_newest_chunk(world: World) -> None:
    chunk = _chunk()
    world.sensors.documents = {"wrist": {**_sensor(), "last_sample_us": chunk["first_sample_us"]}}
    world.samples.chunks = [chunk]

    for path in ("/v1/sensors/wrist", "/v1/sensors/wrist/live"):
        answer = world.get(path).json()
        assert answer.get("sensor", answer)["last_sample_at"] == "2026-03-01T17:00:09.900000Z"


def test_a_signal_is_thinned_to_the_points_asked_for(world: World) -> None:
    world.samples.chunks = [_chunk()]

    signal = world.get("/v1/sensors/wrist/samples", params={"max_points": 10}).json()

    assert [row[0] for row in signal["samples"]] == list(range(0, 100, 10))


def test_a_stretch_of_the_past_is_read_by_its_times(world: World) -> None:
    world.samples.chunks = [_chunk()]
    times = {"from": "2026-03-01T18:00:01+01:00", "to": "2026-03-01T17:00:01.200Z"}

    signal = world.get("/v1/sensors/wrist/samples", params=times).json()

    assert world.samples.asked == (_T0 + _SECOND, _T0 + 1_200_000)
    assert [row[0] for row in signal["samples"]] == [10, 11]


def test_a_sensor_without_stored_samples_has_an_empty_signal(world: World) -> None:
    world.sensors.documents = {"wrist": _sensor()}

    signal = world.get("/v1/sensors/wrist/samples").json()

    assert signal == {
        "sensor_id": "wrist",
        "channels": ["ax", "ay"],
        "units": {"ax": "m/s^2", "ay": "m/s^2"},
        "start_at": None,
        "offsets_s": [],
        "samples": [],
    }


def test_a_stretch_between_stored_samples_is_empty(world: World) -> None:
    world.samples.chunks = [_chunk()]
    times = {"from": "2026-03-01T16:00:00Z", "to": "2026-03-01T16:00:01Z"}

    signal = world.get("/v1/sensors/wrist/samples", params=times).json()

    assert (signal["start_at"], signal["offsets_s"], signal["samples"]) == (None, [], [])


@pytest.mark.parametrize(
    ("query", "location", "words"),
    [
        ("seconds=0", "query.seconds", "greater than 0"),
        ("seconds=601", "query.seconds", "600"),
        ("seconds=nan", "query.seconds", "600"),
        ("max_points=1", "query.max_points", "2"),
        ("from=2026-03-01T17:00:00Z", None, "both from and to"),
        ("from=2026-03-01T17:00:01Z&to=2026-03-01T17:00:00Z", None, "from must be before to"),
        ("from=2026-03-01T17:00:00Z&to=2026-03-01T18:00:00Z", None, "600 s apart"),
        ("from=2026-03-01T17:00:00&to=2026-03-01T18:00:00Z", "query.from", "time zone"),
        ("from=2026-03-01T17:00:00+01:00&to=2026-03-01T18:00:00Z", "query.from", "%2B"),
        ("from=yesterday", "query.from", "2026-03-01T17:00:00Z"),
        ("from=2026", "query.from", "2026-03-01T17:00:00Z"),
        ("from=1772384400.5", "query.from", "2026-03-01T17:00:00Z"),
    ],
)
def test_a_bad_stretch_is_refused_in_words(world: World, query: str, location: str | None, words: str) -> None:
    world.samples.chunks = [_chunk()]

    problem = assert_problem(world.get(f"/v1/sensors/wrist/samples?{query}"), 422, "invalid-request")

    assert words in problem["detail"]
    if location:
        assert problem["errors"][0]["location"] == location


def test_stored_classifications_get_the_names_of_their_labels_which_are_read_once(world: World) -> None:
    world.models.documents = {"mean@1": _model()}
    world.classifications.documents = [_classification()] * 3

    page = world.get("/v1/classifications", params={"limit": 2}).json()

    assert page["next_cursor"] == "more"
    assert len(page["items"]) == 2
    assert page["items"][0] == {
        "sensor_id": "wrist",
        "stream_id": "one",
        "model_name": "mean",
        "model_version": 1,
        "window_start_at": "2026-03-01T17:00:00Z",
        "window_end_at": "2026-03-01T17:00:02.500000Z",
        "last_sequence": 24,
        "label": {"exercise": "push-up", "form": "correct"},
        "confidence": 0.9,
        "window_label": {"exercise": "squat", "form": None},
        "probabilities": [
            {"label": {"exercise": "push-up", "form": "correct"}, "probability": 0.1},
            {"label": {"exercise": "push-up", "form": "incorrect"}, "probability": 0.2},
            {"label": {"exercise": "squat", "form": None}, "probability": 0.7},
        ],
        "unclassified_reason": None,
        "set_id": None,
        "simulated": True,
    }
    assert world.models.n_asked == 1


def test_classifications_of_a_model_that_is_gone_have_no_probabilities(world: World) -> None:
    world.classifications.documents = [_classification(version=7)] * 3

    items = world.get("/v1/classifications").json()["items"]

    assert [one["probabilities"] for one in items] == [None] * 3
    # Nor is it looked for as often as there are results of it.
    assert world.models.n_asked == 1
    assert items[0]["label"] == {"exercise": "push-up", "form": "correct"}


def test_filters_of_classifications_reach_the_repository(world: World) -> None:
    parameters = {
        "sensor_id": "wrist",
        "from": "2026-03-01T17:00:00Z",
        "to": "2026-03-01T17:00:01Z",
        "limit": "7",
        "cursor": "abc",
    }

    world.get("/v1/classifications", params=parameters)

    assert world.classifications.asked == ("wrist", _T0, _T0 + _SECOND, 7, "abc")


def test_times_beyond_what_keys_can_hold_are_searched_at_their_ends(world: World) -> None:
    world.get("/v1/classifications", params={"from": "0001-01-01T00:00:00Z", "to": "9999-12-31T00:00:00Z"})

    assert world.classifications.asked == (None, 0, 10**16 - 1, 100, None)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/v1/classifications?limit=0", "greater than or equal to 1"),
        ("/v1/sets?limit=1001", "less than or equal to 1000"),
        ("/v1/workouts?limit=many", "integer"),
        ("/v1/classifications?sensor_id=Wrist", "lower-case"),
        ("/v1/sets?workout_id=..", "lower-case"),
        ("/v1/sensors/wrist%0A", "lower-case"),
        ("/v1/sets/A", "lower-case"),
        ("/v1/live?sensor_id=%2B", "lower-case"),
        ("/v1/classifications?from=2026-03-01T17:00:00Z&to=2026-03-01T17:00:00Z", "before"),
    ],
)
def test_bad_parameters_are_refused_in_words(world: World, path: str, words: str) -> None:
    assert words in assert_problem(world.get(path), 422, "invalid-request")["detail"]


def test_sets_are_listed_and_read(world: World) -> None:
    world.sets.documents = {_SET_ID: make_set()}

    page = world.get("/v1/sets", params={"workout_id": _SET_ID, "sensor_id": "wrist"}).json()

    assert world.sets.asked == ("wrist", _SET_ID, 100, None)
    assert page["next_cursor"] is None
    assert page["items"] == [world.get(f"/v1/sets/{_SET_ID}").json()]
    assert page["items"][0]["state"] == "closed"


def test_a_set_without_forms_has_no_share_of_incorrect_ones(world: World) -> None:
    document = make_set(state="open")
    document["form"], document["form_windows"] = None, {}
    world.sets.documents = {_SET_ID: document}

    assert world.get(f"/v1/sets/{_SET_ID}").json()["incorrect_share"] is None


def test_models_are_those_stored_and_the_one_that_is_open_first(world: World) -> None:
    broken = _model(9)
    broken["manifest"] = "{}"
    world.models.documents = {"mean@1": _model(1), "mean@3": _model(3), "mean@9": broken}

    items = world.get("/v1/models").json()["items"]

    assert [(one["in_use"], one["manifest"]["version"]) for one in items] == [(True, 2), (False, 3), (False, 1)]
    assert items[0]["manifest"]["labels"][2] == {"exercise": "squat", "form": None}


def test_a_version_that_is_there_and_not_used_is_explained(world: World) -> None:
    assert world.get("/v1/models").json()["refusal"] is None
    world.model.refusal = "version 3 of mean is not used: its network has another shape"

    assert world.get("/v1/models").json()["refusal"] == world.model.refusal
    ready = world.get("/readyz").json()
    # Nobody is asked for a key there, and a reason may name files and addresses.
    assert ready["checks"][2] == {
        "name": "model",
        "ok": True,
        "kind": "model-refused",
        "detail": "version 3 of mean is not used",
    }
    world.watch.look()
    assert world.get("/v1/status").json()["faults"][0]["detail"] == world.model.refusal


def test_a_recording_is_classified(world: World) -> None:
    answer = world.classify().json()

    assert (answer["model_name"], answer["model_version"]) == ("mean", 2)
    assert [(one["start_s"], one["end_s"]) for one in answer["windows"]] == [(0.0, 2.5), (0.5, 3.0)]
    window = answer["windows"][0]
    assert window["label"] == {"exercise": "push-up", "form": "incorrect"}
    assert [one["label"] for one in window["probabilities"]] == [label.model_dump() for label in MEAN_LABELS]
    assert window["confidence"] == max(one["probability"] for one in window["probabilities"])
    assert window["unclassified_reason"] is None


def test_a_still_window_has_a_reason_and_no_probabilities(world: World) -> None:
    answer = world.classify(samples=[[0.0, 9.8, 0.0, 0.0, 0.0, 0.0]] * 5).json()

    assert answer["windows"] == [
        {
            "start_s": 0.0,
            "end_s": 2.5,
            "label": None,
            "confidence": 0.0,
            "probabilities": [],
            "unclassified_reason": "still",
        }
    ]


@pytest.mark.parametrize(
    ("changes", "kind", "words"),
    [
        ({"samples": []}, "invalid-request", "body.samples"),
        ({"samples": [[1.0, None, 1.0, 1.0, 1.0, 1.0]]}, "invalid-request", "body.samples.0.1"),
        ({"samples": [[1e7] * 6]}, "invalid-request", "less than or equal to 1000000"),
        ({"samples": "nothing"}, "invalid-request", "list"),
        ({"sample_rate_hz": 0}, "invalid-request", "greater than 0"),
        ({"sample_rate_hz": 1}, "unusable-samples", "at least 2 Hz"),
        ({"channels": ["ax"]}, "unusable-samples", "ay, az, gx, gy, gz are missing"),
        ({"samples": [[0.0] * 6] * 4}, "unusable-samples", "2.5 s long: send at least 5 samples"),
        ({"samples": [[0.0] * 6] * 1_201}, "unusable-samples", "at most 600 s"),
        ({"samples": [[0.0] * 6] * 5 + [[0.0]]}, "unusable-samples", "sample 5 has 1 values"),
        ({"rate": 1}, "invalid-request", "body.rate"),
    ],
)
def test_a_recording_that_cannot_be_used_is_refused_with_what_to_send(
    world: World, changes: dict[str, object], kind: str, words: str
) -> None:
    assert words in assert_problem(world.classify(**changes), 422, kind)["detail"]


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity"])
def test_values_that_are_no_numbers_are_refused(world: World, value: str) -> None:
    content = f'{{"sample_rate_hz": 2, "channels": ["ax"], "samples": [[{value}]]}}'

    response = world.request("POST", "/v1/classify", content=content, headers={"Content-Type": "application/json"})

    problem = assert_problem(response, 422, "invalid-request")
    assert problem["errors"] == [
        {
            "location": "body.samples.0.0",
            "detail": "every value must be a finite number; leave samples with NaN or Infinity out",
        }
    ]


@pytest.mark.parametrize(
    ("content", "content_type", "status", "words"),
    [
        (b"", "application/json", 422, "required"),
        (b"{", "application/json", 422, "not JSON"),
        (b"[]", "application/json", 422, "JSON object"),
        (b"{}", "text/plain", 422, "Content-Type: application/json"),
        (b"[" * 200_000, "application/json", 400, "body"),
    ],
)
def test_a_body_that_is_no_recording_is_refused(
    world: World, content: bytes, content_type: str, status: int, words: str
) -> None:
    response = world.request("POST", "/v1/classify", content=content, headers={"Content-Type": content_type})

    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert words in response.json()["detail"]


def test_only_one_error_is_told_of_a_recording_full_of_them(world: World) -> None:
    problem = assert_problem(world.classify(samples=[[None] * 6] * 10_000), 422, "invalid-request")

    assert len(problem["errors"]) == 1


@pytest.mark.parametrize("is_declared", [True, False])
def test_a_body_that_is_too_large_is_refused(world: World, is_declared: bool) -> None:  # noqa: FBT001 - a parameter
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(MAX_BODY_BYTES // 1_000_000 + 1):
            yield b" " * 1_000_000

    content = b" " * (MAX_BODY_BYTES + 1) if is_declared else parts()
    response = world.request("POST", "/v1/classify", content=content, headers={"Content-Type": "application/json"})

    assert str(MAX_BODY_BYTES) in assert_problem(response, 413, "body-too-large")["detail"]


def test_without_a_model_classifying_is_worth_another_try(world: World) -> None:
    world.model = FakeModel(None, Fault(FaultKind.MODEL_MISSING, "no model in models/bodyweight"))

    response = world.classify()

    problem = assert_problem(response, 503, "model-unavailable")
    assert problem["detail"] == "no model in models/bodyweight; try again"
    assert response.headers["retry-after"]


def test_a_model_server_that_went_away_is_told_to_the_keeper_of_the_model(world: World) -> None:
    world.model = FakeModel(AwayClassifier())

    problem = assert_problem(world.classify(), 503, "model-unavailable")

    assert world.model.lost_reasons == ["TensorFlow Serving is away, 2 windows wait"]
    assert "TensorFlow Serving is away" in problem["detail"]


def test_a_version_that_the_model_server_has_unloaded_is_replaced_within_the_request(world: World) -> None:
    world.model = FakeModel(UnloadedClassifier(), successor=LargestAxis())

    answer = world.classify().raise_for_status().json()

    assert len(answer["windows"]) == 2
    assert world.model.lost_reasons == ["version 2 is gone, 2 windows wait"]


def test_a_version_that_is_gone_without_a_successor_is_worth_another_try(world: World) -> None:
    world.model = FakeModel(UnloadedClassifier(), Fault(FaultKind.MODEL_AWAY, "no version is ready"))

    problem = assert_problem(world.classify(), 503, "model-unavailable")

    assert problem["detail"] == "no version is ready; try again"


def test_without_the_database_reading_is_worth_another_try(world: World) -> None:
    world.sensors = LostSensors()

    problem = assert_problem(world.get("/v1/sensors"), 503, "database-unavailable")

    assert problem["detail"] == "the database does not answer; try again"


def test_a_mistake_of_the_service_shows_nothing_of_its_inside(world: World) -> None:
    world.sensors = MistakenSensors()

    response = world.get("/v1/sensors")

    assert_problem(response, 500, "internal-error")
    assert "secret" not in response.text


def test_another_method_is_a_problem_that_names_the_right_one(world: World) -> None:
    response = world.request("DELETE", "/v1/sets")

    assert (
        assert_problem(response, 405, "method-not-allowed")["detail"] == "DELETE is not possible at /v1/sets; use GET"
    )
    assert response.headers["allow"] == "GET"


@pytest.mark.parametrize(
    ("path", "methods"),
    [(f"/v1/labels/{'a' * 32}", "GET, PATCH, DELETE"), ("/v1/persons", "GET, POST"), ("/docs", "GET")],
)
def test_every_method_that_a_path_has_is_named(world: World, path: str, methods: str) -> None:
    response = world.request("PUT", path)

    assert methods in assert_problem(response, 405, "method-not-allowed")["detail"]
    assert response.headers["allow"] == methods


def test_the_process_is_healthy_whatever_is_missing(world: World) -> None:
    world.database.fault = Fault(FaultKind.DATABASE_AWAY, "the database does not answer")
    world.hub.disconnected(Fault(FaultKind.BROKER_AWAY, "the broker is away"))

    assert world.get("/healthz").json() == {"status": "ok"}


def test_the_service_is_ready_when_everything_is_there(world: World) -> None:
    answer = world.get("/readyz").json()

    assert answer["status"] == "ready"
    assert [(check["name"], check["ok"]) for check in answer["checks"]] == [
        ("database", True),
        ("broker", True),
        ("model", True),
        ("preprocessor", True),
        ("disk", True),
        ("clock", True),
    ]


def test_what_is_missing_is_said_in_words(world: World) -> None:
    world.database.fault = Fault(FaultKind.DATABASE_AWAY, "the database does not answer")
    world.hub.disconnected(Fault(FaultKind.BROKER_AWAY, "the broker is away"))
    world.model = FakeModel(None, Fault(FaultKind.MODEL_MISSING, "no model in models/bodyweight"))

    problem = assert_problem(world.get("/readyz"), 503, "not-ready")

    assert problem["detail"] == "the database does not answer; the broker is away; no model in models/bodyweight"
    assert [(check["ok"], check["kind"], check["detail"]) for check in problem["checks"][:3]] == [
        (False, "database-away", "the database does not answer"),
        (False, "broker-away", "the broker is away"),
        (False, "model-missing", "no model in models/bodyweight"),
    ]


def test_requests_are_counted_by_route_and_status(world: World) -> None:
    world.get("/v1/sensors/nobody")
    world.get("/v1/sensors/somebody")
    world.get("/nowhere")
    for method in ("BREW", "WHEN"):
        world.request(method, "/v1/sensors")

    text = world.get("/metrics").text

    name = "repsense_inference_request_duration_seconds_count"
    assert f'{name}{{method="GET",route="/v1/sensors/{{sensor_id}}",status="404"}} 2.0' in text
    assert f'{name}{{method="GET",route="unmatched",status="404"}} 1.0' in text
    assert f'{name}{{method="other",route="/v1/sensors",status="405"}} 2.0' in text
    assert "repsense_inference_mqtt_connected 1.0" in text
    assert "repsense_inference_live_listeners 0.0" in text


def test_a_training_job_waits_with_what_was_asked_for(world: World) -> None:
    body = {
        "model_name": "garden-work",
        "selection": {"labels": [{"exercise": "digging", "form": None}]},
        "configuration": {"seed": 7},
        "promote": True,
    }

    response = world.request("POST", "/v1/training-jobs", json=body)

    job = response.json()
    assert response.status_code == 201
    assert response.headers["location"] == f"/v1/training-jobs/{job['job_id']}"
    assert world.get(response.headers["location"]).json() == job
    assert (job["state"], job["queue_position"], job["model_name"], job["promote"]) == (
        "queued",
        1,
        "garden-work",
        True,
    )
    assert job["selection"]["labels"] == [{"exercise": "digging", "form": None}]
    assert (job["configuration"]["seed"], job["progress"], job["started_at"]) == (7, None, None)


def test_a_training_job_needs_only_the_models_name(world: World) -> None:
    job = world.request("POST", "/v1/training-jobs", json={"model_name": "bodyweight"}).json()

    assert set(job["selection"].values()) == {None}
    assert job["configuration"] == TrainingConfiguration().model_dump(mode="json")
    assert job["promote"] is False


@pytest.mark.parametrize(
    ("body", "location"),
    [
        ({}, "body.model_name"),
        ({"model_name": "../up"}, "body.model_name"),
        ({"model_name": "a", "selection": {"people": []}}, "body.selection.people"),
        ({"model_name": "a", "configuration": {"windows": {"window_s": -1}}}, "body.configuration.windows.window_s"),
        ({"model_name": "a", "promot": True}, "body.promot"),
    ],
)
def test_a_training_job_that_cannot_be_is_refused(world: World, body: dict[str, object], location: str) -> None:
    problem = assert_problem(world.request("POST", "/v1/training-jobs", json=body), 422, "invalid-request")

    assert [error["location"] for error in problem["errors"]] == [location]
    assert world.training_jobs.documents == {}


def test_a_request_that_is_sent_again_with_its_key_makes_no_second_job(world: World) -> None:
    def post(key: str, name: str) -> httpx.Response:
        headers = {"Idempotency-Key": key}
        return world.request("POST", "/v1/training-jobs", json={"model_name": name}, headers=headers)

    first, again, other = post("one", "a"), post("one", "a"), post("two", "a")

    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert other.json()["job_id"] != first.json()["job_id"]
    assert_problem(post("one", "b"), 422, "idempotency-key-reused")
    assert len(world.training_jobs.documents) == 2


def test_training_jobs_are_listed_with_their_place_in_the_queue(world: World) -> None:
    states: list[TrainingJobState] = ["running", "queued", "queued"]
    for number, state in enumerate(states):
        job_id = f"{number:032x}"
        world.training_jobs.documents[job_id] = _training_job(job_id, state)

    items = world.get("/v1/training-jobs", params={"state": "queued", "limit": 7, "cursor": "c"}).json()["items"]

    assert [job["queue_position"] for job in items] == [None, 1, 2]
    assert world.training_jobs.asked == ("queued", 7, "c")
    assert_problem(world.get("/v1/training-jobs?state=bored"), 422, "invalid-request")


def test_a_running_training_says_how_far_it_is(world: World) -> None:
    job = _training_job(state="running")
    job |= {"started_us": _T0 + _SECOND, "worker_id": "laptop-1", "n_attempts": 1}
    job["progress"] = {
        "stage": "leaving out session 3",
        "n_steps": 4,
        "step": 3,
        "n_epochs": 20,
        "epoch": 2,
        "losses": [1.0, 0.5],
        "groups": {"1": 0.75, "2": 1.0},
    }
    world.training_jobs.documents = {_JOB_ID: job}

    answer = world.get(f"/v1/training-jobs/{_JOB_ID}").json()

    assert answer["progress"] == job["progress"]
    assert (answer["started_at"], answer["queue_position"]) == ("2026-03-01T17:00:01Z", None)
    assert "log" not in answer
    assert world.get(f"/v1/training-jobs/{_JOB_ID}/log").json() == {"lines": job["log"]}


def test_a_training_job_of_another_version_of_repsense_can_still_be_read(world: World) -> None:
    job = _training_job(state="failed")
    job["configuration"] = '{"sead":1}'
    world.training_jobs.documents = {_JOB_ID: job}

    (answer,) = world.get("/v1/training-jobs").json()["items"]

    assert (answer["state"], answer["configuration"]) == ("failed", None)


def test_a_job_is_cancelled_as_often_as_one_likes(world: World) -> None:
    world.training_jobs.documents = {_JOB_ID: _training_job()}

    first, second = (world.request("POST", f"/v1/training-jobs/{_JOB_ID}/cancel") for _ in range(2))

    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json() == second.json()
    assert first.json()["state"] == "cancelled"
    assert_problem(world.request("POST", f"/v1/training-jobs/{'0' * 32}/cancel"), 404, "not-found")


def test_cancelling_a_running_job_asks_its_worker(world: World) -> None:
    world.training_jobs.documents = {_JOB_ID: _training_job(state="running")}

    job = world.request("POST", f"/v1/training-jobs/{_JOB_ID}/cancel").json()

    assert (job["state"], job["cancel_requested"]) == ("running", True)


@pytest.mark.parametrize("state", ["succeeded", "failed"])
def test_a_job_that_has_ended_cannot_be_cancelled(world: World, state: TrainingJobState) -> None:
    world.training_jobs.documents = {_JOB_ID: _training_job(state=state)}

    problem = assert_problem(world.request("POST", f"/v1/training-jobs/{_JOB_ID}/cancel"), 409, "training-job-ended")

    assert state in problem["detail"]


def test_openapi_documents_every_problem_as_one(world: World) -> None:
    document = world.get("/openapi.json").json()

    for path, operations in document["paths"].items():
        for operation in operations.values():
            responses = operation["responses"]
            assert "500" in responses, path
            for status, response in responses.items():
                if status >= "400":
                    assert list(response["content"]) == ["application/problem+json"], path
                    examples = response["content"]["application/problem+json"]["examples"].values()
                    assert [Problem.model_validate(one["value"]).status for one in examples] == [int(status)] * len(
                        examples
                    ), path
            assert "Retry-After" in responses["429"]["headers"]
    assert "HTTPValidationError" not in document["components"]["schemas"]
    assert world.get("/docs").status_code == 200


def test_openapi_has_an_example_of_what_is_sent_and_answered(world: World) -> None:
    document = world.get("/openapi.json").json()
    schemas = document["components"]["schemas"]

    bodies = [
        body["content"]["application/json"]["schema"]
        for operations in document["paths"].values()
        for operation in operations.values()
        for body in (operation.get("requestBody", {}), operation["responses"].get("200", {}))
        if "application/json" in body.get("content", {})
    ]
    lacking = {
        name for body in bodies if "examples" not in schemas.get(name := body.get("$ref", "/").rsplit("/", 1)[1], {})
    }

    # These show the manifest of a model, whose fields tell of themselves, and what the trainer finds in recordings.
    assert lacking <= {"", "Health", "Inspection", "Model", "ModelList"}


def test_every_kind_of_problem_is_told_of_in_the_documentation() -> None:
    rows = [line.split("|") for line in _DOCUMENTATION.read_text().splitlines() if line.startswith("| ")]
    told = {(row[1].strip(), kind) for row in rows for kind in re.findall(r"`([a-z-]+)`", row[2])}

    assert {(str(kind.status), kind.urn) for kind in ProblemKind} <= told


def _below(schema: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for one in schema.__subclasses__():
        yield one
        yield from _below(one)


_WITH_EXAMPLES = [
    one
    for one in _below(BaseModel)
    if one.__module__.startswith("repsense_inference.") and one.model_config.get("json_schema_extra")
]


@pytest.mark.parametrize("schema", _WITH_EXAMPLES, ids=lambda schema: schema.__name__)
def test_the_examples_in_openapi_are_what_the_schemas_say(schema: type[BaseModel]) -> None:
    extra = schema.model_config["json_schema_extra"]
    assert isinstance(extra, dict)
    examples = extra["examples"]
    assert isinstance(examples, list)
    assert examples

    # What is sent may be written in more than one way, as the service takes it.
    strict = not issubclass(schema, Request)
    for example in examples:
        schema.model_validate_json(json.dumps(example), strict=strict, extra="forbid")
