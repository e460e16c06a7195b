"""The record page before, during and after a take, through Streamlit's own test runner and a stand-in for the API."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from services.dashboard.tests import fake_api
from services.dashboard.tests.fake_api import Request, World
from services.dashboard.tests.fake_recordings import FakeRecordings
from streamlit.testing.v1 import AppTest

from repsense_dashboard.api import ApiClient, Label
from repsense_dashboard.take import Plan, Take
from repsense_dashboard.views import record

_PLAN = Plan("wrist", Label(exercise="squat", form="correct"), "Anna", "garden", 20.0)
_FINISHED_S = 60.0


def _script(client: object) -> None:
    # The script runs apart from this module, without its names.
    from repsense_dashboard.api import ApiClient  # noqa: PLC0415
    from repsense_dashboard.views import record  # noqa: PLC0415

    assert isinstance(client, ApiClient)
    record.show(client)


@pytest.fixture
def app(client: ApiClient, world: World, fake_recordings: FakeRecordings) -> AppTest:
    """Return the page of somebody who has recorded squats on another day."""
    world.sensors = [fake_api.make_sensor()]
    fake_recordings.add_recording("squat", "correct", ago=timedelta(days=2))
    world.models = [
        {"in_use": True, "manifest": {"labels": [{"exercise": "plank"}, {"exercise": "squat", "form": "incorrect"}]}}
    ]
    return AppTest.from_function(_script, kwargs={"client": client}, default_timeout=30)


def _read(app: AppTest) -> str:
    """Return the page's HTML, having checked that nothing failed."""
    assert not app.exception
    return "\n".join(element.body for element in app.html)


def _let_a_take_begin(app: AppTest, *, ago_s: float, plan: Plan = _PLAN) -> Take:
    """Return a take that was started some time ago, in the page's session."""
    app.run()
    take: Take = app.session_state["record"].take
    take.start(plan, time.monotonic() - ago_s)
    return take


def _kept(world: World) -> list[Request]:
    return [each for each in world.requests if each.path == "/v1/recordings"]


