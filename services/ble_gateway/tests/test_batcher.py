from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from repsense_ble_gateway.batcher import Batch, Batcher


def _push(batcher: Batcher, sequence: int, n_samples: int) -> list[Batch]:
    """Samples that hold their own number."""
    column = np.arange(sequence, sequence + n_samples, dtype=np.float32)
    return batcher.push(sequence, column[:, np.newaxis])


def _extents(batches: list[Batch]) -> list[tuple[int, int]]:
    return [(batch.sequence, batch.end) for batch in batches]


def test_packets_are_joined_to_200_ms() -> None:
    batcher = Batcher(50.0)
    assert _push(batcher, 0, 5) == []
    assert _extents(_push(batcher, 5, 5)) == [(0, 10)]


def test_a_gap_ends_a_batch_and_is_named_by_the_next() -> None:
    batcher = Batcher(50.0)
    _push(batcher, 0, 5)
    (before,) = _push(batcher, 15, 5)
    (after,) = _push(batcher, 20, 5)
    assert _extents([before, after]) == [(0, 5), (15, 25)]
    assert (before.n_lost_before, after.n_lost_before) == (0, 10)


def test_nothing_is_lost_before_the_first_sample_whatever_its_number() -> None:
    (first,) = _push(Batcher(50.0), 1000, 10)
    assert first.n_lost_before == 0


@pytest.mark.parametrize("sample_rate_hz", [0.5, 2.0, 5.0])
def test_a_slow_sensor_sends_every_sample_at_once(sample_rate_hz: float) -> None:
    assert _extents(_push(Batcher(sample_rate_hz), 0, 1)) == [(0, 1)]


@given(
    rate_hz=st.sampled_from([2.0, 12.5, 50.0, 104.0, 400.0]),
    packets=st.lists(st.tuples(st.integers(1, 60), st.sampled_from([0, 0, 0, 7])), max_size=40),
)
def test_every_sample_comes_out_once_in_order_and_in_short_batches(
    rate_hz: float, packets: list[tuple[int, int]]
) -> None:
    batcher = Batcher(rate_hz)
    sequence = 0
    put: list[int] = []
    got: list[Batch] = []
    for n_samples, n_lost in packets:
        sequence += n_lost
        put += range(sequence, sequence + n_samples)
        got += _push(batcher, sequence, n_samples)
        sequence += n_samples
    got += batcher.flush()
    assert [int(value) for batch in got for value in batch.samples[:, 0]] == put
    assert [batch.n_lost_before for batch in got[1:]] == [
        batch.sequence - before.end for before, batch in pairwise(got)
    ]
    for batch in got:
        assert list(batch.samples[:, 0]) == list(range(batch.sequence, batch.sequence + len(batch.samples)))
        assert len(batch.samples) <= max(1, 0.2 * rate_hz)
