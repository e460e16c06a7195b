"""Recordings, persons and labels in the real embedded database."""

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pymongo
import pytest
from pymongo.errors import AutoReconnect
from pymongo.monitoring import CommandListener, CommandStartedEvent
from services.inference.tests.fakes_recordings import RecordingWorld, problem_of
from support.recordings import make_recording
from support.servers import Server, database

from repsense.database import Documents, connect_database, ensure_indexes
from repsense.documents import (
    CLASSIFICATIONS,
    ERASURES,
    INDEXES,
    LABELS,
    PERSONS,
    RECORDING_SAMPLES,
    RECORDINGS,
    SAMPLES,
    SET_EDITS,
    SETS,
    TRAINING_JOBS,
    WORKOUT_EDITS,
    WORKOUTS,
    encode_samples,
    sensor_key,
)
from repsense.labels import Label
from repsense.timestamps import from_epoch_us, now_us
from repsense.training import RecordingSelection, TrainingConfiguration
from repsense_inference.housekeeping import TRASH_S
from repsense_inference.repositories import DatabaseConnection, Repositories

_SECOND = 1_000_000
_T0 = 1_772_384_400 * _SECOND  # 2026-03-01T17:00:00Z
_N_WRITERS = 8
_SQUAT, _LUNGE = Label(exercise="squat"), Label(exercise="lunge")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with database(tmp_path_factory.mktemp("database")) as server:
        yield server


@pytest.fixture
def documents(server: Server) -> Iterator[Documents]:
    documents = connect_database(f"mongodb://127.0.0.1:{server.port}/repsense")
    for name in INDEXES:
        documents[name].delete_many({})
    ensure_indexes(documents)
    yield documents
    documents.client.close()


@pytest.fixture
def world(documents: Documents) -> RecordingWorld:
    return _world(documents)


def _world(documents: Documents) -> RecordingWorld:
    stored = Repositories.on(DatabaseConnection(documents))
    return RecordingWorld(
        persons=stored.persons,  # type: ignore[arg-type]
        label_store=stored.labels,  # type: ignore[arg-type]
        recordings=stored.recordings,  # type: ignore[arg-type]
        erasing=stored.erasing,  # type: ignore[arg-type]
        samples=stored.samples,
    )


def _at_once(ask: Callable[[int], httpx.Response]) -> list[int]:
    """The statuses of requests that are sent at the same moment."""
    barrier = threading.Barrier(_N_WRITERS)

    def send(number: int) -> int:
        barrier.wait()
        return ask(number).status_code

    with ThreadPoolExecutor(_N_WRITERS) as pool:
        return sorted(pool.map(send, range(_N_WRITERS)))


def _import(world: RecordingWorld, content: bytes, name: str = "recordings.parquet", **parameters: str) -> Any:  # noqa: ANN401 - JSON
    response = world.request(
        "POST",
        "/v1/recordings/import",
        params={"filename": name, **parameters},
        content=content,
        headers={"Content-Type": "application/octet-stream"},
    )
    assert response.status_code == 201, response.text
    return response.json()


def _export(world: RecordingWorld, **parameters: str) -> bytes:
    response = world.request("GET", "/v1/recordings/export", params=parameters)
    assert response.status_code == 200, response.text
    return response.content


def _stream(
    documents: Documents,
    sensor_id: str = "wrist",
    *,
    stream_id: str = "one",
    first: int = 0,
    n_chunks: int = 50,
    start_us: int = _T0,
    rate_hz: float = 50.0,
) -> None:
    """Store chunks of ten samples of a stream; the first sample of the stream is taken at `start_us`."""
    samples = np.random.default_rng(1).normal(0, 0.3, (10, 6)).astype(np.float32)
    documents[SAMPLES].insert_many(
        {
            "_id": f"{stream_id}:{sequence:012d}",
            "sensor_key": sensor_key(sensor_id, start_us + round(sequence * _SECOND / rate_hz)),
            "sensor_id": sensor_id,
            "stream_id": stream_id,
            "sequence": sequence,
            "n_lost_before": 0,
            "n_samples": 10,
            "first_sample_us": start_us + round(sequence * _SECOND / rate_hz),
            "last_sample_us": start_us + round((sequence + 9) * _SECOND / rate_hz),
            "sample_rate_hz": rate_hz,
            "channels": ["ax", "ay", "az", "gx", "gy", "gz"],
            "samples": encode_samples(samples + np.float32(sequence)),
            "simulated": True,
        }
        for sequence in range(first, first + 10 * n_chunks, 10)
    )


