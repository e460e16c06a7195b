"""What matters most about a sensor, and the stopwatch of a set."""

from datetime import UTC, datetime, timedelta

import pytest

from repsense_dashboard.api import Classification, Label, Live, Sensor
from repsense_dashboard.situation import ResultWatch, SetStopwatch, Situation, tell_situation

_NOW = datetime(2026, 3, 5, 10, 0, tzinfo=UTC)
_SENSOR = Sensor(sensor_id="a", name="A", state="online", last_sample_at=_NOW)
_CLASSIFICATION = Classification(
    sensor_id="a",
    model_name="bodyweight",
    model_version=1,
    window_end_at=_NOW,
    label=Label(exercise="squat"),
    confidence=0.9,
)


@pytest.mark.parametrize(
    ("sensor", "classification", "situation"),
    [
        ({}, {}, Situation.EXERCISE),
        ({}, {"label": None}, Situation.UNSURE),
        ({}, {"label": None, "unclassified_reason": "still"}, Situation.RESTING),
        ({}, {"label": None, "unclassified_reason": "gap"}, Situation.GAP),
        ({}, {"window_end_at": _NOW - timedelta(seconds=16)}, Situation.STALLED),
        ({}, None, Situation.WAITING),
        ({"problem": "no magnetometer"}, {}, Situation.PROBLEM),
        ({"state": "connecting"}, {}, Situation.CONNECTING),
        ({"state": "offline", "problem": "no magnetometer"}, {}, Situation.OFFLINE),
        ({"state": "unknown"}, None, Situation.OFFLINE),
    ],
)
def test_the_connection_matters_more_than_what_came_over_it(
    sensor: dict[str, object], classification: dict[str, object] | None, situation: Situation
) -> None:
    live = Live(
        sensor=_SENSOR.model_copy(update=sensor),
        classification=None if classification is None else _CLASSIFICATION.model_copy(update=classification),
    )
    assert tell_situation(live, has_model=True) is situation


def test_without_a_model_nothing_is_awaited() -> None:
    assert tell_situation(Live(sensor=_SENSOR), has_model=False) is Situation.NO_MODEL


def test_results_that_stay_the_same_have_stopped() -> None:
    watch = ResultWatch()
    live = Live(sensor=_SENSOR, classification=_CLASSIFICATION)
    assert not watch.have_stopped(live, 100.0, is_trouble_known=False)
    assert not watch.have_stopped(live, 114.9, is_trouble_known=False)
    assert watch.have_stopped(live, 115.1, is_trouble_known=False)
    assert tell_situation(live, has_model=True, have_stopped=True) is Situation.STALLED
    newer = _CLASSIFICATION.model_copy(update={"window_end_at": _NOW + timedelta(seconds=1)})
    assert not watch.have_stopped(Live(sensor=_SENSOR, classification=newer), 116.0, is_trouble_known=False)


def test_results_are_not_awaited_for_long_where_the_reason_is_known() -> None:
    watch = ResultWatch()
    live = Live(sensor=_SENSOR, classification=_CLASSIFICATION)
    assert not watch.have_stopped(live, 100.0, is_trouble_known=True)
    assert watch.have_stopped(live, 103.1, is_trouble_known=True)


def test_results_that_never_came_have_not_stopped() -> None:
    watch = ResultWatch()
    assert not watch.have_stopped(Live(sensor=_SENSOR), 100.0, is_trouble_known=True)
    assert not watch.have_stopped(Live(sensor=_SENSOR), 200.0, is_trouble_known=True)


def test_stopwatch_runs_on_between_two_windows() -> None:
    watch = SetStopwatch()
    assert watch.read("s", 10.0, now_s=100.0) == 10.0
    assert watch.read("s", 10.0, now_s=100.8) == pytest.approx(10.8)
    # The next window makes the set a second longer, slightly late: the stopwatch does not jump back.
    assert watch.read("s", 11.0, now_s=101.2) == pytest.approx(11.2)


def test_stopwatch_follows_a_duration_that_is_far_off() -> None:
    watch = SetStopwatch()
    watch.read("s", 10.0, now_s=100.0)
    assert watch.read("s", 30.0, now_s=101.0) == 30.0


def test_stopwatch_begins_anew_with_the_next_set() -> None:
    watch = SetStopwatch()
    watch.read("s", 10.0, now_s=100.0)
    assert watch.read("t", 11.5, now_s=101.0) == 11.5
