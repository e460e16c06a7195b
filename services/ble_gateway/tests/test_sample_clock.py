from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from services.ble_gateway.tests.arrivals import START_US, Link, generate, packet

from repsense_ble_gateway.sample_clock import SampleClock

_SPARSE = Link(rate_hz=2.0, n_samples=1)
_SMALL = Link(rate_hz=50.0, n_samples=10)
_SINGLE = Link(rate_hz=100.0, n_samples=1)
_FRAMES = Link(rate_hz=52.0, n_samples=70)
_KINDS = {"2 Hz": _SPARSE, "10 at 50 Hz": _SMALL, "100 Hz": _SINGLE, "70 at 52 Hz": _FRAMES}
_EVERY_KIND = pytest.mark.parametrize("link", _KINDS.values(), ids=_KINDS.keys())


@dataclass(frozen=True, slots=True)
class _Replay:
    """What a clock said.

    Attributes:
        at_s: When each packet arrived, after the start.
        error_ms: Of the time told for its first sample, apart from the least delay.
        rates: About once a second: when, the effective and the corrected rate.
        fell_behind: At the end.
    """

    at_s: NDArray[np.float64]
    error_ms: NDArray[np.float64]
    rates: Sequence[tuple[float, float | None, float | None]]
    fell_behind: bool


def _replay(
    link: Link, duration_s: float, *, tells_time: bool = False, step_s: float = 0.0, step_at_s: float = 80.0
) -> _Replay:
    """Feed a clock; from `step_at_s` on, the host's clock is off by `step_s`."""
    arrivals = generate(link, duration_s)
    at_s = (arrivals.arrived_us - START_US) / 1e6
    step_us = np.where(at_s > step_at_s, round(step_s * 1e6), 0)
    clock = SampleClock(link.rate_hz)
    told_us, rates = [], [(0.0, clock.effective_rate_hz, clock.corrected_rate_hz)]
    for row, arrived_us in enumerate((arrivals.arrived_us + step_us).tolist()):
        sequence = int(arrivals.sequence[row])
        clock.arrived(sequence, arrivals.packet(row, tells_time=tells_time), arrived_us)
        told_us.append(clock.time_us(sequence))
        if at_s[row] > rates[-1][0] + 1:
            rates.append((float(at_s[row]), clock.effective_rate_hz, clock.corrected_rate_hz))
    error_us = np.array(told_us) - step_us - arrivals.taken_us - arrivals.least_delay_us
    return _Replay(at_s, error_us / 1000, rates, clock.fell_behind)


def _p99_ms(replay: _Replay) -> float:
    return float(np.percentile(np.abs(replay.error_ms), 99))


@pytest.mark.parametrize(
    ("drift_ppm", "wander_ppm", "tells_time"), [(-100, 0, False), (100, 0, True), (30, 20, False), (30, 20, True)]
)
@_EVERY_KIND
def test_sample_times_are_right_in_spite_of_bursts_drift_and_loss(
    link: Link, drift_ppm: float, wander_ppm: float, *, tells_time: bool
) -> None:
    link = replace(link, drift_ppm=drift_ppm, wander_ppm=wander_ppm)
    duration_s = 450 if link.rate_hz == _SINGLE.rate_hz else 1800
    assert _p99_ms(_replay(link, duration_s, tells_time=tells_time)) < 5


@pytest.mark.parametrize(
    ("link", "limit_ms"), [(_SPARSE, 5), (_SMALL, 5), (_FRAMES, 8)], ids=["2 Hz", "10 at 50 Hz", "70 at 52 Hz"]
)
def test_delays_of_50_ms_on_average_do_little_harm(link: Link, limit_ms: float) -> None:
    assert _p99_ms(_replay(replace(link, drift_ppm=100, jitter_ms=50), 3600)) < limit_ms


@pytest.mark.parametrize("interval_ms", [7.5, 11.25, 48.75])
def test_sample_times_are_right_with_connection_intervals(interval_ms: float) -> None:
    assert _p99_ms(_replay(replace(_SMALL, drift_ppm=-60, jitter_ms=5, interval_ms=interval_ms), 1800)) < 5


