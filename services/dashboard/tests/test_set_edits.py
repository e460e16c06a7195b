"""What of a set is to be different, and the way back."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from services.dashboard.tests.fake_api import World
from services.dashboard.tests.fake_workouts import FakeWorkouts, make_set
from services.dashboard.tests.transport import world_transport

from repsense_dashboard.api import ApiClient, ApiProblemError, Label
from repsense_dashboard.api.workouts import WorkoutSet
from repsense_dashboard.components.page import Changes
from repsense_dashboard.set_edits import WorkoutEdits, set_changes

_NOW = datetime.now(UTC)
_LUNGE, _SQUAT = Label(exercise="lunge"), Label(exercise="squat", form="correct")


@pytest.fixture
def workouts() -> FakeWorkouts:
    fake = FakeWorkouts()
    fake.add([make_set("s0", "w0", "squat", _NOW - timedelta(hours=1), incorrect_share=0.25)])
    return fake


@pytest.fixture
def client(world: World, workouts: FakeWorkouts) -> Iterator[ApiClient]:
    world.routes.append(workouts)
    with ApiClient("http://api.test", transport=world_transport(world, [])) as client:
        yield client


def _entry(workouts: FakeWorkouts) -> WorkoutSet:
    return WorkoutSet.model_validate(workouts.sets["s0"])


def _changes(entry: WorkoutSet, **given: object) -> dict[str, object]:
    present = {"label": None, "discarded": entry.discarded, "repetitions": entry.repetitions, "note": entry.note or ""}
    return set_changes(entry, **(present | given))  # type: ignore[arg-type]


def test_nothing_changed_is_no_change(workouts: FakeWorkouts) -> None:
    entry = _entry(workouts)
    assert _changes(entry) == {}
    assert _changes(entry, label=_SQUAT, note="  ") == {}


def test_only_what_is_different_is_sent(workouts: FakeWorkouts) -> None:
    entry = _entry(workouts)
    assert _changes(entry, label=_LUNGE) == {"label": {"exercise": "lunge", "form": None}}
    assert _changes(entry, discarded=True, repetitions=12, note=" tired ") == {
        "discarded": True,
        "repetitions": 12,
        "note": "tired",
    }


def test_what_was_recognised_is_no_correction(workouts: FakeWorkouts) -> None:
    workouts.sets["s0"] |= {"exercise": "lunge", "form": None, "corrected": True}
    assert _changes(_entry(workouts), label=_SQUAT) == {"label": None}


def test_corrections_are_taken_back_one_by_one(client: ApiClient, workouts: FakeWorkouts) -> None:
    changes = Changes()
    edits = WorkoutEdits(client, changes)
    lunge = edits.edit_set(_entry(workouts), {"label": _LUNGE.model_dump()})
    assert changes.last == "Set corrected to lunge"
    counted = edits.edit_set(lunge, {"repetitions": 9})
    assert changes.last == "9 repetitions of lunge"
    edits.edit_set(counted, {"discarded": True, "note": "none"})
    assert changes.last == "lunge does not count any more"
    changes.undo()
    assert (workouts.sets["s0"]["discarded"], workouts.sets["s0"]["note"]) == (False, None)
    changes.undo()
    assert (workouts.sets["s0"]["repetitions"], workouts.sets["s0"]["exercise"]) == (None, "lunge")
    changes.undo()
    assert (workouts.sets["s0"]["exercise"], workouts.sets["s0"]["corrected"]) == ("squat", False)
    assert changes.last is None


def test_a_second_correction_is_taken_back_to_the_first(client: ApiClient, workouts: FakeWorkouts) -> None:
    changes = Changes()
    edits = WorkoutEdits(client, changes)
    lunge = edits.edit_set(_entry(workouts), {"label": _LUNGE.model_dump()})
    edits.edit_set(lunge, {"label": {"exercise": "jump", "form": None}})
    changes.undo()
    assert workouts.sets["s0"]["exercise"] == "lunge"


def test_what_somebody_else_has_changed_since_is_not_taken_back(client: ApiClient, workouts: FakeWorkouts) -> None:
    changes = Changes()
    edited = WorkoutEdits(client, changes).edit_set(_entry(workouts), {"repetitions": 9})
    client.workouts.edit_set(edited, {"repetitions": 10})
    changes.undo()
    assert workouts.sets["s0"]["repetitions"] == 10
    assert changes.last is None


def test_a_conflict_changes_nothing_and_is_not_remembered(client: ApiClient, workouts: FakeWorkouts) -> None:
    changes = Changes()
    entry = _entry(workouts)
    client.workouts.edit_set(entry, {"repetitions": 10})
    with pytest.raises(ApiProblemError):
        WorkoutEdits(client, changes).edit_set(entry, {"repetitions": 9})
    assert changes.last is None


def test_who_it_was_is_taken_back(client: ApiClient, workouts: FakeWorkouts) -> None:
    changes = Changes()
    edits = WorkoutEdits(client, changes)
    workout = client.workouts.get_workout("w0")
    edits.edit_workout(workout, {"subject": "Anna"}, "Workout assigned to Anna")
    assert workouts.workouts["w0"]["subject"] == "Anna"
    changes.undo()
    assert workouts.workouts["w0"]["subject"] is None