def test_a_press_from_before_the_service_was_away_begins_nothing(
    app: AppTest, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    app.run()
    world.problem = fake_api.problem(503, "No database", "It does not answer.").document
    app.button(key="record-main-start").click().run()
    assert "No database" in _read(app)
    world.problem = None
    monkeypatch.setattr(record, "_PRESS_COUNTS_S", 0.0)
    app.run()
    assert not app.button(key="record-main-start").disabled
    assert app.session_state["record"].take.number == 0


def test_without_a_sensor_the_page_says_how_to_start_one(app: AppTest, world: World) -> None:
    world.sensors = []
    assert "No sensor yet" in _read(app.run())


def test_what_can_be_chosen_is_what_was_recorded_and_what_the_model_knows(app: AppTest) -> None:
    app.run()
    assert app.pills(key="record-activity").options[:2] == ["squat", "plank"]
    assert app.pills(key="record-person").value == "Anna"
    assert app.segmented_control(key="record-duration").value == 20


def test_form_is_asked_where_there_is_an_activity_and_begins_with_what_is_recorded(app: AppTest) -> None:
    app.run()
    app.pills(key="record-activity").set_value("squat").run()
    form = app.pills(key="record-form")
    assert form.value == "correct"
    form.set_value("").run()
    assert app.pills(key="record-form").value == ""


def test_rest_has_no_form(app: AppTest, fake_recordings: FakeRecordings) -> None:
    fake_recordings.add_label("rest", background=True)
    app.run()
    app.pills(key="record-activity").set_value("rest").run()
    assert not [each for each in app.pills if each.key == "record-form"]


def test_an_activity_can_be_added_on_the_spot(app: AppTest) -> None:
    app.run()
    app.pills(key="record-activity").set_value("\N{HEAVY PLUS SIGN}").run()
    app.text_input(key="record-activity-new").set_value(" *lunge* ").run()
    _read(app)
    assert app.pills(key="record-activity").value == "*lunge*"
    assert r"\*lunge\*" in app.pills(key="record-activity").options


def test_the_first_activity_of_all_is_asked_for(app: AppTest, world: World, fake_recordings: FakeRecordings) -> None:
    fake_recordings.recordings.clear()
    fake_recordings.labels.clear()
    fake_recordings.persons.clear()
    world.models = []
    app.run()
    app.text_input(key="record-activity-new").set_value("squat").run()
    app.text_input(key="record-person-new").set_value("Anna").run()
    assert app.pills(key="record-activity").value == "squat"
    assert app.pills(key="record-person").value == "Anna"


def test_a_session_begins_with_the_day_and_anew_when_the_sensor_was_taken_off(app: AppTest) -> None:
    app.run()
    first = app.text_input(key="record-session").value
    assert first == f"{datetime.now(UTC):%Y-%m-%d} 1"
    app.button(key="record-new-session").click().run()
    assert app.text_input(key="record-session").value == f"{datetime.now(UTC):%Y-%m-%d} 2"


def test_a_link_can_say_what_to_record(app: AppTest) -> None:
    app.query_params["exercise"] = "squat"
    app.query_params["form"] = "incorrect"
    app.run()
    assert app.pills(key="record-activity").value == "squat"
    assert app.pills(key="record-form").value == "incorrect"
    assert "exercise" not in app.query_params


def test_a_sensor_that_is_away_is_waited_for(app: AppTest, world: World) -> None:
    world.sensors = [fake_api.make_sensor(state="offline")]
    app.run()
    assert app.button(key="record-main-start").disabled
    assert app.button(key="record-main-start").label == "Waiting for the sensor"


def test_without_activity_the_page_says_that_it_can_be_labelled_later(app: AppTest) -> None:
    assert "you can label it later" in _read(app.run())


def test_the_button_begins_a_countdown_that_can_be_cancelled(app: AppTest, world: World) -> None:
    app.run()
    app.pills(key="record-activity").set_value("squat").run()
    app.button(key="record-main-start").click().run()
    assert "Get ready" in _read(app)
    app.button(key="record-main-cancel").click().run()
    assert app.button(key="record-main-start").label == "Start"
    assert not _kept(world)


def test_while_it_records_repetitions_are_counted(app: AppTest) -> None:
    _let_a_take_begin(app, ago_s=15.0)
    html = _read(app.run())
    assert "Recording" in html
    # 12 s, of which 1.4 s until the first of 2.1 s each.
    assert '<b class="rs-number rs-beat-1">5</b>' in html
    assert app.button(key="record-main-stop").label == "Stop"


def test_a_finished_take_is_stored_as_it_was_planned_and_reviewed(app: AppTest, world: World) -> None:
    take = _let_a_take_begin(app, ago_s=_FINISHED_S)
    html = _read(app.run())
    (kept,) = _kept(world)
    body = kept.json()
    assert body["label"] == {"exercise": "squat", "form": "correct"}
    assert (body["sensor_id"], body["subject"], body["session"]) == ("wrist", "Anna", "garden")
    lasted = datetime.fromisoformat(body["to"]) - datetime.fromisoformat(body["from"])
    assert lasted == timedelta(seconds=20)
    assert len(take.recordings) == 1
    assert "18 s kept of 20\N{NO-BREAK SPACE}s, about 8 repetitions".replace("18 s", "18\N{NO-BREAK SPACE}s") in html


def test_a_take_can_be_stopped_before_its_time(app: AppTest, world: World) -> None:
    _let_a_take_begin(app, ago_s=10.0)
    app.run()
    app.button(key="record-main-stop").click().run()
    _read(app)
    body = _kept(world)[0].json()
    lasted = datetime.fromisoformat(body["to"]) - datetime.fromisoformat(body["from"])
    assert timedelta(seconds=6) < lasted < timedelta(seconds=20)


def test_keeping_goes_back_and_shows_the_take_and_what_is_missing(app: AppTest) -> None:
    plan = Plan("wrist", _PLAN.label, "Anna", f"{datetime.now(UTC):%Y-%m-%d} 1", 20.0)
    _let_a_take_begin(app, ago_s=_FINISHED_S, plan=plan)
    app.run()
    app.button(key="record-keep").click().run()
    html = _read(app)
    assert "1\N{MULTIPLICATION SIGN}" in html
    assert "4 more takes" in html
    assert app.button(key="record-main-start").label == "Start"


def test_keeping_can_begin_the_next_take_at_once(app: AppTest, fake_recordings: FakeRecordings) -> None:
    _let_a_take_begin(app, ago_s=_FINISHED_S)
    app.run()
    app.button(key="record-main-next").click().run()
    assert "Get ready" in _read(app)
    assert all(each["deleted_at"] is None for each in fake_recordings.recordings.values())


def test_again_discards_the_take_and_begins_another(app: AppTest, fake_recordings: FakeRecordings) -> None:
    take = _let_a_take_begin(app, ago_s=_FINISHED_S)
    app.run()
    recording_id = take.recordings[0].recording_id
    app.button(key="record-again").click().run()
    assert "Get ready" in _read(app)
    assert fake_recordings.recordings[recording_id]["deleted_at"] is not None


def test_a_discarded_take_can_be_had_back(app: AppTest, fake_recordings: FakeRecordings) -> None:
    take = _let_a_take_begin(app, ago_s=_FINISHED_S)
    app.run()
    recording_id = take.recordings[0].recording_id
    app.button(key="record-discard").click().run()
    assert "Take of squat (correct) deleted" in _read(app)
    app.button(key="undo").click().run()
    assert fake_recordings.recordings[recording_id]["deleted_at"] is None
    assert "Undone" in _read(app)


def test_a_take_that_somebody_else_has_changed_is_not_discarded(app: AppTest, fake_recordings: FakeRecordings) -> None:
    take = _let_a_take_begin(app, ago_s=_FINISHED_S)
    app.run()
    fake_recordings.recordings[take.recordings[0].recording_id]["version"] = 7
    app.button(key="record-discard").click().run()
    assert "The take was not discarded" in _read(app)


def test_an_interruption_is_said_in_words(app: AppTest, fake_recordings: FakeRecordings) -> None:
    _let_a_take_begin(app, ago_s=_FINISHED_S)
    fake_recordings.interruption_after_s = 9.0
    html = _read(app.run())
    assert "It is shorter than planned: the sensor was disconnected." in html


def test_an_interruption_is_said_while_it_records(app: AppTest, fake_recordings: FakeRecordings) -> None:
    _let_a_take_begin(app, ago_s=15.0)
    fake_recordings.interruption_after_s = 5.0
    assert "The signal was interrupted" in _read(app.run())


def test_a_take_of_which_nothing_was_stored_says_so(app: AppTest, world: World) -> None:
    world.routes.insert(
        0,
        lambda request: (
            fake_api.problem(409, "The signal is gone", "Nothing is stored of this time.", "samples-gone")
            if request.method == "POST"
            else None
        ),
    )
    _let_a_take_begin(app, ago_s=_FINISHED_S)
    assert "Nothing is stored of this time." in _read(app.run())
    assert app.button(key="record-main-start").label == "Start"


def test_a_take_is_stored_when_the_service_is_back(app: AppTest, world: World) -> None:
    take = _let_a_take_begin(app, ago_s=_FINISHED_S)
    world.problem = {"status": 503, "title": "No database", "detail": "It does not answer."}
    assert "The last samples are under way." in _read(app.run())
    world.problem = None
    app.run()
    assert len(take.recordings) == 1


def test_names_from_the_api_are_never_markup(app: AppTest, fake_recordings: FakeRecordings) -> None:
    hostile = '<img src=x onerror="alert(1)">'
    today = f"{datetime.now(UTC):%Y-%m-%d} 1"
    fake_recordings.add_recording(hostile, hostile, subject="Anna", session=today, interruption=hostile)
    html = _read(app.run())
    assert "&lt;img" in html
    assert "<img" not in html
