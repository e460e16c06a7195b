from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from services.ble_gateway.tests.arrivals import START_US, Link, generate, packet

from repsense_ble_gateway.packets import Packet
from repsense_ble_gateway.sequence_counter import Irregularity, SequenceCounter

_DUPLICATE, _RESTART = Irregularity.DUPLICATE, Irregularity.RESTART
_WRAPS = 2**32


def _by_count(*sequences: int, n_samples: int = 5) -> list[int | Irregularity]:
    counter = SequenceCounter(50.0)
    return [counter.place(packet(n_samples, sequence=sequence % _WRAPS), START_US) for sequence in sequences]


def _by_clock(*times_ms: float, n_samples: int = 5, rate_hz: float = 50.0) -> list[int | Irregularity]:
    counter = SequenceCounter(rate_hz)
    packets = [packet(n_samples, device_time_us=round(time_ms * 1000) % _WRAPS) for time_ms in times_ms]
    return [counter.place(each, START_US) for each in packets]


def _by_arrival(*times_s: float, n_samples: int = 1, rate_hz: float = 100.0) -> list[int | Irregularity]:
    counter = SequenceCounter(rate_hz)
    return [counter.place(packet(n_samples), START_US + round(time_s * 1e6)) for time_s in times_s]


def test_consecutive_packets_follow_each_other() -> None:
    assert _by_count(40, 45, 50) == [40, 45, 50]


def test_a_loss_leaves_a_gap() -> None:
    assert _by_count(0, 15, 20) == [0, 15, 20]


def test_the_count_goes_on_where_the_number_wraps() -> None:
    assert _by_count(_WRAPS - 5, 0, 5) == [_WRAPS - 5, _WRAPS, _WRAPS + 5]


@pytest.mark.parametrize("repeated", [0, 5, 10])
def test_a_packet_that_comes_again_is_a_duplicate_and_changes_nothing(repeated: int) -> None:
    assert _by_count(0, 5, 10, repeated, 15) == [0, 5, 10, _DUPLICATE, 15]


@pytest.mark.parametrize("sequence", [0, 500_000])
def test_a_count_from_elsewhere_is_a_restart(sequence: int) -> None:
    assert _by_count(10_000, sequence) == [10_000, _RESTART]


def test_a_device_may_be_silent_for_ten_minutes_without_being_restarted() -> None:
    assert _by_count(0, 5 + 600 * 50) == [0, 5 + 600 * 50]
    assert _by_clock(0, 100, 600_000) == [0, 5, 600 * 50]


def test_the_clock_tells_how_many_samples_are_missing() -> None:
    # ms  0    100   200   300   400   500
    #     |--5--|--5--|           |--5--|--5--|
    assert _by_clock(0, 100, 400, 500) == [0, 5, 20, 25]


@pytest.mark.parametrize("true_rate_hz", [52.0, 48.0, 25.0, 104.0])
def test_another_rate_than_the_asked_one_is_no_loss(true_rate_hz: float) -> None:
    times_ms = [70 * k / true_rate_hz * 1000 for k in range(40)]
    del times_ms[20:22]
    places = _by_clock(*times_ms, n_samples=70)
    assert places[:20] == [70 * k for k in range(20)]
    assert places[20:] == [70 * (k + 2) for k in range(20, 38)]


def test_a_loss_right_after_the_first_packet_is_counted_if_no_rate_explains_it() -> None:
    assert _by_clock(0, 300, 400, 500) == [0, 15, 20, 25]


def test_a_device_whose_rate_changes_is_believed_after_a_few_packets() -> None:
    times_ms = [100 * k for k in range(20)] + [1900 + 200 * k for k in range(1, 20)]
    places = [place for place in _by_clock(*times_ms) if isinstance(place, int)]
    assert len(places) == len(times_ms)
    assert places[-1] - places[-6] == 5 * 5


def test_a_clock_that_trembles_is_no_loss() -> None:
    times_ms = [100 * k + (17, -12, 5)[k % 3] for k in range(20)]
    assert _by_clock(*times_ms) == [5 * k for k in range(20)]


