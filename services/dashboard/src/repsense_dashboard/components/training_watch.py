"""A training while it goes on: what is done at this moment, how far it is, and what is known already."""

from collections.abc import Sequence
from datetime import datetime

from repsense_dashboard.api.training import TrainingJob, TrainingProgress
from repsense_dashboard.components.markup import icon, text
from repsense_dashboard.components.meters import Meter, meters
from repsense_dashboard.model_figures import group_name
from repsense_dashboard.training_story import progress_share, remaining_s, stage_words, waiting_words
from repsense_dashboard.wording import percent, spoken_duration

__all__ = ["groups_so_far", "loss_curve", "progress_card"]


def progress_card(job: TrainingJob, now: datetime, *, is_any_running: bool) -> str:
    """Return the state of a job that is under way.

    Args:
        job: The job.
        now: The present, by this machine's clock.
        is_any_running: Whether another job is running.
    """
    progress = job.progress
    if job.cancel_requested:
        title, detail = "Stopping", "The training ends within seconds. Nothing is kept of it."
    elif job.state == "queued":
        title, detail = "Waiting", waiting_words(job, now, is_any_running=is_any_running)
    elif progress is None or not progress.step:
        title, detail = "Getting ready", "The trainer starts and reads the recordings: that may take a minute."
    else:
        title, detail = stage_words(progress), _detail(job, progress, now)
    share = progress_share(progress) if progress and job.state == "running" else 0.0
    return (
        '<section class="rs-training" role="status"><header><span class="rs-overline">Training '
        f"{text(job.model_name)}</span>{_attempt(job)}</header>"
        f"<h2>{icon('hourglass')}{text(title)}</h2>"
        f'<div class="rs-share rs-share-tall" role="progressbar" aria-valuenow="{share * 100:.0f}" aria-valuemin="0" '
        f'aria-valuemax="100" aria-label="Training"><i style="width:{share:.1%}"></i></div>'
        f"<p>{text(detail)}</p></section>"
    )


def _detail(job: TrainingJob, progress: TrainingProgress, now: datetime) -> str:
    parts = [f"Network {progress.step} of {progress.n_steps}", f"round {progress.epoch} of {progress.n_epochs}"]
    rest_s = remaining_s(job, now)
    if rest_s is not None:
        parts.append(f"about {spoken_duration(_rounded(rest_s))} to go")
    elif job.started_at is not None:
        parts.append(f"running for {spoken_duration((now - job.started_at).total_seconds())}")
    return ", ".join(parts) + "."


def _rounded(seconds: float) -> float:
    """Return a duration that does not pretend to be exact, and does not jump with every look."""
    step = 10 if seconds < 120 else 60  # noqa: PLR2004
    return max(step, round(seconds / step) * step)


def _attempt(job: TrainingJob) -> str:
    if job.n_attempts <= 1:
        return ""
    return f'<span class="rs-aside">attempt {job.n_attempts}: the trainer was interrupted</span>'


def loss_curve(progress: TrainingProgress | None) -> str:
    """Return how far off the network is that is trained now, round by round."""
    losses: Sequence[float] = progress.losses if progress else ()
    head = (
        '<header><span class="rs-overline">How far off it is</span><span class="rs-aside">loss by round</span></header>'
    )
    if not losses:
        return (
            f'<section class="rs-loss">{head}<p class="rs-quiet">The curve begins with the first round.</p></section>'
        )
    n_epochs = max(len(losses), progress.n_epochs if progress else 0, 2)
    # Drawn as a shape that is cut out, since what st.html shows has no SVG.
    top = max(losses)
    points = [(number / (n_epochs - 1), 1 - loss / top) for number, loss in enumerate(losses)]
    outline = [*points, (points[-1][0], 1.0), (0.0, 1.0)]
    polygon = ", ".join(f"{x:.1%} {y:.1%}" for x, y in outline)
    words = f"Loss: {losses[-1]:.2f} after {len(losses)} rounds, {losses[0]:.2f} after the first"
    return (
        f'<section class="rs-loss">{head}<figure role="img" aria-label="{words}">'
        f'<i style="clip-path:polygon({polygon})"></i>'
        f"<figcaption><b>{losses[-1]:.2f}</b><span>from {losses[0]:.2f}</span></figcaption></figure></section>"
    )


def groups_so_far(progress: TrainingProgress | None) -> str:
    """Return the accuracy on each person or session that was left out until now, the newest first."""
    known = list(progress.groups.items())[::-1] if progress else []
    body = (
        meters(Meter(group_name(group), accuracy) for group, accuracy in known)
        if known
        else '<p class="rs-quiet">The first figure comes when a network was tried on somebody whom it had not seen.</p>'
    )
    mean = sum(accuracy for _, accuracy in known) / len(known) if known else None
    aside = f'<span class="rs-aside">{percent(mean)} on average</span>' if mean is not None else ""
    return f'<section><header><span class="rs-overline">Tested so far</span>{aside}</header>{body}</section>'
