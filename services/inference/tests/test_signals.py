import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from repsense.documents import SamplesDocument, encode_samples, sensor_key
from repsense_inference.signals import Signal

_SECOND = 1_000_000


def _chunk(
    first_sample_us: int,
    values: list[float],
    *,
    sequence: int = 0,
    channels: tuple[str, ...] = ("ax",),
    stream_id: str = "one",
    rate_hz: float = 10.0,
) -> SamplesDocument:
    samples = np.repeat(np.array(values, dtype=np.float32)[:, np.newaxis], len(channels), axis=1)
    samples += np.arange(len(channels), dtype=np.float32) * 100
    return SamplesDocument(
        _id=f"{stream_id}:{sequence:012d}",
        sensor_key=sensor_key("wrist", first_sample_us),
        sensor_id="wrist",
        stream_id=stream_id,
        sequence=sequence,
        n_lost_before=0,
        n_samples=len(values),
        first_sample_us=first_sample_us,
        last_sample_us=first_sample_us + round((len(values) - 1) * _SECOND / rate_hz),
        sample_rate_hz=rate_hz,
        channels=list(channels),
        samples=encode_samples(samples),
        simulated=False,
    )


def test_chunks_are_joined_and_cut_to_the_stretch() -> None:
    chunks = [_chunk(0, [0, 1, 2, 3, 4]), _chunk(500_000, [5, 6, 7, 8, 9], sequence=5)]

    signal = Signal.from_chunks(chunks, 300_000, 800_000)

    assert signal.samples[:, 0].tolist() == [3, 4, 5, 6, 7]
    assert signal.times_us.tolist() == [300_000, 400_000, 500_000, 600_000, 700_000]
    assert signal.sequences.tolist() == [3, 4, 5, 6, 7]


def test_chunks_that_overlap_come_out_in_the_order_of_time() -> None:
    chunks = [_chunk(0, [0, 1, 2, 3]), _chunk(150_000, [10, 11], stream_id="two")]

    signal = Signal.from_chunks(chunks, 0, _SECOND)

    assert signal.times_us.tolist() == [0, 100_000, 150_000, 200_000, 250_000, 300_000]
    assert signal.samples[:, 0].tolist() == [0, 1, 10, 2, 11, 3]


def test_the_newest_stream_decides_on_the_channels() -> None:
    older = _chunk(0, [1], channels=("mx", "ax", "ay"))
    lacking = _chunk(100_000, [2], channels=("mx", "ax"))
    newest = _chunk(200_000, [3], channels=("ax", "ay"))

    signal = Signal.from_chunks([older, lacking, newest], 0, _SECOND)

    assert signal.channels == ("ax", "ay")
    assert signal.samples.tolist() == [[101, 201], [3, 103]]


def test_samples_that_json_cannot_say_are_left_out() -> None:
    signal = Signal.from_chunks([_chunk(0, [1, float("nan"), float("inf"), 4])], 0, _SECOND)

    assert signal.samples[:, 0].tolist() == [1, 4]


def test_nothing_within_the_stretch_is_an_empty_signal() -> None:
    signal = Signal.from_chunks([_chunk(0, [1, 2])], _SECOND, 2 * _SECOND)

    assert signal.samples.shape == (0, 1)
    assert signal.thinned(10).samples.shape == (0, 1)


@settings(deadline=None)
@given(
    sequences=st.lists(st.integers(0, 5_000), min_size=1, max_size=300, unique=True), max_samples=st.integers(2, 400)
)
def test_a_thinned_signal_fits_and_stays_in_order(sequences: list[int], max_samples: int) -> None:
    ordered = np.array(sorted(sequences))
    signal = Signal((), ordered, ordered, np.zeros((len(ordered), 0), np.float32))

    thinned = signal.thinned(max_samples)

    assert len(thinned.sequences) <= max_samples
    assert (np.diff(thinned.times_us) > 0).all()
    if len(sequences) <= max_samples:
        assert thinned.sequences.tolist() == ordered.tolist()


@settings(deadline=None)
@given(lengths=st.lists(st.integers(1, 100), min_size=1, max_size=20), max_samples=st.integers(2, 10))
def test_so_does_one_of_more_streams_than_it_may_have_samples(lengths: list[int], max_samples: int) -> None:
    sequences = np.concatenate([np.arange(length) for length in lengths])
    signal = Signal((), np.arange(len(sequences)), sequences, np.zeros((len(sequences), 0), np.float32))

    thinned = signal.thinned(max_samples)

    assert 0 < len(thinned.sequences) <= max_samples
    assert (np.diff(thinned.times_us) > 0).all()


def test_a_thinned_signal_keeps_its_samples_while_it_moves_on() -> None:
    def polled_at(newest: int) -> set[int]:
        sequences = np.arange(newest - 500, newest)
        signal = Signal((), sequences, sequences, np.zeros((500, 0), np.float32))
        return set(signal.thinned(100).sequences.tolist())

    now, later = polled_at(1_000), polled_at(1_013)

    assert len(now) == len(later) == 100
    assert {one for one in now if one >= 513} == {one for one in later if one < 1_000}