def _keep(world: RecordingWorld, from_us: int, to_us: int, **fields: object) -> Any:  # noqa: ANN401 - JSON
    body = {
        "sensor_id": "wrist",
        "from": from_epoch_us(from_us).isoformat(),
        "to": from_epoch_us(to_us).isoformat(),
        "trim": "none",
        **fields,
    }
    response = world.change("POST", "/v1/recordings", body)
    assert response.status_code == 201, response.text
    return response.json()["items"]


def test_of_many_who_change_a_recording_at_once_one_wins(world: RecordingWorld, documents: Documents) -> None:
    world.recordings.store([make_recording()])
    path = f"/v1/recordings/{world.get('/v1/recordings')['items'][0]['recording_id']}"

    statuses = _at_once(lambda number: world.change("PATCH", path, {"note": str(number)}, version=1))

    assert statuses == [200] + [412] * (_N_WRITERS - 1)
    assert documents[RECORDINGS].find_one({}, {"version": 1})["version"] == 2  # type: ignore[index]


def test_of_many_who_change_a_person_or_label_at_once_one_wins(world: RecordingWorld) -> None:
    person = world.change("POST", "/v1/persons", {"name": "Anna"}).headers["Location"]
    label = world.change("POST", "/v1/labels", {"exercise": "squat"}).headers["Location"]

    renamed = _at_once(lambda number: world.change("PATCH", person, {"name": f"Anna {number}"}, version=1))
    relabelled = _at_once(lambda number: world.change("PATCH", label, {"form": str(number)}, version=1))

    assert renamed == relabelled == [200] + [412] * (_N_WRITERS - 1)


def test_of_many_who_change_all_at_once_each_recording_has_one_winner(world: RecordingWorld) -> None:
    world.recordings.store([make_recording(seed=seed) for seed in range(60)])
    ids = [one["recording_id"] for one in world.get("/v1/recordings", limit=60)["items"]]
    changed: list[tuple[str, str]] = []

    def change(number: int) -> httpx.Response:
        wanted = [{"recording_id": one, "version": 1} for one in (ids if number % 2 else ids[::-1])]
        body = {"recordings": wanted, "changes": {"session": str(number)}}
        response = world.change("POST", "/v1/recordings/changes", body)
        result = response.json()
        assert len(result["items"]) + len(result["conflicts"]) == 60
        changed.extend((one["recording_id"], one["session"]) for one in result["items"])
        return response

    assert _at_once(change) == [200] * _N_WRITERS

    assert sorted(one for one, _ in changed) == sorted(ids)
    stored = world.get("/v1/recordings", limit=60)["items"]
    assert {(one["recording_id"], one["session"]) for one in stored} == set(changed)
    assert {one["version"] for one in stored} == {2}


def test_changes_to_whichever_version_reach_all(world: RecordingWorld) -> None:
    world.recordings.store([make_recording(seed=seed) for seed in range(30)])
    wanted = [{"recording_id": one["recording_id"]} for one in world.get("/v1/recordings")["items"]]

    statuses = _at_once(
        lambda number: world.change(
            "POST", "/v1/recordings/changes", {"recordings": wanted, "changes": {"session": str(number)}}
        )
    )

    assert statuses == [200] * _N_WRITERS
    # One that is overtaken does not see whether its change was there before, and makes it once more.
    assert min(one["version"] for one in world.get("/v1/recordings")["items"]) >= 1 + _N_WRITERS


def test_of_many_who_split_a_recording_at_once_one_wins(world: RecordingWorld) -> None:
    world.recordings.store([make_recording(200)])
    path = f"/v1/recordings/{world.get('/v1/recordings')['items'][0]['recording_id']}"

    statuses = _at_once(lambda number: world.change("POST", f"{path}/split", {"at_s": [1.0 + number / 2]}, version=1))

    assert statuses == [201] + [412] * (_N_WRITERS - 1)
    assert sum(one["n_samples"] for one in world.get("/v1/recordings")["items"]) == 200


def test_of_many_who_add_the_same_name_at_once_one_adds_it(world: RecordingWorld) -> None:
    persons = _at_once(lambda _: world.change("POST", "/v1/persons", {"name": "Anna"}))
    labels = _at_once(lambda _: world.change("POST", "/v1/labels", {"exercise": "squat"}))

    assert persons == [201] + [409] * (_N_WRITERS - 1)
    assert labels == [200] * (_N_WRITERS - 1) + [201]
    assert [one["name"] for one in world.get("/v1/persons")["items"]] == ["Anna"]
    assert [one["exercise"] for one in world.get("/v1/labels")["items"]] == ["squat"]


