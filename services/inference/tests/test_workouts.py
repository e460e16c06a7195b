"""Sets and workouts as clients see, correct and delete them."""

import csv
import io
import json
from typing import Any

import numpy as np
import pytest
from services.inference.tests.fakes_workouts import SECOND, T0, make_set, make_workout
from services.inference.tests.fakes_world import World, assert_problem

from repsense.documents import SamplesDocument, SetDocument, encode_samples, sensor_key
from repsense.labels import Label
from repsense_inference.timelines import LabelledWindow

_SET, _SQUATS = f"wrist-{T0}", f"wrist-{T0 + 60 * SECOND}"
_WORKOUT = f"wrist-{T0}"
_ANY = {"If-Match": "*"}


@pytest.fixture
def world() -> World:
    """A workout of two sets: push-ups and, a minute later, squats."""
    world = World()
    _add_workout(world, make_set(), make_set(T0 + 60 * SECOND, exercise="squat", form=None, form_windows={}))
    return world


def _add_workout(world: World, *sets: SetDocument, **changes: Any) -> None:  # noqa: ANN401 - as the document has them
    world.sets.add(*sets)
    world.workouts.add(make_workout(*sets, **changes))


def _patch(world: World, path: str, version: int, **changes: object) -> Any:  # noqa: ANN401 - whatever JSON can hold
    response = world.request("PATCH", path, json=changes, headers={"If-Match": f'"{version}"'})
    assert response.status_code == 200, response.text
    assert response.headers["etag"] == f'"{response.json()["version"]}"'
    return response.json()


