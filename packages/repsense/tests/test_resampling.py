import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from repsense.errors import StreamError, StreamErrorReason
from repsense.resampling import ResampledRun, Resampler, resample
from repsense.streams import Run


def ramp(first: int, stop: int, rate_hz: float) -> Run:
    """A signal that equals its position in the stream, so that every interpolated value is known."""
    return Run(first, round(first / rate_hz * 1e6), np.arange(first, stop, dtype=np.float32)[:, np.newaxis])


def joined(runs: list[ResampledRun]) -> np.ndarray:
    return np.concatenate([r.samples[:, 0] for r in runs])


def test_equal_rates_pass_through_untouched() -> None:
    samples = np.random.default_rng(1).normal(size=(40, 9)).astype(np.float32)

    np.testing.assert_array_equal(resample(samples, 2.0, 2.0), samples)


def test_rates_that_differ_by_a_crystals_error_count_as_equal() -> None:
    samples = np.random.default_rng(1).normal(size=(40, 9)).astype(np.float32)

    np.testing.assert_array_equal(resample(samples, 1.99, 2.0), samples)


def test_a_whole_ratio_picks_samples_exactly() -> None:
    samples = np.random.default_rng(1).normal(size=(101, 3)).astype(np.float32)

    np.testing.assert_array_equal(resample(samples, 50.0, 2.0), samples[::25])


def test_other_ratios_interpolate_between_neighbours() -> None:
    resampled = resample(ramp(0, 100, 52.0).samples, 52.0, 20.0)[:, 0]

    np.testing.assert_allclose(resampled, np.arange(len(resampled)) * 2.6, atol=1e-5)


@given(
    st.sampled_from([(50.0, 2.0), (52.0, 20.0), (104.0, 25.0), (25.0, 25.0), (100.0, 30.0)]),
    st.lists(st.integers(1, 30), min_size=1, max_size=20),
)
def test_cutting_a_stream_into_runs_changes_nothing(rates: tuple[float, float], lengths: list[int]) -> None:
    rate_hz, model_hz = rates
    stops = np.cumsum(lengths).tolist()
    resampler = Resampler(rate_hz, model_hz)

    pieces = [resampler.push(ramp(start, stop, rate_hz)) for start, stop in zip([0, *stops[:-1]], stops, strict=True)]
    whole = Resampler(rate_hz, model_hz).push(ramp(0, stops[-1], rate_hz))

    np.testing.assert_allclose(joined(pieces), whole.samples[:, 0], atol=1e-3)
    np.testing.assert_allclose(np.concatenate([p.times_us for p in pieces]), whole.times_us, atol=1)
    np.testing.assert_array_equal(np.concatenate([p.last_sequences for p in pieces]), whole.last_sequences)


def test_a_reader_that_joins_late_lands_on_the_same_output_samples() -> None:
    late = Resampler(50.0, 2.0).push(ramp(110, 210, 50.0))

    assert late.index == 5
    np.testing.assert_array_equal(late.samples[:, 0], [125, 150, 175, 200])
    np.testing.assert_array_equal(late.times_us, [2_500_000, 3_000_000, 3_500_000, 4_000_000])


def test_a_gap_is_reported_with_the_next_output_sample_however_late_that_comes() -> None:
    resampler = Resampler(50.0, 2.0)
    first = resampler.push(ramp(0, 30, 50.0))
    empty = resampler.push(ramp(40, 45, 50.0))
    after = resampler.push(ramp(45, 60, 50.0))
    more = resampler.push(ramp(60, 80, 50.0))

    assert not first.continues
    assert len(empty.samples) == 0
    assert (after.index, after.continues) == (2, False)
    assert more.continues


def test_a_sensor_slower_than_the_model_is_refused_in_words() -> None:
    with pytest.raises(StreamError, match="delivers 10 Hz but the model needs 25 Hz") as refusal:
        Resampler(10.0, 25.0)

    assert refusal.value.reason is StreamErrorReason.RATE_TOO_LOW