def test_whoever_sets_no_version_changes_it_all_the_same(world: RecordingWorld) -> None:
    world.recordings.store([make_recording()])
    path = f"/v1/recordings/{world.get('/v1/recordings')['items'][0]['recording_id']}"

    statuses = _at_once(lambda number: world.change("PATCH", path, {"note": str(number)}, version="*"))

    assert statuses == [200] * _N_WRITERS
    assert world.get(path)["version"] == 1 + _N_WRITERS


def test_recordings_and_workouts_follow_the_name_of_a_person(world: RecordingWorld, documents: Documents) -> None:
    path = world.change("POST", "/v1/persons", {"name": "Anna"}).headers["Location"]
    world.recordings.store([make_recording(seed=seed, subject="Anna") for seed in range(2)])
    world.recordings.store([make_recording(seed=7, subject="Annabel")])
    first = world.get("/v1/recordings", subject="Anna")["items"][0]
    world.change("DELETE", f"/v1/recordings/{first['recording_id']}", version=1)
    _workout(documents, "wrist", "Anna", _T0)

    renamed = world.change("PATCH", path, {"name": "Anna B."}, version=1)

    assert (renamed.json()["name"], renamed.json()["n_recordings"]) == ("Anna B.", 1)
    assert {one["subject"] for one in documents[RECORDINGS].find()} == {"Anna B.", "Annabel"}
    assert documents[WORKOUT_EDITS].find_one({}, {"subject": 1, "version": 1}) == {
        "_id": f"wrist-{_T0}",
        "subject": "Anna B.",
        "version": 2,
    }
    assert {one["name"] for one in world.get("/v1/persons")["items"]} == {"Anna B.", "Annabel"}
    stale = world.change("PATCH", f"/v1/recordings/{first['recording_id']}", {"note": "x"}, version=2)
    assert problem_of(stale) == (412, "version-conflict")


def test_recordings_follow_the_words_of_a_label(world: RecordingWorld, documents: Documents) -> None:
    world.recordings.store([make_recording(seed=seed, label=label) for seed, label in enumerate([_SQUAT, _LUNGE])])
    world.recordings.store([make_recording(seed=2, label=Label(exercise="squat", form="deep")), make_recording(seed=3)])
    squat = next(one for one in world.get("/v1/labels")["items"] if (one["exercise"], one["form"]) == ("squat", None))

    renamed = world.change("PATCH", f"/v1/labels/{squat['label_id']}", {"exercise": "knee bend"}, version=1)
    taken = world.change("PATCH", f"/v1/labels/{squat['label_id']}", {"exercise": "lunge"}, version=2)

    assert (renamed.json()["exercise"], renamed.json()["n_recordings"]) == ("knee bend", 1)
    assert problem_of(taken) == (409, "label-taken")
    stored = [one["label"] for one in documents[RECORDINGS].find()]
    assert sorted((one["exercise"], one["form"] or "") for one in stored if one is not None) == [
        ("knee bend", ""),
        ("lunge", ""),
        ("squat", "deep"),
    ]
    assert stored.count(None) == 1


def test_trainings_that_wait_follow_the_names(world: RecordingWorld, documents: Documents) -> None:
    person = world.change("POST", "/v1/persons", {"name": "Anna"}).headers["Location"]
    label = world.change("POST", "/v1/labels", {"exercise": "rest"}).headers["Location"]
    selection = {"subjects": ["Ben", "Anna"], "labels": [{"exercise": "rest", "form": None}, {"exercise": "squat"}]}
    asked = {
        "selection": json.dumps(selection),
        "configuration": json.dumps({"background": [{"exercise": "rest"}], "seed": 7}),
    }
    for number, state in enumerate(["queued", "running"]):
        _job(documents, str(number) * 32, state, **asked)
    _job(documents, "9" * 32, "queued", selection='{"of_another_version": true}')

    world.change("PATCH", person, {"name": "Anna B."}, version=1)
    world.change("PATCH", label, {"exercise": "pause"}, version=1)

    waiting, running, other = sorted(documents[TRAINING_JOBS].find(), key=lambda job: job["_id"])
    renamed = RecordingSelection.model_validate_json(waiting["selection"])
    assert renamed.subjects == ("Ben", "Anna B.")
    assert renamed.labels == (Label(exercise="pause"), Label(exercise="squat"))
    configuration = TrainingConfiguration.model_validate_json(waiting["configuration"])
    assert (configuration.background, configuration.seed) == ((Label(exercise="pause"),), 7)
    # What a worker has begun stays what it was asked for.
    assert running["selection"] == asked["selection"]
    assert other["selection"] == '{"of_another_version": true}'


