import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from repsense.streams import Run, StreamReassembler

RATE_HZ = 50.0


def run(first: int, stop: int, n_lost_before: int = 0) -> Run:
    """Samples first to stop, each holding its own number, as the sensor took them at 50 Hz."""
    return Run(first, first * 20_000, np.arange(first, stop, dtype=np.float32)[:, np.newaxis], n_lost_before)


def spans(runs: list[Run]) -> list[tuple[int, int]]:
    return [(r.sequence, r.end) for r in runs]


def reassembler() -> StreamReassembler:
    return StreamReassembler(RATE_HZ, reorder_s=0.5)


def test_runs_in_order_pass_at_once() -> None:
    stream = reassembler()

    assert spans(stream.push(run(0, 10), now_s=0)) == [(0, 10)]
    assert spans(stream.push(run(10, 20), now_s=0)) == [(10, 20)]


def test_a_run_that_came_too_early_waits_for_the_missing_one() -> None:
    # arrives  |0--10|      |20--30|  |10--20|
    # comes    |0--10|                |10--20|20--30|
    stream = reassembler()
    stream.push(run(0, 10), now_s=0)

    assert stream.push(run(20, 30), now_s=0) == []
    assert spans(stream.push(run(10, 20), now_s=0.4)) == [(10, 20), (20, 30)]
    assert stream.n_lost == 0


def test_what_does_not_arrive_in_time_is_given_up() -> None:
    # arrives  |0--10|      |20--30|30--40|       |40--50|
    # comes    |0--10|                            |20--30|30--40|40--50|
    # time     0            0      0.4            0.5
    stream = reassembler()
    stream.push(run(0, 10), now_s=0)

    assert stream.push(run(20, 30), now_s=0) == []
    assert stream.push(run(30, 40), now_s=0.4) == []
    assert spans(stream.push(run(40, 50), now_s=0.5)) == [(20, 30), (30, 40), (40, 50)]
    assert stream.n_lost == 10


def test_each_loss_is_waited_for_by_itself() -> None:
    stream = reassembler()
    stream.push(run(0, 10), now_s=0)
    stream.push(run(20, 30), now_s=0)
    stream.push(run(40, 50), now_s=0.4)

    assert spans(stream.release(now_s=0.5)) == [(20, 30)]
    assert spans(stream.push(run(30, 40), now_s=0.6)) == [(30, 40), (40, 50)]
    assert stream.n_lost == 10


def test_a_backlog_that_arrives_at_once_waits_no_less() -> None:
    stream = reassembler()
    stream.push(run(0, 10), now_s=0)

    assert stream.push(run(20, 5_000), now_s=0.1) == []
    assert spans(stream.push(run(10, 20), now_s=0.2)) == [(10, 20), (20, 5_000)]


def test_what_is_known_to_be_lost_is_not_waited_for() -> None:
    stream = reassembler()
    stream.push(run(0, 10), now_s=0)

    assert spans(stream.push(run(20, 30, n_lost_before=10), now_s=0)) == [(20, 30)]
    assert stream.n_lost == 10


def test_what_is_missing_beyond_the_known_loss_is_waited_for() -> None:
    # |0--10|  (10--20 on its way)  (20--25 known to be lost)  |25--35|
    stream = reassembler()
    stream.push(run(0, 10), now_s=0)

    assert stream.push(run(25, 35, n_lost_before=5), now_s=0) == []
    assert spans(stream.push(run(10, 20), now_s=0)) == [(10, 20), (25, 35)]


def test_a_late_run_after_it_was_given_up_counts_as_duplicate_and_changes_nothing() -> None:
    stream = reassembler()
    stream.push(run(0, 10), now_s=0)
    stream.push(run(20, 30), now_s=0)
    stream.release(now_s=1)

    assert stream.push(run(10, 20), now_s=1) == []
    assert stream.n_duplicate == 10


def test_a_doubled_run_comes_out_once() -> None:
    stream = reassembler()
    stream.push(run(0, 10), now_s=0)

    assert stream.push(run(0, 10), now_s=0) == []
    assert stream.n_duplicate == 10


def test_of_an_overlapping_run_only_the_new_part_comes_out_with_its_own_time() -> None:
    stream = reassembler()
    stream.push(run(0, 10), now_s=0)

    (fresh,) = stream.push(run(5, 15), now_s=0)

    assert (fresh.sequence, fresh.first_sample_us) == (10, 200_000)
    np.testing.assert_array_equal(fresh.samples[:, 0], np.arange(10, 15))


def test_a_stream_may_begin_anywhere() -> None:
    assert spans(reassembler().push(run(1_000, 1_010), now_s=0)) == [(1_000, 1_010)]


def test_the_beginning_is_waited_for_where_it_may_still_come() -> None:
    # arrives         |10--20|  |0--10|
    # comes                     |0--10|10--20|
    stream = StreamReassembler(RATE_HZ, reorder_s=0.5, first=0)

    assert stream.push(run(10, 20), now_s=0) == []
    assert spans(stream.push(run(0, 10), now_s=0.4)) == [(0, 10), (10, 20)]


def test_what_does_not_come_before_the_beginning_is_not_lost() -> None:
    stream = StreamReassembler(RATE_HZ, reorder_s=0.5, first=0)
    stream.push(run(1_000, 1_010), now_s=0)

    assert spans(stream.push(run(1_020, 1_030, n_lost_before=10), now_s=0.5)) == [(1_000, 1_010), (1_020, 1_030)]
    assert stream.n_lost == 10


@given(
    kept=st.sets(st.integers(1, 40), max_size=40),
    doubled=st.lists(st.integers(0, 40), max_size=10),
    delays=st.lists(st.integers(0, 20), min_size=51, max_size=51),
)
def test_whatever_the_order_samples_come_out_once_and_in_order(
    kept: set[int], doubled: list[int], delays: list[int]
) -> None:
    # Messages of 5 samples, some lost, some doubled, late by up to 20 samples (0.4 s), which is less than reorder_s.
    numbers = [0, *sorted(kept)] + [number for number in doubled if number in kept]
    arrivals = sorted(
        (5 * number + (delay if number else 0), 5 * number) for number, delay in zip(numbers, delays, strict=False)
    )
    stream = reassembler()

    released = [r for time, start in arrivals for r in stream.push(run(start, start + 5), now_s=time / RATE_HZ)]
    released += stream.release(now_s=100)

    samples = np.concatenate([r.samples[:, 0] for r in released]).tolist()
    assert all(earlier < later for earlier, later in itertools.pairwise(samples))
    assert set(samples) == {float(5 * number + k) for number in {0, *kept} for k in range(5)}
