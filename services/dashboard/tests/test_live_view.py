"""Every state of the live page, through Streamlit's own test runner and real HTTP to a stand-in for the API."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
from services.dashboard.tests import fake_api
from services.dashboard.tests.fake_api import World
from streamlit.testing.v1 import AppTest
from support.servers import free_port

import repsense_dashboard

_APP = str(Path(repsense_dashboard.__file__).with_name("app.py"))


@pytest.fixture(autouse=True)
def _close_clients() -> Iterator[None]:
    yield
    st.cache_resource.clear()


@pytest.fixture
def app(api_url: str, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.setenv("API_URL", api_url)
    return AppTest.from_file(_APP, default_timeout=30)


def _read(app: AppTest) -> str:
    """Return the page's HTML, having checked that nothing failed."""
    assert not app.exception
    return "\n".join(element.body for element in app.html)


def test_api_that_is_down_gets_a_sentence_with_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    monkeypatch.setenv("API_URL", url)
    html = _read(AppTest.from_file(_APP, default_timeout=30).run())
    assert "The RepSense service is away" in html
    assert url in html


def test_problem_of_the_api_is_shown_in_its_own_words(app: AppTest, world: World) -> None:
    world.problem = {"status": 503, "title": "No database", "detail": "MongoDB does not answer."}
    html = _read(app.run())
    assert "No database" in html
    assert "MongoDB does not answer." in html


def test_without_sensor_the_page_says_how_to_start_one(app: AppTest) -> None:
    html = _read(app.run())
    assert "No sensor yet" in html
    assert "make up" in html


def test_exercise_is_shown_with_form_confidence_set_and_connection(app: AppTest, world: World) -> None:
    fake_api.show_push_ups(world, simulated=False)
    html = _read(app.run())
    assert ">Push-up</h1>" in html
    assert "Correct form" in html
    assert "97\u00a0% sure" in html
    assert "0:38" in html
    assert "Good connection" in html
    assert "0.3\u00a0% lost, 49.8\u00a0Hz" in html
    assert "jumping jack" in html
    assert "Simulated" not in html


def test_what_is_known_of_radio_and_battery_is_said(app: AppTest, world: World) -> None:
    fake_api.show_push_ups(world)
    world.sensors[0] |= {"loss": 0.02, "effective_rate_hz": 49.81, "rssi_dbm": -61, "battery_percent": 83}
    html = _read(app.run())
    assert "2\u00a0% lost, 49.8\u00a0Hz" in html
    assert "strong signal" in html
    assert "battery 83\u00a0%" in html
    assert "reconnected" not in _bar(html)
    assert "rs-text-incorrect" not in _bar(html)
    world.sensors[0] |= {"battery_percent": 9, "n_reconnects": 1}
    bar = _bar(_read(app.run()))
    assert "rs-text-incorrect" in bar
    assert "reconnected once" in bar


def _bar(html: str) -> str:
    return next(line for line in html.splitlines() if "rs-bar" in line)


def test_an_api_that_wants_a_key_says_where_to_put_it(
    app: AppTest, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.api_key = "gym-key-of-the-service"
    html = _read(app.run())
    assert "The service wants a key" in html
    assert "API_KEY" in html
    monkeypatch.setenv("API_KEY", "quite-another-key")
    assert "Another key is needed" in _read(AppTest.from_file(_APP, default_timeout=30).run())
    monkeypatch.setenv("API_KEY", "gym-key-of-the-service")
    assert "No sensor yet" in _read(AppTest.from_file(_APP, default_timeout=30).run())


def test_incorrect_form_is_said_by_word_and_sign(app: AppTest, world: World) -> None:
    fake_api.show_push_ups(world)
    world.classification = fake_api.make_classification("squat", "incorrect")
    html = _read(app.run())
    assert "rs-hero-incorrect" in html
    assert "rs-icon-alert" in html
    assert "Incorrect form" in html


def test_simulated_data_is_marked(app: AppTest, world: World) -> None:
    fake_api.show_push_ups(world, simulated=True)
    assert _read(app.run()).count("Simulated</span>") >= len(world.sets)


def test_offline_sensor_says_since_when_and_why(app: AppTest, world: World) -> None:
    fake_api.show_push_ups(world)
    world.sensors[0] |= {"state": "offline", "state_reason": "battery empty", "last_sample_at": "2026-01-02T03:04:05Z"}
    html = _read(app.run())
    assert ">Offline</h1>" in html
    assert "03:04" in html
    assert "Battery empty." in html
    assert "Push-up</h1>" not in html


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"state": "connecting"}, ">Connecting</h1>"),
        ({"problem": "the model needs mx"}, "The model needs mx."),
    ],
)
def test_sensor_that_cannot_be_classified_says_why(
    app: AppTest, world: World, changes: dict[str, str], said: str
) -> None:
    world.sensors = [fake_api.make_sensor(**changes)]
    assert said in _read(app.run())