@pytest.mark.parametrize(("interval_ms", "hidden_ms"), [(15.0, 5.0), (30.0, 10.0), (100.0, 100.0)])
def test_what_connection_intervals_hide_is_all_that_is_wrong(interval_ms: float, hidden_ms: float) -> None:
    # Packets every 200 ms meet the events with the same few waits for minutes: the greatest common divisor is hidden.
    replay = _replay(replace(_SMALL, drift_ppm=100, jitter_ms=0, interval_ms=interval_ms), 1800)
    assert _p99_ms(replay) < hidden_ms + 1


def test_a_clock_that_wraps_leaves_no_trace() -> None:
    # 20 s after the start, see `DEVICE_START_US`.
    replay = _replay(replace(_SMALL, jitter_ms=1), 60, tells_time=True)
    assert np.abs(replay.error_ms[(replay.at_s > 19) & (replay.at_s < 25)]).max() < 1


@pytest.mark.parametrize(
    ("step_s", "tells_time"), [(1.0, False), (-1.0, True), (3600.0, True), (-3600.0, False), (0.2, True)]
)
@_EVERY_KIND
def test_a_host_whose_clock_is_set_is_followed_within_seconds(link: Link, step_s: float, *, tells_time: bool) -> None:
    replay = _replay(replace(link, drift_ppm=60), 130, tells_time=tells_time, step_s=step_s)
    assert np.abs(replay.error_ms[replay.at_s > 92]).max() < 15
    assert not any(corrected_hz for _, _, corrected_hz in replay.rates)


def test_a_host_whose_clock_is_set_right_after_the_start_is_followed() -> None:
    replay = _replay(_SMALL, 60, step_s=86_400 * 365, step_at_s=3.0)
    assert np.abs(replay.error_ms[replay.at_s > 12]).max() < 15
    replay = _replay(_SMALL, 60, step_s=-86_400 * 365, step_at_s=3.0)
    assert np.abs(replay.error_ms[replay.at_s > 12]).max() < 15


@pytest.mark.parametrize("jitter_ms", [5, 20, 50])
@_EVERY_KIND
def test_the_rate_is_known_soon_and_exactly(link: Link, jitter_ms: float) -> None:
    for seed in range(3):
        link = replace(link, drift_ppm=100, jitter_ms=jitter_ms, seed=seed)
        replay = _replay(link, 130)
        known = [rate_hz for _, rate_hz, _ in replay.rates if rate_hz is not None]
        assert known == pytest.approx([link.rate_hz] * len(known), rel=0.005)
        late = [rate_hz for at_s, rate_hz, _ in replay.rates if at_s > 120]
        assert late == pytest.approx([link.rate_hz] * len(late), rel=0.0005)


@_EVERY_KIND
def test_the_rate_is_known_to_a_device_clock_after_ten_seconds(link: Link) -> None:
    replay = _replay(replace(link, drift_ppm=100, rate_factor=1.01), 130, tells_time=True)
    soon = [rate_hz for at_s, rate_hz, _ in replay.rates if at_s > 10]
    assert soon == pytest.approx([link.rate_hz * 1.01] * len(soon), rel=0.0005)


@pytest.mark.parametrize("tells_time", [False, True], ids=["counts", "tells the time"])
@pytest.mark.parametrize("rate_factor", [0.5, 0.9, 1.04, 2.0])
@_EVERY_KIND
def test_a_wrong_nominal_rate_is_found(link: Link, rate_factor: float, *, tells_time: bool) -> None:
    replay = _replay(replace(link, rate_factor=rate_factor), 30, tells_time=tells_time)
    at_s, rate_hz = next((at_s, rate_hz) for at_s, _, rate_hz in replay.rates if rate_hz)
    assert rate_hz == pytest.approx(link.rate_hz * rate_factor, rel=0.02)
    assert at_s < (15 if link.n_samples == _FRAMES.n_samples else 11)


