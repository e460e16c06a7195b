"""The client of training jobs and models against the stand-in, and what it sends."""

import json
from collections.abc import Iterator

import httpx
import pytest
from services.dashboard.tests import fake_training
from services.dashboard.tests.fake_api import World
from services.dashboard.tests.fake_training import FakeTraining
from services.dashboard.tests.transport import world_transport

from repsense_dashboard.api import ApiClient, ApiProblemError, Label
from repsense_dashboard.api.training import EvaluationSettings, Selection, TrainingRequest, TrainingSettings


@pytest.fixture
def sent() -> list[httpx.Request]:
    return []


@pytest.fixture
def training(world: World) -> FakeTraining:
    fake = FakeTraining(holdings=fake_training.make_holdings())
    world.routes.append(fake)
    return fake


@pytest.fixture
def client(world: World, training: FakeTraining, sent: list[httpx.Request]) -> Iterator[ApiClient]:
    assert training in world.routes
    with ApiClient("http://api.test", transport=world_transport(world, sent)) as client:
        yield client


def test_what_there_is_to_train_on_is_read(client: ApiClient, training: FakeTraining) -> None:
    training.holdings.append(fake_training.make_holding(None, subject=None, session=None))
    holdings = client.training.list_holdings()
    assert len(holdings) == len(training.holdings)
    assert holdings[0].label == Label(exercise="jumping jack")
    assert (holdings[-1].label, holdings[-1].subject, holdings[-1].session) == (None, None, None)


def test_a_training_is_asked_for_with_its_key_and_only_what_was_chosen(
    client: ApiClient, sent: list[httpx.Request]
) -> None:
    request = TrainingRequest(
        model_name="garden-work",
        selection=Selection(subjects=("Anna",), labels=(Label(exercise="squat", form="correct"),)),
        configuration=TrainingSettings(evaluation=EvaluationSettings(few_shot=True), background=()),
    )
    job = client.training.start(request, key="k1")
    assert (job.model_name, job.state, job.queue_position) == ("garden-work", "queued", 1)
    assert sent[0].headers["Idempotency-Key"] == "k1"
    assert json.loads(sent[0].content) == {
        "model_name": "garden-work",
        "selection": {"subjects": ["Anna"], "labels": [{"exercise": "squat", "form": "correct"}]},
        "configuration": {"evaluation": {"few_shot": True}, "background": []},
    }


def test_a_training_that_is_asked_for_twice_is_one(client: ApiClient, training: FakeTraining) -> None:
    request = TrainingRequest(model_name="a", selection=Selection(), configuration=TrainingSettings())
    assert client.training.start(request, key="k1").job_id == client.training.start(request, key="k1").job_id
    assert len(training.jobs) == 1


def test_a_running_training_is_read_with_its_progress(client: ApiClient, training: FakeTraining) -> None:
    training.jobs = [fake_training.make_job("j1", "running", progress=fake_training.make_progress(3, epoch=4))]
    training.logs["j1"] = ["INFO 24 recordings"]
    (job,) = client.training.list_jobs(limit=5).items
    assert job.progress is not None
    assert (job.progress.stage, job.progress.step, len(job.progress.losses)) == ("leaving out subject Chris", 3, 4)
    assert job.progress.groups == {"Anna": 0.955, "Ben": 0.942}
    assert client.training.get_log("j1") == ("INFO 24 recordings",)
    assert client.training.cancel("j1").cancel_requested


def test_jobs_are_asked_for_in_pages(client: ApiClient, sent: list[httpx.Request]) -> None:
    client.training.list_jobs(limit=5, cursor="c")
    assert dict(sent[0].url.params) == {"limit": "5", "cursor": "c"}


def test_models_are_read_with_their_figures(client: ApiClient, training: FakeTraining) -> None:
    manifest = fake_training.make_manifest(2, evaluation=fake_training.make_evaluation())
    training.models = [
        fake_training.make_model(manifest, "in_use"),
        fake_training.make_model(fake_training.make_manifest(1), "promoted"),
    ]
    models = client.training.list_models()
    assert models.name_in_use == "bodyweight"
    with_figures, without = models.items
    assert with_figures.manifest.evaluation is not None
    assert len(with_figures.manifest.evaluation.confusion) == len(with_figures.manifest.labels)
    assert (without.manifest.evaluation, without.has_report, without.in_use) == (None, False, False)


def test_a_version_is_promoted_taken_back_and_deleted(client: ApiClient, training: FakeTraining) -> None:
    training.models = [
        fake_training.make_model(fake_training.make_manifest(1), "in_use"),
        fake_training.make_model(fake_training.make_manifest(2)),
    ]
    assert client.training.promote("bodyweight", 2).state == "in_use"
    assert client.training.roll_back("bodyweight").manifest.version == 1
    client.training.delete_version("bodyweight", 2)
    assert [one.manifest.version for one in client.training.list_models().items] == [1]


def test_a_refusal_of_the_registry_comes_with_its_words(client: ApiClient) -> None:
    with pytest.raises(ApiProblemError, match="the first that was in use") as caught:
        client.training.roll_back("bodyweight")
    assert caught.value.kind == "registry-refuses"


def test_the_report_is_a_file(client: ApiClient) -> None:
    report = client.training.get_report("bodyweight", 2)
    assert (report.name, report.media_type) == ("bodyweight-2-report.html", "text/html")
    assert b"Report of bodyweight 2" in report.content
