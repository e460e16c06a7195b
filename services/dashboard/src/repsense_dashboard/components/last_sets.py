"""The last sets, newest first."""

from collections.abc import Sequence
from datetime import datetime, tzinfo

from repsense_dashboard.api import ExerciseSet
from repsense_dashboard.components.markup import form_chip, simulated_badge, text
from repsense_dashboard.wording import local_time, spoken_duration

__all__ = ["last_sets_card"]


def last_sets_card(sets: Sequence[ExerciseSet], *, now: datetime, zone: tzinfo, zone_name: str) -> str:
    """Return the closed sets as a list, times in the reader's zone."""
    rows = "".join(_row(entry, now, zone) for entry in sets if entry.state == "closed")
    body = (
        f'<ol class="rs-sets">{rows}</ol>'
        if rows
        else '<p class="rs-quiet">No set yet. It appears here as soon as the first one is done.</p>'
    )
    return (
        '<section class="rs-card"><header><span class="rs-overline">Last sets</span>'
        f'<span class="rs-aside">{text(zone_name)}</span></header>{body}</section>'
    )


def _row(entry: ExerciseSet, now: datetime, zone: tzinfo) -> str:
    badge = simulated_badge(small=True) if entry.simulated else ""
    return (
        f'<li><span class="rs-set-name"><b>{text(entry.exercise)}</b>{badge}</span>'
        f'<span class="rs-number">{spoken_duration(entry.duration_s)}</span><span>{form_chip(entry.form)}</span>'
        f'<time class="rs-when">{local_time(entry.started_at, now, zone)}</time></li>'
    )
