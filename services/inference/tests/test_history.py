from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from repsense.timestamps import to_epoch_us
from repsense_inference.edited_workouts import EditedWorkout, choose
from repsense_inference.history import Span, find_zone, sum_spans, sum_up, sum_up_by
from repsense_inference.totals import ExerciseTotal

_BERLIN = ZoneInfo("Europe/Berlin")
_SECOND = 1_000_000


def _workout(started_at: str, *totals: ExerciseTotal, sensor_id: str = "wrist", subject: str = "Anna") -> EditedWorkout:
    started_us = to_epoch_us(datetime.fromisoformat(started_at))
    return EditedWorkout(
        workout_id=f"{sensor_id}-{started_us}",
        sensor_id=sensor_id,
        started_us=started_us,
        ended_us=started_us + 600 * _SECOND,
        totals=totals or (ExerciseTotal("squat", 1, 30 * _SECOND, 0, 0),),
        simulated=False,
        subject=subject,
    )


def test_workouts_add_up_by_exercise() -> None:
    span = sum_up(
        [
            _workout("2026-03-01T17:00:00Z", ExerciseTotal("push-up", 2, 60 * _SECOND, 20, 5, 24)),
            _workout(
                "2026-03-02T17:00:00Z",
                ExerciseTotal("push-up", 1, 30 * _SECOND, 20, 15),
                ExerciseTotal("squat", 4, 90 * _SECOND, 0, 0),
            ),
        ]
    )

    assert (span.n_workouts, span.n_sets, span.active_us, span.incorrect_share) == (2, 7, 180 * _SECOND, 0.5)
    assert span.totals == (
        ExerciseTotal("push-up", 3, 90 * _SECOND, 40, 20, 24),
        ExerciseTotal("squat", 4, 90 * _SECOND, 0, 0),
    )


def test_the_sum_of_the_parts_is_that_of_the_whole() -> None:
    workouts = [
        _workout("2026-03-01T17:00:00Z", ExerciseTotal("push-up", 2, 60 * _SECOND, 20, 5, 24)),
        _workout("2026-03-20T17:00:00Z", ExerciseTotal("push-up", 1, 30 * _SECOND, 0, 0, 10)),
        _workout("2026-03-21T17:00:00Z"),
    ]

    assert sum_spans(sum_up_by("day", workouts, UTC).values()) == sum_up(workouts)


@pytest.mark.parametrize("span", [sum_up([]), sum_spans([])])
def test_no_workouts_add_up_to_nothing(span: Span) -> None:
    assert (span.n_workouts, span.n_sets, span.active_us, span.incorrect_share, span.totals) == (0, 0, 0, None, ())
    assert sum_up_by("week", [], UTC) == {}


def test_days_are_those_of_the_zone_the_latest_first() -> None:
    late = _workout("2026-03-01T23:30:00Z")  # half past midnight in Berlin
    early = _workout("2026-03-01T08:00:00Z")

    assert list(sum_up_by("day", [late, early], UTC)) == [date(2026, 3, 1)]
    assert list(sum_up_by("day", [late, early], _BERLIN)) == [date(2026, 3, 2), date(2026, 3, 1)]


def test_weeks_begin_on_monday_also_over_the_end_of_a_year() -> None:
    sunday, monday = _workout("2027-01-03T12:00:00Z"), _workout("2027-01-04T12:00:00Z")
    before_new_year = _workout("2026-12-28T12:00:00Z")

    found = sum_up_by("week", [monday, sunday, before_new_year], _BERLIN)

    assert {starts_on: span.n_workouts for starts_on, span in found.items()} == {
        date(2027, 1, 4): 1,
        date(2026, 12, 28): 2,
    }


@pytest.mark.parametrize(
    ("last_of_day", "first_of_next", "day"),
    [
        # On this day clocks go forward at 2:00, so it has 23 hours.
        ("2026-03-29T21:59:59Z", "2026-03-29T22:00:00Z", date(2026, 3, 29)),
        # On this one they go back at 3:00: 25 hours.
        ("2026-10-25T22:59:59Z", "2026-10-25T23:00:00Z", date(2026, 10, 25)),
    ],
)
def test_days_on_which_the_clocks_change_end_at_midnight(last_of_day: str, first_of_next: str, day: date) -> None:
    found = sum_up_by("day", [_workout(first_of_next), _workout(last_of_day)], _BERLIN)

    assert list(found) == [day.replace(day=day.day + 1), day]


def test_the_hour_that_comes_twice_is_one_day() -> None:
    first, second = _workout("2026-10-25T00:30:00Z"), _workout("2026-10-25T01:30:00Z")  # both are 2:30 in Berlin

    assert sum_up_by("day", [second, first], _BERLIN)[date(2026, 10, 25)].n_workouts == 2


@pytest.mark.parametrize(
    "name",
    ["", "Europe", "Mars/Olympus", "../../etc/passwd", "/etc/passwd", "Europe/Berlin\0", "x" * 5_000, "zone.tab"],
)
def test_what_is_no_zone_is_none(name: str) -> None:
    assert find_zone(name) is None


def test_a_zone_is_found_by_its_name() -> None:
    assert find_zone("Europe/Berlin") == _BERLIN


def test_workouts_are_chosen_by_everything_that_is_asked() -> None:
    push_ups = (ExerciseTotal("push-up", 1, _SECOND, 0, 0),)
    wanted = _workout("2026-03-02T17:00:00Z", *push_ups)
    workouts = [
        _workout("2026-03-03T17:00:00Z", *push_ups),
        wanted,
        _workout("2026-03-02T17:00:00Z", *push_ups, sensor_id="ankle"),
        _workout("2026-03-02T17:00:00Z", *push_ups, subject="Ben"),
        _workout("2026-03-02T17:00:00Z"),
        _workout("2026-03-01T17:00:00Z", *push_ups),
    ]
    end_us = workouts[0].started_us

    chosen = choose(workouts, wanted.started_us, end_us, sensor_id="wrist", subject="Anna", exercise="push-up")

    assert chosen == [wanted]
    assert choose(workouts, 0, None) == workouts
