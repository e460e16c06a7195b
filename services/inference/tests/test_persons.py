"""Persons over REST."""

from dataclasses import replace
from pathlib import Path

import pytest
from services.inference.tests.fakes_recordings import RecordingWorld, problem_of
from support.models import mean_manifest
from support.recordings import make_recording

from repsense.documents import ModelDocument
from repsense.manifest import Evaluation, GroupAccuracy, ModelManifest
from repsense.registry import RegisteredVersion
from repsense_inference.recording_ports import Belongings, Erased


@pytest.fixture
def world() -> RecordingWorld:
    return RecordingWorld()


def _evaluated_on(group_by: str, *groups: str) -> ModelDocument:
    evaluation = Evaluation.model_validate(
        {
            "method": "leave one out",
            "group_by": group_by,
            "accuracy": 0.9,
            "macro_f1": 0.9,
            "recall": {},
            "groups": [GroupAccuracy(group=group, n_windows=10, accuracy=0.9) for group in groups],
        }
    )
    manifest = mean_manifest(version=3).model_copy(update={"evaluation": evaluation})
    return ModelDocument(
        _id="mean@3", name="mean", version=3, manifest=manifest.model_dump_json(), first_used_us=1_772_384_400_000_000
    )


def test_somebody_is_added_and_read(world: RecordingWorld) -> None:
    added = world.change("POST", "/v1/persons", {"name": " Anna ", "note": "wears it on the left"})

    person = added.json()
    assert (added.status_code, added.headers["ETag"]) == (201, '"1"')
    assert added.headers["Location"] == f"/v1/persons/{person['person_id']}"
    assert (person["name"], person["note"], person["n_recordings"], person["version"]) == (
        "Anna",
        "wears it on the left",
        0,
        1,
    )
    read = world.request("GET", added.headers["Location"])
    assert (read.json(), read.headers["ETag"]) == (person, '"1"')


def test_a_name_is_given_once(world: RecordingWorld) -> None:
    world.persons.known("Anna")
    ben = world.persons.known("Ben")

    again = world.change("POST", "/v1/persons", {"name": "Anna"})
    renamed = world.change("PATCH", f"/v1/persons/{ben['_id']}", {"name": "Anna"}, version=1)

    assert problem_of(again) == problem_of(renamed) == (409, "name-taken")
    assert "Anna" in again.json()["detail"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": ""},
        {"name": "  "},
        {"name": None},
        {"name": "A" * 101},
        {"name": "Anna", "age": 30},
        [],
    ],
)
def test_what_is_no_person_is_refused(world: RecordingWorld, body: object) -> None:
    assert problem_of(world.change("POST", "/v1/persons", body)) == (422, "invalid-request")
    assert not world.persons.documents


def test_half_a_character_is_no_name(world: RecordingWorld) -> None:
    headers = {"Content-Type": "application/json"}

    response = world.request("POST", "/v1/persons", content=rb'{"name": "\ud800"}', headers=headers)

    assert problem_of(response) == (422, "invalid-request")


def test_persons_come_by_name_with_what_they_recorded(world: RecordingWorld) -> None:
    world.persons.known("ben")
    world.persons.known("Anna")
    world.recordings.keep(make_recording(1500, subject="ben"))
    world.recordings.keep(make_recording(3000, seed=1, subject="ben"), trim_start=1500)
    world.recordings.keep(make_recording(3000, seed=2, subject="ben"), deleted_us=1_772_386_900_000_000)

    items = world.get("/v1/persons")["items"]

    assert [(one["name"], one["n_recordings"], one["recorded_minutes"]) for one in items] == [
        ("Anna", 0, 0.0),
        ("ben", 2, 2.0),
    ]


def test_the_subject_of_a_recording_becomes_a_person(world: RecordingWorld) -> None:
    world.recordings.keep(make_recording(subject="Cleo"))
    world.recordings.keep(make_recording(seed=1, subject="Dora"), deleted_us=1_772_386_900_000_000)
    world.recordings.keep(make_recording(seed=2, subject=""))

    first = world.get("/v1/persons")["items"]

    assert [one["name"] for one in first] == ["Cleo", "Dora"]
    assert world.get("/v1/persons")["items"] == first


def test_only_what_is_sent_is_changed(world: RecordingWorld) -> None:
    path = f"/v1/persons/{world.persons.known('Anna')['_id']}"

    noted = world.change("PATCH", path, {"note": "left"}, version=1)
    renamed = world.change("PATCH", path, {"name": "Anna B."}, version=2)
    cleared = world.change("PATCH", path, {"note": None}, version="*")

    assert (noted.json()["name"], noted.json()["note"], noted.headers["ETag"]) == ("Anna", "left", '"2"')
    assert (renamed.json()["name"], renamed.json()["note"]) == ("Anna B.", "left")
    assert (cleared.json()["note"], cleared.json()["version"]) == (None, 4)


