import pytest

from repsense_ble_gateway.sequence_counter import Irregularity, SequenceCounter


def _counter(expected: int) -> SequenceCounter:
    return SequenceCounter(expected, max_repeated=100, max_lost=1000)


def test_consecutive_packets_follow_each_other() -> None:
    counter = _counter(40)
    assert [counter.place(sequence, 5) for sequence in (40, 45, 50)] == [40, 45, 50]


def test_a_loss_leaves_a_gap() -> None:
    counter = _counter(0)
    assert [counter.place(sequence, 5) for sequence in (0, 15, 20)] == [0, 15, 20]


def test_the_count_goes_on_where_the_number_wraps() -> None:
    counter = _counter(2**32 - 5)
    assert counter.place(2**32 - 5, 5) == 2**32 - 5
    assert counter.place(5, 5) == 2**32 + 5


def test_a_packet_that_comes_twice_is_a_duplicate() -> None:
    counter = _counter(0)
    counter.place(0, 5)
    assert counter.place(0, 5) is Irregularity.DUPLICATE
    assert counter.place(5, 5) == 5


@pytest.mark.parametrize("sequence", [0, 500_000])
def test_a_count_from_elsewhere_is_a_restart(sequence: int) -> None:
    assert _counter(10_000).place(sequence, 5) is Irregularity.RESTART


def test_packets_without_a_number_are_counted() -> None:
    counter = _counter(0)
    assert [counter.place(None, 1) for _ in range(3)] == [0, 1, 2]
