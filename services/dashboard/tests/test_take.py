"""A take, in a time of its own."""

from datetime import UTC, datetime, timedelta

import pytest
from services.dashboard.tests.fake_recordings import FakeRecordings

from repsense_dashboard.api import Label
from repsense_dashboard.api.recordings import Recording
from repsense_dashboard.take import COUNTDOWN_S, LONGEST_TAKE_S, Plan, SensorClock, Take, TakeState

# The sensor's clock is nowhere near the page's.
_ZERO = datetime(2026, 3, 5, 10, 0, tzinfo=UTC)


def _at(seconds: float) -> datetime:
    return _ZERO + timedelta(seconds=seconds)


def _plan(duration_s: float | None = 20.0) -> Plan:
    return Plan("wrist", Label(exercise="squat"), "Anna", "1", duration_s)


def _state(take: Take) -> TakeState:
    """Return it without mypy's belief that it stays as it was."""
    return take.state


def _let_pass(take: Take, from_s: float, to_s: float, *, sends_until_s: float = float("inf")) -> None:
    """Let the page look every 0.4 s, with samples that are stored 0.3 s late."""
    for step in range(round((to_s - from_s) / 0.4) + 1):
        now_s = from_s + 0.4 * step
        take.observe(_at(min(now_s, sends_until_s) - 0.3), now_s)


@pytest.fixture
def take() -> Take:
    take = Take()
    take.observe(_at(-0.3), 0.0)
    take.start(_plan(), 0.0)
    return take


def test_a_take_counts_down_records_as_long_as_planned_and_waits_for_its_last_samples(take: Take) -> None:
    # now_s     0 ........ 3 ................................. 23 .... 23.4
    # state     COUNTDOWN  RECORDING                           STORING  complete
    assert take.counted_s(1.0) == 2.0
    _let_pass(take, 0.4, 2.8)
    assert _state(take) is TakeState.COUNTDOWN
    _let_pass(take, 3.2, 22.8)
    assert _state(take) is TakeState.RECORDING
    assert take.began_at == _at(COUNTDOWN_S - 0.3)
    take.observe(_at(22.6), 23.0)
    assert _state(take) is TakeState.STORING
    assert take.ends_at == take.began_at + timedelta(seconds=20)
    assert not take.can_be_stored(23.0)
    take.observe(_at(22.9), 23.2)
    assert take.can_be_stored(23.2)


def test_the_begin_does_not_depend_on_when_the_page_looks(take: Take) -> None:
    take.observe(_at(2.0), 2.3)
    # The next look comes late: 0.9 s after "go".
    take.observe(_at(2.0), 3.9)
    assert take.began_at == _at(2.7)


def test_a_take_without_end_goes_on_until_somebody_stops_it() -> None:
    take = Take()
    take.observe(_at(-0.3), 0.0)
    take.start(_plan(None), 0.0)
    _let_pass(take, 0.4, 60.0)
    assert _state(take) is TakeState.RECORDING
    assert take.elapsed_s(60.0) == 57.0
    take.stop(60.0)
    assert _state(take) is TakeState.STORING
    assert take.ends_at == _at(59.7)
    assert take.elapsed_s(99.0) == pytest.approx(57.0)


def test_a_take_without_end_ends_where_the_api_does() -> None:
    take = Take()
    take.observe(_at(-0.3), 0.0)
    take.start(_plan(None), 0.0)
    _let_pass(take, 0.4, 700.0)
    assert _state(take) is TakeState.STORING
    assert take.elapsed_s(700.0) == LONGEST_TAKE_S


def test_a_take_that_is_stopped_early_is_as_long_as_it_was(take: Take) -> None:
    _let_pass(take, 0.4, 10.0)
    take.stop(10.0)
    assert take.elapsed_s(10.0) == pytest.approx(7.0)


def test_a_countdown_that_is_cancelled_leaves_nothing(take: Take) -> None:
    _let_pass(take, 0.4, 2.0)
    take.cancel()
    _let_pass(take, 2.4, 9.0)
    assert _state(take) is TakeState.IDLE
    assert take.failure is None


def test_a_sensor_that_is_silent_at_go_is_said(take: Take) -> None:
    _let_pass(take, 0.4, 3.2, sends_until_s=0.5)
    assert _state(take) is TakeState.IDLE
    assert "stopped sending" in (take.failure or "")


def test_a_sensor_that_was_never_heard_cannot_be_recorded() -> None:
    take = Take()
    take.start(_plan(), 0.0)
    take.observe(None, 3.5)
    assert take.failure is not None


def test_a_sensor_that_drops_out_is_noticed_and_may_come_back(take: Take) -> None:
    _let_pass(take, 0.4, 12.0, sends_until_s=8.0)
    assert take.is_interrupted(12.0)
    _let_pass(take, 12.4, 14.0)
    assert not take.is_interrupted(14.0)
    assert _state(take) is TakeState.RECORDING


def test_what_there_is_of_a_take_is_kept_when_the_sensor_stays_away() -> None:
    take = Take()
    take.observe(_at(-0.3), 0.0)
    take.start(_plan(60.0), 0.0)
    _let_pass(take, 0.4, 30.0, sends_until_s=10.0)
    assert _state(take) is TakeState.STORING
    assert take.ends_at == _at(9.7)
    assert take.can_be_stored(30.0)


def test_samples_that_never_come_are_not_waited_for_longer_than_a_moment(take: Take) -> None:
    _let_pass(take, 0.4, 23.2, sends_until_s=20.0)
    assert _state(take) is TakeState.STORING
    assert not take.can_be_stored(24.0)
    assert take.can_be_stored(30.0)


def test_a_take_that_is_over_before_anything_came_is_nothing(take: Take) -> None:
    _let_pass(take, 0.4, 2.8)
    take.observe(_at(2.5), 3.0)
    take.stop(3.0)
    assert _state(take) is TakeState.IDLE
    assert "Nothing was recorded" in (take.failure or "")


def test_what_was_stored_is_reviewed_and_the_next_take_forgets_it(take: Take, fake_recordings: FakeRecordings) -> None:
    made = Recording.model_validate(fake_recordings.resource(fake_recordings.add_recording("squat")))
    take.store((made,))
    assert _state(take) is TakeState.REVIEW
    take.start(_plan(), 50.0)
    assert _state(take) is TakeState.COUNTDOWN
    assert take.recordings == ()
    assert take.number == 2


def test_a_clock_is_as_early_as_samples_are_late() -> None:
    clock = SensorClock()
    assert clock.at(5.0) is None
    assert clock.silent_s(5.0) == float("inf")
    clock.observe(_at(100.0), 5.0)
    clock.observe(_at(100.0), 5.4)
    assert clock.at(5.4) == _at(100.4)
    assert clock.silent_s(5.4) == pytest.approx(0.4)
