"""Every state of the workouts page, through Streamlit's own test runner and real HTTP to a stand-in for the API."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import streamlit as st
from services.dashboard.tests import fake_api
from services.dashboard.tests.fake_api import Request, World
from services.dashboard.tests.fake_workouts import FakeWorkouts, make_set
from streamlit.testing.v1 import AppTest

_SCRIPT = str(Path(__file__).with_name("page_script.py"))
_NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture(autouse=True)
def _close_clients() -> Iterator[None]:
    yield
    st.cache_resource.clear()


@pytest.fixture
def workouts(world: World) -> FakeWorkouts:
    """Let the world know of a workout every other day, of two persons in turn."""
    fake = FakeWorkouts(
        persons=["Anna", "Ben"],
        labels=[("squat", "correct"), ("squat", "incorrect"), ("lunge", None)],
        samples_from=_NOW - timedelta(hours=24),
    )
    for number in range(30):
        at = _NOW - timedelta(days=2 * number, hours=1)
        sets = [
            make_set(f"w{number}-0", f"w{number}", "squat", at, incorrect_share=0.2),
            make_set(f"w{number}-1", f"w{number}", "lunge", at + timedelta(minutes=2), duration_s=60.0),
        ]
        fake.add(sets, subject="Anna" if number % 2 else "Ben")
    world.sensors = [fake_api.make_sensor()]
    world.routes.append(fake)
    return fake


@pytest.fixture
def app(api_url: str, monkeypatch: pytest.MonkeyPatch, workouts: FakeWorkouts, world: World) -> AppTest:
    assert workouts in world.routes
    monkeypatch.setenv("API_URL", api_url)
    monkeypatch.setenv("PAGE", "workouts")
    return AppTest.from_file(_SCRIPT, default_timeout=30)


def _read(app: AppTest) -> str:
    """Return the page's HTML, having checked that nothing failed."""
    assert not app.exception
    return "\n".join(element.body for element in app.html).replace("\u00a0", " ")


def test_a_span_is_added_up_and_compared_with_the_one_before(app: AppTest) -> None:
    html = _read(app.run())
    assert "<span>Sets</span>" in html
    assert "80 % correct" in html
    assert "form not told apart" in html
    assert "“Was” is" not in html  # nothing was recorded that long ago
    app.button_group[0].set_value("4 weeks").run()
    assert "“Was” is the 4 weeks before." in _read(app)


def test_the_list_goes_on_with_older_ones(app: AppTest) -> None:
    app.run()
    assert _read(app).count("rs-workout-foot") == 20
    app.button(key="workouts-older").click().run()
    assert _read(app).count("rs-workout-foot") == 30
    assert not [button for button in app.button if button.key == "workouts-older"]


def test_the_list_and_the_sums_are_of_the_person_that_is_picked(app: AppTest) -> None:
    app.run()
    app.selectbox(key="workouts-person").set_value("Anna").run()
    html = _read(app)
    assert "Anna</span>" in html
    assert "Ben</span>" not in html
    assert "<b>15</b>" in html


def test_one_exercise_is_shown_by_itself(app: AppTest) -> None:
    app.run()
    app.selectbox(key="workouts-exercise").set_value("lunge").run()
    html = _read(app)
    assert "<span>Workouts</span>" not in html
    assert "Correct form" not in html
    assert "30 min" in html  # a minute of lunges in each workout


def test_any_dates_can_be_asked_for(app: AppTest) -> None:
    app.run()
    app.button_group[0].set_value("Dates").run()
    app.date_input(key="workouts-dates").set_value((_NOW.date() - timedelta(days=3), _NOW.date())).run()
    assert _read(app).count("rs-workout-foot") in {1, 2}


def test_times_are_in_the_readers_zone_and_say_so(app: AppTest, workouts: FakeWorkouts) -> None:
    html = _read(app.run())
    assert "times in UTC" in html
    start = datetime.fromisoformat(workouts.sets["w0-0"]["started_at"])
    assert f"{start:%H:%M} to" in html


def test_without_workouts_the_page_says_what_to_do(app: AppTest, workouts: FakeWorkouts) -> None:
    workouts.workouts.clear()
    workouts.sets.clear()
    assert "No workout yet" in _read(app.run())


def test_nothing_in_a_time_is_said(app: AppTest, workouts: FakeWorkouts) -> None:
    workouts.persons.append("Chris")
    app.run()
    app.selectbox(key="workouts-person").set_value("Chris").run()
    assert "Nothing in this time." in _read(app)


def test_a_workout_is_shown_with_its_sets_and_opened_by_its_address(app: AppTest) -> None:
    app.run()
    app.button(key="workout-w0").click().run()
    assert app.query_params["workout"] in ("w0", ["w0"])
    html = _read(app)
    assert "Squat</b>" in html
    assert "42 s" in html
    app.button(key="workout-back").click().run()
    assert "workout" not in app.query_params


def test_a_workout_that_is_gone_says_so(app: AppTest) -> None:
    app.query_params["workout"] = "gone"
    assert "This workout is not there" in _read(app.run())


def _open_dialog(app: AppTest, set_id: str) -> None:
    app.query_params["workout"] = set_id.partition("-")[0]
    app.run()
    app.button(key=f"set-{set_id}").click().run()


