import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from repsense.channels import CHANNELS, Channel
from repsense.resampling import ResampledRun, Resampler
from repsense.streams import Run
from repsense.windows import SlidingWindower, Window, motion, sliding_windows

PERIOD_US = 500_000


def resampled(first: int, stop: int, *, continues: bool = True) -> ResampledRun:
    """Samples at 2 Hz, each holding its own number."""
    numbers = np.arange(first, stop)
    return ResampledRun(first, numbers * PERIOD_US, numbers * 25, numbers[:, np.newaxis].astype(np.float32), continues)


def starts(windows: list[Window]) -> list[float]:
    return [window.start_us / PERIOD_US for window in windows]


def test_windows_begin_at_multiples_of_the_stride() -> None:
    # samples  0 1 2 3 4 5 6 7 8 9
    # windows  |0______4|
    #              |2______6|
    #                  |4______8|
    windows = SlidingWindower(5, 2, 2.0).push(resampled(0, 10, continues=False))

    assert starts(windows) == [0, 2, 4]
    assert [w.end_us / PERIOD_US for w in windows] == [5, 7, 9]
    assert [w.last_sequence for w in windows] == [100, 150, 200]
    assert windows[1].samples is not None
    np.testing.assert_array_equal(windows[1].samples[:, 0], [2, 3, 4, 5, 6])


def test_a_stream_that_is_joined_late_gives_the_windows_of_one_that_was_followed() -> None:
    assert starts(SlidingWindower(5, 2, 2.0).push(resampled(3, 12, continues=False))) == [4, 6]


def test_windows_over_a_gap_have_no_samples_and_only_those_that_lost_some_do() -> None:
    # samples  0 1 2 3 4 5 6 . . 9 10 11 12 13
    # windows  0-4 1-5 2-6 | 3-7 4-8 5-9 6-10 7-11 8-12 | 9-13
    windower = SlidingWindower(5, 1, 2.0)

    before = windower.push(resampled(0, 7, continues=False))
    after = windower.push(resampled(9, 14, continues=False))

    assert starts(before) == [0, 1, 2]
    assert starts(after) == [3, 4, 5, 6, 7, 8, 9]
    assert [w.samples is None for w in after] == [True] * 6 + [False]


def test_a_long_gap_is_marked_at_its_edges_only() -> None:
    windower = SlidingWindower(5, 1, 2.0)
    windower.push(resampled(0, 7, continues=False))

    after = windower.push(resampled(10_000, 10_005, continues=False))

    assert starts(after) == [3, 4, 5, 6, 9_996, 9_997, 9_998, 9_999, 10_000]


def test_an_empty_run_changes_nothing() -> None:
    windower = SlidingWindower(3, 1, 2.0)
    windower.push(resampled(0, 2, continues=False))

    assert windower.push(resampled(2, 2)) == []
    assert starts(windower.push(resampled(2, 4))) == [0, 1]


@given(st.integers(1, 8), st.data(), st.lists(st.integers(0, 6), min_size=1, max_size=20))
def test_cutting_a_stream_into_runs_gives_the_windows_of_the_whole(
    window_size: int, data: st.DataObject, lengths: list[int]
) -> None:
    stride = data.draw(st.integers(1, window_size))
    windower = SlidingWindower(window_size, stride, 2.0)
    stops = np.cumsum(lengths).tolist()

    windows = [
        window
        for start, stop in zip([0, *stops[:-1]], stops, strict=True)
        for window in windower.push(resampled(start, stop))
    ]

    whole = sliding_windows(resampled(0, stops[-1]).samples, window_size, stride)
    assert len(windows) == len(whole)
    for window, expected in zip(windows, whole, strict=True):
        np.testing.assert_array_equal(window.samples, expected)


def test_samples_of_a_fast_sensor_reach_the_network_as_in_training() -> None:
    samples = np.random.default_rng(3).normal(size=(1_000, 9)).astype(np.float32)
    resampler, windower = Resampler(50.0, 2.0), SlidingWindower(5, 1, 2.0)

    windows = [
        window
        for first in range(0, 1_000, 10)
        for window in windower.push(resampler.push(Run(first, first * 20_000, samples[first : first + 10])))
    ]

    cut = [window.samples for window in windows if window.samples is not None]
    np.testing.assert_array_equal(np.stack(cut), sliding_windows(samples[::25], 5, 1))


def test_a_recording_shorter_than_a_window_has_none() -> None:
    assert sliding_windows(np.zeros((4, 9), np.float32), 5, 1).shape == (0, 5, 9)


@pytest.mark.parametrize("stride", [0, 6])
def test_a_stride_that_leaves_samples_out_or_stands_still_is_refused(stride: int) -> None:
    with pytest.raises(ValueError, match="stride"):
        SlidingWindower(5, stride, 2.0)


def test_motion_does_not_see_constant_offsets() -> None:
    rng = np.random.default_rng(5)
    moving = rng.normal(size=(1, 5, 9)).astype(np.float32)
    offset = rng.normal(scale=5, size=(1, 1, 9)).astype(np.float32)

    acceleration, angular_rate = motion(moving + offset, CHANNELS)

    np.testing.assert_allclose(acceleration, motion(moving, CHANNELS)[0], rtol=1e-5)
    np.testing.assert_allclose(angular_rate**2, moving[:, :, 3:6].var(axis=1).sum(axis=1), rtol=1e-4)


def test_motion_needs_a_gyroscope() -> None:
    with pytest.raises(KeyError, match="gx"):
        motion(np.zeros((1, 5, 3), np.float32), [Channel.AX, Channel.AY, Channel.AZ])