def test_a_set_that_nobody_edited_is_what_the_network_saw(world: World) -> None:
    response = world.get(f"/v1/sets/{_SET}")

    assert response.headers["etag"] == '"0"'
    assert response.json() == {
        "set_id": _SET,
        "version": 0,
        "sensor_id": "wrist",
        "workout_id": _WORKOUT,
        "state": "closed",
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


def test_a_corrected_set_says_both_what_it_was_and_what_was_recognised(world: World) -> None:
    before = world.get(f"/v1/sets/{_SET}").json()

    label = {"exercise": "dip", "form": "incorrect"}
    after = _patch(world, f"/v1/sets/{_SET}", 0, label=label, repetitions=12, note=" slow ")

    assert after == before | {
        "version": 1,
        "exercise": "dip",
        "form": "incorrect",
        "form_windows": {"incorrect": 8},
        "incorrect_share": 1.0,
        "corrected": True,
        "repetitions": 12,
        "note": "slow",
    }
    assert world.get(f"/v1/sets/{_SET}").json() == after
    assert after in world.get("/v1/sets").json()["items"]


def test_what_a_change_leaves_out_stays_and_null_goes_back(world: World) -> None:
    _patch(world, f"/v1/sets/{_SET}", 0, label={"exercise": "dip"}, repetitions=12, note="slow", discarded=True)

    kept = _patch(world, f"/v1/sets/{_SET}", 1)
    back = _patch(world, f"/v1/sets/{_SET}", 2, label=None, repetitions=None, note=None, discarded=False)

    assert (kept["exercise"], kept["repetitions"], kept["note"], kept["discarded"]) == ("dip", 12, "slow", True)
    assert back == world.get(f"/v1/sets/{_SET}").json()
    assert (back["exercise"], back["corrected"], back["form_windows"]) == (
        "push-up",
        False,
        {"correct": 6, "incorrect": 2},
    )
    assert (back["repetitions"], back["note"], back["discarded"], back["version"]) == (None, None, False, 3)


@pytest.mark.parametrize("path", [f"/v1/sets/{_SET}", f"/v1/workouts/{_WORKOUT}"])
def test_of_two_who_edit_at_the_same_time_the_second_is_told(world: World, path: str) -> None:
    _patch(world, path, 0, note="first")

    response = world.request("PATCH", path, json={"note": "second"}, headers={"If-Match": '"0"'})

    assert "load it again" in assert_problem(response, 412, "version-conflict")["detail"]
    assert world.get(path).json()["note"] == "first"
    assert_problem(world.request("PATCH", path, json={"note": "third"}), 428, "version-required")
    assert world.request("PATCH", path, json={"note": "fourth"}, headers=_ANY).json()["version"] == 2


@pytest.mark.parametrize("tag", ["1", '"abc"', '"0", "1"', '"-1"', ""])
def test_an_etag_that_no_version_has_is_that_of_another_one(world: World, tag: str) -> None:
    for path in (f"/v1/sets/{_SET}", f"/v1/workouts/{_WORKOUT}"):
        assert_problem(world.request("PATCH", path, json={}, headers={"If-Match": tag}), 412, "version-conflict")
    response = world.request("DELETE", f"/v1/workouts/{_WORKOUT}", headers={"If-Match": tag})
    assert_problem(response, 412, "version-conflict")
    assert (world.set_edits.documents, world.workouts.edits, world.shelves.erasing.workouts) == ({}, {}, [])


def test_somebody_who_is_quicker_between_look_and_change_is_not_overwritten(world: World) -> None:
    _patch(world, f"/v1/sets/{_SET}", 0, note="before")
    rival = {**world.set_edits.documents[_SET], "version": 2, "note": "quicker", "repetitions": 5}
    world.set_edits.rivals = [rival]  # type: ignore[list-item]

    response = world.request("PATCH", f"/v1/sets/{_SET}", json={"note": "slower"}, headers={"If-Match": '"1"'})

    assert_problem(response, 412, "version-conflict")
    assert world.get(f"/v1/sets/{_SET}").json()["note"] == "quicker"

    world.set_edits.rivals = [{**rival, "version": 3}]  # type: ignore[typeddict-item]
    last = world.request("PATCH", f"/v1/sets/{_SET}", json={"note": "whatever"}, headers=_ANY).json()
    assert (last["note"], last["repetitions"], last["version"]) == ("whatever", 5, 4)


def test_a_set_that_goes_on_cannot_be_changed_nor_its_workout_deleted(world: World) -> None:
    world.sets.add(make_set(state="open"))

    response = world.request("PATCH", f"/v1/sets/{_SET}", json={"discarded": True}, headers=_ANY)
    assert_problem(response, 409, "set-open")
    assert_problem(world.request("DELETE", f"/v1/workouts/{_WORKOUT}", headers=_ANY), 409, "set-open")
    assert world.shelves.erasing.workouts == []


@pytest.mark.parametrize(
    ("path", "changes", "location"),
    [
        ("sets", {"label": {"exercise": ""}}, "body.label.exercise"),
        ("sets", {"label": "push-up"}, "body.label"),
        ("sets", {"label": {"exercise": "a", "colour": "b"}}, "body.label.colour"),
        ("sets", {"discarded": None}, "body.discarded"),
        ("sets", {"repetitions": -1}, "body.repetitions"),
        ("sets", {"repetitions": 10_001}, "body.repetitions"),
        ("sets", {"note": "x" * 2_001}, "body.note"),
        ("sets", {"exercise": "squat"}, "body.exercise"),
        ("workouts", {"subject": "x" * 101}, "body.subject"),
        ("workouts", {"subject": " "}, "body.subject"),
        ("workouts", {"n_sets": 3}, "body.n_sets"),
    ],
)
def test_changes_that_cannot_be_are_refused(world: World, path: str, changes: dict[str, object], location: str) -> None:
    response = world.request("PATCH", f"/v1/{path}/{_SET}", json=changes, headers=_ANY)

    assert assert_problem(response, 422, "invalid-request")["errors"][0]["location"] == location
    assert (world.set_edits.documents, world.workouts.edits) == ({}, {})


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PATCH", "/v1/sets/wrist-1"),
        ("PATCH", "/v1/workouts/wrist-1"),
        ("DELETE", "/v1/workouts/wrist-1"),
        ("GET", "/v1/workouts/wrist-1/timeline"),
    ],
)
def test_what_is_not_there_is_a_problem(world: World, method: str, path: str) -> None:
    body = {"json": {"note": "x"}} if method == "PATCH" else {}
    assert_problem(world.request(method, path, headers=_ANY, **body), 404, "not-found")