def test_a_renaming_that_was_interrupted_is_finished(world: RecordingWorld, documents: Documents) -> None:
    world.recordings.store([make_recording(subject="Anna", label=_SQUAT)])
    person, label = world.get("/v1/persons")["items"][0], world.get("/v1/labels")["items"][0]
    documents[PERSONS].update_one({}, {"$set": {"name": "Cleo", "former_name": "Anna"}})
    words = {"exercise": "lunge", "key": json.dumps(["lunge", None]), "former": {"exercise": "squat", "form": None}}
    documents[LABELS].update_one({}, {"$set": words})

    persons, labels = world.get("/v1/persons")["items"], world.get("/v1/labels")["items"]

    assert [(one["person_id"], one["name"], one["n_recordings"]) for one in persons] == [
        (person["person_id"], "Cleo", 1)
    ]
    assert [(one["label_id"], one["exercise"], one["n_recordings"]) for one in labels] == [
        (label["label_id"], "lunge", 1)
    ]
    recording = world.get("/v1/recordings")["items"][0]
    assert (recording["subject"], recording["label"]["exercise"]) == ("Cleo", "lunge")


def test_somebody_new_gets_nothing_of_one_who_was_called_so(world: RecordingWorld, documents: Documents) -> None:
    world.recordings.store([make_recording(subject="Anna")])
    world.get("/v1/persons")
    documents[PERSONS].update_one({}, {"$set": {"name": "Cleo", "former_name": "Anna"}})

    anna = world.change("POST", "/v1/persons", {"name": "Anna"})

    assert anna.json()["n_recordings"] == 0


def test_the_trash_keeps_recordings_for_a_week(world: RecordingWorld, documents: Documents) -> None:
    world.recordings.store([make_recording(seed=seed) for seed in range(4)])
    items = world.get("/v1/recordings")["items"]
    wanted = [{"recording_id": one["recording_id"], "version": 1} for one in items[:3]]
    thrown = world.change("POST", "/v1/recordings/trash", {"recordings": wanted}).json()["items"]

    week_ago_us = now_us() - TRASH_S * _SECOND
    for one, deleted_us in zip(thrown, (week_ago_us - _SECOND, week_ago_us + 60 * _SECOND, now_us()), strict=True):
        documents[RECORDINGS].update_one({"_id": one["recording_id"]}, {"$set": {"deleted_us": deleted_us}})
    world.change("DELETE", f"/v1/recordings/{items[3]['recording_id']}", version=1)
    Repositories.on(DatabaseConnection(documents)).recordings.purge(week_ago_us)

    in_trash = {one["recording_id"] for one in world.get("/v1/recordings", deleted="true")["items"]}
    assert in_trash == {one["recording_id"] for one in items[1:]}
    assert {one["_id"] for one in documents[RECORDING_SAMPLES].find({}, {"_id": 1})} == in_trash
    assert world.request("GET", f"/v1/recordings/{items[0]['recording_id']}").status_code == 404

    ids = [one["recording_id"] for one in items]
    restored = world.change("POST", "/v1/recordings/restore", {"recording_ids": ids}).json()["items"]
    assert [one["recording_id"] for one in restored] == ids[1:]
    assert {one["recording_id"] for one in world.get("/v1/recordings")["items"]} == in_trash


def test_a_removal_that_was_interrupted_cannot_be_undone_and_is_finished(
    world: RecordingWorld, documents: Documents
) -> None:
    world.recordings.store([make_recording(seed=seed) for seed in range(2)])
    gone, other = [one["recording_id"] for one in world.get("/v1/recordings")["items"]]
    documents[RECORDINGS].update_one({"_id": gone}, {"$set": {"deleted_us": 1, "changed_us": now_us()}})
    documents[RECORDING_SAMPLES].delete_one({"_id": gone})

    assert world.change("POST", "/v1/recordings/restore", {"recording_ids": [gone]}).json()["items"] == []
    assert world.request("GET", f"/v1/recordings/{gone}").status_code == 404
    assert world.get("/v1/recordings", deleted="true")["items"] == []

    Repositories.on(DatabaseConnection(documents)).recordings.purge(now_us() - TRASH_S * _SECOND)

    assert [one["_id"] for one in documents[RECORDINGS].find()] == [other]