def test_a_change_needs_the_present_version(world: RecordingWorld) -> None:
    path = f"/v1/persons/{world.persons.known('Anna')['_id']}"

    assert problem_of(world.change("PATCH", path, {"note": "left"})) == (428, "version-required")
    assert problem_of(world.change("PATCH", path, {"note": "left"}, version=2)) == (412, "version-conflict")
    assert problem_of(world.change("DELETE", f"{path}?confirm=Anna", version=2)) == (412, "version-conflict")
    assert world.persons.all()[0]["note"] is None


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_somebody_unknown_is_not_found(world: RecordingWorld, method: str) -> None:
    body = {"note": "left"} if method == "PATCH" else None

    response = world.change(method, f"/v1/persons/{'0' * 32}?confirm=Anna", body, version="*")

    assert problem_of(response) == (404, "not-found")


@pytest.mark.parametrize(
    ("group_by", "groups", "is_named"),
    [
        ("subject", ["Anna", "Ben"], True),
        ("subject", ["Annabel", "Ben"], False),
        ("session", ["Anna/monday", "Ben/monday"], True),
        ("session", ["Annabel/monday", "Ben/Anna"], False),
    ],
)
def test_belongings_tell_what_deletion_would_take(
    world: RecordingWorld, group_by: str, groups: list[str], *, is_named: bool
) -> None:
    person = world.persons.known("Anna")
    world.models.documents = [_evaluated_on(group_by, *groups)]
    world.erasing.found = Belongings(
        n_recordings=3, recorded_s=90.0, n_workouts=2, n_training_jobs=1, n_trainings_under_way=1
    )

    assert world.get(f"/v1/persons/{person['_id']}/belongings") == {
        "n_recordings": 3,
        "recorded_minutes": 1.5,
        "n_workouts": 2,
        "n_training_jobs": 1,
        "models": [{"name": "mean", "version": 3}] if is_named else [],
    }


def test_models_on_disk_are_told_too(world: RecordingWorld) -> None:
    person = world.persons.known("Anna")
    manifest = ModelManifest.model_validate_json(_evaluated_on("subject", "Anna")["manifest"])
    version = RegisteredVersion("mean", 3, "standby", Path("mean/standby/3"), manifest, None)
    world.model_directory.found = [version, replace(version, version=4, manifest=None, problem="damaged")]
    path = f"/v1/persons/{person['_id']}/belongings"

    there = world.get(path)["models"]
    world.model_directory.found = None
    gone = world.get(path)["models"]

    assert (there, gone) == ([{"name": "mean", "version": 3}], [])


@pytest.mark.parametrize("confirmation", ["", "?confirm=", "?confirm=anna", "?confirm=Anna%20"])
def test_nobody_is_deleted_without_their_name(world: RecordingWorld, confirmation: str) -> None:
    person = world.persons.known("Anna")

    response = world.change("DELETE", f"/v1/persons/{person['_id']}{confirmation}", version=1)

    assert problem_of(response) == (422, "not-confirmed")
    assert (world.erasing.persons, list(world.persons.documents)) == ([], [person["_id"]])


def test_deletion_takes_everything_and_says_how_much(world: RecordingWorld) -> None:
    person = world.persons.known("Anna")
    world.models.documents = [_evaluated_on("subject", "Anna")]
    world.erasing.erased = Erased(
        n_recordings=3, n_workouts=2, n_sets=9, n_classifications=80, n_samples_documents=100, n_training_jobs=1
    )

    response = world.change("DELETE", f"/v1/persons/{person['_id']}?confirm=Anna", version=1)

    assert response.json() == {
        "n_recordings": 3,
        "n_workouts": 2,
        "n_sets": 9,
        "n_classifications": 80,
        "n_samples_documents": 100,
        "n_training_jobs": 1,
        "models": [{"name": "mean", "version": 3}],
    }
    assert (world.erasing.persons, world.persons.documents) == (["Anna"], {})


def test_deletion_waits_for_trainings(world: RecordingWorld) -> None:
    person = world.persons.known("Anna")
    world.erasing.found = replace(world.erasing.found, n_trainings_under_way=1)

    response = world.change("DELETE", f"/v1/persons/{person['_id']}?confirm=Anna", version=1)

    assert problem_of(response) == (409, "training-under-way")
    assert world.erasing.persons == []
