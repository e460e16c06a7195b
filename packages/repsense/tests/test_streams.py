import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from repsense.streams import Run, StreamReassembler

RATE_HZ = 50.0


def run(first: int, stop: int) -> Run:
    """Samples first to stop, each holding its own number, as the sensor took them at 50 Hz."""
    return Run(first, first * 20_000, np.arange(first, stop, dtype=np.float32)[:, np.newaxis])


def spans(runs: list[Run]) -> list[tuple[int, int]]:
    return [(r.sequence, r.end) for r in runs]


def test_runs_in_order_pass_at_once() -> None:
    reassembler = StreamReassembler(RATE_HZ)

    assert spans(reassembler.push(run(0, 10))) == [(0, 10)]
    assert spans(reassembler.push(run(10, 20))) == [(10, 20)]


def test_a_run_that_came_too_early_waits_for_the_missing_one() -> None:
    # arrives  |0--10|      |20--30|  |10--20|
    # comes    |0--10|                |10--20|20--30|
    reassembler = StreamReassembler(RATE_HZ)
    reassembler.push(run(0, 10))

    assert reassembler.push(run(20, 30)) == []
    assert spans(reassembler.push(run(10, 20))) == [(10, 20), (20, 30)]
    assert reassembler.n_lost == 0


def test_what_does_not_arrive_is_given_up_after_half_a_second_of_later_samples() -> None:
    # arrives  |0--10|      |20--30|30--40|40--46|
    # comes    |0--10|                           |20--30|30--40|40--46|
    reassembler = StreamReassembler(RATE_HZ, reorder_s=0.5)
    reassembler.push(run(0, 10))

    assert reassembler.push(run(20, 30)) == []
    assert reassembler.push(run(30, 40)) == []
    assert spans(reassembler.push(run(40, 46))) == [(20, 30), (30, 40), (40, 46)]
    assert reassembler.n_lost == 10


def test_a_late_run_after_it_was_given_up_counts_as_duplicate_and_changes_nothing() -> None:
    reassembler = StreamReassembler(RATE_HZ)
    reassembler.push(run(0, 10))
    reassembler.push(run(20, 60))

    assert reassembler.push(run(10, 20)) == []
    assert reassembler.n_duplicate == 10


def test_a_doubled_run_comes_out_once() -> None:
    reassembler = StreamReassembler(RATE_HZ)
    reassembler.push(run(0, 10))

    assert reassembler.push(run(0, 10)) == []
    assert reassembler.n_duplicate == 10


def test_of_an_overlapping_run_only_the_new_part_comes_out_with_its_own_time() -> None:
    reassembler = StreamReassembler(RATE_HZ)
    reassembler.push(run(0, 10))

    (fresh,) = reassembler.push(run(5, 15))

    assert (fresh.sequence, fresh.first_sample_us) == (10, 200_000)
    np.testing.assert_array_equal(fresh.samples[:, 0], np.arange(10, 15))


def test_a_stream_may_begin_anywhere() -> None:
    assert spans(StreamReassembler(RATE_HZ).push(run(1_000, 1_010))) == [(1_000, 1_010)]


def test_flush_returns_what_was_held() -> None:
    reassembler = StreamReassembler(RATE_HZ)
    reassembler.push(run(0, 10))
    reassembler.push(run(20, 30))

    assert spans(reassembler.flush()) == [(20, 30)]
    assert reassembler.n_held == 0


@given(
    kept=st.sets(st.integers(1, 40), max_size=40),
    doubled=st.lists(st.integers(0, 40), max_size=10),
    delays=st.lists(st.integers(0, 20), min_size=51, max_size=51),
)
def test_whatever_the_order_samples_come_out_once_and_in_order(
    kept: set[int], doubled: list[int], delays: list[int]
) -> None:
    # Messages of 5 samples, some lost, some doubled, late by up to 20 samples, which is less than reorder_s.
    numbers = [0, *sorted(kept)] + [number for number in doubled if number in kept]
    arrivals = sorted(
        (5 * number + (delay if number else 0), 5 * number) for number, delay in zip(numbers, delays, strict=False)
    )
    reassembler = StreamReassembler(RATE_HZ, reorder_s=0.5)

    released = [r for _, start in arrivals for r in reassembler.push(run(start, start + 5))]
    released += reassembler.flush()

    samples = np.concatenate([r.samples[:, 0] for r in released]).tolist()
    assert all(earlier < later for earlier, later in itertools.pairwise(samples))
    assert set(samples) == {float(5 * number + k) for number in {0, *kept} for k in range(5)}