def test_a_split_is_stored_and_undone(world: RecordingWorld, documents: Documents) -> None:
    world.recordings.store([make_recording(200, label=_SQUAT, subject="Anna")])
    whole = world.get("/v1/recordings")["items"][0]
    path = f"/v1/recordings/{whole['recording_id']}"

    pieces = world.change("POST", f"{path}/split", {"at_s": [3.0]}, version=1).json()["items"]

    signals = [world.get(f"/v1/recordings/{one['recording_id']}/signal")["samples"] for one in pieces]
    assert [len(signal) for signal in signals] == [75, 125]
    assert signals[0] + signals[1] == world.get(f"{path}/signal")["samples"]
    world.change("POST", "/v1/recordings/restore", {"recording_ids": [whole["recording_id"]]})
    wanted = [{"recording_id": one["recording_id"], "version": one["version"]} for one in pieces]
    world.change("POST", "/v1/recordings/trash", {"recordings": wanted})
    assert [one["recording_id"] for one in world.get("/v1/recordings")["items"]] == [whole["recording_id"]]

    again = world.change("POST", f"{path}/split", {"at_s": [3.0]}, version=3).json()["items"]

    assert [one["recording_id"] for one in again] == [one["recording_id"] for one in pieces]
    assert {one["deleted_at"] for one in again} == {None}
    assert documents[RECORDING_SAMPLES].estimated_document_count() == 3


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_what_was_exported_comes_back_without_doubles(world: RecordingWorld, documents: Documents, form: str) -> None:
    name = f"mine.{form}"
    start = from_epoch_us(_T0)
    world.recordings.store(
        [
            make_recording(200, label=_SQUAT, subject="Anna", session="1", sensor="wrist", started_at=start),
            make_recording(100, seed=1, label=_LUNGE, subject="Ben", session="1", sensor="wrist", started_at=start),
        ]
    )
    squat = world.get("/v1/recordings", exercise="squat")["items"][0]["recording_id"]
    lunge = world.get("/v1/recordings", exercise="lunge")["items"][0]["recording_id"]
    world.change("PATCH", f"/v1/recordings/{squat}", {"trim": {"start_s": 1.0, "end_s": 6.0}}, version=1)
    world.change("PATCH", f"/v1/recordings/{lunge}", {"label": {"exercise": "step", "form": "high"}}, version=1)

    result = _import(world, _export(world, format=form), name)

    assert (result["n_found"], result["n_new"]) == (2, 0)
    assert {one["recording_id"] for one in result["items"]} == {squat, lunge}
    assert documents[RECORDINGS].estimated_document_count() == 2

    documents[RECORDINGS].update_many({}, {"$set": {"subject": "Cleo", "changed_us": now_us()}, "$inc": {"version": 1}})
    exported = _export(world, format=form)
    documents[RECORDINGS].delete_many({})
    documents[RECORDING_SAMPLES].delete_many({})
    assert world.get("/v1/recordings")["items"] == []

    fresh = _import(world, exported, name)
    again = _import(world, exported, name)

    assert (fresh["n_new"], again["n_new"]) == (2, 0)
    assert {one["recording_id"] for one in again["items"]} == {one["recording_id"] for one in fresh["items"]}
    labels = {(one["label"]["exercise"], one["label"]["form"], one["n_samples"]) for one in fresh["items"]}
    assert labels == {("squat", None, 125), ("step", "high", 100)}


def test_an_import_makes_persons_and_labels_known_and_fills_in(world: RecordingWorld) -> None:
    world.recordings.store([make_recording(label=_SQUAT), make_recording(seed=1, label=_LUNGE, subject="Ben")])
    content = _export(world)
    for one in world.get("/v1/recordings")["items"]:
        world.change("DELETE", f"/v1/recordings/{one['recording_id']}?for_good=true", version=1)

    result = _import(world, content, subject="Anna", session="monday")

    assert (result["n_found"], result["n_new"]) == (2, 2)
    assert {(one["subject"], one["session"]) for one in result["items"]} == {("Anna", "monday"), ("Ben", "monday")}
    assert [one["name"] for one in world.get("/v1/persons")["items"]] == ["Anna", "Ben"]
    assert [one["exercise"] for one in world.get("/v1/labels")["items"]] == ["lunge", "squat"]


