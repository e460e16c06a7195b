"""Recordings over REST: list, read, change, split, trash."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from services.inference.tests.fakes_recordings import RecordingWorld, problem_of
from support.recordings import make_recording

from repsense.channels import CHANNELS
from repsense.documents import RecordingDocument, label_key
from repsense.labels import Label
from repsense.recordings import Recording
from repsense.timestamps import now_us

_SECOND = 1_000_000
_T0 = datetime(2026, 3, 1, 17, tzinfo=UTC)
_RATE_HZ = 25.0
_SQUAT = Label(exercise="squat")
_PUSH_UP = Label(exercise="push-up", form="correct")
_LOST = "the sensor was disconnected"


@pytest.fixture
def world() -> RecordingWorld:
    return RecordingWorld()


def _taken(seconds: int, **fields: Any) -> Recording:  # noqa: ANN401 - as Recording takes them
    return make_recording(started_at=_T0 + timedelta(seconds=seconds), **fields)


def _path(document: RecordingDocument, tail: str = "") -> str:
    return f"/v1/recordings/{document['_id']}{tail}"


def _ids(items: list[dict[str, Any]]) -> list[str]:
    return [one["recording_id"] for one in items]


def test_a_recording_tells_what_it_is(world: RecordingWorld) -> None:
    document = world.recordings.keep(
        _taken(0, n_samples=500, label=_PUSH_UP, subject="Anna", session="monday", sensor="wrist"),
        trim_start=50,
        trim_stop=450,
        interruption=_LOST,
        note="left",
    )

    response = world.request("GET", _path(document))

    recording = response.json()
    assert response.headers["ETag"] == '"1"'
    assert recording == {
        "recording_id": document["_id"],
        "version": 1,
        "label": {"exercise": "push-up", "form": "correct"},
        "subject": "Anna",
        "session": "monday",
        "sensor_id": "wrist",
        "channels": ["ax", "ay", "az", "gx", "gy", "gz"],
        "sample_rate_hz": 25.0,
        "n_samples": 400,
        "duration_s": 16.0,
        "captured_s": 20.0,
        "trim_start_s": 2.0,
        "trim_end_s": 18.0,
        "started_at": "2026-03-01T17:00:02Z",
        "activity_s": 0.0,
        "attributes": {},
        "interruption": _LOST,
        "preview": document["preview"],
        "note": "left",
        "created_at": "2026-03-01T17:40:31Z",
        "changed_at": "2026-03-01T17:40:31Z",
        "deleted_at": None,
    }
    assert 0 < len(recording["preview"]) <= 120


def test_pages_go_from_the_newest_to_the_oldest(world: RecordingWorld) -> None:
    stored = [
        world.recordings.keep(make_recording(seed=seed), created_us=1_772_386_800_000_000 + seed // 3)
        for seed in range(10)
    ]

    pages: list[list[str]] = []
    cursor: dict[str, str] = {}
    while True:
        page = world.get("/v1/recordings", limit=4, **cursor)
        pages.append(_ids(page["items"]))
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}

    assert [len(page) for page in pages] == [4, 4, 2]
    newest_first = sorted(stored, key=lambda one: (one["created_us"], one["_id"]), reverse=True)
    assert [one for page in pages for one in page] == [one["_id"] for one in newest_first]


def test_what_was_imported_together_is_listed_whole(world: RecordingWorld) -> None:
    stored = [
        world.recordings.keep(make_recording(4, seed=seed), created_us=1_772_386_800_000_000) for seed in range(250)
    ]

    page = world.get("/v1/recordings", limit=100)
    listed = _ids(page["items"])
    while page["next_cursor"]:
        page = world.get("/v1/recordings", limit=100, cursor=page["next_cursor"])
        listed += _ids(page["items"])

    assert listed == sorted((one["_id"] for one in stored), reverse=True)


def test_a_cursor_of_another_list_is_refused(world: RecordingWorld) -> None:
    response = world.request("GET", "/v1/recordings", params={"cursor": "WyJzZW5zb3Jfa2V5IiwieCJd"})

    assert problem_of(response) == (422, "invalid-cursor")


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, [0, 1, 2, 3]),
        ({"exercise": "push-up"}, [0, 1]),
        ({"exercise": "push-up", "form": "correct"}, [0]),
        ({"form": "incorrect"}, [1]),
        ({"subject": "Anna"}, [0, 1]),
        ({"subject": "Anna", "exercise": "squat"}, []),
        ({"session": "monday"}, [0, 2]),
        ({"sensor_id": "ankle"}, [2]),
        ({"unlabelled": "true"}, [3]),
        ({"deleted": "true"}, [4]),
        ({"from": "2026-03-01T17:01:00Z"}, [1, 2]),
        ({"from": "2026-03-01T17:00:00Z", "to": "2026-03-01T17:02:00Z"}, [0, 1]),
        ({"to": "2026-03-01T17:00:00Z"}, []),
    ],
)
def test_filters_are_combined(world: RecordingWorld, parameters: dict[str, str], expected: list[int]) -> None:
    incorrect = Label(exercise="push-up", form="incorrect")
    stored = [
        world.recordings.keep(_taken(0, label=_PUSH_UP, subject="Anna", session="monday", sensor="wrist")),
        world.recordings.keep(_taken(60, label=incorrect, subject="Anna", session="friday", sensor="wrist")),
        world.recordings.keep(_taken(120, label=_SQUAT, subject="Ben", session="monday", sensor="ankle")),
        world.recordings.keep(make_recording(seed=1)),
        world.recordings.keep(_taken(180, label=_SQUAT, subject="Ben"), deleted_us=now_us()),
    ]

    items = world.get("/v1/recordings", **parameters)["items"]

    assert _ids(items) == [stored[index]["_id"] for index in reversed(expected)]


def test_what_is_not_there_is_not_found(world: RecordingWorld) -> None:
    path = f"/v1/recordings/{'0' * 32}"

    for method, tail, body in (
        ("GET", "", None),
        ("GET", "/signal", None),
        ("PATCH", "", {"note": "x"}),
        ("POST", "/split", {"at_s": [1.0]}),
        ("DELETE", "", None),
    ):
        assert problem_of(world.change(method, f"{path}{tail}", body, version="*")) == (404, "not-found")


def test_changes_touch_what_they_name(world: RecordingWorld) -> None:
    document = world.recordings.keep(_taken(0, label=_SQUAT, subject="Anna", session="monday"), note="left")

    relabelled = world.change("PATCH", _path(document), {"label": {"exercise": "lunge"}}, version=1)
    given = world.change("PATCH", _path(document), {"subject": "Cleo", "session": None}, version=2)
    cleared = world.change("PATCH", _path(document), {"label": None, "subject": None, "note": None}, version="*")

    assert relabelled.headers["ETag"] == '"2"'
    assert relabelled.json()["label"] == {"exercise": "lunge", "form": None}
    assert (relabelled.json()["subject"], relabelled.json()["note"]) == ("Anna", "left")
    assert (given.json()["subject"], given.json()["session"]) == ("Cleo", None)
    assert [cleared.json()[name] for name in ("label", "subject", "note", "version")] == [None, None, None, 4]
    assert {one["name"] for one in world.persons.all()} == {"Anna", "Cleo"}
    assert label_key("lunge", None) in {one["key"] for one in world.label_store.all()}


def test_a_change_needs_the_present_version(world: RecordingWorld) -> None:
    document = world.recordings.keep(make_recording())

    for method, tail, body in (
        ("PATCH", "", {"note": "x"}),
        ("POST", "/split", {"at_s": [1.0]}),
        ("DELETE", "", None),
        ("DELETE", "?for_good=true", None),
    ):
        path = _path(document, tail)
        assert problem_of(world.change(method, path, body)) == (428, "version-required")
        assert problem_of(world.change(method, path, body, version=2)) == (412, "version-conflict")
    assert world.recordings.documents == {document["_id"]: document}


@pytest.mark.parametrize(
    ("trim", "bounds"),
    [
        ({"start_s": 1.0, "end_s": 3.0}, (25, 75)),
        ({"start_s": 0.0, "end_s": 4.0}, (0, 100)),
        ({"start_s": 1.019, "end_s": 1.1}, (25, 28)),
        ("none", (0, 100)),
    ],
)
def test_a_recording_is_trimmed(world: RecordingWorld, trim: object, bounds: tuple[int, int]) -> None:
    document = world.recordings.keep(make_recording(100), trim_start=10, trim_stop=90)

    recording = world.change("PATCH", _path(document), {"trim": trim}, version=1).json()

    assert (recording["trim_start_s"], recording["trim_end_s"]) == (bounds[0] / _RATE_HZ, bounds[1] / _RATE_HZ)
    assert recording["n_samples"] == bounds[1] - bounds[0]
    stored = world.recordings.documents[document["_id"]]
    assert (stored["trim_start"], stored["trim_stop"]) == bounds


@pytest.mark.parametrize(
    "trim",
    [
        {"start_s": 1.0, "end_s": 1.0},
        {"start_s": 3.0, "end_s": 1.0},
        {"start_s": 1.0, "end_s": 1.04},
        {"start_s": 0.0, "end_s": 4.1},
        {"start_s": -1.0, "end_s": 2.0},
        {"start_s": 1.0},
        {"start_s": 1.0, "end_s": 1e300},
        "somehow",
        None,
    ],
)
def test_a_trim_that_leaves_nothing_is_refused(world: RecordingWorld, trim: object) -> None:
    document = world.recordings.keep(make_recording(100))

    response = world.change("PATCH", _path(document), {"trim": trim}, version=1)

    assert problem_of(response) == (422, "invalid-request")
    assert world.recordings.documents[document["_id"]] == document


def _bout(n_still: int, n_moving: int) -> Recording:
    """Rest, then a movement every two seconds, then rest."""
    times_s = np.arange(2 * n_still + n_moving) / _RATE_HZ
    samples = np.zeros((len(times_s), 6), dtype=np.float32)
    samples[:, 2] = 9.81
    samples[n_still : n_still + n_moving, 2] += 4 * (1 - np.cos(np.pi * times_s[:n_moving])).astype(np.float32)
    return Recording(samples, CHANNELS[:6], _RATE_HZ, _SQUAT, started_at=_T0)


def test_a_trim_can_be_found(world: RecordingWorld) -> None:
    document = world.recordings.keep(_bout(n_still=100, n_moving=400))

    recording = world.change("PATCH", _path(document), {"trim": "auto"}, version=1).json()

    assert recording["trim_start_s"] == pytest.approx(4.0, abs=0.8)
    assert recording["trim_end_s"] == pytest.approx(20.0, abs=0.8)


def test_the_signal_is_what_is_left(world: RecordingWorld) -> None:
    document = world.recordings.keep(_taken(0, n_samples=100), trim_start=25, trim_stop=75)

    signal = world.get(_path(document, "/signal"))

    assert (signal["channels"], signal["units"]["gx"]) == (["ax", "ay", "az", "gx", "gy", "gz"], "rad/s")
    assert (signal["start_at"], len(signal["samples"])) == ("2026-03-01T17:00:01Z", 50)
    assert signal["offsets_s"] == pytest.approx(np.arange(50) / _RATE_HZ)
    assert (signal["trim_start_s"], signal["trim_end_s"], signal["captured_s"]) == (1.0, 3.0, 4.0)
    captured = make_recording(100).samples
    assert np.allclose(signal["samples"], captured[25:75], atol=1e-5)


def test_the_whole_signal_counts_from_its_start_and_is_thinned(world: RecordingWorld) -> None:
    document = world.recordings.keep(_bout(n_still=100, n_moving=400), trim_start=100, trim_stop=500)

    whole = world.get(_path(document, "/signal"), whole="true", max_points=200)
    left = world.get(_path(document, "/signal"))

    assert (whole["start_at"], whole["captured_s"]) == ("2026-03-01T17:00:00Z", 24.0)
    assert (len(whole["samples"]), whole["offsets_s"][:3]) == (200, [0.0, 0.12, 0.24])
    assert whole["repetitions_s"] == pytest.approx([4.0 + middle for middle in left["repetitions_s"]])


def test_repetitions_are_counted_where_there_are_some(world: RecordingWorld) -> None:
    document = world.recordings.keep(_bout(n_still=100, n_moving=400), trim_start=100, trim_stop=500)
    still = world.recordings.keep(make_recording(100, channels=CHANNELS[:6]))

    middles = world.get(_path(document, "/signal"))["repetitions_s"]

    assert len(middles) == 8  # one in 2 s, for 16 s
    assert np.diff(middles) == pytest.approx(np.full(7, 2.0), abs=0.3)
    assert world.get(_path(still, "/signal"))["repetitions_s"] == []


def test_a_recording_is_split_and_the_split_undone(world: RecordingWorld) -> None:
    document = world.recordings.keep(
        _taken(0, n_samples=200, label=_SQUAT, subject="Anna", activity_s=0.0),
        trim_start=25,
        trim_stop=175,
        interruption=_LOST,
        note="left",
    )

    response = world.change("POST", _path(document, "/split"), {"at_s": [5.0, 3.0]}, version=1)

    assert response.status_code == 201
    pieces = response.json()["items"]
    assert [(one["captured_s"], one["trim_start_s"], one["trim_end_s"]) for one in pieces] == [
        (3.0, 1.0, 3.0),
        (2.0, 0.0, 2.0),
        (3.0, 0.0, 2.0),
    ]
    assert [one["started_at"] for one in pieces] == [
        "2026-03-01T17:00:01Z",
        "2026-03-01T17:00:03Z",
        "2026-03-01T17:00:05Z",
    ]
    assert [one["activity_s"] for one in pieces] == [0.0, 2.0, 4.0]
    assert [one["interruption"] for one in pieces] == [None, None, _LOST]
    assert {(one["subject"], one["note"], one["label"]["exercise"]) for one in pieces} == {("Anna", "left", "squat")}
    captured = b"".join(world.recordings.stored_samples[one["recording_id"]] for one in pieces)
    assert captured == world.recordings.stored_samples[document["_id"]]
    assert _ids(world.get("/v1/recordings", deleted="true")["items"]) == [document["_id"]]

    restored = world.change("POST", "/v1/recordings/restore", {"recording_ids": [document["_id"]]}).json()["items"]
    wanted = [{"recording_id": one["recording_id"], "version": one["version"]} for one in pieces]
    thrown = world.change("POST", "/v1/recordings/trash", {"recordings": wanted}).json()

    assert (restored[0]["deleted_at"], restored[0]["version"]) == (None, 3)
    assert (_ids(thrown["items"]), thrown["conflicts"]) == (_ids(pieces), [])
    assert _ids(world.get("/v1/recordings")["items"]) == [document["_id"]]


@pytest.mark.parametrize("at_s", [[], [0.0], [0.5], [1.0], [1.04], [7.0], [6.96], [3.0, 3.04], [100.0], [-1.0]])
def test_a_cut_outside_or_too_close_is_refused(world: RecordingWorld, at_s: list[float]) -> None:
    document = world.recordings.keep(make_recording(200), trim_start=25, trim_stop=175)

    response = world.change("POST", _path(document, "/split"), {"at_s": at_s}, version=1)

    assert problem_of(response) == (422, "invalid-request")
    assert world.recordings.documents == {document["_id"]: document}


def test_a_split_that_comes_too_late_leaves_no_pieces(world: RecordingWorld) -> None:
    document = world.recordings.keep(make_recording(200))
    world.recordings.rivals = [{"note": "faster"}]

    response = world.change("POST", _path(document, "/split"), {"at_s": [3.0]}, version=1)

    assert problem_of(response) == (412, "version-conflict")
    assert list(world.recordings.documents) == [document["_id"]]
    assert world.recordings.documents[document["_id"]]["note"] == "faster"


def test_a_piece_that_was_there_before_outlives_a_split_that_comes_too_late(world: RecordingWorld) -> None:
    whole = make_recording(200)
    first = world.recordings.keep(Recording(whole.samples[:75], whole.channels, _RATE_HZ))
    document = world.recordings.keep(whole)
    world.recordings.rivals = [{"note": "faster"}]

    world.change("POST", _path(document, "/split"), {"at_s": [3.0]}, version=1)

    assert set(world.recordings.documents) == {first["_id"], document["_id"]}


def test_deleting_is_a_way_to_the_trash_or_for_good(world: RecordingWorld) -> None:
    first, second = (world.recordings.keep(make_recording(seed=seed)) for seed in range(2))

    assert world.change("DELETE", _path(first), version=1).status_code == 204
    assert world.change("DELETE", _path(second, "?for_good=true"), version=1).status_code == 204

    assert world.get(_path(first))["deleted_at"] is not None
    assert list(world.recordings.documents) == [first["_id"]] == list(world.recordings.stored_samples)


def test_several_are_changed_but_for_those_that_somebody_else_changed(world: RecordingWorld) -> None:
    stored = [world.recordings.keep(make_recording(seed=seed, subject="Anna")) for seed in range(3)]
    world.change("PATCH", _path(stored[1]), {"note": "faster"}, version=1)
    wanted = [{"recording_id": one["_id"], "version": 1} for one in stored[:2]]
    wanted += [{"recording_id": stored[2]["_id"]}, {"recording_id": "0" * 32}]

    result = world.change(
        "POST", "/v1/recordings/changes", {"recordings": wanted, "changes": {"label": {"exercise": "lunge"}}}
    ).json()

    assert _ids(result["items"]) == [stored[0]["_id"], stored[2]["_id"]]
    assert result["conflicts"] == [stored[1]["_id"], "0" * 32]
    assert {one["label"]["exercise"] for one in result["items"]} == {"lunge"}
    assert {one["subject"] for one in result["items"]} == {"Anna"}
    assert world.recordings.documents[stored[1]["_id"]]["label"] is None
    assert [one["exercise"] for one in world.label_store.all()] == ["lunge"]


def test_what_is_gone_cannot_be_restored(world: RecordingWorld) -> None:
    document = world.recordings.keep(make_recording(), deleted_us=now_us())
    ids = [document["_id"], document["_id"], "0" * 32]

    items = world.change("POST", "/v1/recordings/restore", {"recording_ids": ids}).json()["items"]

    assert _ids(items) == [document["_id"]]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("trash", {"recordings": []}),
        ("trash", {"recordings": [{"recording_id": "x"}]}),
        ("trash", {"recordings": [{"recording_id": "0" * 32, "version": 0}]}),
        ("trash", {"recordings": [{"recording_id": "0" * 32, "version": 1 << 70}]}),
        ("restore", {"recording_ids": []}),
        ("restore", {"recording_ids": ["../x"]}),
        ("changes", {"recordings": [{"recording_id": "0" * 32}], "changes": {"note": "x"}}),
        ("changes", {"recordings": [{"recording_id": "0" * 32}], "changes": {"subject": ""}}),
    ],
)
def test_what_cannot_be_meant_is_refused(world: RecordingWorld, path: str, body: dict[str, object]) -> None:
    assert problem_of(world.change("POST", f"/v1/recordings/{path}", body)) == (422, "invalid-request")


def test_the_summary_adds_up_what_is_left(world: RecordingWorld) -> None:
    world.recordings.keep(make_recording(1500, label=_SQUAT, subject="Anna"))
    world.recordings.keep(make_recording(3000, seed=1, label=_PUSH_UP, subject="Anna"), trim_start=750)
    world.recordings.keep(make_recording(1500, seed=2))
    world.recordings.keep(make_recording(1500, seed=3, label=_SQUAT), deleted_us=now_us())

    squat, push_up = {"exercise": "squat", "form": None}, {"exercise": "push-up", "form": "correct"}
    summary = world.get("/v1/recordings/summary")
    parts = summary.pop("parts")
    assert [(part["label"], part["subject"], part["minutes"], part["n_recordings"]) for part in parts] == [
        (push_up, "Anna", 1.5, 1),
        (None, None, 1.0, 1),
        (squat, "Anna", 1.0, 1),
    ]
    assert {part["session"] for part in parts} == {make_recording(2).session}
    assert {part["sensor_id"] for part in parts} == {make_recording(2).sensor}
    assert summary == {
        "minutes": 3.5,
        "n_recordings": 3,
        "labels": [
            {"label": push_up, "minutes": 1.5, "n_recordings": 1},
            {"label": None, "minutes": 1.0, "n_recordings": 1},
            {"label": squat, "minutes": 1.0, "n_recordings": 1},
        ],
        "persons": [
            {"subject": "Anna", "minutes": 2.5, "n_recordings": 2},
            {"subject": None, "minutes": 1.0, "n_recordings": 1},
        ],
        "cells": [
            {"label": push_up, "subject": "Anna", "minutes": 1.5},
            {"label": None, "subject": None, "minutes": 1.0},
            {"label": squat, "subject": "Anna", "minutes": 1.0},
        ],
    }


def test_nothing_is_summed_up_and_inspected_too(world: RecordingWorld) -> None:
    assert world.get("/v1/recordings/summary")["labels"] == []
    assert world.get("/v1/recordings/inspection")["warnings"] == []


def test_an_inspection_is_forgotten_with_a_person(world: RecordingWorld) -> None:
    world.recordings.keep(make_recording(1500, subject="Ben"))
    world.get("/v1/recordings/inspection")
    person = world.persons.known("Anna")

    world.change("DELETE", f"/v1/persons/{person['_id']}?confirm=Anna", version=1)

    world.get("/v1/recordings/inspection")
    assert world.recordings.n_loads == 2


def test_an_inspection_is_made_once_as_long_as_nothing_changes(world: RecordingWorld) -> None:
    document = world.recordings.keep(make_recording(1500, subject="Anna"))
    copy = world.recordings.keep(make_recording(1500, subject="Ben"))

    first = world.get("/v1/recordings/inspection")
    again = world.get("/v1/recordings/inspection")

    assert first == again
    assert world.recordings.n_loads == 1
    assert {tuple(group) for group in first["copies"]} == {(document["_id"], copy["_id"])}
    assert "unlabelled" in {warning["kind"] for warning in first["warnings"]}
    world.get("/v1/recordings/inspection", window_s=1.0)
    world.change("DELETE", _path(copy), version=1)
    changed = world.get("/v1/recordings/inspection")
    assert world.recordings.n_loads == 3
    assert (changed["copies"], [one["id"] for one in changed["recordings"]]) == ([], [document["_id"]])
