"""Every state of the training page, through Streamlit's own test runner and real HTTP to a stand-in for the API."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
from services.dashboard.tests import fake_training
from services.dashboard.tests.fake_api import Request, Response, World, problem
from services.dashboard.tests.fake_training import (
    FakeTraining,
    make_evaluation,
    make_holding,
    make_job,
    make_manifest,
    make_model,
    make_progress,
)
from streamlit.testing.v1 import AppTest

_SCRIPT = str(Path(__file__).with_name("page_script.py"))


@pytest.fixture(autouse=True)
def _close_clients() -> Iterator[None]:
    yield
    st.cache_resource.clear()


@pytest.fixture
def training(world: World) -> FakeTraining:
    fake = FakeTraining(
        holdings=fake_training.make_holdings(),
        models=[
            make_model(make_manifest(2, evaluation=make_evaluation(few_shot=False)), "in_use"),
            make_model(make_manifest(1), "promoted"),
        ],
    )
    world.routes.append(fake)
    return fake


@pytest.fixture
def app(api_url: str, monkeypatch: pytest.MonkeyPatch, training: FakeTraining, world: World) -> AppTest:
    assert training in world.routes
    monkeypatch.setenv("API_URL", api_url)
    monkeypatch.setenv("PAGE", "train")
    return AppTest.from_file(_SCRIPT, default_timeout=30)


def _read(app: AppTest) -> str:
    """Return the page's HTML, having checked that nothing failed."""
    assert not app.exception
    return "\n".join(element.body for element in app.html).replace("\u00a0", " ")


def test_everything_recorded_is_used_and_listed(app: AppTest) -> None:
    html = _read(app.run())
    assert "2 h 26 min in 270 recordings, 5 persons" in html
    assert "push-up (incorrect)" in html
    assert "no exercise" in html
    assert "Trains 14 networks" in app.radio[0].captions[0]
    assert app.radio[0].value == "honest"
    assert app.text_input(key="train-name").value == "bodyweight"
    assert "It becomes version 3." in html


def test_a_training_is_started_with_what_was_picked(app: AppTest, training: FakeTraining, world: World) -> None:
    app.run()
    persons = next(group for group in app.button_group if group.label == "Persons")
    persons.set_value(["Anna", "Ben"]).run()
    app.radio[0].set_value("thorough").run()
    app.button(key="train-start").click().run()
    html = _read(app)
    (job,) = training.jobs
    assert job["selection"] == {"subjects": ["Anna", "Ben"], "sessions": None, "sensors": None, "labels": None}
    assert job["configuration"]["evaluation"]["few_shot"] is True
    assert job["configuration"]["background"] == [{"exercise": "rest", "form": None}]
    assert app.query_params["job"] in (job["job_id"], [job["job_id"]])
    assert "The training is started" in html
    assert "Waiting" in html
    assert [request.path for request in world.requests] == ["/v1/training-jobs"]


def test_a_start_whose_answer_was_lost_is_not_a_second_training(
    app: AppTest, training: FakeTraining, world: World
) -> None:
    app.run()

    def lose_the_answer(request: Request) -> Response | None:
        world.routes.remove(lose_the_answer)
        assert training(request) is not None
        return problem(502, "Bad gateway", "The answer was lost.")

    world.routes.insert(0, lose_the_answer)
    # The page's own questions come after the click's.
    app.button(key="train-start").click().run()
    assert "The training was not started" in _read(app)
    app.button(key="train-start").click().run()
    assert "The training is started" in _read(app)
    assert len(training.jobs) == 1


def test_what_cannot_be_trained_says_why_before_anything_starts(app: AppTest, training: FakeTraining) -> None:
    training.holdings = [make_holding("squat"), make_holding("squat", subject="Ben")]
    html = _read(app.run())
    assert "This cannot be trained" in html
    assert "all of this is squat" in html
    assert app.button(key="train-start").disabled


