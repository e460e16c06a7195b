"""A recording: consecutive samples, and what is known of them."""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from repsense.channels import Channel
from repsense.errors import RecordingError
from repsense.labels import Label
from repsense.timestamps import to_epoch_us

__all__ = [
    "Recording",
    "activity_label",
    "as_samples",
    "check_recording",
    "label_document",
    "recording_facts",
    "recording_id",
    "relabelled",
]


@dataclass(frozen=True, slots=True)
class Recording:
    """Consecutive samples, taken without interruption, of one person doing one thing.

    Attributes:
        samples: (n_samples, n_channels) float32, SI units.
        channels: What the columns of `samples` are.
        sample_rate_hz: The rate.
        label: What was done; None if nobody has said.
        subject: Who did it.
        session: On which occasion; unique within the subject.
        sensor: Which sensor, or which kind of sensor, it was taken with.
        started_at: When the first sample was taken.
        activity_s: How long the activity had been going on at the first sample: more than 0 where a recording goes on
            after a gap.
        attributes: Whatever else its source says of it, such as {"load": "heavy"}.
    """

    samples: NDArray[np.float32]
    channels: tuple[Channel, ...]
    sample_rate_hz: float
    label: Label | None = None
    subject: str | None = None
    session: str | None = None
    sensor: str | None = None
    started_at: datetime | None = None
    activity_s: float = 0.0
    attributes: Mapping[str, str] = field(default_factory=dict)

    @property
    def duration_s(self) -> float:
        """How long it lasts, seconds."""
        return len(self.samples) / self.sample_rate_hz


def check_recording(recording: Recording) -> None:
    """Make sure that a recording can be kept, in whichever form.

    Raises:
        RecordingError: If it has no samples or channels, or a value, the rate or a time is not a number of use.
    """
    shape = (len(recording.samples), len(recording.channels))
    if recording.samples.shape != shape or 0 in shape or len(set(recording.channels)) < len(recording.channels):
        msg = "a recording needs samples, and every channel once"
    elif not np.isfinite(recording.samples).all():
        row, column = np.argwhere(~np.isfinite(recording.samples))[0]
        place = f"sample {row + 1} of channel {recording.channels[column]}"
        msg = f"{place} is {recording.samples[row, column]}; every value must be a finite number"
    elif not 0 < recording.sample_rate_hz < np.inf:
        msg = f"a sample rate of {recording.sample_rate_hz:g} Hz is not possible"
    elif not 0 <= recording.activity_s < np.inf:
        msg = f"a recording cannot begin {recording.activity_s:g} s after its activity"
    elif recording.started_at is not None and recording.started_at.tzinfo is None:
        msg = f"{recording.started_at} is no time without its zone"
    else:
        return
    raise RecordingError(msg)


def recording_id(recording: Recording) -> str:
    """The first 32 digits of the SHA-256 of everything that is known of a recording.

    The same recording has the same id wherever it is kept; one that differs in anything, be it its label, has another.
    """
    digest = hashlib.sha256(recording_facts(recording).encode())
    digest.update(np.ascontiguousarray(recording.samples, dtype="<f4").tobytes())
    return digest.hexdigest()[:32]


def recording_facts(recording: Recording) -> str:
    """Everything that is known of a recording but for the values of its samples, as JSON."""
    known = {
        "subject": recording.subject,
        "session": recording.session,
        "label": label_document(recording.label),
        "sensor": recording.sensor,
        "sample_rate_hz": float(recording.sample_rate_hz),
        "channels": list(recording.channels),
        "n_samples": len(recording.samples),
        "started_us": None if recording.started_at is None else to_epoch_us(recording.started_at),
        "activity_s": float(recording.activity_s),
        "attributes": dict(recording.attributes),
    }
    return json.dumps(known, sort_keys=True)


def label_document(label: Label | None) -> dict[str, str | None] | None:
    """A label as `documents.LabelDocument`, ready for JSON."""
    return None if label is None else {"exercise": label.exercise, "form": label.form}


def activity_label(exercise: str, form: str | None = None) -> Label | None:
    """The label of an activity as a file names it; None if it names none.

    Raises:
        RecordingError: If that cannot be a label.
    """
    if not exercise.strip():
        return None
    try:
        return Label(exercise=exercise, form=form if form and form.strip() else None)
    except ValidationError as error:
        msg = f"{exercise[:80]!r} cannot be a label: {error.errors(include_url=False)[0]['msg']}"
        raise RecordingError(msg) from error


def as_samples(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """Numbers as samples; what is too large for float32 becomes infinite, which `check_recording` refuses."""
    with np.errstate(over="ignore"):
        return values.astype(np.float32)


def relabelled(
    recordings: Sequence[Recording], labels: Mapping[str, Label], ignored: Collection[str] = ()
) -> list[Recording]:
    """Give recordings the labels that belong to their activities.

    Args:
        recordings: Their labels, as text ("Squat", "push-up (incorrect)"), are the activities.
        labels: From an activity to its label; empty to leave all labels as they are. Recordings without any stay so.
        ignored: Activities to leave out.

    Raises:
        RecordingError: If an activity has no label; it names it.
    """
    changed = []
    for recording in recordings:
        activity = None if recording.label is None else str(recording.label)
        if activity in ignored:
            continue
        if activity is None or not labels:
            changed.append(recording)
        elif activity in labels:
            changed.append(replace(recording, label=labels[activity]))
        else:
            msg = (
                f"there are recordings of {activity!r}, which has no label: give it one, or ignore it "
                f"(there are labels for {', '.join(labels)})"
            )
            raise RecordingError(msg)
    return changed
