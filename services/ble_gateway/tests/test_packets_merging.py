import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from repsense_ble_gateway.packets import PacketError
from repsense_ble_gateway.packets.merging import FrameTimes, Merger, Timed

_PERIOD_US = 20_000
_PATIENCE_US = 2_000_000.0


def _frame(begin_us: float, n_samples: int = 10, period_us: float = _PERIOD_US) -> Timed:
    """Samples whose value is their time, in seconds."""
    times_us = begin_us + period_us * np.arange(n_samples, dtype=np.float64)
    return Timed(times_us, np.repeat(times_us[:, None] / 1e6, 3, axis=1))


def _merger(n_followers: int = 1) -> Merger:
    return Merger(n_followers, _PATIENCE_US)


class TestFrameTimes:
    def test_the_first_frame_has_the_nominal_rate(self) -> None:
        np.testing.assert_allclose(FrameTimes(50).times_us(100_000, 3), [60_000, 80_000, 100_000])

    def test_later_frames_are_spread_evenly_since_the_one_before(self) -> None:
        times = FrameTimes(50)
        times.times_us(100_000, 3)
        np.testing.assert_allclose(times.times_us(163_000, 3), [121_000, 142_000, 163_000])

    def test_after_a_lost_frame_the_last_period_counts(self) -> None:
        times = FrameTimes(50)
        times.times_us(100_000, 5)
        times.times_us(205_000, 5)
        np.testing.assert_allclose(times.times_us(415_000, 5)[0], 415_000 - 4 * 21_000)

    def test_a_rate_that_is_not_the_nominal_one_is_believed_when_it_comes_again(self) -> None:
        times = FrameTimes(50)
        times.times_us(0, 10)
        assert times.times_us(320_000, 10)[0] == 320_000 - 9 * 20_000
        assert times.times_us(640_000, 10)[0] == 640_000 - 9 * 32_000

    @pytest.mark.parametrize("last_us", [-1e15, 100_000.0, 1e15])
    def test_a_clock_that_jumps_does_not_change_the_period(self, last_us: float) -> None:
        times = FrameTimes(50)
        times.times_us(100_000, 5)
        np.testing.assert_allclose(np.diff(times.times_us(last_us, 5)), 20_000)

    @given(st.lists(st.tuples(st.integers(0, 2**64 - 1), st.integers(1, 100)), max_size=6), st.integers(1, 65535))
    def test_times_always_increase(self, frames: list[tuple[int, int]], rate_hz: int) -> None:
        times = FrameTimes(rate_hz)
        for last_ns, n_samples in frames:
            assert (np.diff(times.times_us(last_ns / 1_000, n_samples)) > 0).all()


class TestMerger:
    def test_without_followers_nothing_waits(self) -> None:
        merger = _merger(0)
        frame = _frame(0)
        merger.lead(frame)
        (merged,) = merger.take()
        np.testing.assert_array_equal(merged.values, frame.values)
        assert merger.take() == []

    def test_followers_are_interpolated_at_the_leaders_times(self) -> None:
        merger = _merger(2)
        merger.follow(0, _frame(-7_000, 20))
        merger.follow(1, _frame(-50_000, 5, 100_000))
        merger.lead(_frame(0))
        (merged,) = merger.take()
        assert merged.values.shape == (10, 9)
        np.testing.assert_allclose(merged.values, np.repeat(merged.times_us[:, None] / 1e6, 9, axis=1), atol=1e-9)

    def test_a_frame_waits_until_the_follower_has_come_as_far(self) -> None:
        merger = _merger()
        merger.follow(0, _frame(0, 5))
        merger.lead(_frame(0))
        assert merger.take() == []
        merger.follow(0, _frame(100_000, 5))
        assert len(merger.take()) == 1

    def test_what_was_before_the_follower_began_is_dropped(self) -> None:
        merger = _merger()
        merger.lead(_frame(0))
        merger.follow(0, _frame(65_000))
        (merged,) = merger.take()
        assert merged.times_us.tolist() == [80_000, 100_000, 120_000, 140_000, 160_000, 180_000]

    def test_nothing_is_made_up_across_a_lost_frame(self) -> None:
        merger = _merger()
        merger.follow(0, _frame(0, 10))
        merger.follow(0, _frame(600_000, 10))
        merger.lead(_frame(10_000, 35))
        before, after = merger.take()
        assert before.times_us[-1] < 180_000
        assert after.times_us[0] >= 600_000

    def test_a_follower_that_stops_is_an_error_in_the_end_and_nothing_is_held_for_ever(self) -> None:
        merger = _merger()
        merger.follow(0, _frame(0))
        n_rows = []
        for begin_us in range(0, 2_200_000, 200_000):
            merger.lead(_frame(begin_us))
            n_rows.append(len(merger.take()))
        assert n_rows == [1] + [0] * 10
        merger.lead(_frame(2_200_000))
        with pytest.raises(PacketError, match="has stopped"):
            merger.take()
        merger.follow(0, _frame(2_200_000, 20))
        merger.lead(_frame(2_400_000))
        assert len(merger.take()) == 1

    def test_what_is_complete_comes_out_before_the_error(self) -> None:
        merger = _merger()
        merger.follow(0, _frame(0))
        merger.lead(_frame(0))
        merger.lead(_frame(9_000_000, 102))
        assert len(merger.take()) == 1
        with pytest.raises(PacketError, match="has stopped"):
            merger.take()

    def test_a_follower_that_never_begins_is_an_error_too(self) -> None:
        merger = _merger()
        merger.lead(_frame(0, 102))
        with pytest.raises(PacketError, match="switch it off and on"):
            merger.take()

    def test_a_clock_that_begins_anew_is_followed(self) -> None:
        merger = _merger()
        merger.follow(0, _frame(5_000_000_000))
        merger.lead(_frame(5_000_000_000, 15))
        assert merger.take() == []
        merger.follow(0, _frame(0, 20))
        merger.lead(_frame(100_000))
        (merged,) = merger.take()
        assert merged.times_us[0] == 100_000

    def test_of_overlapping_frames_the_later_counts(self) -> None:
        merger = _merger()
        merger.lead(_frame(0, 10))
        merger.lead(_frame(100_000, 10))
        merger.follow(0, _frame(0, 20))
        first, second = merger.take()
        assert first.times_us[-1] == 80_000
        assert second.times_us[0] == 100_000

    @given(
        st.lists(st.tuples(st.booleans(), st.integers(-(2**50), 2**50), st.integers(1, 30)), max_size=12),
        st.sampled_from([1.0, 1_000.0, 1e6]),
    )
    def test_whatever_the_times_rows_are_whole_and_in_order(
        self, frames: list[tuple[bool, int, int]], unit_us: float
    ) -> None:
        merger = _merger()
        for leads, begin, n_samples in frames:
            frame = _frame(begin % 64 * unit_us if unit_us > 1 else float(begin), n_samples)
            if leads:
                merger.lead(frame)
            else:
                merger.follow(0, frame)
            try:
                merged = merger.take()
            except PacketError:
                continue
            for rows in merged:
                assert rows.values.shape == (len(rows.times_us), 6)
                assert (np.diff(rows.times_us) > 0).all()
                np.testing.assert_allclose(rows.values[:, 3], rows.values[:, 0], atol=1e-6, rtol=1e-12)