def test_a_take_is_kept_once(world: RecordingWorld, documents: Documents) -> None:
    _stream(documents)
    fields = {"label": {"exercise": "squat"}, "subject": "Anna", "session": "monday", "note": "left"}

    first = _keep(world, _T0 + _SECOND, _T0 + 5 * _SECOND, **fields)
    again = _keep(world, _T0 + _SECOND, _T0 + 5 * _SECOND, **fields)

    assert first == again
    [take] = first
    assert (take["started_at"], take["duration_s"], take["sensor_id"]) == ("2026-03-01T17:00:01Z", 4.0, "wrist")
    assert (take["subject"], take["session"], take["note"]) == ("Anna", "monday", "left")
    assert (take["interruption"], take["attributes"]) == (None, {"simulated": "true"})
    signal = world.get(f"/v1/recordings/{take['recording_id']}/signal")
    assert signal["samples"][0][0] == pytest.approx(50.0, abs=2)
    assert [one["name"] for one in world.get("/v1/persons")["items"]] == ["Anna"]


def test_interruptions_make_several_recordings_that_say_so(world: RecordingWorld, documents: Documents) -> None:
    _stream(documents, n_chunks=10)  # 2 s, then 1 s is lost
    _stream(documents, first=150, n_chunks=5)  # 1 s, then the sensor is away for 2 s
    _stream(documents, stream_id="two", start_us=_T0 + 6 * _SECOND, n_chunks=5)

    takes = _keep(world, _T0, _T0 + 7 * _SECOND, label={"exercise": "squat"}, subject="Anna")

    assert [(one["started_at"], one["duration_s"], one["activity_s"]) for one in takes] == [
        ("2026-03-01T17:00:00Z", 2.0, 0.0),
        ("2026-03-01T17:00:03Z", 1.0, 3.0),
        ("2026-03-01T17:00:06Z", 1.0, 6.0),
    ]
    assert [one["interruption"] for one in takes] == [
        "1.0 s of signal were lost",
        "the sensor was disconnected",
        None,
    ]


def test_signal_that_is_gone_is_told(world: RecordingWorld, documents: Documents) -> None:
    _stream(documents)
    body = {"sensor_id": "wrist", "from": "2026-02-01T00:00:00Z", "to": "2026-02-01T00:00:10Z"}

    response = world.change("POST", "/v1/recordings", body)
    unknown = world.change("POST", "/v1/recordings", body | {"sensor_id": "nobody"})

    assert problem_of(response) == problem_of(unknown) == (409, "samples-gone")
    assert "since 2026-03-01 17:00:00 UTC" in response.json()["detail"]
    assert "there is nothing of it" in unknown.json()["detail"]


def _workout(documents: Documents, sensor_id: str, subject: str | None, start_us: int) -> str:
    """A minute of exercise with two sets, windows and signal."""
    workout_id = f"{sensor_id}-{start_us}"
    end_us = start_us + 60 * _SECOND
    common = {"sensor_key": sensor_key(sensor_id, start_us), "sensor_id": sensor_id, "simulated": True}
    documents[WORKOUTS].insert_one(
        {**common, "_id": workout_id, "started_us": start_us, "ended_us": end_us, "n_sets": 2}
    )
    for number in range(2):
        started_us = start_us + number * 40 * _SECOND
        set_id = f"{sensor_id}-{started_us}"
        times = {"started_us": started_us, "ended_us": started_us + 20 * _SECOND}
        documents[SETS].insert_one(
            {
                **common,
                **times,
                "_id": set_id,
                "workout_id": workout_id,
                "last_window_end_us": started_us + 21 * _SECOND,
            }
        )
        documents[SET_EDITS].insert_one({"_id": set_id, "workout_id": workout_id, **times, "version": 1})
    if subject is not None:
        edit = {"_id": workout_id, "started_us": start_us, "version": 1, "changed_us": start_us, "subject": subject}
        documents[WORKOUT_EDITS].insert_one({**edit, "note": None})
    documents[CLASSIFICATIONS].insert_many(
        {
            "_id": f"{sensor_id}:mean@1:{window_us}",
            "sensor_key": sensor_key(sensor_id, window_us),
            "sensor_id": sensor_id,
            "window_start_us": window_us,
            "window_end_us": window_us + 2 * _SECOND,
        }
        for window_us in range(start_us - 5 * _SECOND, end_us + 5 * _SECOND, _SECOND)
    )
    _stream(
        documents,
        sensor_id,
        stream_id=f"of-{sensor_id}-at-{start_us}",
        start_us=start_us - 5 * _SECOND,
        n_chunks=70,
        rate_hz=10.0,
    )
    return workout_id