def test_what_has_no_name_can_be_left_out(app: AppTest, training: FakeTraining) -> None:
    training.holdings.append(make_holding("squat", subject=None, session=None, n_recordings=1))
    app.run()
    assert "1 recording names no session" in _read(app)
    persons = next(group for group in app.button_group if group.label == "Persons")
    assert persons.options[-1].startswith("no person")
    persons.set_value(["Anna", "Ben", "Chris", "Dana", "Eve"]).run()
    assert "This cannot be trained" not in _read(app)
    assert "1 recording of nobody known is left out" in _read(app)
    app.button(key="train-start").click().run()
    assert training.jobs[0]["selection"]["subjects"] == ["Anna", "Ben", "Chris", "Dana", "Eve"]


def test_one_session_is_trained_without_a_test_and_says_why(app: AppTest, training: FakeTraining) -> None:
    training.holdings = [make_holding("squat"), make_holding("lunge")]
    html = _read(app.run())
    assert app.radio[0].value == "quick"
    assert "record a second person" in html
    assert not app.button(key="train-start").disabled


def test_another_name_says_where_it_goes_live(app: AppTest) -> None:
    app.run()
    app.text_input(key="train-name").set_value("garden-work").run()
    assert "MODEL_URL=onnx:models/garden-work" in _read(app)


def test_a_wrong_name_says_what_a_name_is(app: AppTest) -> None:
    app.run()
    app.text_input(key="train-name").set_value("My Model").run()
    assert "This is no name for a model" in _read(app)
    assert app.button(key="train-start").disabled


def test_without_recordings_the_page_says_what_to_do(app: AppTest, training: FakeTraining) -> None:
    training.holdings, training.models = [], []
    html = _read(app.run())
    assert "Nothing to learn from yet" in html
    assert "No model yet" in html


def test_a_running_training_is_found_again(app: AppTest, training: FakeTraining) -> None:
    training.jobs = [make_job("1" * 32, "running", progress=make_progress(3, 15, epoch=5))]
    training.logs["1" * 32] = ["INFO 270 recordings"]
    html = _read(app.run())
    assert "Leaving out Chris" in html
    assert "Network 3 of 15, round 5 of 25" in html
    assert "94 % on average" not in html
    assert "95 % on average" in html
    assert "clip-path" in html
    assert not app.code
    app.toggle(key=f"train-log-{'1' * 32}").set_value(True).run()
    assert app.code[0].value == "INFO 270 recordings"


def test_a_running_training_can_be_cancelled(app: AppTest, training: FakeTraining) -> None:
    training.jobs = [make_job("1" * 32, "running", progress=make_progress(3, 15, epoch=5))]
    app.run()
    app.button(key="train-cancel").click().run()
    assert training.jobs[0]["cancel_requested"]
    assert "Stopping" in _read(app)
    assert app.button(key="train-cancel").disabled


def test_a_failed_training_says_why_and_what_it_wrote(app: AppTest, training: FakeTraining) -> None:
    training.jobs = [make_job("1" * 32, "failed", error="the memory does not suffice for this training")]
    app.query_params["job"] = "1" * 32
    html = _read(app.run())
    assert "Failed: the memory does not suffice for this training" in html
    assert "train once more" in html


def test_a_new_model_is_shown_beside_the_one_in_use(app: AppTest, training: FakeTraining) -> None:
    training.jobs = [make_job("1" * 32, "running")]
    training.succeed("1" * 32, make_manifest(3, evaluation=make_evaluation(skill=2)))
    html = _read(app.run())
    assert "Your new model is ready: bodyweight 3" in html
    assert "of people whom the network had never seen" in html
    assert "Beside the model in use" in html
    assert "its own recordings" in html
    assert "rs-confusion" in html
    assert "of unknown movements come out as" in html
    assert len(app.get("vega_lite_chart")) == 1


def test_a_model_is_promoted_watched_and_taken_back(app: AppTest, training: FakeTraining) -> None:
    training.jobs = [make_job("1" * 32, "running")]
    training.succeed("1" * 32, make_manifest(3, evaluation=make_evaluation()))
    training.follows = False
    app.run()
    app.button(key="train-promote-result").click().run()
    html = _read(app)
    assert "bodyweight 3 is being taken up" in html.replace("</span>", "")
    assert "live since" not in html
    training.take_up()
    html = _read(app.run())
    assert "bodyweight 3 is live" in html
    assert "live since" in html
    training.follows = True
    app.button(key="train-rollback").click().run()
    assert "bodyweight 2 is live" in _read(app)


