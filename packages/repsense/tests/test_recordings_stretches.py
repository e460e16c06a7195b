import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from repsense.channels import CHANNELS
from repsense.documents import SamplesDocument, encode_samples, sensor_key
from repsense.recordings.stretches import cut_stretches
from repsense.timestamps import MICROSECONDS

BEGIN_US = 1_800_000_000 * MICROSECONDS


def chunk(
    start: int, stop: int, *, stream: str = "one", rate_hz: float = 50.0, later_s: float = 0.0, n_channels: int = 2
) -> SamplesDocument:
    """Samples `start` to `stop` of a stream that began at `BEGIN_US`; each sample is its own index."""
    first_us = BEGIN_US + round((later_s + start / rate_hz) * MICROSECONDS)
    samples = np.repeat(np.arange(start, stop, dtype=np.float32)[:, np.newaxis], n_channels, axis=1)
    return SamplesDocument(
        _id=f"{stream}:{start:012d}",
        sensor_key=sensor_key("wrist", first_us),
        sensor_id="wrist",
        stream_id=stream,
        sequence=start,
        n_lost_before=0,
        n_samples=stop - start,
        first_sample_us=first_us,
        last_sample_us=first_us + round((stop - start - 1) / rate_hz * MICROSECONDS),
        sample_rate_hz=rate_hz,
        channels=[channel.value for channel in CHANNELS[:n_channels]],
        samples=encode_samples(samples),
        simulated=False,
    )


def at(seconds: float) -> int:
    return BEGIN_US + round(seconds * MICROSECONDS)


def test_chunks_in_any_order_make_one_stretch_of_the_time_asked_for() -> None:
    chunks = [chunk(20, 30), chunk(0, 10), chunk(10, 20), chunk(30, 40)]

    (stretch,) = cut_stretches(chunks, at(0.1), at(0.7))

    assert stretch.samples[:, 0].tolist() == list(range(5, 35))
    assert stretch.samples.dtype == np.float32
    assert (stretch.channels, stretch.sample_rate_hz) == (CHANNELS[:2], 50.0)
    assert (stretch.started_us, stretch.ended_us) == (at(0.1), at(0.7))
    assert (stretch.n_filled, stretch.interruption) == (0, None)


@given(
    st.lists(st.tuples(st.integers(0, 99), st.integers(1, 40)), max_size=12), st.integers(0, 100), st.integers(0, 100)
)
def test_what_comes_twice_counts_once(again: list[tuple[int, int]], start: int, length: int) -> None:
    chunks = [chunk(first, first + 10) for first in range(0, 100, 10)]
    chunks += [chunk(first, min(first + n_samples, 100)) for first, n_samples in again]

    stretches = cut_stretches(chunks, at(start / 50), at((start + length) / 50))

    inside = list(range(start, min(start + length, 100)))
    assert [stretch.samples[:, 1].tolist() for stretch in stretches] == ([inside] if len(inside) > 1 else [])


@pytest.mark.parametrize(("n_lost", "n_filled"), [(1, 1), (10, 10), (11, 0)])
def test_a_short_loss_is_filled_by_a_straight_line(n_lost: int, n_filled: int) -> None:
    stretches = cut_stretches([chunk(0, 20), chunk(20 + n_lost, 60)], at(0), at(1.2))

    assert [stretch.n_filled for stretch in stretches] == ([n_filled] if n_filled else [0, 0])
    if n_filled:
        assert stretches[0].samples[:, 0] == pytest.approx(np.arange(60))
        assert stretches[0].interruption is None
    else:
        assert [len(stretch.samples) for stretch in stretches] == [20, 29]
        assert [stretch.interruption for stretch in stretches] == ["0.2 s of signal were lost", None]
        assert stretches[1].started_us == at(31 / 50)


def test_of_a_slow_sensor_two_samples_may_be_missing() -> None:
    filled = cut_stretches([chunk(0, 4, rate_hz=2.0), chunk(6, 9, rate_hz=2.0)], at(0), at(4.5))
    cut = cut_stretches([chunk(0, 4, rate_hz=2.0), chunk(7, 9, rate_hz=2.0)], at(0), at(4.5))

    assert [stretch.samples[:, 0].tolist() for stretch in filled] == [list(range(9))]
    assert [stretch.interruption for stretch in cut] == ["1.5 s of signal were lost", None]


def test_another_connection_is_another_stretch() -> None:
    chunks = [
        chunk(0, 50),
        chunk(0, 50, stream="two", later_s=1.02),
        chunk(5, 30, stream="three", later_s=3.0, rate_hz=25),
    ]

    stretches = cut_stretches(chunks, at(0), at(4.2))

    assert [stretch.interruption for stretch in stretches] == [
        "the sensor was disconnected",
        "the sensor changed its channels or its rate",
        None,
    ]
    assert [stretch.started_us for stretch in stretches] == [at(0), at(1.02), at(3.2)]


def test_a_loss_outside_of_the_time_asked_for_does_not_matter() -> None:
    chunks = [chunk(0, 50), chunk(100, 150), chunk(200, 250)]

    (stretch,) = cut_stretches(chunks, at(2), at(3))

    assert stretch.samples[:, 0].tolist() == list(range(100, 150))
    assert stretch.interruption is None


def test_a_signal_that_ends_by_itself_says_so() -> None:
    (punctual,) = cut_stretches([chunk(0, 50)], at(0), at(2.9))
    (early,) = cut_stretches([chunk(0, 50)], at(0), at(10))

    assert punctual.interruption is None
    assert early.interruption == "the signal ended 9.0 s early"


def test_crumbs_are_left_out() -> None:
    chunks = [chunk(0, 50), chunk(100, 101), chunk(200, 250)]

    assert [len(stretch.samples) for stretch in cut_stretches(chunks, at(0), at(5))] == [50, 50]
    assert cut_stretches([], at(0), at(5)) == []
    assert cut_stretches(chunks, at(5), at(9)) == []