def _job(documents: Documents, job_id: str, state: str, **fields: object) -> None:
    empty: dict[str, object] = {
        "model_name": "mean",
        "selection": "{}",
        "progress": None,
        "error": None,
        "log": [],
        "created_us": _T0,
    }
    documents[TRAINING_JOBS].insert_one({"_id": job_id, "state": state, **empty, **fields})


def _fill(world: RecordingWorld, documents: Documents) -> tuple[str, list[str]]:
    """Everything that there can be of Anna, and of Ben; Anna's path, and ids that must go with her."""
    anna = world.change("POST", "/v1/persons", {"name": "Anna"}).headers["Location"]
    workouts = [_workout(documents, "wrist", "Anna", _T0), _workout(documents, "wrist", "Anna", _T0 + 600 * _SECOND)]
    _workout(documents, "ankle", "Ben", _T0)
    _workout(documents, "wrist", None, _T0 + 1_200 * _SECOND)
    _stream(documents, "hip", stream_id="hip", n_chunks=50)
    taken: dict[str, Any] = {"sensor": "hip", "started_at": from_epoch_us(_T0 + 2 * _SECOND), "label": _SQUAT}
    world.recordings.store([make_recording(seed=seed, subject="Anna", **taken) for seed in range(3)])
    world.recordings.store([make_recording(seed=9, subject="Ben", label=_SQUAT), make_recording(seed=10, label=_SQUAT)])
    recordings = [one["recording_id"] for one in world.get("/v1/recordings", subject="Anna")["items"]]
    world.change("DELETE", f"/v1/recordings/{recordings[0]}", version=1)
    _job(documents, "1" * 32, "succeeded", selection='{"subjects":["Anna","Ben"]}')
    _job(documents, "2" * 32, "failed", log=["INFO 1 of 2: leaving out Anna"])
    _job(documents, "3" * 32, "cancelled", selection=json.dumps({"ids": recordings[1:2]}))
    _job(documents, "4" * 32, "succeeded", progress={"stage": "", "groups": {"Anna/monday": 0.9}})
    _job(documents, "5" * 32, "succeeded", log=["INFO 1 of 2: leaving out Annabel"])
    return anna, [anna.rpartition("/")[2], *workouts, *recordings]


def _everything(documents: Documents, *, but: tuple[str, ...] = ()) -> str:
    """All that is stored, as text."""
    return "\n".join(repr(one) for name in INDEXES if name not in but for one in documents[name].find())


def _assert_gone(documents: Documents, ids: list[str]) -> None:
    left = _everything(documents, but=(ERASURES,))
    for trace in ("Anna'", '"Anna"', "Anna/", *ids):
        assert trace not in left, trace
    assert documents[RECORDING_SAMPLES].estimated_document_count() == 2


def test_nothing_is_left_of_a_person_and_everything_of_others(world: RecordingWorld, documents: Documents) -> None:
    anna, ids = _fill(world, documents)
    belongings = world.get(f"{anna}/belongings")

    response = world.change("DELETE", f"{anna}?confirm=Anna", version=1)

    erased = response.json()
    assert (belongings["n_recordings"], belongings["n_workouts"], belongings["n_training_jobs"]) == (3, 2, 4)
    assert belongings["recorded_minutes"] == pytest.approx(0.1)
    assert (erased["n_recordings"], erased["n_workouts"], erased["n_sets"], erased["n_training_jobs"]) == (3, 2, 4, 4)
    # Of each workout 61 windows begin within it, and one reaches into it; the last set's last window ends 1 s later.
    assert erased["n_classifications"] == 2 * 62
    assert erased["n_samples_documents"] == 2 * 61 + 10
    _assert_gone(documents, ids)
    assert {one["_id"] for one in documents[ERASURES].find()} == set(ids[1:3])
    assert [one["name"] for one in world.get("/v1/persons")["items"]] == ["Ben"]
    assert len(world.get("/v1/recordings")["items"]) == 2
    assert documents[WORKOUTS].estimated_document_count() == 2
    assert documents[SETS].estimated_document_count() == documents[SET_EDITS].estimated_document_count() == 4
    assert [one["_id"] for one in documents[WORKOUT_EDITS].find()] == [f"ankle-{_T0}"]
    assert [one["_id"] for one in documents[TRAINING_JOBS].find()] == ["5" * 32]
    assert documents[CLASSIFICATIONS].count_documents({"sensor_id": "ankle"}) == 70
    assert documents[SAMPLES].count_documents({"sensor_id": "ankle"}) == 70
    assert documents[SAMPLES].count_documents({"sensor_id": "hip"}) == 50 - 10
    assert problem_of(world.request("GET", anna)) == (404, "not-found")