def test_the_count_goes_on_where_the_clock_wraps() -> None:
    start_ms = _WRAPS / 1000 - 250
    assert _by_clock(*(start_ms + 100 * k for k in range(6))) == [5 * k for k in range(6)]


def test_a_clock_that_never_wraps_is_followed() -> None:
    counter = SequenceCounter(50.0)
    times_us = [800_000_000_000_000 + 100_000 * k for k in range(4)]
    packets = [Packet(packet(5).samples, packet(5).channels, None, time_us) for time_us in times_us]
    assert [counter.place(each, START_US) for each in packets] == [0, 5, 10, 15]


@pytest.mark.parametrize("repeated_ms", [4900, 4500, 3000])
def test_a_packet_with_an_earlier_time_is_a_duplicate(repeated_ms: float) -> None:
    times_ms = [100 * k for k in range(50)]
    assert _by_clock(*times_ms, repeated_ms, 5000)[-2:] == [_DUPLICATE, 250]


@pytest.mark.parametrize("elsewhere_ms", [0, 5000 + 601_000])
def test_a_clock_from_elsewhere_is_a_restart(elsewhere_ms: float) -> None:
    times_ms = [100 * k for k in range(50)]
    assert _by_clock(*times_ms, elsewhere_ms)[-1] is _RESTART


def test_without_count_and_clock_samples_are_counted_as_they_come() -> None:
    assert _by_arrival(0.0, 0.01, 0.02, 0.9, 0.9, 0.9) == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(("silence_s", "n_samples", "rate_hz"), [(1.1, 1, 100.0), (1.6, 1, 2.0), (4.1, 70, 52.0)])
def test_a_silence_is_a_restart(silence_s: float, n_samples: int, rate_hz: float) -> None:
    assert _by_arrival(0.0, silence_s, n_samples=n_samples, rate_hz=rate_hz) == [0, _RESTART]
    assert _by_arrival(0.0, silence_s - 0.2, n_samples=n_samples, rate_hz=rate_hz) == [0, n_samples]


@pytest.mark.parametrize("rate_factor", [0.5, 0.97, 1.0, 1.04])
def test_a_clock_is_as_good_as_a_count_over_a_lossy_link(rate_factor: float) -> None:
    link = Link(n_samples=10, rate_factor=rate_factor, drift_ppm=100, seed=4)
    arrivals = generate(link, 600)
    counter = SequenceCounter(link.rate_hz)
    places = [counter.place(arrivals.packet(row, tells_time=True), START_US) for row in range(len(arrivals.sequence))]
    assert places == arrivals.sequence.tolist()


@given(
    start=st.integers(0, _WRAPS - 1),
    steps=st.lists(st.tuples(st.integers(1, 70), st.integers(-3, 4)), min_size=2, max_size=40),
    tells_time=st.booleans(),
)
def test_no_sample_is_placed_twice_and_the_wrap_is_invisible(
    start: int, steps: list[tuple[int, int]], *, tells_time: bool
) -> None:
    # A step is the size of a packet and where it is: some packets back, next, or behind missing ones.
    size = max(n_samples for n_samples, _ in steps)
    offsets = list(accumulate((step * size for _, step in steps), initial=0))

    def places(first: int) -> list[int | Irregularity]:
        counter = SequenceCounter(50.0)
        return [
            counter.place(_numbered(first + offset, n_samples, tells_time=tells_time), START_US)
            for offset, (n_samples, _) in zip(offsets, steps, strict=False)
        ]

    placed = [
        (place, place + n_samples)
        for place, (n_samples, _) in zip(places(start), steps, strict=True)
        if not isinstance(place, Irregularity)
    ]
    assert all(before[1] <= after[0] for before, after in pairwise(placed))
    origin = 0 if tells_time else start - 1000
    unwrapped = [place if isinstance(place, Irregularity) else place - origin for place in places(start)]
    origin = 0 if tells_time else 2**20 - 1000
    assert unwrapped == [place if isinstance(place, Irregularity) else place - origin for place in places(2**20)]


def _numbered(sequence: int, n_samples: int, *, tells_time: bool) -> Packet:
    if tells_time:
        return packet(n_samples, device_time_us=sequence * 20_000 % _WRAPS)
    return packet(n_samples, sequence=sequence % _WRAPS)
