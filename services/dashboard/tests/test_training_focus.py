"""What the training page is about at a moment."""

from datetime import UTC, datetime, timedelta

from services.dashboard.tests.fake_training import make_job, make_manifest, make_model

from repsense_dashboard.api.training import ModelList, TrainingJob
from repsense_dashboard.training_focus import choose_focus, find_model, model_words

_NOW = datetime.now(UTC)
_MODELS = ModelList.model_validate(
    {
        "items": [
            make_model(make_manifest(2), "in_use"),
            make_model(make_manifest(3), "standby"),
            make_model(make_manifest(1), "promoted"),
        ]
    }
)


def _jobs(*documents: dict[str, object]) -> list[TrainingJob]:
    return [TrainingJob.model_validate(document) for document in documents]


def test_what_runs_comes_before_what_waits() -> None:
    jobs = _jobs(make_job("c", "queued"), make_job("b", "running"), make_job("a", "succeeded", model_version=3))
    focus = choose_focus(jobs, _MODELS, _NOW)
    assert (focus.job, focus.model) == (jobs[1], None)


def test_of_those_that_wait_the_next_is_shown() -> None:
    jobs = _jobs(make_job("c", "queued"), make_job("b", "queued"))
    assert choose_focus(jobs, _MODELS, _NOW).job == jobs[1]


def test_a_new_model_waits_for_a_decision_for_a_day() -> None:
    job = make_job("a", "succeeded", model_version=3)
    focus = choose_focus(_jobs(job), _MODELS, _NOW)
    assert focus.model is not None
    assert model_words(focus.model) == "bodyweight@3"
    later = choose_focus(_jobs(job), _MODELS, _NOW + timedelta(days=2))
    assert (later.job, later.model) == (None, None)


def test_a_model_in_use_needs_no_decision() -> None:
    focus = choose_focus(_jobs(make_job("a", "succeeded", model_version=2)), _MODELS, _NOW)
    assert (focus.job, focus.model) == (None, None)


def test_the_address_has_the_first_word() -> None:
    jobs = _jobs(
        make_job("d", "running"),
        make_job("c", "failed"),
        make_job("b", "succeeded", model_version=1),
        make_job("a", "succeeded", model_version=9),
    )
    by_model = choose_focus(jobs, _MODELS, _NOW, wanted_model="bodyweight@1")
    assert by_model.model == find_model(_MODELS, "bodyweight", 1)
    assert choose_focus(jobs, _MODELS, _NOW, wanted_job="c").job == jobs[1]
    assert choose_focus(jobs, _MODELS, _NOW, wanted_job="b").model == by_model.model
    # Its version is gone.
    assert choose_focus(jobs, _MODELS, _NOW, wanted_job="a").job == jobs[3]
    assert choose_focus(jobs, _MODELS, _NOW, wanted_job="gone", wanted_model="gone@1").job == jobs[0]
