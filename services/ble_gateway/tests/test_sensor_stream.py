from collections.abc import Sequence
from itertools import count, pairwise

import numpy as np
import pytest

from repsense.channels import CHANNELS
from repsense.labels import Label
from repsense.messages import Message, SamplesMessage, SensorStatusMessage, TruthMessage
from repsense.timestamps import to_epoch_us
from repsense_ble_gateway.packets import Packet
from repsense_ble_gateway.packets.prototype import PrototypeDecoder
from repsense_ble_gateway.packets.repsense import CLOCK_WRAPS_US, RepSenseDecoder, decode_packet, encode_packet
from repsense_ble_gateway.sensor_stream import SensorStream
from repsense_ble_gateway.sources import Connected, Connecting, Disconnected, Event, Measured, Moved, Received

_NOW_US = 1_700_000_000_000_000
_CONNECTED = Connected(RepSenseDecoder())


def _stream() -> SensorStream:
    numbers = count(1)
    return SensorStream("wrist", "attic", "Simulated wrist", simulated=True, new_stream_id=lambda: f"s{next(numbers)}")


def _received(sequence: int, *, n_samples: int = 5, rate_hz: float = 50.0, n_channels: int = 9) -> Received:
    samples = np.ones((n_samples, n_channels), dtype=np.float32)
    packet = Packet(samples, CHANNELS[:n_channels], sequence, 0, CLOCK_WRAPS_US, rate_hz)
    return Received(encode_packet(packet), _NOW_US + round((sequence + n_samples) / rate_hz * 1e6))


def _handle(stream: SensorStream, events: Sequence[Event]) -> list[Message]:
    return [message for event in events for message in stream.handle(event, _NOW_US)]


def _samples(messages: Sequence[Message]) -> list[tuple[str, int, int]]:
    return [
        (message.stream_id, message.sequence, len(message.samples))
        for message in messages
        if isinstance(message, SamplesMessage)
    ]


def _states(messages: Sequence[Message]) -> list[tuple[str, str | None]]:
    return [(message.state, message.reason) for message in messages if isinstance(message, SensorStatusMessage)]


def test_packets_become_messages_of_200_ms() -> None:
    messages = _handle(_stream(), [_CONNECTED, *(_received(sequence) for sequence in range(0, 30, 5))])
    assert _samples(messages) == [("s1", 0, 10), ("s1", 10, 10), ("s1", 20, 10)]
    last = messages[-1]
    assert isinstance(last, SamplesMessage)
    assert (last.sensor_id, last.channels, last.sample_rate_hz, last.simulated) == ("wrist", CHANNELS, 50.0, True)
    assert to_epoch_us(last.first_sample_at) == _NOW_US + 420_000


def test_the_status_follows_the_connection() -> None:
    messages = _handle(_stream(), [Connecting("looking"), _CONNECTED, _received(0), Disconnected("battery empty")])
    assert _states(messages) == [("connecting", "looking"), ("online", None), ("offline", "battery empty")]
    online = messages[1]
    assert isinstance(online, SensorStatusMessage)
    assert (online.stream_id, online.sample_rate_hz, online.name) == ("s1", 50.0, "Simulated wrist")


def test_nothing_that_was_received_is_kept_back_at_the_end() -> None:
    messages = _handle(_stream(), [_CONNECTED, _received(0), Disconnected("gone")])
    assert _samples(messages) == [("s1", 0, 5)]


def test_a_lost_packet_ends_a_message_but_not_the_stream() -> None:
    messages = _handle(_stream(), [_CONNECTED, _received(0), _received(10), _received(15)])
    assert _samples(messages) == [("s1", 0, 5), ("s1", 10, 10)]
    assert [message.n_lost_before for message in messages if isinstance(message, SamplesMessage)] == [0, 5]


