"""Spans of time, sums, trends and the calendar."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from repsense_dashboard.api.workouts import ExerciseTotal, History, HistoryPeriod, HistoryTotal, Workout
from repsense_dashboard.workout_history import (
    Span,
    between,
    bounds,
    calendar_days,
    exercise_rows,
    form_times,
    incorrect_share,
    monday_of,
    only_exercise,
    periods,
    weeks_in_a_row,
)

_BERLIN = ZoneInfo("Europe/Berlin")
# A Thursday.
_TODAY = date(2026, 3, 5)


def _total(exercise: str, active_s: float = 100.0, incorrect: float | None = None, n_sets: int = 2) -> ExerciseTotal:
    return ExerciseTotal(exercise=exercise, n_sets=n_sets, active_s=active_s, incorrect_share=incorrect)


def _sum(*totals: ExerciseTotal) -> HistoryTotal:
    active_s = sum(total.active_s for total in totals)
    return HistoryTotal(n_workouts=1, n_sets=4, active_s=active_s, exercises=totals)


def _history(*days: tuple[date, tuple[ExerciseTotal, ...]], by: str = "day") -> History:
    found = [HistoryPeriod(starts_on=day, **vars(_sum(*totals))) for day, totals in days]
    return History.model_validate({"zone": "UTC", "by": by, "periods": found, "total": _sum()})


def test_four_weeks_are_this_one_and_three_before() -> None:
    found = bounds(Span.FOUR_WEEKS, datetime(2026, 3, 5, 17, tzinfo=UTC), _BERLIN)
    assert found.from_at == datetime(2026, 2, 9, tzinfo=_BERLIN)
    assert found.before_from == datetime(2026, 1, 12, tzinfo=_BERLIN)
    # As late on a Thursday as it is now.
    assert found.before_to == datetime(2026, 2, 5, 18, tzinfo=_BERLIN)


def test_midnight_is_the_readers_also_after_the_clocks_have_changed() -> None:
    found = bounds(Span.TWELVE_WEEKS, datetime(2026, 4, 2, 23, 30, tzinfo=UTC), _BERLIN)
    assert found.from_at is not None
    assert found.from_at.isoformat() == "2026-01-12T00:00:00+01:00"


def test_some_days_are_compared_with_as_many_before() -> None:
    found = between(date(2026, 3, 28), date(2026, 3, 29), _BERLIN)
    # The night in which the clocks change is an hour shorter.
    assert (found.from_at, found.to_at) == (
        datetime(2026, 3, 27, 23, tzinfo=UTC),
        datetime(2026, 3, 29, 22, tzinfo=UTC),
    )
    assert (found.before_from, found.before_to) == (datetime(2026, 3, 25, 23, tzinfo=UTC), found.from_at)


def test_everything_has_no_bounds() -> None:
    assert set(vars(bounds(Span.EVERYTHING, datetime.now(UTC), UTC)).values()) == {None}
    assert [span.words for span in Span] == ["4 weeks", "12 weeks", "A year", "Everything"]


def test_time_is_divided_by_form() -> None:
    times = form_times([_total("squat", 100.0, 0.25), _total("jump", 40.0)])
    assert (times.correct_s, times.incorrect_s, times.unjudged_s, times.active_s) == (75.0, 25.0, 40.0, 140.0)


def test_a_chart_has_its_periods_oldest_first_each_with_its_end() -> None:
    weeks = _history(
        (date(2026, 3, 2), (_total("squat", incorrect=0.5), _total("jump"))), (date(2026, 2, 23), ()), by="week"
    )
    (week,) = periods(weeks, None)
    assert (week.starts_on, week.ends_on, week.n_sets) == (date(2026, 3, 2), date(2026, 3, 9), 4)
    assert week.incorrect_shares == {"squat": 0.5}


def test_a_chart_of_one_exercise_has_only_its_time() -> None:
    days = _history((_TODAY, (_total("squat"), _total("jump"))), (_TODAY - timedelta(days=1), (_total("jump"),)))
    (day,) = periods(days, "squat")
    assert (day.starts_on, day.ends_on, day.times.active_s) == (_TODAY, _TODAY + timedelta(days=1), 100.0)
    assert only_exercise(_sum(_total("squat")), "jump") == ()


def test_exercises_come_with_their_gain_the_longest_first() -> None:
    total = _sum(_total("squat", 50, 0.1), _total("jump", 90), _total("lunge", 70, 0.3))
    before = _sum(_total("squat", 50, 0.4), _total("jump", 90))
    rows = exercise_rows(total, before, None)
    assert [row.total.exercise for row in rows] == ["jump", "lunge", "squat"]
    assert [row.gain for row in rows] == [None, None, pytest.approx(0.3)]
    assert [row.gain for row in exercise_rows(total, None, "squat")] == [None]


def test_the_calendar_begins_on_a_monday_a_year_ago_and_ends_today() -> None:
    days = calendar_days(_history((_TODAY, (_total("squat"),))), _TODAY)
    assert (days[0].day, days[-1].day) == (date(2025, 3, 3), _TODAY)
    assert monday_of(days[0].day) == days[0].day
    assert [one.level for one in days if one.level] == [5]
    assert (days[-1].n_workouts, days[-1].active_s, days[-2].n_workouts) == (1, 100.0, 0)


def test_the_more_was_done_the_darker_and_one_excess_pales_nobody() -> None:
    usual = [(_TODAY - timedelta(days=number), (_total("squat", 20.0 * number),)) for number in range(1, 6)]
    usual += [(_TODAY - timedelta(days=number), (_total("squat", 100.0),)) for number in range(6, 21)]
    days = calendar_days(_history((_TODAY, (_total("squat", 9000.0),)), *usual), _TODAY)
    assert [one.level for one in days[-6:]] == [5, 4, 3, 2, 1, 5]


def test_the_calendar_of_one_exercise_knows_only_its_days() -> None:
    days = calendar_days(_history((_TODAY, (_total("squat"),))), _TODAY, "jump")
    assert not any(one.level or one.n_workouts for one in days)


@pytest.mark.parametrize(
    ("weeks_ago", "count"), [((0, 1, 2), 3), ((1, 2), 2), ((2, 3), 0), ((0, 2), 1), ((), 0), (range(60), 53)]
)
def test_weeks_in_a_row(weeks_ago: tuple[int, ...], count: int) -> None:
    history = _history(*((_TODAY - timedelta(weeks=weeks), (_total("squat"),)) for weeks in weeks_ago))
    assert weeks_in_a_row(calendar_days(history, _TODAY), _TODAY) == count


def test_the_form_of_a_workout_is_weighed_by_time() -> None:
    def workout(*totals: ExerciseTotal) -> Workout:
        now = datetime.now(UTC)
        return Workout(
            workout_id="w",
            version=0,
            sensor_id="wrist",
            started_at=now,
            ended_at=now,
            duration_s=1,
            active_s=1,
            n_sets=1,
            totals=totals,
        )

    assert incorrect_share(workout(_total("squat", 300, 0.5), _total("lunge", 100, 0.1))) == pytest.approx(0.4)
    assert incorrect_share(workout(_total("jump"))) is None