@pytest.mark.parametrize("rate_factor", [0.99, 1.0, 1.01])
@pytest.mark.parametrize("interval_ms", [0, 48.75])
@_EVERY_KIND
def test_a_right_nominal_rate_is_never_held_to_be_wrong(link: Link, interval_ms: float, rate_factor: float) -> None:
    for seed in range(3):
        link = replace(
            link, rate_factor=rate_factor, jitter_ms=30, interval_ms=interval_ms, stall_every_s=10, seed=seed
        )
        replay = _replay(link, 60)
        assert not any(corrected_hz for _, _, corrected_hz in replay.rates)
        assert not replay.fell_behind


def test_a_rate_that_is_off_by_one_per_cent_does_no_harm() -> None:
    assert _p99_ms(_replay(replace(_SMALL, rate_factor=0.99), 1800)) < 5


def test_a_loss_in_the_first_gap_of_a_device_clock_does_not_spoil_its_rate() -> None:
    clock = SampleClock(50.0)
    for row, time_ms in enumerate([0, 400, *range(600, 8000, 200)]):
        clock.arrived(row * 10, packet(10, device_time_us=time_ms * 1000), START_US + time_ms * 1000)
    assert clock.effective_rate_hz == pytest.approx(50.0)


def test_a_device_clock_that_stands_still_is_not_used() -> None:
    clock = SampleClock(50.0)
    for sequence in range(0, 1000, 10):
        clock.arrived(sequence, packet(10, sequence=sequence, device_time_us=0), START_US + sequence * 20_000)
    assert clock.time_us(999) == pytest.approx(START_US + 990 * 20_000, abs=100)
    assert clock.effective_rate_hz == pytest.approx(50.0)


def test_samples_that_are_lost_uncounted_leave_the_stream_behind() -> None:
    # 10 Hz; at 60 s, seven samples vanish and nobody counts them.
    clock = SampleClock(10.0)
    for sequence in range(900):
        missed = 7 if sequence >= 600 else 0
        assert not clock.fell_behind or sequence > 600
        clock.arrived(sequence, packet(1), START_US + (sequence + missed) * 100_000)
    assert clock.fell_behind
    assert clock.time_us(900) == pytest.approx(START_US + 907 * 100_000, abs=1000)


def test_the_first_sample_was_not_taken_after_it_arrived() -> None:
    clock = SampleClock(50.0)
    clock.arrived(0, packet(5), START_US)
    assert clock.time_us(4) == START_US
    assert SampleClock(50.0).effective_rate_hz is None


def test_a_time_before_the_first_packet_is_an_error() -> None:
    with pytest.raises(ValueError, match="no packet has arrived"):
        SampleClock(50.0).time_us(0)


def test_a_notification_that_waited_does_not_move_the_clock() -> None:
    clock = SampleClock(50.0)
    clock.arrived(0, packet(1), START_US)
    clock.arrived(1, packet(5), START_US + 400_000)
    assert clock.time_us(5) == START_US + 100_000


def test_times_wait_rather_than_go_back() -> None:
    # The first packet was 1 s late, those after it are not.
    clock = SampleClock(50.0)
    times_us = []
    for sequence in range(0, 1000, 10):
        clock.arrived(sequence, packet(10), START_US + sequence * 20_000 + (1_000_000 if sequence == 0 else 0))
        times_us.append(clock.time_us(sequence))
    assert np.diff(times_us).min() >= 100_000
    assert times_us[-1] == START_US + (990 - 9) * 20_000


@given(
    n_samples=st.sampled_from([1, 5, 70]),
    steps=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4_000_000)), min_size=2, max_size=60),
    tells_time=st.booleans(),
)
def test_times_increase_along_the_stream_whatever_the_arrivals(
    n_samples: int, steps: list[tuple[int, int]], *, tells_time: bool
) -> None:
    clock = SampleClock(50.0)
    sequence, arrived_us, times_us = 0, START_US, []
    for n_missing, delay_us in steps:
        sequence += n_missing * n_samples
        arrived_us = max(arrived_us, START_US + sequence * 20_000 + delay_us)
        device_time_us = sequence * 20_000 if tells_time else None
        clock.arrived(sequence, packet(n_samples, device_time_us=device_time_us), arrived_us)
        times_us += [clock.time_us(sequence + k) for k in range(n_samples)]
        sequence += n_samples
    assert np.diff(times_us).min() >= 9_999
