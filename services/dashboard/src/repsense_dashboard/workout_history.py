"""The history of workouts as it is shown: spans of time, sums, trends and the calendar. Pure functions, no I/O."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from enum import Enum
from math import ceil

from repsense_dashboard.api.workouts import ExerciseTotal, History, HistoryTotal, Workout

__all__ = [
    "Bounds",
    "CalendarDay",
    "ExerciseRow",
    "FormTimes",
    "Period",
    "Span",
    "between",
    "bounds",
    "calendar_days",
    "exercise_rows",
    "form_times",
    "incorrect_share",
    "monday_of",
    "only_exercise",
    "periods",
    "weeks_in_a_row",
]

_N_CALENDAR_WEEKS = 53
_N_LEVELS = 5
_WEEK = timedelta(weeks=1)


class Span(Enum):
    """How far back one looks; weeks begin on Monday, and this week counts."""

    FOUR_WEEKS = 4
    TWELVE_WEEKS = 12
    YEAR = 52
    EVERYTHING = None

    @property
    def words(self) -> str:
        """Return it as a choice: "12 weeks"."""
        return {4: "4 weeks", 12: "12 weeks", 52: "A year"}.get(self.value or 0, "Everything")


@dataclass(frozen=True)
class Bounds:
    """A span as times, and the one before it up to the same moment; None is since ever, or until now.

    Attributes:
        from_at: The first moment.
        to_at: The first moment after it.
        before_from: The first moment of the span before.
        before_to: As far into the span before as the present is into this one.
    """

    from_at: datetime | None = None
    to_at: datetime | None = None
    before_from: datetime | None = None
    before_to: datetime | None = None


def monday_of(day: date) -> date:
    """Return the day on which its week began."""
    return day - timedelta(days=day.weekday())


def bounds(span: Span, now: datetime, zone: tzinfo) -> Bounds:
    """Return a span as times; days begin at midnight of `zone`."""
    if span.value is None:
        return Bounds()
    today = now.astimezone(zone).date()
    first = monday_of(today) - (span.value - 1) * _WEEK
    before = first - span.value * _WEEK
    # To the minute, so that a question is the same question for a while.
    moment = now.astimezone(zone).time().replace(second=0, microsecond=0)
    return Bounds(
        from_at=datetime.combine(first, time(), zone),
        before_from=datetime.combine(before, time(), zone),
        before_to=datetime.combine(today - span.value * _WEEK, moment, zone),
    )


def between(first: date, last: date, zone: tzinfo) -> Bounds:
    """Return some days as times, and as many before them."""
    length = last - first + timedelta(days=1)
    return Bounds(
        from_at=datetime.combine(first, time(), zone),
        to_at=datetime.combine(first + length, time(), zone),
        before_from=datetime.combine(first - length, time(), zone),
        before_to=datetime.combine(first, time(), zone),
    )


@dataclass(frozen=True)
class FormTimes:
    """Active time by how the exercises were done, in seconds."""

    correct_s: float
    incorrect_s: float
    unjudged_s: float
    """Of exercises that were taught without form."""

    @property
    def active_s(self) -> float:
        """Return all of it."""
        return self.correct_s + self.incorrect_s + self.unjudged_s


def form_times(exercises: Iterable[ExerciseTotal]) -> FormTimes:
    """Return the time of each form."""
    correct_s = incorrect_s = unjudged_s = 0.0
    for total in exercises:
        if total.incorrect_share is None:
            unjudged_s += total.active_s
        else:
            incorrect_s += total.active_s * total.incorrect_share
            correct_s += total.active_s * (1 - total.incorrect_share)
    return FormTimes(correct_s, incorrect_s, unjudged_s)


def only_exercise(total: HistoryTotal, exercise: str | None) -> tuple[ExerciseTotal, ...]:
    """Return the sums of one exercise, or of all where None is asked for."""
    return tuple(one for one in total.exercises if exercise in {None, one.exercise})


@dataclass(frozen=True)
class Period:
    """A day or week of the chart; it ends before `ends_on`."""

    starts_on: date
    ends_on: date
    n_sets: int
    times: FormTimes
    incorrect_shares: dict[str, float]
    """Of each exercise that has a form."""


def periods(history: History, exercise: str | None) -> tuple[Period, ...]:
    """Return the days or weeks in which something was done, oldest first."""
    length = timedelta(days=1 if history.by == "day" else 7)
    found = []
    for one in reversed(history.periods):
        totals = only_exercise(one, exercise)
        if totals:
            shares = {total.exercise: total.incorrect_share for total in totals if total.incorrect_share is not None}
            n_sets = sum(total.n_sets for total in totals)
            found.append(Period(one.starts_on, one.starts_on + length, n_sets, form_times(totals), shares))
    return tuple(found)


@dataclass(frozen=True)
class ExerciseRow:
    """One exercise in a span.

    Attributes:
        total: Its sums.
        gain: By how much larger the share of correct form is than in the span before, from -1 to 1; None if that
            cannot be told.
    """

    total: ExerciseTotal
    gain: float | None


def exercise_rows(total: HistoryTotal, before: HistoryTotal | None, exercise: str | None) -> tuple[ExerciseRow, ...]:
    """Return the exercises of a span, the one with the most time first."""
    earlier = {one.exercise: one.incorrect_share for one in before.exercises} if before else {}

    def gain(one: ExerciseTotal) -> float | None:
        then = earlier.get(one.exercise)
        return None if then is None or one.incorrect_share is None else then - one.incorrect_share

    rows = [ExerciseRow(one, gain(one)) for one in only_exercise(total, exercise)]
    return tuple(sorted(rows, key=lambda row: -row.total.active_s))


@dataclass(frozen=True)
class CalendarDay:
    """A day of the calendar; `level` is 0 where nothing was done, up to 5 where a lot was."""

    day: date
    n_workouts: int
    active_s: float
    level: int


def calendar_days(history: History, today: date, exercise: str | None = None) -> tuple[CalendarDay, ...]:
    """Return the days of a year, oldest first: from a Monday on, up to today.

    Args:
        history: By day.
        today: Where the reader is.
        exercise: Count only its time.
    """
    active_s, n_workouts = {}, {}
    for period in history.periods:
        active_s[period.starts_on] = sum(total.active_s for total in only_exercise(period, exercise))
        n_workouts[period.starts_on] = period.n_workouts
    # A single day of excess must not pale all others.
    ordered = sorted(value for value in active_s.values() if value)
    full_s = ordered[int(0.9 * (len(ordered) - 1))] if ordered else 1.0
    first = monday_of(today) - (_N_CALENDAR_WEEKS - 1) * _WEEK
    days = [first + timedelta(days=number) for number in range((today - first).days + 1)]
    return tuple(
        CalendarDay(
            day,
            n_workouts.get(day, 0) if active_s.get(day) else 0,
            active_s.get(day, 0.0),
            ceil(_N_LEVELS * min(1.0, active_s.get(day, 0.0) / full_s)),
        )
        for day in days
    )


def weeks_in_a_row(days: Sequence[CalendarDay], today: date) -> int:
    """Return for how many weeks in a row there was a workout; this week may still be without one."""
    active = {monday_of(one.day) for one in days if one.level}
    week = monday_of(today)
    if week not in active:
        week -= _WEEK
    count = 0
    while week in active:
        count += 1
        week -= _WEEK
    return count


def incorrect_share(workout: Workout) -> float | None:
    """Return the share of incorrect form of a whole workout, by time; None where no exercise has a form."""
    times = form_times(workout.totals)
    judged_s = times.correct_s + times.incorrect_s
    return times.incorrect_s / judged_s if judged_s else None
