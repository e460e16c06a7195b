"""Which workouts are shown."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

import streamlit as st

from repsense_dashboard.api.workouts import HistoryFilter
from repsense_dashboard.reader import ReaderZone
from repsense_dashboard.workout_history import Bounds, Span, between, bounds

__all__ = ["Filters", "ask_filters"]

_DATES = "Dates"
_LONGEST_BY_DAY = timedelta(days=45)
_SHORTEST = timedelta(weeks=4)
"""What a chart of everything shows at least."""
_EVERYBODY, _ALL_SENSORS, _ALL_EXERCISES = "Everybody", "All sensors", "All exercises"


@dataclass(frozen=True)
class Filters:
    """What was picked; None lets everything pass.

    Attributes:
        subject: Whose workouts.
        sensor_id: Of which sensor.
        exercise: With a set of it.
        bounds: When.
        before_words: What the time before is called.
        by: How the charts are divided.
    """

    subject: str | None
    sensor_id: str | None
    exercise: str | None
    bounds: Bounds
    before_words: str
    by: Literal["day", "week"]

    def days(self, now: datetime, zone: ReaderZone) -> tuple[date, date]:
        """Return the first and the last day to show; for everything, the first one is not long ago."""
        start, end = self.bounds.from_at, self.bounds.to_at
        last = (now if end is None else end - timedelta(days=1)).astimezone(zone.zone).date()
        return last - _SHORTEST if start is None else start.astimezone(zone.zone).date(), last

    def span(self) -> HistoryFilter:
        """Return the filter of the span itself."""
        return self._filter(self.bounds.from_at, self.bounds.to_at)

    def before(self) -> HistoryFilter:
        """Return the filter of the span before."""
        return self._filter(self.bounds.before_from, self.bounds.before_to)

    def whenever(self, from_at: datetime | None, to_at: datetime | None = None) -> HistoryFilter:
        """Return the filter of another time."""
        return self._filter(from_at, to_at)

    def _filter(self, from_at: datetime | None, to_at: datetime | None) -> HistoryFilter:
        return HistoryFilter(subject=self.subject, sensor_id=self.sensor_id, from_at=from_at, to_at=to_at)


def ask_filters(
    persons: Sequence[str], sensors: Sequence[str], exercises: Sequence[str], *, now: datetime, zone: ReaderZone
) -> Filters:
    """Show the filters, and return what they say."""
    with st.container(key="workouts-filters"):
        choices: list[Span | str] = [*Span, _DATES]
        span = st.pills(
            "Time",
            choices,
            default=Span.TWELVE_WEEKS,
            required=True,
            format_func=lambda choice: choice.words if isinstance(choice, Span) else choice,
            key="workouts-span",
            label_visibility="collapsed",
        )
        with st.container(horizontal=True, key="workouts-selects"):
            subject = _select("Person", _EVERYBODY, persons)
            sensor_id = _select("Sensor", _ALL_SENSORS, sensors) if len(sensors) > 1 else None
            exercise = _select("Exercise", _ALL_EXERCISES, exercises)
            found, words = _times(span, now, zone)
            length = None if found.from_at is None else (found.to_at or now) - found.from_at
            by_day = length is not None and length <= _LONGEST_BY_DAY
            by: Literal["day", "week"] = st.segmented_control(
                "Charts",
                ["day", "week"],
                default="day" if by_day else "week",
                required=True,
                format_func=lambda choice: f"By {choice}",
                # Another length has another usual division.
                key=f"workouts-by-{'day' if by_day else 'week'}",
            )
    return Filters(subject, sensor_id, exercise, found, words, by)


def _select(title: str, everything: str, names: Sequence[str]) -> str | None:
    chosen = st.selectbox(title, [everything, *names], key=f"workouts-{title.lower()}", disabled=not names)
    return None if chosen == everything else chosen


def _times(span: Span | str, now: datetime, zone: ReaderZone) -> tuple[Bounds, str]:
    if isinstance(span, Span):
        words = "the year before" if span is Span.YEAR else f"the {span.words} before"
        return bounds(span, now, zone.zone), words
    today = now.astimezone(zone.zone).date()
    picked = st.date_input(
        "From and to", (today - timedelta(days=29), today), max_value=today, format="DD/MM/YYYY", key="workouts-dates"
    )
    # While only the first day is picked, it is one day.
    days: Sequence[date] = picked
    first, last = (days[0], days[-1]) if len(days) > 0 else (today, today)
    return between(first, last, zone.zone), "as many days before"
