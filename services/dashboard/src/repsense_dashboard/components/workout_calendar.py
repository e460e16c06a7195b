"""A year at a glance: a square per day, the fuller the more was done."""

from collections.abc import Sequence
from datetime import date, timedelta

from repsense_dashboard.components.markup import text
from repsense_dashboard.wording import counted, spoken_duration
from repsense_dashboard.workout_history import CalendarDay

__all__ = ["calendar_picture", "day_words"]

_N_LEVELS = 6
_WEEKDAYS = ("Mon", "", "Wed", "", "Fri", "", "")
_HALF_WEEKS = 27
"""Two halves stand beside each other on a desk and below each other on a phone."""
_MIN_WEEKS_OF_A_NAME = 3
"""So much room a month's name needs."""


def day_words(day: CalendarDay) -> str:
    """Return what was done on a day: "Tuesday 3 March: 34 min in 1 workout"."""
    name = f"{day.day:%A} {day.day.day} {day.day:%B}"
    if not day.level:
        return f"{name}: nothing"
    return f"{name}: {spoken_duration(day.active_s)} in {counted(day.n_workouts, 'workout')}"


def calendar_picture(days: Sequence[CalendarDay], *, selected: date | None) -> str:
    """Return the picture for `pickable`; the days with something in them can be picked by their ISO date.

    Args:
        days: A year, from a Monday on.
        selected: The day that is picked.
    """
    half = _HALF_WEEKS * 7
    steps = "".join(f'<i class="rs-heat-{level}"></i>' for level in range(_N_LEVELS))
    at_rest = "Pick a day to see its workouts."
    return (
        f'<div class="rs-calendar">{_half(days[:half], selected)}{_half(days[half:], selected)}</div>'
        f'<p class="rs-calendar-foot"><span data-words="{at_rest}" aria-live="polite">{at_rest}</span>'
        f'<span class="rs-calendar-legend">less {steps} more</span></p>'
    )


def _half(days: Sequence[CalendarDay], selected: date | None) -> str:
    weekdays = "".join(f"<span>{name}</span>" for name in _WEEKDAYS)
    n_weeks = -(-len(days) // 7)
    return (
        f'<div class="rs-calendar-half" style="--weeks:{n_weeks}"><div class="rs-calendar-months">{_months(days)}</div>'
        f'<div class="rs-calendar-weekdays" aria-hidden="true">{weekdays}</div>'
        f'<div class="rs-calendar-days">{"".join(_square(day, selected) for day in days)}</div></div>'
    )


def _months(days: Sequence[CalendarDay]) -> str:
    """Return the names of the months above the weeks in which they begin."""
    mondays = [day.day for day in days[::7]]
    begins = [
        number
        for number, monday in enumerate(mondays)
        if number == 0 or (monday + timedelta(days=6)).month != (mondays[number - 1] + timedelta(days=6)).month
    ]
    ends = [*begins[1:], len(mondays)]
    return "".join(
        f'<span style="grid-column:{begin + 1}">{mondays[begin] + timedelta(days=6):%b}</span>'
        for begin, end in zip(begins, ends, strict=True)
        if end - begin >= _MIN_WEEKS_OF_A_NAME
    )


def _square(day: CalendarDay, selected: date | None) -> str:
    if not day.level:
        return '<span class="rs-heat-0"></span>'
    pressed = "true" if day.day == selected else "false"
    return (
        f'<button type="button" class="rs-heat-{day.level}" data-pick="{day.day.isoformat()}" aria-pressed="{pressed}" '
        f'aria-label="{text(day_words(day))}"></button>'
    )
