import numpy as np
import pytest

from repsense_ble_gateway.sample_clock import SampleClock

_START_US = 1_700_000_000_000_000


def _errors_us(rate_hz: float, drift_ppm: float, seed: int, duration_s: float = 120) -> list[float]:
    """Error of every packet's first sample time, for packets of five that arrive late and in bursts."""
    generator = np.random.default_rng(seed)
    clock = SampleClock(rate_hz)
    true_rate = rate_hz * (1 + drift_ppm * 1e-6)
    arrival_us, errors = 0.0, []
    for first in range(0, int(duration_s * rate_hz), 5):
        last_us = _START_US + (first + 4) / true_rate * 1e6
        arrival_us = max(arrival_us, last_us + generator.exponential(15_000))
        clock.arrived(first + 4, round(arrival_us))
        errors.append(clock.time_us(first) - (_START_US + first / true_rate * 1e6))
    return errors


@pytest.mark.parametrize("drift_ppm", [-100, 0, 100])
@pytest.mark.parametrize("rate_hz", [25.0, 50.0, 100.0])
def test_sample_times_are_right_in_spite_of_bursts_and_drift(rate_hz: float, drift_ppm: float) -> None:
    settled = _errors_us(rate_hz, drift_ppm, seed=1)[20:]
    assert np.percentile(np.abs(settled), 99) < 5_000


def test_the_first_sample_was_not_taken_after_it_arrived() -> None:
    clock = SampleClock(50.0)
    clock.arrived(4, _START_US)
    assert clock.time_us(4) == _START_US
    assert clock.time_us(0) == _START_US - 80_000


def test_a_notification_that_waited_does_not_move_the_clock() -> None:
    clock = SampleClock(50.0)
    clock.arrived(0, _START_US)
    clock.arrived(5, _START_US + 400_000)
    assert clock.time_us(5) == _START_US + 100_000


def test_an_old_minimum_is_forgotten() -> None:
    # A sensor that is slower than it says: arrivals fall behind the ideal times more and more.
    clock = SampleClock(100.0, window_s=5.0)
    for sequence in range(0, 10_000, 10):
        clock.arrived(sequence, _START_US + round(sequence * 10_100))
    assert clock.time_us(9_990) > _START_US + 9_990 * 10_100 - 60_000