def test_a_workout_is_its_totals(world: World) -> None:
    response = world.get(f"/v1/workouts/{_WORKOUT}")

    assert response.headers["etag"] == '"0"'
    assert response.json() == {
        "workout_id": _WORKOUT,
        "version": 0,
        "sensor_id": "wrist",
        "subject": None,
        "note": None,
        "started_at": "2026-03-01T17:00:00Z",
        "ended_at": "2026-03-01T17:01:30Z",
        "duration_s": 90.0,
        "active_s": 60.0,
        "n_sets": 2,
        "exercises": {"push-up": 1, "squat": 1},
        "totals": [
            {"exercise": "push-up", "n_sets": 1, "active_s": 30.0, "incorrect_share": 0.25, "repetitions": None},
            {"exercise": "squat", "n_sets": 1, "active_s": 30.0, "incorrect_share": None, "repetitions": None},
        ],
        "simulated": True,
    }
    assert world.get("/v1/workouts").json() == {"items": [response.json()], "next_cursor": None}


def test_corrections_of_sets_show_in_workout_and_history(world: World) -> None:
    _patch(world, f"/v1/sets/{_SET}", 0, label={"exercise": "squat", "form": "incorrect"}, repetitions=9)
    _patch(world, f"/v1/sets/{_SQUATS}", 0, discarded=True)

    workout = world.get(f"/v1/workouts/{_WORKOUT}").json()

    squats = {"exercise": "squat", "n_sets": 1, "active_s": 30.0, "incorrect_share": 1.0, "repetitions": 9}
    assert (workout["n_sets"], workout["active_s"], workout["totals"]) == (1, 30.0, [squats])
    assert workout["exercises"] == {"squat": 1}
    history = world.get("/v1/history").json()
    assert history["total"] == {
        "n_workouts": 1,
        "n_sets": 1,
        "active_s": 30.0,
        "incorrect_share": 1.0,
        "exercises": [squats],
    }
    assert history["periods"] == [{"starts_on": "2026-03-01", **history["total"]}]
    assert world.get("/v1/workouts?exercise=push-up").json()["items"] == []


def test_a_workout_whose_sets_were_all_discarded_stays_to_be_had_back(world: World) -> None:
    for set_id in (_SET, _SQUATS):
        _patch(world, f"/v1/sets/{set_id}", 0, discarded=True)

    (workout,) = world.get("/v1/workouts").json()["items"]

    assert (workout["n_sets"], workout["active_s"], workout["totals"]) == (0, 0.0, [])
    assert [one["discarded"] for one in world.get(f"/v1/sets?workout_id={_WORKOUT}").json()["items"]] == [True, True]


def test_a_workout_gets_a_person_who_thereby_is_known(world: World) -> None:
    world.shelves.persons.known("Anna")

    _patch(world, f"/v1/workouts/{_WORKOUT}", 0, subject="Anna")
    workout = _patch(world, f"/v1/workouts/{_WORKOUT}", 1, subject="Ben", note="tired")
    _patch(world, f"/v1/workouts/{_WORKOUT}", 2, subject=None)

    assert (workout["subject"], workout["note"], workout["version"]) == ("Ben", "tired", 2)
    assert [person["name"] for person in world.shelves.persons.all()] == ["Anna", "Ben"]
    assert world.get(f"/v1/workouts/{_WORKOUT}").json()["subject"] is None


def test_workouts_are_found_by_person_exercise_sensor_and_time(world: World) -> None:
    day_us = 24 * 3600 * SECOND
    ankle = f"ankle-{T0 + day_us}"
    _add_workout(world, make_set(T0 + day_us, sensor_id="ankle", workout_id=ankle, exercise="jump"))
    _patch(world, f"/v1/workouts/{ankle}", 0, subject="Anna")

    def found(**parameters: str) -> list[str]:
        return [one["workout_id"] for one in world.get("/v1/workouts", params=parameters).json()["items"]]

    assert found() == [ankle, _WORKOUT]
    assert found(subject="Anna") == found(exercise="jump") == found(sensor_id="ankle") == [ankle]
    assert found(**{"from": "2026-03-01T17:00:01Z"}) == [ankle]
    assert found(to="2026-03-02T17:00:00Z") == found(exercise="squat") == [_WORKOUT]
    assert found(subject="Ben") == found(subject="Anna", exercise="squat") == []
    history = world.get("/v1/history", params={"subject": "Anna", "by": "week"}).json()
    assert [one["starts_on"] for one in history["periods"]] == ["2026-03-02"]
    assert world.get("/v1/history?sensor_id=wrist").json()["total"]["n_workouts"] == 1


