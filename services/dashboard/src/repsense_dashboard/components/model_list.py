"""Models and trainings in lists."""

from datetime import datetime

from repsense_dashboard.api.training import BrokenVersion, Model, ModelList, TrainingJob
from repsense_dashboard.components.markup import icon, text
from repsense_dashboard.reader import ReaderZone
from repsense_dashboard.training_story import outcome, state_icon
from repsense_dashboard.wording import local_time, percent

__all__ = ["broken_row", "in_use_card", "job_row", "model_in_use", "model_row", "state_words"]


def model_in_use(models: ModelList) -> Model | None:
    """Return the version that the service answers with."""
    return next((model for model in models.items if model.in_use), None)


def state_words(model: Model, name_in_use: str | None) -> str:
    """Return what a version is good for at this moment."""
    if model.problem is not None:
        return "Not usable"
    if model.in_use:
        return "In use"
    match model.state:
        case "in_use":
            return "Being taken up" if model.manifest.name == name_in_use else f"Best of {model.manifest.name}"
        case "promoted":
            return "In use before"
        case "standby":
            return "On standby"
        case "retired":
            return "Known from results only"


def in_use_card(model: Model | None, *, live_since: str = "") -> str:
    """Return what stands for the model in use, or for there being none."""
    if model is None:
        return (
            f'<div class="rs-in-use"><span class="rs-overline">In use</span><b>{icon("box")}No model yet</b>'
            "<span>Train one: it can be used as soon as it is done.</span></div>"
        )
    manifest, evaluation = model.manifest, model.manifest.evaluation
    right = f"{percent(evaluation.accuracy)} right" if evaluation else "not tested"
    n_labels = len(manifest.labels)
    since = f'<span class="rs-live-since"><i></i>{text(live_since)}</span>' if live_since else ""
    return (
        '<div class="rs-in-use"><span class="rs-overline">In use</span>'
        f"<b>{text(manifest.name)} {manifest.version}</b><span>{right}, {n_labels} activities</span>{since}</div>"
    )


def model_row(model: Model, *, name_in_use: str | None, now: datetime, zone: ReaderZone) -> str:
    """Return a version in one line."""
    manifest, evaluation = model.manifest, model.manifest.evaluation
    right = f"{percent(evaluation.accuracy)} right" if evaluation else "not tested"
    tone = "bad" if model.problem is not None else "good" if model.in_use else "plain"
    problem = f'<span class="rs-row-note">{text(model.problem)}</span>' if model.problem else ""
    return (
        f'<div class="rs-row"><b>{text(manifest.name)} {manifest.version}</b>'
        f'<span class="rs-state-chip rs-state-chip-{tone}">{text(state_words(model, name_in_use))}</span>'
        f"<span>{right}, {len(manifest.labels)} activities</span>"
        f'<time class="rs-when">{local_time(manifest.created_at, now, zone.zone)}</time>{problem}</div>'
    )


def broken_row(broken: BrokenVersion) -> str:
    """Return a version that cannot be read in one line."""
    return (
        f'<div class="rs-row"><b>{text(broken.name)} {broken.version}</b>'
        '<span class="rs-state-chip rs-state-chip-bad">Not readable</span>'
        f'<span class="rs-row-note">{text(broken.problem)}</span></div>'
    )


def job_row(job: TrainingJob, *, now: datetime, zone: ReaderZone) -> str:
    """Return a training in one line, with what became of it."""
    return (
        f'<div class="rs-row rs-row-{job.state}">{icon(state_icon(job))}<b>{text(job.model_name)}</b>'
        f'<span class="rs-row-note">{text(outcome(job))}</span>'
        f'<time class="rs-when">{local_time(job.created_at, now, zone.zone)}</time></div>'
    )