def test_a_version_that_the_service_refuses_says_why(app: AppTest, training: FakeTraining) -> None:
    training.follows = False
    training.models.append(make_model(make_manifest(3)))
    training.refusal = "version 3 needs the channel mx"
    app.query_params["model"] = "bodyweight@3"
    app.run()
    app.button(key="train-promote-result").click().run()
    html = _read(app)
    assert "bodyweight 3 is not taken up" in html
    assert "needs the channel mx" in html


def test_a_model_of_another_name_is_promoted_without_waiting_for_it(app: AppTest, training: FakeTraining) -> None:
    training.models.append(make_model(make_manifest(1, "garden")))
    app.query_params["model"] = "garden@1"
    app.run()
    app.button(key="train-promote-result").click().run()
    html = _read(app)
    assert "MODEL_URL=onnx:models/garden" in html
    assert "being taken up" not in html


def test_a_version_on_standby_can_be_deleted(app: AppTest, training: FakeTraining) -> None:
    training.models.append(make_model(make_manifest(3)))
    app.run()
    app.button(key="train-model-bodyweight-3-delete").click().run()
    assert "bodyweight 3 is deleted" in _read(app)
    assert len(training.models) == 2


def test_a_version_that_cannot_be_read_says_why(app: AppTest, training: FakeTraining) -> None:
    training.broken = [{"name": "bodyweight", "version": 3, "state": "standby", "problem": "model.json is missing"}]
    html = _read(app.run())
    assert "Not readable" in html
    assert "model.json is missing" in html
    app.button(key="train-model-bodyweight-3-delete").click().run()
    assert "bodyweight 3 is deleted" in _read(app)


def test_a_training_that_was_to_be_used_at_once_is_watched_until_it_is(app: AppTest, training: FakeTraining) -> None:
    app.run()
    app.checkbox(key="train-promote").set_value(True).run()
    app.button(key="train-start").click().run()
    job = training.jobs[0]
    assert job["promote"] is True
    training.follows = False
    training.succeed(job["job_id"], make_manifest(3))
    training.models[-1]["state"] = "in_use"
    assert "is being taken up" in _read(app.run())
    training.take_up()
    assert "bodyweight 3 is live" in _read(app.run())


def test_an_untested_model_says_that_nobody_knows(app: AppTest) -> None:
    app.query_params["model"] = "bodyweight@1"
    html = _read(app.run())
    assert "was trained without a test" in html
    assert "version 1 was never tested" in html
    assert "rs-compare-total" not in html


def test_names_from_the_api_are_never_markup(app: AppTest, training: FakeTraining) -> None:
    hostile = '<img src=x onerror="alert(1)">'
    labels = [(hostile, hostile), ("squat", None), ("lunge", None)]
    training.holdings = fake_training.make_holdings((hostile, "Ben"), labels)
    manifest = make_manifest(3, labels=labels, groups=(hostile, "Ben"))
    manifest["evaluation"] = make_evaluation(labels, (hostile, "Ben"))
    training.models.append(make_model(manifest, problem=hostile))
    training.jobs = [
        make_job(
            "2" * 32, "running", progress=make_progress(1, epoch=2) | {"stage": hostile, "groups": {hostile: 0.9}}
        ),
        make_job("1" * 32, "failed", error=hostile),
    ]
    pages = []
    for query in ({}, {"job": "1" * 32}, {"model": "bodyweight@3"}):
        app.query_params.clear()
        app.query_params.update(query)
        pages.append(_read(app.run()))
    assert all("&lt;img" in page and "<img" not in page for page in pages)


def test_an_api_that_is_away_is_said_in_words(app: AppTest, world: World) -> None:
    world.problem = {"status": 503, "title": "No database", "detail": "MongoDB does not answer."}
    html = _read(app.run())
    assert "MongoDB does not answer." in html


def test_requests_are_read_by_the_service_as_they_are_meant(world: World, app: AppTest) -> None:
    app.run()
    app.button(key="train-start").click().run()
    body = json.loads(world.requests[0].body)
    assert set(body) == {"model_name", "selection", "configuration", "promote"}
    assert body["promote"] is False