def test_what_says_an_earlier_name_goes_too_unless_somebody_else_is_called_so(
    world: RecordingWorld, documents: Documents
) -> None:
    anna = world.change("POST", "/v1/persons", {"name": "Anna"}).headers["Location"]
    for version, name in enumerate(("Bea", "Cleo", "Dora"), start=1):
        assert world.change("PATCH", anna, {"name": name}, version=version).json()["name"] == name
    world.change("POST", "/v1/persons", {"name": "Bea"})
    for number, name in enumerate(("Anna", "Bea", "Cleo", "Dora", "Eva")):
        _job(documents, str(number) * 32, "succeeded", log=[f"INFO 1 of 2: leaving out {name}"])

    erased = world.change("DELETE", f"{anna}?confirm=Dora", version=4).json()

    assert erased["n_training_jobs"] == 3
    assert sorted(one["_id"][0] for one in documents[TRAINING_JOBS].find()) == ["1", "4"]


@pytest.mark.parametrize("state", ["queued", "running"])
def test_nobody_is_erased_while_they_are_trained_on(world: RecordingWorld, documents: Documents, state: str) -> None:
    anna, _ = _fill(world, documents)
    _job(documents, "6" * 32, state, selection='{"subjects":["Anna"]}')
    before = _everything(documents)

    response = world.change("DELETE", f"{anna}?confirm=Anna", version=1)

    assert problem_of(response) == (409, "training-under-way")
    assert _everything(documents) == before


class _Killer(CommandListener):
    """Ends the database at a write."""

    def __init__(self, server: Server, n_writes: int) -> None:
        self._server = server
        self.n_left = n_writes

    def started(self, event: CommandStartedEvent) -> None:
        if event.command_name in {"insert", "update", "delete", "findAndModify"}:
            self.n_left -= 1
            if self.n_left < 0:
                self._server.kill()

    def succeeded(self, event: object) -> None:
        """Nothing to do."""

    def failed(self, event: object) -> None:
        """Nothing to do."""


@pytest.mark.parametrize("n_writes", [3, 9, 15])
def test_an_erasure_is_repeated_after_the_database_died(tmp_path: Path, n_writes: int) -> None:
    with database(tmp_path) as server:
        url = f"mongodb://127.0.0.1:{server.port}/repsense"
        documents = connect_database(url)
        ensure_indexes(documents)
        anna, ids = _fill(_world(documents), documents)
        killer = _Killer(server, n_writes)
        client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(
            url, event_listeners=[killer], serverSelectionTimeoutMS=200, retryWrites=False
        )
        response = _world(client["repsense"]).change("DELETE", f"{anna}?confirm=Anna", version=1)
        client.close()
        assert problem_of(response) == (503, "database-unavailable")
        server.start()

        repeated = _world(documents).change("DELETE", f"{anna}?confirm=Anna", version=1)

        assert repeated.status_code == 200, repeated.text
        _assert_gone(documents, ids)
        documents.client.close()


@dataclass
class _Failing:
    """A database, or a collection of it, that goes away after so many writes."""

    target: Any
    budget: list[int]

    def __getitem__(self, name: str) -> "_Failing":
        return _Failing(self.target[name], self.budget)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the driver has
        if name.startswith(("insert", "update", "delete", "replace", "find_one_and")):
            self.budget[0] -= 1
            if self.budget[0] < 0:
                message = "gone"
                raise AutoReconnect(message)
        return getattr(self.target, name)


def test_an_erasure_goes_on_wherever_it_was_interrupted(world: RecordingWorld, documents: Documents) -> None:
    anna, ids = _fill(world, documents)
    n_writes = 0
    while True:
        response = _world(_Failing(documents, [n_writes])).change("DELETE", f"{anna}?confirm=Anna", version=1)  # type: ignore[arg-type]
        if response.status_code == 200:
            break
        assert problem_of(response) == (503, "database-unavailable")
        assert [one["name"] for one in world.get("/v1/persons")["items"]] == ["Anna", "Ben"]
        n_writes += 1

    assert n_writes >= 8
    _assert_gone(documents, ids)
