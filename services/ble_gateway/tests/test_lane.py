from repsense_ble_gateway.lane import Lane, LaneRules
from repsense_ble_gateway.spool import SpooledMessage

_RULES = LaneRules(window=4, lost_after_s=10, probe_after_s=15, max_probe_pause_s=60, max_repeats=2)


def _message(key: int) -> SpooledMessage:
    return SpooledMessage(key, str(key).encode(), key)


def _send(lane: Lane, n_messages: int, now_s: float = 0.0) -> list[int]:
    """Send the next messages; the broker acknowledges them at once."""
    keys = []
    for _ in range(n_messages):
        keys.append(lane.take().key)
        lane.acknowledged(keys[-1], now_s)
    return keys


def _sent(*keys: int) -> Lane:
    lane = Lane(_RULES, 0.0)
    for key in keys:
        lane.written(_message(key))
        _send(lane, 1)
    return lane


def _lost(lane: Lane, keys: list[int], now_s: float) -> list[int]:
    """Those of the messages on disk that are lost."""
    until = lane.lost_until(now_s)
    return [] if until is None else [key for key in keys if key <= until and lane.is_lost(key, now_s)]


def test_more_than_the_window_stays_on_disk_until_half_of_it_is_sent() -> None:
    lane = Lane(_RULES, 0.0)
    for key in range(1, 9):
        lane.written(_message(key))
    assert (lane.n_behind, lane.cursor, lane.wants_more) == (4, 4, False)

    assert _send(lane, 2) == [1, 2]
    assert lane.wants_more
    lane.read([_message(5), _message(6), _message(7)])
    lane.written(_message(9))

    assert (lane.n_behind, lane.cursor) == (2, 7)
    assert _send(lane, 5) == [3, 4, 5, 6, 7]
    assert lane.next_key is None
    lane.read([_message(8), _message(9)])
    assert _send(lane, 2) == [8, 9]
    assert (lane.n_waiting, lane.n_unconfirmed) == (0, 9)


def test_what_an_earlier_run_left_comes_first() -> None:
    lane = Lane(_RULES, 0.0, acknowledged_key=3, n_messages=5, n_behind=2)
    lane.written(_message(6))

    assert lane.next_key is None
    assert lane.wants_more
    lane.read([_message(4), _message(5), _message(6)])
    assert _send(lane, 3) == [4, 5, 6]


def test_the_mark_never_passes_a_message_that_was_not_acknowledged() -> None:
    lane = Lane(_RULES, 0.0)
    for key in (10, 20, 30):
        lane.written(_message(key))
    assert lane.mark() == 9
    lane.take()
    lane.take()
    lane.acknowledged(20, 0.0)
    assert lane.mark() == 9
    lane.acknowledged(10, 0.0)
    assert lane.mark() == 29
    lane.take()
    lane.connection_lost()
    assert lane.mark() == 29
    _send(lane, 1)
    assert lane.mark() == 30


def test_what_was_in_flight_when_the_connection_broke_goes_again_in_order() -> None:
    lane = Lane(_RULES, 0.0)
    for key in (1, 2, 3):
        lane.written(_message(key))
    lane.take()
    lane.take()
    lane.connection_lost()
    assert _send(lane, 3) == [1, 2, 3]


def test_a_message_is_lost_when_a_later_one_has_been_stored_for_long_enough() -> None:
    lane = _sent(1, 2, 3, 4)
    lane.confirmed([3], 100.0)

    assert _lost(lane, [1, 2, 4], 109.9) == []
    assert _lost(lane, [1, 2, 4], 110.0) == [1, 2]


def test_nothing_is_lost_that_nothing_later_proves() -> None:
    lane = _sent(1, 2, 3)
    assert _lost(lane, [1, 2, 3], 1e6) == []
    lane.confirmed([1], 0.0)
    assert _lost(lane, [2, 3], 1e6) == []


def test_lost_messages_go_before_new_ones() -> None:
    lane = _sent(1, 2, 3)
    lane.confirmed([3], 0.0)
    lane.written(_message(4))
    assert lane.repeat([_message(1), _message(2)]) == []
    assert _send(lane, 3) == [1, 2, 4]