def test_a_packet_that_comes_twice_is_taken_once() -> None:
    stream = _stream()
    messages = _handle(stream, [_CONNECTED, _received(0), _received(0), _received(5)])
    assert _samples(messages) == [("s1", 0, 10)]
    assert stream.n_duplicate_packets == 1


@pytest.mark.parametrize(
    "changed",
    [_received(5, n_channels=6), _received(5, rate_hz=100.0), _received(900_000)],
    ids=["channels", "rate", "count"],
)
def test_a_sensor_that_changes_begins_a_new_stream(changed: Received) -> None:
    messages = _handle(_stream(), [_CONNECTED, _received(0), changed, Disconnected("gone")])
    assert [stream_id for stream_id, _, _ in _samples(messages)] == ["s1", "s2"]
    assert [state for state, _ in _states(messages)] == ["online", "online", "offline"]


def test_a_new_connection_is_a_new_stream() -> None:
    messages = _handle(_stream(), [_CONNECTED, _received(0), _CONNECTED, _received(0), Disconnected("gone")])
    assert _samples(messages) == [("s1", 0, 5), ("s2", 0, 5)]


def test_garbage_is_counted_and_does_no_harm() -> None:
    stream = _stream()
    messages = _handle(stream, [_CONNECTED, _received(0), Received(b"garbage", _NOW_US), _received(5)])
    assert _samples(messages) == [("s1", 0, 10)]
    assert stream.n_bad_packets == 1


def test_the_prototype_sends_one_message_per_sample_and_a_silence_is_a_new_stream() -> None:
    times_s = [0.0, 0.5, 1.0, 4.0, 4.5]
    received = [Received(bytes(18), _NOW_US + round(time_s * 1e6)) for time_s in times_s]
    messages = _handle(_stream(), [Connected(PrototypeDecoder(), 2.0), *received])
    assert _samples(messages) == [("s1", 0, 1), ("s1", 1, 1), ("s1", 2, 1), ("s2", 0, 1), ("s2", 1, 1)]


def test_the_truth_is_told_before_the_samples_and_in_their_time() -> None:
    squat = Label(exercise="squat")
    events: list[Event] = [_CONNECTED, Moved(0, None), Moved(7, squat, 1), _received(0), _received(5)]
    messages = _handle(_stream(), events)
    kinds = [type(message) for message in messages]
    assert kinds == [SensorStatusMessage, TruthMessage, TruthMessage, SamplesMessage]
    truth = messages[2]
    assert isinstance(truth, TruthMessage)
    assert (truth.stream_id, truth.sequence, truth.label, truth.repetition) == ("s1", 7, squat, 1)
    assert to_epoch_us(truth.at) == _NOW_US + 160_000


def _statuses(messages: Sequence[Message]) -> list[SensorStatusMessage]:
    return [message for message in messages if isinstance(message, SensorStatusMessage)]


def _as_it_goes(stream: SensorStream, events: Sequence[Received]) -> list[Message]:
    return [message for event in events for message in stream.handle(event, event.arrived_us)]


def test_the_status_tells_every_ten_seconds_what_was_measured() -> None:
    stream = _stream()
    _handle(stream, [_CONNECTED, Measured(rssi_dbm=-60), Measured(battery_percent=80)])
    received = [_received(sequence) for sequence in range(0, 2000, 5) if sequence % 100]
    first, *later = _statuses(_as_it_goes(stream, received))
    assert (first.rssi_dbm, first.battery_percent, first.loss, first.effective_rate_hz) == (-60, 80, None, None)
    assert 2 <= len(later) <= 4
    assert later[-1].loss == pytest.approx(0.05, abs=0.01)
    assert later[-1].effective_rate_hz == pytest.approx(50, rel=0.005)
    assert (stream.n_samples, stream.n_lost) == (1900, 95)


def test_reconnects_are_counted() -> None:
    messages = _handle(_stream(), [_CONNECTED, _received(0), Connecting("lost"), _CONNECTED, _received(0)])
    assert [message.n_reconnects for message in _statuses(messages)] == [0, 0, 1]


