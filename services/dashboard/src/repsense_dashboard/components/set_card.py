"""The running set with its stopwatch, or the rest since the last one."""

from datetime import timedelta

from repsense_dashboard.api import ExerciseSet
from repsense_dashboard.components.markup import form_chip, simulated_badge, text
from repsense_dashboard.wording import as_title, percent, stopwatch

__all__ = ["beginning_card", "idle_card", "rest_card", "running_set_card"]


def running_set_card(running_set: ExerciseSet, elapsed_s: float) -> str:
    """Return the card of a set that goes on, with the time that it has lasted."""
    title = as_title(running_set.exercise)
    if running_set.incorrect_share is not None:
        share = running_set.incorrect_share
        form = f"{percent(share)} with incorrect form" if share else "all of it with correct form"
    else:
        form = running_set.form or "running"
    return _card("Set", stopwatch(elapsed_s), title, text(form), simulated=running_set.simulated)


def beginning_card(exercise: str, *, simulated: bool) -> str:
    """Return the card of an exercise that has not lasted long enough to be a set."""
    return _card("Set", stopwatch(0), as_title(exercise), "beginning", simulated=simulated)


def rest_card(last_set: ExerciseSet, rest: timedelta) -> str:
    """Return the card of the rest after a set."""
    last = as_title(last_set.exercise)
    foot = form_chip(last_set.form)
    return _card("Rest", stopwatch(rest.total_seconds()), f"after {last}", foot, simulated=last_set.simulated)


def idle_card(*, can_start: bool) -> str:
    """Return the card of no set at all; `can_start` tells whether a movement would begin one."""
    foot = "it starts by itself when you move" if can_start else ""
    return _card("Set", "0:00", "No set running", foot, style=" rs-set-idle")


def _card(overline: str, time: str, title: str, foot_html: str, *, simulated: bool = False, style: str = "") -> str:
    badge = simulated_badge(small=True) if simulated else ""
    return (
        f'<section class="rs-card rs-set{style}"><header><span class="rs-overline">{overline}</span>{badge}</header>'
        f'<div class="rs-stopwatch">{time}</div><div class="rs-set-what"><strong>{text(title)}</strong>'
        f"<span>{foot_html}</span></div></section>"
    )