def test_only_what_was_published_after_it_proves_a_second_loss() -> None:
    """4 went before 1 went again.

    published  1 2 3 4 1 5
    confirmed      3 4   5
    """
    lane = _sent(1, 2, 3, 4)
    lane.gone([2])
    lane.confirmed([3], 0.0)
    assert _lost(lane, [1, 4], 10.0) == [1]
    lane.repeat([_message(1)])
    _send(lane, 1)

    lane.confirmed([4], 11.0)
    assert _lost(lane, [1], 50.0) == []

    lane.written(_message(5))
    _send(lane, 1)
    lane.confirmed([5], 51.0)
    assert _lost(lane, [1], 61.0) == [1]


def test_one_of_several_that_were_sent_again_proves_the_loss_of_those_before_it() -> None:
    lane = _sent(1, 2, 3, 4)
    lane.confirmed([4], 0.0)
    lane.repeat([_message(1), _message(2), _message(3)])
    _send(lane, 3)

    lane.confirmed([2], 20.0)

    assert _lost(lane, [1, 3], 30.0) == [1]


def test_a_message_that_never_arrives_is_given_up() -> None:
    lane = _sent(1, 2)
    given_up: list[int] = []
    for key in range(3, 6):
        lane.confirmed([key - 1], 100.0 * key)
        assert _lost(lane, [1], 100.0 * key + 10) == [1]
        given_up = lane.repeat([_message(1)])
        lane.written(_message(key))
        while lane.next_key is not None:
            _send(lane, 1)
    assert given_up == [1]


def test_while_lost_messages_wait_to_be_sent_again_no_others_are_looked_for() -> None:
    lane = _sent(1, 2, 3)
    lane.confirmed([3], 0.0)
    lane.repeat([_message(1)])
    assert lane.lost_until(10.0) is None
    _send(lane, 1)
    assert lane.lost_until(10.0) == 2


def test_the_last_message_asks_for_the_others_with_longer_and_longer_pauses() -> None:
    lane = _sent(1, 2)
    now_s, pauses_s = 0.0, []
    for _ in range(5):
        asked_s = now_s
        while not lane.must_probe(now_s):
            now_s += 1
        pauses_s.append(now_s - asked_s)
        lane.probe(_message(2), now_s)
        assert _send(lane, 1, now_s) == [2]
    assert pauses_s == [15, 30, 60, 60, 60]

    lane.confirmed([2], now_s)
    assert _lost(lane, [1], now_s + 10) == [1]
    assert not lane.must_probe(now_s + 14)
    assert lane.must_probe(now_s + 15)


def test_nobody_asks_while_something_waits_or_all_is_confirmed() -> None:
    lane = _sent(1)
    lane.written(_message(2))
    assert not lane.must_probe(1e6)
    _send(lane, 1)
    assert lane.must_probe(1e6)
    lane.confirmed([1, 2], 0.0)
    assert not lane.must_probe(1e6)


def test_the_last_that_was_sent_again_is_the_one_to_ask_with() -> None:
    lane = _sent(1, 2, 3, 4)
    assert lane.last_repeat() is None
    lane.confirmed([4], 0.0)
    lane.repeat([_message(1), _message(2)])
    _send(lane, 2)
    assert lane.last_repeat() == 2
    lane.confirmed([1, 2, 3], 1.0)
    assert lane.last_repeat() is None


def test_messages_that_are_gone_are_sent_no_more() -> None:
    lane = Lane(_RULES, 0.0)
    for key in range(1, 7):
        lane.written(_message(key))
    lane.take()

    assert lane.gone([1, 2, 5]) == 3

    assert (lane.n_messages, lane.n_waiting, lane.n_behind) == (3, 3, 1)
    lane.connection_lost()
    assert _send(lane, 2) == [3, 4]


def test_it_is_known_for_how_long_nothing_was_reported() -> None:
    lane = _sent(1)
    assert lane.unreported_s(20.0) == 20.0
    lane.written(_message(2))
    _send(lane, 1, 30.0)
    assert lane.unreported_s(40.0) == 40.0

    lane.confirmed([1], 41.0)
    lane.written(_message(3))
    _send(lane, 1, 50.0)
    assert lane.unreported_s(53.0) == 3.0
    lane.confirmed([2, 3], 54.0)
    assert lane.unreported_s(100.0) == 0.0
