"""What the training page is about at this moment: a training that goes on, or a model to decide on. Pure, no I/O."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from repsense_dashboard.api.training import Model, ModelList, TrainingJob
from repsense_dashboard.training_story import is_under_way

__all__ = ["Focus", "choose_focus", "find_model", "model_words"]

_FRESH = timedelta(days=1)
"""So long after a training its model waits to be looked at."""


@dataclass(frozen=True)
class Focus:
    """At most one of a job, which has no model to show, and a model."""

    job: TrainingJob | None = None
    model: Model | None = None


def model_words(model: Model) -> str:
    """Return a version as the address of the page names it: "bodyweight@3"."""
    return f"{model.manifest.name}@{model.manifest.version}"


def find_model(models: ModelList, name: str, version: int | None) -> Model | None:
    """Return a version, None if it is not there."""
    return next((one for one in models.items if (one.manifest.name, one.manifest.version) == (name, version)), None)


def choose_focus(
    jobs: Sequence[TrainingJob],
    models: ModelList,
    now: datetime,
    *,
    wanted_job: str | None = None,
    wanted_model: str | None = None,
) -> Focus:
    """Decide what to show: what was asked for, else what goes on, else a new model that waits for a decision.

    Args:
        jobs: Newest first.
        models: All of them.
        now: The present, by this machine's clock.
        wanted_job: The id of a job, if the address names one.
        wanted_model: `model_words` of a model, if the address names one.
    """
    for model in models.items:
        if model_words(model) == wanted_model:
            return Focus(model=model)
    for job in jobs:
        if job.job_id == wanted_job:
            return _of_job(job, models)
    under_way = [job for job in jobs if is_under_way(job)]
    if under_way:
        return Focus(next((job for job in under_way if job.state == "running"), under_way[-1]))
    for job in jobs:
        made = find_model(models, job.model_name, job.model_version)
        is_fresh = job.ended_at is not None and now - job.ended_at < _FRESH
        if is_fresh and made is not None and made.state == "standby":
            return Focus(model=made)
    return Focus()


def _of_job(job: TrainingJob, models: ModelList) -> Focus:
    """Return the model of a job, or the job where it has none or is not done."""
    model = find_model(models, job.model_name, job.model_version)
    return Focus(job) if model is None or is_under_way(job) else Focus(model=model)
