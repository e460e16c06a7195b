"""One workout in the order of time: its sets as bands, and below them how each moment was."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from repsense_dashboard.api.workouts import TimelineWindow, WorkoutSet, WorkoutTimeline
from repsense_dashboard.components.markup import text, tone_of_form
from repsense_dashboard.reader import ReaderZone
from repsense_dashboard.wording import as_title, spoken_duration

__all__ = ["set_words", "timeline_picture"]

_MOST_TICKS = 7
_STEPS_MIN = (1, 2, 5, 10, 15, 20, 30, 60, 120, 240)
_LEAST = timedelta(seconds=30)


def set_words(entry: WorkoutSet, zone: ReaderZone) -> str:
    """Return what a set was: "17:42, push-up, incorrect, 42 s"."""
    parts = [f"{entry.started_at.astimezone(zone.zone):%H:%M}", entry.exercise]
    parts += ["no exercise"] if entry.discarded else [entry.form] if entry.form else []
    return ", ".join([*parts, spoken_duration(entry.duration_s)])


def timeline_picture(timeline: WorkoutTimeline, *, selected: str | None, zone: ReaderZone) -> str:
    """Return the picture for `pickable`; sets can be picked by their id.

    Args:
        timeline: The workout.
        selected: The id of the set that is picked.
        zone: Where the reader is.
    """
    scale = _Scale(timeline.started_at, max(timeline.ended_at - timeline.started_at, _LEAST))
    bands = "".join(_band(entry, scale, zone, is_selected=entry.set_id == selected) for entry in timeline.sets)
    moments = "".join(
        f'<i class="rs-moment-{tone}" style="{scale.place(start, end)}"></i>'
        for start, end, tone in _stretches(timeline.windows)
    )
    ticks = "".join(
        f'<span style="left:{scale.share(tick):.2%}">{tick.astimezone(zone.zone):%H:%M}</span>'
        for tick in _ticks(timeline.started_at, timeline.ended_at, zone)
    )
    at_rest = "Pick a set to change it."
    return (
        f'<div class="rs-timeline"><div class="rs-timeline-sets">{bands}</div>'
        f'<div class="rs-timeline-moments" role="img" aria-label="How each moment was recognised">{moments}</div>'
        f'<div class="rs-timeline-ticks" aria-hidden="true">{ticks}</div></div>'
        f'<p class="rs-calendar-foot"><span data-words="{at_rest}" aria-live="polite">{at_rest}</span></p>'
    )


class _Scale:
    """Places times on a line of a hundred per cent."""

    def __init__(self, start: datetime, length: timedelta) -> None:
        self._start = start
        self._length = length

    def share(self, at: datetime) -> float:
        """Return where a time is, from 0 to 1."""
        return min(1.0, max(0.0, (at - self._start) / self._length))

    def place(self, start: datetime, end: datetime) -> str:
        """Return where a stretch is, as style."""
        left, right = self.share(start), self.share(end)
        return f"left:{left:.2%};width:{right - left:.2%}"


def _band(entry: WorkoutSet, scale: _Scale, zone: ReaderZone, *, is_selected: bool) -> str:
    tone = "discarded" if entry.discarded else tone_of_form(entry.form)
    wrong = entry.incorrect_share
    # The part of it that was done wrong is the lower part of the band.
    share = f";--incorrect:{wrong:.0%}" if wrong is not None and not entry.discarded else ""
    return (
        f'<button type="button" class="rs-workout-band rs-workout-band-{tone}" data-pick="{text(entry.set_id)}" '
        f'aria-pressed="{"true" if is_selected else "false"}" aria-label="{text(as_title(set_words(entry, zone)))}" '
        f'style="{scale.place(entry.started_at, entry.ended_at)}{share}"><span>{text(entry.exercise)}</span></button>'
    )


def _stretches(windows: Sequence[TimelineWindow]) -> Iterator[tuple[datetime, datetime, str]]:
    """Join what is alike: each stretch lasts from the start of its first window to the start of the next stretch."""
    open_: tuple[datetime, datetime, str] | None = None
    for window in windows:
        tone = "unknown" if window.label is None else tone_of_form(window.label.form)
        if open_ is not None and open_[2] == tone and window.start_at <= open_[1]:
            open_ = open_[0], window.end_at, tone
            continue
        if open_ is not None:
            yield open_[0], min(open_[1], window.start_at), open_[2]
        open_ = window.start_at, window.end_at, tone
    if open_ is not None:
        yield open_


def _ticks(start: datetime, end: datetime, zone: ReaderZone) -> Iterator[datetime]:
    """Return round times between two, not too many."""
    minutes = (end - start).total_seconds() / 60
    step = timedelta(minutes=next((one for one in _STEPS_MIN if minutes / one <= _MOST_TICKS), _STEPS_MIN[-1]))
    # In UTC from there on: in a zone, times are added up by the clock on the wall, which is set twice a year.
    midnight = start.astimezone(zone.zone).replace(hour=0, minute=0, second=0, microsecond=0).astimezone(UTC)
    tick = midnight + step * -(-(start - midnight) // step)
    while tick <= end:
        yield tick
        tick += step
