"""The client of workouts and history against the stand-in, and what it sends."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import httpx
import pytest
from services.dashboard.tests.fake_api import World
from services.dashboard.tests.fake_workouts import FakeWorkouts, make_set
from services.dashboard.tests.transport import world_transport

from repsense_dashboard.api import ApiClient, ApiProblemError, Label
from repsense_dashboard.api.workouts import HistoryFilter

# In summer: half an hour before midnight in UTC is the next day in Berlin.
_EVENING = datetime(2026, 7, 5, 22, 30, tzinfo=UTC)


@pytest.fixture
def sent() -> list[httpx.Request]:
    return []


@pytest.fixture
def workouts(world: World) -> FakeWorkouts:
    fake = FakeWorkouts(samples_from=_EVENING)
    for number, (subject, exercise) in enumerate((("Anna", "squat"), ("Ben", "lunge"), ("Anna", "lunge"))):
        at = _EVENING - timedelta(days=2 - number)
        fake.add(
            [
                make_set(f"s{number}", f"w{number}", exercise, at, incorrect_share=0.25),
                make_set(f"t{number}", f"w{number}", "jump", at + timedelta(minutes=2), duration_s=30.0),
            ],
            subject=subject,
        )
    world.routes.append(fake)
    return fake


@pytest.fixture
def client(world: World, workouts: FakeWorkouts, sent: list[httpx.Request]) -> Iterator[ApiClient]:
    assert workouts in world.routes
    with ApiClient("http://api.test", transport=world_transport(world, sent)) as client:
        yield client


def test_workouts_come_newest_first_and_in_pages(client: ApiClient) -> None:
    first = client.workouts.list_workouts(HistoryFilter(), limit=2)
    rest = client.workouts.list_workouts(HistoryFilter(), limit=2, cursor=first.next_cursor)
    assert [one.workout_id for one in (*first.items, *rest.items)] == ["w2", "w1", "w0"]
    assert rest.next_cursor is None
    newest = first.items[0]
    assert (newest.subject, newest.n_sets, newest.active_s) == ("Anna", 2, 72.0)
    assert [(total.exercise, total.n_sets) for total in newest.totals] == [("jump", 1), ("lunge", 1)]


def test_a_filter_sends_only_what_matters(client: ApiClient, sent: list[httpx.Request]) -> None:
    wanted = HistoryFilter(subject="Anna", from_at=_EVENING - timedelta(days=1))
    assert [one.workout_id for one in client.workouts.list_workouts(wanted, exercise="lunge", limit=9).items] == ["w2"]
    assert dict(sent[0].url.params) == {
        "subject": "Anna",
        "from": "2026-07-04T22:30:00+00:00",
        "limit": "9",
        "exercise": "lunge",
    }


def test_a_timeline_has_sets_and_windows(client: ApiClient) -> None:
    timeline = client.workouts.get_timeline("w0", max_points=40)
    assert [entry.exercise for entry in timeline.sets] == ["squat", "jump"]
    assert 0 < len(timeline.windows) <= 40
    assert timeline.windows[0].label == Label(exercise="squat", form="correct")


def test_the_history_is_summed_up_in_the_zone_that_is_asked_for(client: ApiClient) -> None:
    berlin = client.workouts.get_history(HistoryFilter(), zone="Europe/Berlin", by="day")
    assert [period.starts_on for period in berlin.periods] == [date(2026, 7, day) for day in (6, 5, 4)]
    weeks = client.workouts.get_history(HistoryFilter(), zone="UTC", by="week")
    assert [(period.starts_on, period.n_workouts) for period in weeks.periods] == [(date(2026, 6, 29), 3)]
    assert (weeks.total.n_sets, weeks.total.incorrect_share) == (6, 0.25)


def test_a_set_is_corrected_and_put_back(client: ApiClient, sent: list[httpx.Request]) -> None:
    entry = client.workouts.get_timeline("w0", max_points=1).sets[0]
    corrected = client.workouts.edit_set(entry, {"label": {"exercise": "lunge", "form": None}, "repetitions": 12})
    assert (corrected.exercise, corrected.form, corrected.repetitions) == ("lunge", None, 12)
    assert (corrected.corrected, corrected.recognised) == (True, Label(exercise="squat", form="correct"))
    assert sent[-1].headers["If-Match"] == '"0"'
    restored = client.workouts.edit_set(corrected, {"label": None})
    assert (restored.exercise, restored.corrected, restored.repetitions) == ("squat", False, 12)
    assert json.loads(sent[-1].content) == {"label": None}


def test_two_who_correct_the_same_set_do_not_overwrite_each_other(client: ApiClient) -> None:
    entry = client.workouts.get_timeline("w0", max_points=1).sets[0]
    client.workouts.edit_set(entry, {"discarded": True})
    with pytest.raises(ApiProblemError) as caught:
        client.workouts.edit_set(entry, {"repetitions": 3})
    assert (caught.value.status, caught.value.kind) == (412, "version-conflict")


def test_a_discarded_set_does_not_count(client: ApiClient) -> None:
    entry = client.workouts.get_timeline("w0", max_points=1).sets[0]
    client.workouts.edit_set(entry, {"discarded": True})
    assert client.workouts.get_workout("w0").n_sets == 1


def test_a_workout_is_assigned_and_deleted(client: ApiClient) -> None:
    workout = client.workouts.get_workout("w1")
    changed = client.workouts.edit_workout(workout, {"subject": "Anna", "note": "hot"})
    assert (changed.subject, changed.note, changed.version) == ("Anna", "hot", 1)
    with pytest.raises(ApiProblemError, match="Changed meanwhile"):
        client.workouts.delete_workout(workout)
    client.workouts.delete_workout(changed)
    assert len(client.workouts.list_workouts(HistoryFilter(), limit=9).items) == 2


def test_a_set_becomes_training_data_while_its_signal_is_kept(
    client: ApiClient, workouts: FakeWorkouts, sent: list[httpx.Request]
) -> None:
    assert client.workouts.keep_as_recording("s2", subject="Anna", session="monday") == 1
    assert workouts.kept == ["s2"]
    assert json.loads(sent[0].content) == {"subject": "Anna", "session": "monday"}
    with pytest.raises(ApiProblemError) as caught:
        client.workouts.keep_as_recording("s1", subject=None, session="monday")
    assert json.loads(sent[1].content) == {"session": "monday"}
    assert caught.value.kind == "samples-gone"


@pytest.mark.parametrize(("form", "begins_with"), [("json", b'{"workouts": ['), ("csv", b"set_id,workout_id,")])
def test_everything_can_be_exported(client: ApiClient, form: str, begins_with: bytes) -> None:
    file = client.workouts.export("csv" if form == "csv" else "json")
    assert file.name == f"workouts.{form}"
    assert file.content.startswith(begins_with)
