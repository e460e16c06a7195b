"""What is told to the gateways, and when."""

from collections import Counter
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from support.pipeline import messages, movement

from repsense.messages import StoredMessage
from repsense_preprocessor.stored_reports import SampleRange, StoredReports

_RANGES = st.lists(
    st.builds(
        lambda first, n_samples: (first, first + n_samples),
        st.integers(min_value=0, max_value=60),
        st.integers(min_value=1, max_value=12),
    ),
    min_size=1,
    max_size=20,
)


def _of_one_stream(*ranges: tuple[int, int]) -> list[SampleRange]:
    return [SampleRange("wrist", "one", first, end) for first, end in ranges]


def _reported(reports: StoredReports) -> tuple[tuple[int, int], ...]:
    (message,) = reports.rest()
    return message.ranges


def test_the_range_of_a_message_ends_before_the_next_one() -> None:
    first, second, *_ = messages(movement([(2, 4)]))

    assert SampleRange.of(first) == (first.sensor_id, first.stream_id, 0, len(first.samples))
    assert SampleRange.of(second).first == SampleRange.of(first).end


def test_what_follows_one_another_is_one_range_and_a_gap_begins_the_next() -> None:
    reports = StoredReports()

    reports.note(_of_one_stream((0, 10), (10, 20)))
    reports.note(_of_one_stream((20, 30), (40, 50)))

    assert _reported(reports) == ((0, 30), (40, 50))


def test_what_came_out_of_order_or_twice_is_put_in_order_and_told_once() -> None:
    reports = StoredReports()

    reports.note(_of_one_stream((30, 40), (0, 10), (10, 20), (0, 10), (20, 30)))

    assert _reported(reports) == ((0, 40),)


@given(_RANGES)
def test_exactly_the_noted_samples_are_told_in_as_few_ranges_as_there_can_be(ranges: list[tuple[int, int]]) -> None:
    reports = StoredReports()
    reports.note(_of_one_stream(*ranges))

    told = _reported(reports)

    counted = Counter(index for first, end in told for index in range(first, end))
    assert counted == Counter({index for first, end in ranges for index in range(first, end)})
    assert all(end < next_first for (_, end), (next_first, _) in pairwise(told))


def test_each_stream_has_a_message_of_its_own() -> None:
    reports = StoredReports()

    reports.note(
        [SampleRange("wrist", "one", 0, 5), SampleRange("wrist", "two", 5, 9), SampleRange("ankle", "one", 3, 4)]
    )

    assert reports.rest() == [
        StoredMessage(sensor_id="wrist", stream_id="one", ranges=((0, 5),)),
        StoredMessage(sensor_id="wrist", stream_id="two", ranges=((5, 9),)),
        StoredMessage(sensor_id="ankle", stream_id="one", ranges=((3, 4),)),
    ]


def test_the_first_report_is_due_at_once_and_the_next_a_second_later() -> None:
    reports = StoredReports()
    reports.note(_of_one_stream((0, 10)))
    (first,) = reports.due(100.0)
    reports.note(_of_one_stream((10, 20)))
    too_early = reports.due(100.75)
    reports.note(_of_one_stream((20, 30)))

    (second,) = reports.due(101.0)

    assert first.ranges == ((0, 10),)
    assert too_early == []
    assert second.ranges == ((10, 30),)


def test_a_quiet_second_does_not_put_off_the_next_report() -> None:
    reports = StoredReports()
    reports.note(_of_one_stream((0, 10)))
    reports.due(100.0)
    assert reports.due(104.75) == []
    reports.note(_of_one_stream((10, 20)))

    assert [message.ranges for message in reports.due(105.0)] == [((10, 20),)]


def test_what_was_reported_is_not_kept() -> None:
    reports = StoredReports()
    reports.note(_of_one_stream((0, 10)))
    reports.due(100.0)

    assert reports.rest() == []
