"""Workouts summed up by days and weeks, as the clocks where people live have them."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta, tzinfo
from typing import Literal
from zoneinfo import ZoneInfo

from repsense.timestamps import from_epoch_us
from repsense_inference.edited_workouts import EditedWorkout
from repsense_inference.totals import ExerciseTotal, add_up

__all__ = ["Period", "Span", "find_zone", "sum_spans", "sum_up", "sum_up_by"]

Period = Literal["day", "week"]


@dataclass(frozen=True, slots=True)
class Span:
    """What some workouts add up to.

    Attributes:
        n_workouts: How many there are.
        totals: One per exercise.
    """

    n_workouts: int
    totals: tuple[ExerciseTotal, ...]

    @property
    def n_sets(self) -> int:
        """Sets of all exercises."""
        return sum(one.n_sets for one in self.totals)

    @property
    def active_us(self) -> int:
        """How long the sets lasted together."""
        return sum(one.duration_us for one in self.totals)

    @property
    def incorrect_share(self) -> float | None:
        """Of the windows whose form is known, 0 to 1; None if there is none."""
        n_form_windows = sum(one.n_form_windows for one in self.totals)
        return sum(one.n_incorrect for one in self.totals) / n_form_windows if n_form_windows else None


def find_zone(name: str) -> tzinfo | None:
    """The time zone of a name such as "Europe/Berlin"; None if there is none."""
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):  # OSError: "Europe" is a folder
        return None


def sum_up(workouts: Iterable[EditedWorkout]) -> Span:
    """Add workouts up."""
    found = list(workouts)
    return Span(len(found), add_up(total for one in found for total in one.totals))


def sum_spans(spans: Iterable[Span]) -> Span:
    """Add up what was added up."""
    found = list(spans)
    return Span(sum(one.n_workouts for one in found), add_up(total for one in found for total in one.totals))


def sum_up_by(period: Period, workouts: Iterable[EditedWorkout], zone: tzinfo) -> dict[date, Span]:
    """Add workouts up by the day on which they started, or by its week.

    Args:
        period: A day, or a week from Monday to Sunday.
        workouts: The workouts.
        zone: Whose days.

    Returns:
        By the first day of each period that has a workout, the latest first.
    """
    found: defaultdict[date, list[EditedWorkout]] = defaultdict(list)
    for workout in workouts:
        day = from_epoch_us(workout.started_us).astimezone(zone).date()
        found[day if period == "day" else day - timedelta(days=day.weekday())].append(workout)
    return {starts_on: sum_up(found[starts_on]) for starts_on in sorted(found, reverse=True)}
