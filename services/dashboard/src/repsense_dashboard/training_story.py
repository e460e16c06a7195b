"""How far a training is and what became of it, in words. Pure functions, no I/O."""

import re
from datetime import datetime, timedelta

from repsense_dashboard.api.training import TrainingJob, TrainingProgress
from repsense_dashboard.components.markup import Icon
from repsense_dashboard.wording import as_title, percent, spoken_duration

__all__ = ["is_under_way", "outcome", "progress_share", "remaining_s", "stage_words", "state_icon", "waiting_words"]

_PATIENCE = timedelta(seconds=15)
"""A worker that is up looks for jobs every second."""


def is_under_way(job: TrainingJob) -> bool:
    """Tell whether something may still change about a job."""
    return job.state in {"queued", "running"}


def progress_share(progress: TrainingProgress) -> float:
    """Return how much of all trainings is done, from 0 to 1."""
    if not progress.n_steps or not progress.step:
        return 0.0
    within = progress.epoch / progress.n_epochs if progress.n_epochs else 0.0
    return (progress.step - 1 + within) / progress.n_steps


def remaining_s(job: TrainingJob, now: datetime) -> float | None:
    """Return how long a running job will go on at its present pace; None while that cannot be told.

    The first network says little: libraries are loaded before it.
    """
    if job.state != "running" or job.progress is None or job.started_at is None:
        return None
    share = progress_share(job.progress)
    min_steps = 1 if job.progress.n_steps <= 2 else 2  # noqa: PLR2004  (with two networks the first is half of it)
    if share * job.progress.n_steps < min_steps:
        return None
    elapsed_s = max(0.0, (now - job.started_at).total_seconds())
    return elapsed_s * (1 - share) / share


def stage_words(progress: TrainingProgress) -> str:
    """Return what is being done: "Leaving out Anna", "Training on everything"."""
    # A person's name says that it is a person.
    return as_title(re.sub(r"^(leaving out|training on) subjects? ", r"\1 ", progress.stage))


def waiting_words(job: TrainingJob, now: datetime, *, is_any_running: bool) -> str:
    """Return why a queued job has not begun."""
    position = job.queue_position or 1
    if position > 1:
        ahead = position - 1
        return f"{ahead} {'training is' if ahead == 1 else 'trainings are'} before it in the queue."
    if is_any_running:
        return "It is the next: it begins when the one that is running is done."
    if now - job.created_at > _PATIENCE:
        return (
            "It is the next, but nobody has taken it. Is a trainer running? “make up” starts one with everything else, "
            "“repsense-train worker” one alone."
        )
    return "It is the next: it begins in a moment."


def outcome(job: TrainingJob) -> str:
    """Return what became of a job, in a few words."""
    match job.state:
        case "queued":
            return "Waiting"
        case "running" if job.cancel_requested:
            return "Stopping"
        case "running":
            return "Training" + (f", {percent(progress_share(job.progress))}" if job.progress else "")
        case "succeeded":
            took = ""
            if job.started_at is not None and job.ended_at is not None:
                took = f", took {spoken_duration((job.ended_at - job.started_at).total_seconds())}"
            return f"Version {job.model_version}{took}"
        case "cancelled":
            return "Cancelled"
        case "failed":
            return f"Failed: {job.error or 'nobody knows why'}"


def state_icon(job: TrainingJob) -> Icon:
    """Return the sign of a job's state."""
    icons: dict[str, Icon] = {
        "queued": "hourglass",
        "running": "hourglass",
        "succeeded": "check",
        "failed": "alert",
        "cancelled": "broken",
    }
    return icons[job.state]