def test_a_set_is_corrected_becomes_training_data_and_is_put_back(
    app: AppTest, workouts: FakeWorkouts, world: World
) -> None:
    _open_dialog(app, "w0-0")
    assert "Recognised as squat (correct)" in _read(app)
    assert app.button(key="set-w0-0-0-save").disabled
    app.selectbox(key="set-w0-0-0-exercise").set_value("lunge").run()
    app.number_input(key="set-w0-0-0-repetitions").set_value(14).run()
    app.checkbox(key="set-w0-0-0-keep").set_value(True).run()
    app.button(key="set-w0-0-0-save").click().run()
    html = _read(app)
    assert "corrected, was recognised as squat (correct)" in html
    assert "14 repetitions" in html
    assert "The set is training data now" in html
    assert workouts.kept == ["w0-0"]
    start = datetime.fromisoformat(workouts.sets["w0-0"]["started_at"])
    assert world.requests[-1].json() == {"subject": "Ben", "session": f"{start:%Y-%m-%d} workout"}
    assert "Set corrected to lunge" in html
    app.button(key="undo").click().run()
    assert workouts.sets["w0-0"]["exercise"] == "squat"
    assert workouts.sets["w0-0"]["repetitions"] is None


def test_a_set_whose_signal_is_gone_is_corrected_all_the_same(app: AppTest, workouts: FakeWorkouts) -> None:
    _open_dialog(app, "w3-0")
    app.number_input(key="set-w3-0-0-repetitions").set_value(9).run()
    app.checkbox(key="set-w3-0-0-keep").set_value(True).run()
    app.button(key="set-w3-0-0-save").click().run()
    html = _read(app)
    assert "cannot become training data any more" in html
    assert "kept for 24 hours" in html
    assert workouts.sets["w3-0"]["repetitions"] == 9


def test_no_exercise_at_all_does_not_count_until_it_is_said_to(app: AppTest, workouts: FakeWorkouts) -> None:
    _open_dialog(app, "w0-0")
    app.toggle(key="set-w0-0-0-discarded").set_value(True).run()
    app.button(key="set-w0-0-0-save").click().run()
    assert "no exercise: does not count" in _read(app)
    app.button(key="set-w0-0").click().run()
    app.button(key="set-w0-0-1-reset").click().run()
    assert workouts.sets["w0-0"]["discarded"] is False


def test_two_who_correct_the_same_set_are_told(app: AppTest, workouts: FakeWorkouts, world: World) -> None:
    _open_dialog(app, "w0-0")
    app.number_input(key="set-w0-0-0-repetitions").set_value(9).run()

    def be_faster(request: Request) -> None:
        if request.method == "PATCH":
            workouts.sets["w0-0"] |= {"version": 1, "repetitions": 12}

    world.routes.insert(0, be_faster)
    app.button(key="set-w0-0-0-save").click().run()
    html = _read(app)
    assert "The set was not corrected" in html
    assert "Nothing was overwritten" in html
    assert "12 repetitions" in html


def test_a_set_that_goes_on_cannot_be_changed(app: AppTest, workouts: FakeWorkouts) -> None:
    workouts.sets["w0-1"]["state"] = "open"
    app.query_params["workout"] = "w0"
    assert "goes on" in _read(app.run())
    assert app.button(key="set-w0-1").disabled


def test_a_workout_is_assigned(app: AppTest, workouts: FakeWorkouts) -> None:
    app.query_params["workout"] = "w0"
    app.run()
    app.selectbox(key="workout-w0-0-person").set_value("Anna").run()
    assert workouts.workouts["w0"]["subject"] == "Anna"
    assert "Workout assigned to Anna" in _read(app)


def test_an_assignment_that_is_refused_is_said_once_and_asked_for_once(
    app: AppTest, workouts: FakeWorkouts, world: World
) -> None:
    refusal = fake_api.problem(422, "Invalid request", "the name is too long", "invalid-request")
    world.routes.insert(0, lambda request: refusal if request.method == "PATCH" else None)
    app.query_params["workout"] = "w0"
    app.run()
    n_asked = len(world.requests)
    app.selectbox(key="workout-w0-0-person").set_value("Anna").run()
    html = _read(app)
    assert html.count("The workout was not assigned") == 1
    assert "the name is too long" in html
    assert [request.method for request in world.requests[n_asked:]].count("PATCH") == 1
    assert workouts.workouts["w0"]["subject"] == "Ben"
    assert app.selectbox(key="workout-w0-1-person").value == "Ben"


def test_a_note_is_stored(app: AppTest, workouts: FakeWorkouts) -> None:
    app.query_params["workout"] = "w0"
    app.run()
    app.text_area(key="workout-w0-0-note").set_value("hot day").run()
    assert workouts.workouts["w0"]["note"] == "hot day"
    assert "Note changed" in _read(app)


def test_a_workout_is_deleted_for_good(app: AppTest, workouts: FakeWorkouts) -> None:
    app.query_params["workout"] = "w0"
    app.run()
    app.button(key="workout-w0-0-delete").click().run()
    assert "w0" not in workouts.workouts
    html = _read(app)
    assert "The workout is deleted" in html
    assert "rs-tiles" in html


def test_names_from_the_api_are_never_markup(app: AppTest, workouts: FakeWorkouts, world: World) -> None:
    hostile = '<img src=x onerror="alert(1)">'
    world.sensors[0]["sensor_id"] = hostile
    workouts.persons.append(hostile)
    workouts.workouts["w0"] |= {"subject": hostile, "note": hostile}
    workouts.sets["w0-0"] |= {"exercise": hostile, "form": hostile, "note": hostile, "corrected": True}
    overview = _read(app.run())
    app.query_params["workout"] = "w0"
    detail = _read(app.run())
    for html in (overview, detail):
        assert "&lt;img" in html
        assert "<img" not in html


def test_an_api_that_is_away_is_said_in_words(app: AppTest, world: World) -> None:
    world.problem = {"status": 503, "title": "No database", "detail": "MongoDB does not answer."}
    assert "MongoDB does not answer." in _read(app.run())
