"""How far a training is and what became of it, in words."""

from datetime import UTC, datetime, timedelta

import pytest
from services.dashboard.tests.fake_api import iso
from services.dashboard.tests.fake_training import make_job, make_progress

from repsense_dashboard.api.training import TrainingJob, TrainingProgress
from repsense_dashboard.training_story import (
    is_under_way,
    outcome,
    progress_share,
    remaining_s,
    stage_words,
    state_icon,
    waiting_words,
)

_NOW = datetime(2026, 3, 5, 22, 30, tzinfo=UTC)


def _job(state: str, **changes: object) -> TrainingJob:
    return TrainingJob.model_validate(make_job("j", state) | changes)


def _progress(step: int, n_steps: int = 4, epoch: int = 0) -> TrainingProgress:
    return TrainingProgress.model_validate(make_progress(step, n_steps, epoch=epoch))


@pytest.mark.parametrize(
    ("step", "epoch", "share"), [(0, 0, 0.0), (1, 0, 0.0), (1, 5, 0.05), (3, 0, 0.5), (4, 25, 1.0)]
)
def test_progress_counts_networks_and_epochs(step: int, epoch: int, share: float) -> None:
    assert progress_share(_progress(step, epoch=epoch)) == pytest.approx(share)


def test_progress_before_anything_is_known_is_none() -> None:
    before = TrainingProgress(stage="getting ready", n_steps=0, step=0, n_epochs=0, epoch=0, groups={})
    assert progress_share(before) == 0.0


def test_the_rest_takes_as_long_for_each_network_as_those_before() -> None:
    job = _job("running", started_at=iso(_NOW - timedelta(seconds=60)), progress=make_progress(4, 4, epoch=0))
    assert remaining_s(job, _NOW) == pytest.approx(20.0)


@pytest.mark.parametrize("progress", [None, make_progress(1, 4, epoch=20), make_progress(2, 4, epoch=24)])
def test_nothing_is_promised_before_two_networks_are_done(progress: dict[str, object] | None) -> None:
    assert remaining_s(_job("running", progress=progress), _NOW) is None


def test_a_job_that_waits_has_no_rest() -> None:
    assert remaining_s(_job("queued"), _NOW) is None


@pytest.mark.parametrize(
    ("stage", "words"),
    [
        ("leaving out subject Anna", "Leaving out Anna"),
        ("leaving out subjects Anna and Ben", "Leaving out Anna and Ben"),
        ("leaving out session 3", "Leaving out session 3"),
        ("training on subjects Anna and Ben only", "Training on Anna and Ben only"),
        (
            "leaving out squat (subject to change), to see whether it comes out as unknown",
            "Leaving out squat (subject to change), to see whether it comes out as unknown",
        ),
    ],
)
def test_stages_are_told_without_the_trainers_words_for_persons(stage: str, words: str) -> None:
    progress = TrainingProgress(stage=stage, n_steps=4, step=1, n_epochs=2, epoch=0, groups={})
    assert stage_words(progress) == words


@pytest.mark.parametrize(
    ("position", "is_any_running", "ago_s", "said"),
    [
        (2, True, 1, "1 training is before it"),
        (4, True, 1, "3 trainings are before it"),
        (1, True, 300, "when the one that is running is done"),
        (1, False, 2, "in a moment"),
        (1, False, 300, "Is a trainer running?"),
    ],
)
def test_a_job_that_waits_says_for_what(position: int, is_any_running: bool, ago_s: int, said: str) -> None:  # noqa: FBT001
    job = _job("queued", queue_position=position, created_at=iso(_NOW - timedelta(seconds=ago_s)))
    assert said in waiting_words(job, _NOW, is_any_running=is_any_running)


@pytest.mark.parametrize(
    ("state", "changes", "said", "icon", "under_way"),
    [
        ("queued", {}, "Waiting", "hourglass", True),
        ("running", {}, "Training", "hourglass", True),
        ("running", {"progress": make_progress(2, 4)}, "Training, 25 %", "hourglass", True),
        ("running", {"cancel_requested": True}, "Stopping", "hourglass", True),
        ("succeeded", {"model_version": 3}, "Version 3, took 3 min 9 s", "check", False),
        ("failed", {"error": "the memory does not suffice"}, "Failed: the memory does not suffice", "alert", False),
        ("cancelled", {}, "Cancelled", "broken", False),
    ],
)
def test_the_outcome_of_a_job(
    state: str,
    changes: dict[str, object],
    said: str,
    icon: str,
    under_way: bool,  # noqa: FBT001
) -> None:
    job = _job(state, **changes)
    assert outcome(job).replace("\u00a0", " ") == said
    assert state_icon(job) == icon
    assert is_under_way(job) is under_way
