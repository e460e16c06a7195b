"""Recordings in the document database."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from bson.errors import BSONError
from pymongo.errors import BulkWriteError

from repsense.channels import Channel
from repsense.database import Documents
from repsense.documents import RECORDINGS, LabelDocument, RecordingDocument, encode_samples
from repsense.errors import RecordingError
from repsense.labels import Label
from repsense.recordings.recording import Recording, check_recording, recording_id
from repsense.timestamps import from_epoch_us, to_epoch_us
from repsense.training import RecordingSelection

__all__ = [
    "MAX_SAMPLES_BYTES",
    "find_recordings",
    "recording_document",
    "recording_from",
    "store_recordings",
]

MAX_SAMPLES_BYTES = 15_000_000
"""MongoDB's limit for a document is 16 MiB; the rest is for everything that is no sample."""
_BATCH_BYTES = 4_000_000
"""What a small machine stores well within the time that an operation may take."""
_BATCH_DOCUMENTS = 200
_DUPLICATE_KEY = 11_000


def recording_document(recording: Recording, created_us: int) -> RecordingDocument:
    """The document of a recording.

    Raises:
        RecordingError: If the recording cannot be stored.
    """
    check_recording(recording)
    samples = encode_samples(recording.samples)
    if len(samples) > MAX_SAMPLES_BYTES:
        longest_s = MAX_SAMPLES_BYTES / (4 * len(recording.channels)) / recording.sample_rate_hz
        msg = (
            f"a recording of {recording.duration_s / 60:.0f} minutes is too long for the database: cut it into pieces "
            f"of at most {longest_s / 60:.0f} minutes"
        )
        raise RecordingError(msg)
    label = recording.label
    return RecordingDocument(
        _id=recording_id(recording),
        subject=recording.subject,
        session=recording.session,
        label=None if label is None else LabelDocument(exercise=label.exercise, form=label.form),
        sensor=recording.sensor,
        sample_rate_hz=float(recording.sample_rate_hz),
        channels=[channel.value for channel in recording.channels],
        n_samples=len(recording.samples),
        samples=samples,
        started_us=None if recording.started_at is None else to_epoch_us(recording.started_at),
        activity_s=float(recording.activity_s),
        attributes=dict(recording.attributes),
        created_us=created_us,
    )


def recording_from(document: Mapping[str, Any]) -> Recording:
    """The recording of a document, a `RecordingDocument`.

    Raises:
        RecordingError: If the document is not what `recording_document` makes.
    """
    try:
        channels = tuple(Channel(channel) for channel in document["channels"])
        flat = np.frombuffer(document["samples"], dtype="<f4").astype(np.float32)
        started_us, label = document["started_us"], document["label"]
        recording = Recording(
            flat.reshape(document["n_samples"], len(channels)),
            channels,
            float(document["sample_rate_hz"]),
            None if label is None else Label.model_validate(label),
            document["subject"],
            document["session"],
            document["sensor"],
            None if started_us is None else from_epoch_us(started_us),
            float(document["activity_s"]),
            dict(document["attributes"]),
        )
        check_recording(recording)
    except (KeyError, OverflowError, RecordingError, TypeError, ValueError) as error:
        msg = f"recording {document.get('_id')} in the database is damaged: {error}"
        raise RecordingError(msg) from error
    return recording


def store_recordings(database: Documents, recordings: Sequence[Recording]) -> int:
    """Store recordings; those that are stored already stay as they are.

    Returns:
        How many are new.

    Raises:
        RecordingError: If a recording cannot be stored; none of its batch of some hundred is then.
        pymongo.errors.PyMongoError: If the database does not answer. The call can be repeated.
    """
    created_us = to_epoch_us(datetime.now(UTC))
    n_new = 0
    for batch in _batches(recordings):
        documents = [dict(recording_document(recording, created_us)) for recording in batch]
        try:
            n_new += len(database[RECORDINGS].insert_many(documents, ordered=False).inserted_ids)
        except BulkWriteError as error:
            if any(failure["code"] != _DUPLICATE_KEY for failure in error.details["writeErrors"]):
                raise
            n_new += error.details["nInserted"]
        except (BSONError, UnicodeEncodeError) as error:
            msg = f"a text of a recording cannot be stored: {error}"
            raise RecordingError(msg) from error
    return n_new


def find_recordings(database: Documents, selection: RecordingSelection) -> list[Recording]:
    """Find the stored recordings of a selection, by subject, session, start and id; what is not known comes first.

    The samples of other recordings are not fetched.

    Raises:
        RecordingError: If a recording in the database is damaged.
        pymongo.errors.PyMongoError: If the database does not answer.
    """
    # One filter at most: the embedded database uses an index for one field only, and scans more slowly than Python.
    wanted = {} if selection.ids is None else {"_id": {"$in": list(selection.ids)}}
    found = [
        document
        for document in database[RECORDINGS].find(wanted, projection={"samples": False})
        if _is_selected(document, selection)
    ]
    found.sort(key=_order)
    recordings = []
    for batch in _document_batches(found):
        ids = [document["_id"] for document in batch]
        stored = database[RECORDINGS].find({"_id": {"$in": ids}}, projection={"samples": True})
        samples = {document["_id"]: document["samples"] for document in stored}
        # One that somebody has deleted in the meantime is not there any more.
        recordings += [
            recording_from({**document, "samples": samples[document["_id"]]})
            for document in batch
            if document["_id"] in samples
        ]
    return recordings


def _is_selected(document: Mapping[str, Any], selection: RecordingSelection) -> bool:
    label = document.get("label")
    return (
        (selection.subjects is None or document.get("subject") in selection.subjects)
        and (selection.sessions is None or document.get("session") in selection.sessions)
        and (selection.sensors is None or document.get("sensor") in selection.sensors)
        and (selection.labels is None or label in [wanted.model_dump() for wanted in selection.labels])
    )


def _order(document: Mapping[str, Any]) -> tuple[str, str, int, str]:
    started_us = document.get("started_us")
    return (
        document.get("subject") or "",
        document.get("session") or "",
        -1 if started_us is None else started_us,
        document["_id"],
    )


def _batches(recordings: Sequence[Recording]) -> Iterator[Sequence[Recording]]:
    sizes = [4 * len(recording.samples) * len(recording.channels) for recording in recordings]
    for start, stop in _cuts(sizes):
        yield recordings[start:stop]


def _document_batches(documents: Sequence[Mapping[str, Any]]) -> Iterator[Sequence[Mapping[str, Any]]]:
    sizes = [4 * document["n_samples"] * len(document["channels"]) for document in documents]
    for start, stop in _cuts(sizes):
        yield documents[start:stop]


def _cuts(sizes: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Where to cut a sequence into batches that are small enough; one that is too large is a batch by itself."""
    start = n_bytes = 0
    for index, size in enumerate(sizes):
        if index > start and (n_bytes + size > _BATCH_BYTES or index - start == _BATCH_DOCUMENTS):
            yield start, index
            start, n_bytes = index, 0
        n_bytes += size
    if sizes:
        yield start, len(sizes)
