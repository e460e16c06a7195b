"""A recording in place of a sensor: every sample goes the whole way again, packets included."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from repsense.errors import RecordingError
from repsense.labels import Label
from repsense.recordings import Recording, read_recordings
from repsense.timestamps import MICROSECONDS
from repsense_ble_gateway.packets import Packet
from repsense_ble_gateway.packets.repsense import (
    CLOCK_WRAPS_US,
    MAX_RATE_HZ,
    MIN_RATE_HZ,
    RepSenseDecoder,
    encode_packet,
    samples_per_notification,
)
from repsense_ble_gateway.sources import Connected, Disconnected, Event, Moved, Received
from repsense_ble_gateway.sources.pacing import Pace

__all__ = ["ReplaySource", "recorded_label", "recorded_packets", "select_recordings"]

_LABEL_COLUMNS = ("activity", "label", "exercise")


@dataclass(frozen=True, slots=True)
class ReplaySource:
    """The recordings of a file, one after another, each as a stream of its own.

    Attributes:
        sensor_id: Its id in topics.
        name: What to call it on a screen.
        recordings: At least one.
        speed: 1 for the recordings' own speed. Sample times then run faster or slower than the clock; a faster
            replay begins in the past and ends now.
        loop: Begin again at the end.
    """

    sensor_id: str
    name: str
    recordings: Sequence[Recording]
    speed: float = 1.0
    loop: bool = False

    simulated = False

    async def events(self) -> AsyncGenerator[Event, None]:
        """See `SensorSource`."""
        duration_s = sum(len(recording.samples) / recording.sample_rate_hz for recording in self.recordings)
        pace = Pace.start(speed=self.speed, duration_s=duration_s)
        begins_s = 0.0
        while True:
            for recording in self.recordings:
                yield Connected(RepSenseDecoder())
                label = recorded_label(recording)
                if label is not None:
                    yield Moved(0, label)
                n_sent = 0
                for packet in recorded_packets(recording):
                    n_sent += len(packet.samples)
                    arrived_s = begins_s + n_sent / recording.sample_rate_hz
                    yield Received(encode_packet(packet), await pace.wait_until(arrived_s))
                begins_s += len(recording.samples) / recording.sample_rate_hz
            if not self.loop:
                break
        yield Disconnected("the recording is over")


def select_recordings(
    path: Path, *, sample_rate_hz: float | None = None, select: Mapping[str, str] | None = None
) -> list[Recording]:
    """Read those recordings of a file that are wanted.

    Args:
        path: A .csv, .csv.gz or .parquet file; see `repsense.recordings`.
        sample_rate_hz: The rate; by default it is taken from the column `t`.
        select: Values that columns must have, such as {"session": "13"}.

    Raises:
        RecordingError: If the file cannot be used or nothing is left; it says what there is to choose from.
    """
    recordings = read_recordings(path, sample_rate_hz=sample_rate_hz)
    for column, value in (select or {}).items():
        if column not in recordings[0].attributes:
            there = ", ".join(recordings[0].attributes) or "none"
            msg = f"{path} has no column {column!r} to select by; columns beside the channels: {there}"
            raise RecordingError(msg)
        values = list(dict.fromkeys(recording.attributes[column] for recording in recordings))
        recordings = [recording for recording in recordings if recording.attributes[column] == value]
        if not recordings:
            msg = f"no recording of {path} has {column}={value}; there is {', '.join(values)}"
            raise RecordingError(msg)
    for recording in recordings:
        if not MIN_RATE_HZ <= recording.sample_rate_hz <= MAX_RATE_HZ:
            msg = (
                f"{path}: {recording.sample_rate_hz:g} Hz cannot be replayed; "
                f"the rate must lie between {MIN_RATE_HZ:g} and {MAX_RATE_HZ:g} Hz"
            )
            raise RecordingError(msg)
        recorded_label(recording)
    return recordings


def recorded_label(recording: Recording) -> Label | None:
    """The exercise as the recording's file names it; None if it has no such column or nothing in it.

    Raises:
        RecordingError: If what is there cannot be a label.
    """
    column = next((column for column in _LABEL_COLUMNS if recording.attributes.get(column, "").strip()), None)
    if column is None:
        return None
    try:
        return Label(exercise=recording.attributes[column])
    except ValidationError as error:
        msg = f"{recording.attributes[column]!r} in column {column} is too long for a label"
        raise RecordingError(msg) from error


def recorded_packets(recording: Recording) -> list[Packet]:
    """The packets that a RepSense sensor would have sent."""
    n_packet = samples_per_notification(recording.sample_rate_hz, len(recording.channels))
    return [
        Packet(
            recording.samples[start : start + n_packet],
            recording.channels,
            start,
            round(start / recording.sample_rate_hz * MICROSECONDS),
            CLOCK_WRAPS_US,
            recording.sample_rate_hz,
        )
        for start in range(0, len(recording.samples), n_packet)
    ]