@pytest.mark.parametrize(
    ("reason", "said"), [("still", ">Resting</h1>"), ("gap", ">Signal lost</h1>"), (None, ">Not sure</h1>")]
)
def test_window_without_label_says_why(app: AppTest, world: World, reason: str | None, said: str) -> None:
    world.sensors = [fake_api.make_sensor()]
    world.classification = fake_api.make_classification(None, unclassified_reason=reason)
    assert said in _read(app.run())


def test_before_the_first_classification_the_page_says_what_is_missing(app: AppTest, world: World) -> None:
    world.sensors = [fake_api.make_sensor()]
    assert ">Getting ready</h1>" in _read(app.run())


def test_without_a_model_the_page_says_so(app: AppTest, world: World) -> None:
    world.sensors = [fake_api.make_sensor()]
    world.models = []
    assert ">No model yet</h1>" in _read(app.run())


def test_names_from_the_api_are_never_markup(app: AppTest, world: World) -> None:
    hostile = '<img src=x onerror="alert(1)">'
    fake_api.show_push_ups(world)
    world.sensors[0] |= {"name": hostile, "gateway_id": hostile}
    world.classification = fake_api.make_classification(hostile, hostile)
    world.running_set = fake_api.make_set("running", hostile, hostile, state="open")
    world.sets = [fake_api.make_set("past", hostile, hostile)]
    html = _read(app.run())
    assert "&lt;img" in html
    assert "<img" not in html


def test_one_sensor_needs_no_choice(app: AppTest, world: World) -> None:
    world.sensors = [fake_api.make_sensor()]
    assert not app.run().pills


def test_among_several_sensors_one_that_is_online_is_shown_first(app: AppTest, world: World) -> None:
    world.sensors = [fake_api.make_sensor("old", state="offline"), fake_api.make_sensor("new", name="Ankle")]
    app.run()
    assert app.pills(key="sensor").value == "new"


def test_the_address_names_the_sensor(app: AppTest, world: World) -> None:
    world.sensors = [fake_api.make_sensor("left"), fake_api.make_sensor("right", state="offline")]
    app.query_params["sensor"] = "right"
    assert ">Offline</h1>" in _read(app.run())


def test_an_address_that_names_no_sensor_is_ignored(app: AppTest, world: World) -> None:
    world.sensors = [fake_api.make_sensor("left"), fake_api.make_sensor("right")]
    app.query_params["sensor"] = "gone"
    app.run()
    assert app.pills(key="sensor").value == "left"


def test_choice_of_a_sensor_is_kept_in_the_address(app: AppTest, world: World) -> None:
    world.sensors = [fake_api.make_sensor("left"), fake_api.make_sensor("right", state="offline")]
    app.run()
    app.pills(key="sensor").set_value("right").run()
    assert app.query_params["sensor"] in ("right", ["right"])
    assert ">Offline</h1>" in _read(app)


def test_one_lost_answer_does_not_wipe_the_page(app: AppTest, world: World) -> None:
    fake_api.show_push_ups(world)
    app.run()
    world.problem = {"status": 503, "title": "No database", "detail": "MongoDB does not answer."}
    html = _read(app.run())
    assert ">Push-up</h1>" in html
    assert "No database" not in html