def test_workouts_come_page_by_page(world: World) -> None:
    for number in range(1, 5):
        sensor_id = f"wrist-{number}"
        # All of them start at the same time.
        _add_workout(world, make_set(sensor_id=sensor_id, workout_id=f"{sensor_id}-{T0}"))

    pages = [world.get("/v1/workouts?limit=2").json()]
    while cursor := pages[-1]["next_cursor"]:
        pages.append(world.get("/v1/workouts", params={"limit": 2, "cursor": cursor}).json())

    found = [one["workout_id"] for page in pages for one in page["items"]]
    assert [len(page["items"]) for page in pages] == [2, 2, 1]
    assert sorted(found) == sorted(world.workouts.documents)
    assert_problem(world.get("/v1/workouts?cursor=WyJ4IiwxXQ"), 422, "invalid-cursor")


def test_a_workout_is_deleted_for_good(world: World) -> None:
    _patch(world, f"/v1/workouts/{_WORKOUT}", 0, note="x")

    assert_problem(world.request("DELETE", f"/v1/workouts/{_WORKOUT}"), 428, "version-required")
    stale = world.request("DELETE", f"/v1/workouts/{_WORKOUT}", headers={"If-Match": '"0"'})
    assert_problem(stale, 412, "version-conflict")
    assert world.shelves.erasing.workouts == []

    response = world.request("DELETE", f"/v1/workouts/{_WORKOUT}", headers={"If-Match": '"1"'})

    assert (response.status_code, response.content) == (204, b"")
    assert world.shelves.erasing.workouts == world.workouts.forgotten == [_WORKOUT]


def test_a_timeline_has_the_sets_and_what_was_recognised(world: World) -> None:
    squat = Label(exercise="squat")
    world.classifications.shown = [
        LabelledWindow(T0 + number * SECOND, T0 + (number + 2) * SECOND, squat if number % 4 else None, 0.5)
        for number in range(8)
    ]
    _patch(world, f"/v1/sets/{_SQUATS}", 0, discarded=True)

    whole = world.get(f"/v1/workouts/{_WORKOUT}/timeline").json()
    thinned = world.get(f"/v1/workouts/{_WORKOUT}/timeline?max_points=2").json()

    # Sets begin and end in the middle of a window, which is two seconds long.
    assert world.classifications.asked == ("wrist", T0 - SECOND, T0 + 90 * SECOND + 1)
    assert (whole["started_at"], whole["ended_at"]) == ("2026-03-01T17:00:00Z", "2026-03-01T17:01:30Z")
    assert [(one["set_id"], one["discarded"]) for one in whole["sets"]] == [(_SET, False), (_SQUATS, True)]
    assert len(whole["windows"]) == 8
    assert whole["windows"][0] == {
        "start_at": "2026-03-01T17:00:00Z",
        "end_at": "2026-03-01T17:00:02Z",
        "label": None,
        "confidence": 0.5,
    }
    assert [one["label"] for one in thinned["windows"]] == [{"exercise": "squat", "form": None}] * 2


def _add_signal(world: World, started_us: int, seconds: int) -> None:
    """What the sensor sent: ten samples a second, a chunk per second."""
    for number in range(seconds):
        first_us = started_us + number * SECOND
        world.samples.chunks.append(
            SamplesDocument(
                _id=f"one:{number * 10:012d}",
                sensor_key=sensor_key("wrist", first_us),
                sensor_id="wrist",
                stream_id="one",
                sequence=number * 10,
                n_lost_before=0,
                n_samples=10,
                first_sample_us=first_us,
                last_sample_us=first_us + 900_000,
                sample_rate_hz=10.0,
                channels=["ax", "ay", "az"],
                samples=encode_samples(np.full((10, 3), number, np.float32)),
                simulated=True,
            )
        )


def test_a_corrected_set_becomes_training_data_of_whom_the_workout_is(world: World) -> None:
    _add_signal(world, T0 - 5 * SECOND, 60)
    _patch(world, f"/v1/sets/{_SET}", 0, label={"exercise": "dip", "form": "deep"})
    _patch(world, f"/v1/workouts/{_WORKOUT}", 0, subject="Anna")

    response = world.request("POST", f"/v1/sets/{_SET}/recording", json={"session": "monday"})
    again = world.request("POST", f"/v1/sets/{_SET}/recording", json={"session": "monday"})
    other = world.request("POST", f"/v1/sets/{_SET}/recording", json={"subject": None})
    nameless = world.request("POST", f"/v1/sets/{_SET}/recording", json={"session": None})

    (recording,) = response.json()["items"]
    assert (response.status_code, again.json()) == (201, response.json())
    assert recording["label"] == {"exercise": "dip", "form": "deep"}
    assert (recording["subject"], recording["session"], recording["sensor_id"]) == ("Anna", "monday", "wrist")
    assert (recording["started_at"], recording["duration_s"]) == ("2026-03-01T17:00:00Z", 30.0)
    assert (other.json()["items"][0]["subject"], other.json()["items"][0]["session"]) == (None, "2026-03-01 workout")
    assert (nameless.json()["items"][0]["subject"], nameless.json()["items"][0]["session"]) == ("Anna", None)
    assert [label["exercise"] for label in world.shelves.label_store.all()] == ["dip"]


