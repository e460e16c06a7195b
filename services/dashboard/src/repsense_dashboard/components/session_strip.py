"""The takes of a session, and what is still missing."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo

from repsense_dashboard.api import Label
from repsense_dashboard.api.recordings import Recording
from repsense_dashboard.components.markup import form_chip, icon, text
from repsense_dashboard.components.movement_strip import movement_picture
from repsense_dashboard.goals import takes_missing
from repsense_dashboard.wording import as_title, counted, local_time

__all__ = ["session_strip", "short_seconds"]


def short_seconds(seconds: float) -> str:
    """Return a length to a tenth of a second: "18.4 s", "20 s"."""
    return f"{seconds:.1f}".removesuffix(".0") + "\N{NO-BREAK SPACE}s"


def session_strip(
    takes: Sequence[Recording],
    *,
    recorded_s: Mapping[Label, float],
    take_s: float,
    now: datetime,
    zone: tzinfo,
) -> str:
    """Return the takes as a row of small pictures, below how many there are of each label.

    Args:
        takes: Of the session, newest first.
        recorded_s: How much there is of each label, in all sessions.
        take_s: How long a take is.
        now: The present.
        zone: Where the reader is.
    """
    counts = Counter(take.label for take in takes if take.label is not None)
    labels = "".join(
        f"<li><b>{text(as_title(label.exercise))}</b>{form_chip(label.form)}"
        f'<span class="rs-number">{count}\N{MULTIPLICATION SIGN}</span>'
        f"{_missing(recorded_s.get(label, 0.0), take_s)}</li>"
        for label, count in counts.most_common()
    )
    cards = "".join(_card(take, now, zone) for take in takes)
    return (
        f'<section class="rs-session"><ul class="rs-session-counts">{labels}</ul>'
        f'<ol class="rs-takes" tabindex="0" aria-label="Takes of this session">{cards}</ol></section>'
    )


def _missing(recorded_s: float, take_s: float) -> str:
    n_takes = takes_missing(recorded_s, take_s=take_s)
    if not n_takes:
        return f'<em class="rs-enough">{icon("check")}enough</em>'
    return f"<em>{counted(n_takes, 'more take')}</em>"


def _card(take: Recording, now: datetime, zone: tzinfo) -> str:
    title = as_title(take.label.exercise) if take.label else "No label"
    start = take.started_at or take.created_at
    interrupted = f'<span class="rs-text-incorrect">{icon("broken")}cut short</span>' if take.interruption else ""
    return (
        f'<li class="rs-take-card">{movement_picture(take.preview)}<b>{text(title)}</b>'
        f"{form_chip(take.label.form if take.label else None)}"
        f'<span class="rs-number">{short_seconds(take.duration_s)} · {local_time(start, now, zone)}</span>'
        f"{interrupted}</li>"
    )
