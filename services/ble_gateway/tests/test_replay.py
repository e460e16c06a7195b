import gzip
from pathlib import Path

import numpy as np
import pytest
from support.sources import first_events

from repsense.channels import CHANNELS
from repsense.errors import RecordingError
from repsense.labels import Label
from repsense.recordings import Recording
from repsense_ble_gateway.packets.repsense import SI_PER_LSB
from repsense_ble_gateway.sources import Connected, Disconnected, Moved, Received
from repsense_ble_gateway.sources.replay import ReplaySource, recorded_label, recorded_packets, select_recordings


def _recording(n_samples: int, rate_hz: float, **attributes: str) -> Recording:
    samples = np.random.default_rng(n_samples).normal(0, 5, (n_samples, 9)).astype(np.float32)
    return Recording(samples, CHANNELS, rate_hz, attributes=attributes)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "recordings.csv.gz"
    rows = [",".join(["session", "activity", "t", *CHANNELS])]
    for session in ("1", "2"):
        for activity in ("Squat", "Lunge"):
            rows += [",".join([session, activity, str(index / 50), *["0.5"] * 9]) for index in range(20)]
    path.write_bytes(gzip.compress("\n".join(rows).encode()))
    return path


def test_every_sample_comes_back_in_packets_within_their_resolution() -> None:
    recording = _recording(203, 50.0)
    source = ReplaySource("replay", "Replay", [recording], speed=1000)
    connected, *others = first_events(source)
    assert isinstance(connected, Connected)
    decoded = [
        packet for event in others if isinstance(event, Received) for packet in connected.decoder.decode(event.payload)
    ]
    samples = np.concatenate([packet.samples for packet in decoded])
    half_lsb = np.array([SI_PER_LSB[channel] for channel in CHANNELS]) / 2
    assert (np.abs(samples - recording.samples) <= half_lsb * 1.01).all()
    assert [packet.sequence for packet in decoded] == list(range(0, 203, 5))


def test_each_recording_is_a_connection_of_its_own_with_its_truth() -> None:
    recordings = [_recording(10, 50.0, activity="Squat"), _recording(10, 50.0, activity="Lunge")]
    events = first_events(ReplaySource("replay", "Replay", recordings, speed=1000))
    kinds = [type(event) for event in events]
    assert kinds == [*[Connected, Moved, Received, Received] * 2, Disconnected]
    truths = [event.label for event in events if isinstance(event, Moved)]
    assert truths == [Label(exercise="Squat"), Label(exercise="Lunge")]


def test_a_fast_replay_keeps_the_recordings_own_time() -> None:
    recordings = [_recording(100, 50.0), _recording(100, 50.0)]
    received = [
        event
        for event in first_events(ReplaySource("replay", "Replay", recordings, speed=500))
        if isinstance(event, Received)
    ]
    steps_us = np.diff([event.arrived_us for event in received])
    assert (steps_us == 100_000).all()


def test_a_loop_begins_again() -> None:
    source = ReplaySource("replay", "Replay", [_recording(5, 50.0)], speed=1.0, loop=True)
    events = first_events(source, n_events=4)
    assert [type(event) for event in events] == [Connected, Received, Connected, Received]


def test_recordings_are_selected_by_their_attributes(file: Path) -> None:
    recordings = select_recordings(file, select={"session": "2", "activity": "Lunge"})
    assert [dict(recording.attributes) for recording in recordings] == [{"session": "2", "activity": "Lunge"}]
    assert recordings[0].sample_rate_hz == pytest.approx(50)


@pytest.mark.parametrize(
    ("select", "message"),
    [
        ({"subject": "A"}, "no column 'subject' to select by; columns beside the channels: session, activity"),
        ({"session": "9"}, "has session=9; there is 1, 2"),
        ({"session": "1", "activity": "Row"}, "has activity=Row; there is Squat, Lunge"),
    ],
)
def test_a_selection_that_leaves_nothing_says_what_there_is(file: Path, select: dict[str, str], message: str) -> None:
    with pytest.raises(RecordingError, match=message):
        select_recordings(file, select=select)


def test_a_rate_that_no_packet_can_say_is_refused(file: Path) -> None:
    with pytest.raises(RecordingError, match="must lie between"):
        select_recordings(file, sample_rate_hz=0.01)


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"session": "1"}, None),
        ({"activity": " "}, None),
        ({"exercise": "row"}, Label(exercise="row")),
        ({"exercise": "row", "activity": "Pushup_Incorrect"}, Label(exercise="Pushup_Incorrect")),
    ],
)
def test_the_truth_is_what_the_file_says(attributes: dict[str, str], expected: Label | None) -> None:
    assert recorded_label(_recording(1, 50.0, **attributes)) == expected


def test_a_label_that_is_no_label_is_refused() -> None:
    with pytest.raises(RecordingError, match="too long"):
        recorded_label(_recording(1, 50.0, label="x" * 61))


def test_a_slow_recording_is_sent_sample_by_sample() -> None:
    assert [len(packet.samples) for packet in recorded_packets(_recording(4, 2.0))] == [1, 1, 1, 1]