def test_a_sensor_without_count_or_clock_has_no_loss_that_could_be_known() -> None:
    received = [Received(bytes(18), _NOW_US + half_second * 500_000) for half_second in range(60)]
    stream = _stream()
    _handle(stream, [Connected(PrototypeDecoder(), 2.0)])
    assert {message.loss for message in _statuses(_as_it_goes(stream, received))} == {None}


def _slow(n_packets: int) -> list[Received]:
    """From a sensor that says 50 Hz and delivers 25, as its clock shows."""
    samples = np.ones((5, 9), dtype=np.float32)
    packets = [Packet(samples, CHANNELS, 5 * k, 200_000 * k, CLOCK_WRAPS_US, 50.0) for k in range(n_packets)]
    return [Received(encode_packet(packet), _NOW_US + 200_000 * (k + 1)) for k, packet in enumerate(packets)]


def test_a_sensor_that_does_not_keep_its_rate_gets_a_stream_with_the_one_it_keeps() -> None:
    stream = _stream()
    _handle(stream, [_CONNECTED])
    messages = _as_it_goes(stream, _slow(100))
    rates_hz = {text.stream_id: text.sample_rate_hz for text in messages if isinstance(text, SamplesMessage)}
    assert rates_hz == {"s1": 50.0, "s2": 25.0}
    places = [(sequence, n_samples) for _, sequence, n_samples in _samples(messages)]
    assert all(before[0] + before[1] == after[0] for before, after in pairwise(places))
    assert sum(n_samples for _, n_samples in places) >= 490


def test_a_new_connection_may_keep_the_rate_that_the_last_one_did_not() -> None:
    stream = _stream()
    _handle(stream, [_CONNECTED])
    _as_it_goes(stream, _slow(100))
    messages = _handle(stream, [Connecting("lost"), _CONNECTED, _received(0), _received(5)])
    assert [message.sample_rate_hz for message in messages if isinstance(message, SamplesMessage)][-1] == 50.0


def test_all_packets_of_one_notification_are_taken() -> None:
    class Joined:
        def decode(self, notification: bytes) -> list[Packet]:
            return [decode_packet(notification[:104]), decode_packet(notification[104:])]

    joined = Received(_received(0).payload + _received(5).payload, _NOW_US)
    assert _samples(_handle(_stream(), [Connected(Joined()), joined])) == [("s1", 0, 10)]


@pytest.mark.parametrize("put_s", [3_600, -3_600, 33, -33])
def test_a_host_whose_clock_is_set_begins_a_new_stream_with_its_times(put_s: int) -> None:
    stream = _stream()
    before = [_received(sequence) for sequence in range(0, 20, 5)]
    after = [_received(sequence) for sequence in range(20, 40, 5)]
    after = [Received(each.payload, each.arrived_us + put_s * 1_000_000) for each in after]

    messages = _handle(stream, [_CONNECTED, *before, *after])

    assert _samples(messages) == [("s1", 0, 10), ("s1", 10, 10), ("s2", 20, 10), ("s2", 30, 10)]
    firsts_us = [to_epoch_us(one.first_sample_at) for one in messages if isinstance(one, SamplesMessage)]
    assert firsts_us[2] - firsts_us[1] == pytest.approx((put_s + 0.2) * 1e6, abs=1e5)
    assert (stream.n_samples, stream.n_lost) == (40, 0)


def test_what_the_radio_held_back_for_long_stays_in_its_stream() -> None:
    held_back = [
        Received(_received(sequence).payload, _NOW_US + 30_000_000 + sequence * 1_000) for sequence in range(5, 200, 5)
    ]

    messages = _handle(_stream(), [_CONNECTED, _received(0), *held_back])

    assert {stream_id for stream_id, _, _ in _samples(messages)} == {"s1"}