def test_a_set_becomes_training_data_only_if_it_is_one_and_its_signal_is_there(world: World) -> None:
    path = f"/v1/sets/{_SET}/recording"

    gone = assert_problem(world.request("POST", path, json={}), 409, "samples-gone")
    assert "nothing is stored" in gone["detail"]
    _add_signal(world, T0, 60)
    _patch(world, f"/v1/sets/{_SET}", 0, discarded=True)
    assert_problem(world.request("POST", path, json={}), 409, "set-discarded")
    world.sets.add(make_set(state="open"))
    assert_problem(world.request("POST", path, json={}), 409, "set-open")
    assert_problem(world.request("POST", "/v1/sets/wrist-1/recording", json={}), 404, "not-found")
    assert world.shelves.recordings.documents == {}


def test_days_are_those_of_the_zone_that_is_asked_for(world: World) -> None:
    def day(zone: str) -> str:
        (period,) = world.get("/v1/history", params={"zone": zone}).json()["periods"]
        return str(period["starts_on"])

    assert day("UTC") == day("Europe/Berlin") == "2026-03-01"
    assert day("Pacific/Auckland") == "2026-03-02"
    problem = assert_problem(world.get("/v1/history?zone=Mars/Olympus"), 422, "invalid-request")
    assert problem["detail"] == "there is no time zone 'Mars/Olympus': send one such as Europe/Berlin or UTC"
    assert_problem(world.get("/v1/history?by=year"), 422, "invalid-request")
    backwards = "from=2026-03-01T17:00:00Z&to=2026-03-01T17:00:00Z"
    assert_problem(world.get(f"/v1/history?{backwards}"), 422, "invalid-request")


def test_everything_is_exported_as_json(world: World) -> None:
    _patch(world, f"/v1/sets/{_SQUATS}", 0, discarded=True)

    response = world.get("/v1/history/export")

    assert response.headers["content-type"] == "application/json"
    assert response.headers["content-disposition"] == 'attachment; filename="repsense-workouts.json"'
    (workout,) = json.loads(response.text)["workouts"]
    assert workout.pop("sets") == [world.get(f"/v1/sets/{one}").json() for one in (_SET, _SQUATS)]
    assert workout == world.get(f"/v1/workouts/{_WORKOUT}").json()


def test_everything_is_exported_as_a_table_with_a_row_per_set(world: World) -> None:
    _patch(world, f"/v1/workouts/{_WORKOUT}", 0, subject="Anna", note='with "quotes",\nand lines')
    _patch(world, f"/v1/sets/{_SET}", 0, label={"exercise": "dip"}, repetitions=8)

    response = world.get("/v1/history/export?format=csv")

    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(response.text)))
    assert [(row["set_id"], row["exercise"]) for row in rows] == [(_SET, "dip"), (_SQUATS, "squat")]
    assert rows[0] == rows[0] | {
        "workout_id": _WORKOUT,
        "workout_started_at": "2026-03-01T17:00:00Z",
        "subject": "Anna",
        "workout_note": 'with "quotes",\nand lines',
        "started_at": "2026-03-01T17:00:00Z",
        "duration_s": "30.0",
        "form": "",
        "repetitions": "8",
        "recognised_exercise": "push-up",
        "recognised_form": "correct",
        "discarded": "False",
        "simulated": "True",
    }


@pytest.mark.parametrize("form", ["json", "csv"])
def test_an_export_of_nothing_is_a_file_too(form: str) -> None:
    response = World().get("/v1/history/export", params={"format": form})

    assert response.status_code == 200
    assert json.loads(response.text) == {"workouts": []} if form == "json" else response.text.count("\n") == 1
