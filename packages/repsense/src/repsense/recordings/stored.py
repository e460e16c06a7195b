"""Recordings in the document database: a document each, and another one with the samples.

What is trimmed off a recording stays stored, and what is thrown away stays for a while; neither is ever found by
`find_recordings`, which is what trainings and exports read.
"""

import contextlib
import json
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import bson
import numpy as np
from bson.errors import BSONError
from numpy.typing import NDArray
from pymongo.errors import BulkWriteError

from repsense.channels import Channel
from repsense.database import Documents, is_repetition
from repsense.documents import (
    RECORDING_SAMPLES,
    RECORDINGS,
    LabelDocument,
    RecordingDocument,
    RecordingSamplesDocument,
    encode_samples,
)
from repsense.errors import RecordingError
from repsense.labels import Label
from repsense.recordings.movement import preview
from repsense.recordings.recording import Recording, check_recording, recording_facts, recording_id
from repsense.timestamps import MICROSECONDS, from_epoch_us, now_us, to_epoch_us
from repsense.training import RecordingSelection

__all__ = [
    "MAX_SAMPLES_BYTES",
    "StoredRecordings",
    "each_recording",
    "find_recording_documents",
    "find_recordings",
    "load_recordings",
    "read_samples",
    "recording_documents",
    "recording_from",
    "recording_order",
    "store_documents",
    "store_recordings",
]

MAX_SAMPLES_BYTES = 15_000_000
"""MongoDB's limit for a document is 16 MiB; the rest is for everything that is no sample."""
_BATCH_BYTES = 4_000_000
"""What a small machine stores well within the time that an operation may take."""
_BATCH_DOCUMENTS = 200
_DAMAGES = (KeyError, OverflowError, RecordingError, TypeError, ValueError)
"""What reading a damaged document raises."""
_Documents = tuple[RecordingDocument, RecordingSamplesDocument]
_Facts = dict[str, Any]
"""The `recording_facts` of a recording."""
_StoredAlready = Mapping[str, Sequence[tuple[_Facts, RecordingDocument]]]
"""Stored recordings by what they are alike in; see `_likeness`."""
_UNKNOWN: _Facts = {"started_us": None, "activity_s": 0.0}
"""What a format that has no room for a fact makes of it."""
_RATE_DIGITS = 12
"""As many as every format keeps."""


@dataclass(frozen=True, slots=True)
class StoredRecordings:
    """What became of recordings that were to be stored.

    Attributes:
        ids: Under which each is stored, in their order.
        n_new: How many were not stored before.
    """

    ids: list[str]
    n_new: int


def recording_documents(
    recording: Recording,
    now_us: int,
    *,
    trim: tuple[int, int] | None = None,
    interruption: str | None = None,
    note: str | None = None,
) -> tuple[RecordingDocument, RecordingSamplesDocument]:
    """The documents of a recording.

    Args:
        recording: All that was captured.
        now_us: When it is stored, microseconds since 1970.
        trim: The first sample that belongs to it, and one after the last; None if all do.
        interruption: See `RecordingDocument`.
        note: Whatever somebody wants to remember of it.

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
    n_captured = len(recording.samples)
    start, stop = trim or (0, n_captured)
    if not 0 <= start < stop <= n_captured:
        msg = f"a recording of {n_captured} samples cannot be trimmed to {start} to {stop}"
        raise RecordingError(msg)
    label, key = recording.label, recording_id(recording)
    document = RecordingDocument(
        _id=key,
        version=1,
        subject=recording.subject,
        session=recording.session,
        label=None if label is None else LabelDocument(exercise=label.exercise, form=label.form),
        sensor=recording.sensor,
        sample_rate_hz=float(recording.sample_rate_hz),
        channels=[channel.value for channel in recording.channels],
        n_captured=n_captured,
        trim_start=start,
        trim_stop=stop,
        started_us=None if recording.started_at is None else to_epoch_us(recording.started_at),
        activity_s=float(recording.activity_s),
        attributes=dict(recording.attributes),
        interruption=interruption,
        preview=preview(recording.samples, recording.channels, recording.sample_rate_hz),
        note=note,
        created_us=now_us,
        changed_us=now_us,
        deleted_us=0,
    )
    return document, RecordingSamplesDocument(_id=key, samples=samples)


def recording_from(document: Mapping[str, Any], samples: bytes) -> Recording:
    """The recording of a document, without what is trimmed off.

    Where the activity begins with what was captured, it begins with what is left of it: the rest was waiting.

    Args:
        document: A `RecordingDocument`; what is only for people may be missing.
        samples: Those of its `RecordingSamplesDocument`.

    Raises:
        RecordingError: If they are not what `recording_documents` makes.
    """
    try:
        flat = np.frombuffer(samples, dtype="<f4").astype(np.float32)
        captured = flat.reshape(document["n_captured"], len(document["channels"]))
        recording = _trimmed(document, captured)
        check_recording(recording)
    except _DAMAGES as error:
        msg = f"recording {document.get('_id')} in the database is damaged: {error}"
        raise RecordingError(msg) from error
    return recording


def store_recordings(database: Documents, recordings: Sequence[Recording]) -> StoredRecordings:
    """Store recordings as they are; see `store_documents`.

    Raises:
        RecordingError: If a recording cannot be stored; none of its batch of some hundred is then.
        pymongo.errors.PyMongoError: If the database does not answer. The call can be repeated.
    """
    created_us = now_us()
    stored_already = _by_likeness(database, {recording.subject for recording in recordings})
    ids: list[str] = []
    n_new = 0
    for start, stop in _cuts([4 * recording.samples.size for recording in recordings]):
        documents = [recording_documents(recording, created_us) for recording in recordings[start:stop]]
        stored = _store(database, documents, stored_already)
        ids += stored.ids
        n_new += stored.n_new
    return StoredRecordings(ids, n_new)


def store_documents(database: Documents, documents: Sequence[_Documents]) -> StoredRecordings:
    """Store what `recording_documents` made, some hundred recordings at most.

    A recording that is stored already stays as it is. It is known by its id, whatever was changed since, or because
    it is what is left of one as that is by now in a format that cannot hold everything: what was exported and comes
    back is not stored twice. One that was thrown away is replaced.

    Raises:
        RecordingError: If a recording cannot be stored; none is then.
        pymongo.errors.PyMongoError: If the database does not answer. The call can be repeated.
    """
    return _store(database, documents, _by_likeness(database, {document["subject"] for document, _ in documents}))


def find_recordings(database: Documents, selection: RecordingSelection) -> list[Recording]:
    """Find the recordings of a selection, by subject, session, start and id; what is not known comes first.

    The samples of other recordings are not fetched.

    Raises:
        RecordingError: If a recording in the database is damaged.
        pymongo.errors.PyMongoError: If the database does not answer.
    """
    return load_recordings(database, find_recording_documents(database, selection))


def find_recording_documents(database: Documents, selection: RecordingSelection) -> list[RecordingDocument]:
    """Find the documents of a selection's recordings, in the order of `find_recordings`.

    Raises:
        pymongo.errors.PyMongoError: If the database does not answer.
    """
    # One filter at most: the embedded database uses an index for one field only, and scans more slowly than Python.
    wanted = {} if selection.ids is None else {"_id": {"$in": list(selection.ids)}}
    found = [document for document in database[RECORDINGS].find(wanted) if _is_selected(document, selection)]
    found.sort(key=recording_order)
    return [cast("RecordingDocument", document) for document in found]


def recording_order(document: Mapping[str, Any]) -> tuple[str, str, int, str]:
    """By what recordings are sorted: subject, session, start and id; what is not known comes first."""
    started_us = document.get("started_us")
    return (
        document.get("subject") or "",
        document.get("session") or "",
        -1 if started_us is None else started_us,
        document["_id"],
    )


def load_recordings(database: Documents, documents: Sequence[RecordingDocument]) -> list[Recording]:
    """Fetch the recordings of documents, in their order, but for those that were deleted in the meantime.

    Raises:
        RecordingError: If a recording in the database is damaged.
        pymongo.errors.PyMongoError: If the database does not answer.
    """
    return [recording for _, recording in each_recording(database, documents)]


def each_recording(database: Documents, documents: Sequence[RecordingDocument]) -> Iterator[tuple[str, Recording]]:
    """Fetch the recordings of documents little by little, each with its id; see `load_recordings`."""
    for start, stop in _cuts([_n_bytes(document) for document in documents]):
        batch = documents[start:stop]
        samples = read_samples(database, [document["_id"] for document in batch])
        for document in batch:
            if document["_id"] in samples:
                yield document["_id"], recording_from(document, samples[document["_id"]])


def read_samples(database: Documents, ids: Sequence[str]) -> dict[str, bytes]:
    """Fetch all captured samples of recordings by their ids, as in `RecordingSamplesDocument`; in one go.

    Raises:
        pymongo.errors.PyMongoError: If the database does not answer.
    """
    return {
        document["_id"]: document["samples"]
        for document in database[RECORDING_SAMPLES].find({"_id": {"$in": list(ids)}})
    }


def _trimmed(document: Mapping[str, Any], captured: NDArray[np.float32]) -> Recording:
    """The recording of a document whose captured samples, (n_captured, n_channels) float32, are given."""
    start, stop = document["trim_start"], document["trim_stop"]
    if not 0 <= start < stop <= len(captured):
        msg = f"{len(captured)} samples cannot be trimmed to {start} to {stop}"
        raise RecordingError(msg)
    rate_hz, label = float(document["sample_rate_hz"]), document["label"]
    started_us, activity_s = document["started_us"], float(document["activity_s"])
    return Recording(
        captured[start:stop],
        tuple(Channel(channel) for channel in document["channels"]),
        rate_hz,
        None if label is None else Label.model_validate(label),
        document["subject"],
        document["session"],
        document["sensor"],
        None if started_us is None else from_epoch_us(started_us + round(start * MICROSECONDS / rate_hz)),
        activity_s + start / rate_hz if activity_s else 0.0,
        dict(document["attributes"]),
    )


def _facts(document: Mapping[str, Any]) -> _Facts | None:
    """The `recording_facts` of a document's recording; None if the document is damaged."""
    try:
        # The values do not matter, so they take no memory.
        shape = (document["n_captured"], len(document["channels"]))
        facts: _Facts = json.loads(recording_facts(_trimmed(document, np.broadcast_to(np.float32(0), shape))))
    except _DAMAGES:
        return None
    return facts


def _likeness(facts: _Facts) -> str:
    """What every format keeps of a recording's facts."""
    kept = {name: value for name, value in facts.items() if name not in {*_UNKNOWN, "attributes"}}
    return json.dumps(kept | {"sample_rate_hz": f"{facts['sample_rate_hz']:.{_RATE_DIGITS}g}"})


def _says_no_more(facts: _Facts, stored: _Facts) -> bool:
    """Tell whether nothing is known of a recording but what is known of a stored one that is alike."""
    is_known = all(facts[name] in (unknown, stored[name]) for name, unknown in _UNKNOWN.items())
    return is_known and facts["attributes"].items() <= stored["attributes"].items()


def _n_bytes(document: RecordingDocument) -> int:
    return 4 * document["n_captured"] * len(document["channels"])


def _values(document: Mapping[str, Any], samples: bytes) -> bytes:
    """The samples that are not trimmed off."""
    bytes_per_sample = 4 * len(document["channels"])
    return samples[document["trim_start"] * bytes_per_sample : document["trim_stop"] * bytes_per_sample]


def _by_likeness(database: Documents, subjects: Collection[str | None]) -> _StoredAlready:
    """The stored recordings of some subjects, but for the trash."""
    found: defaultdict[str, list[tuple[_Facts, RecordingDocument]]] = defaultdict(list)
    # By one field, for which the embedded database uses its index.
    for subject in subjects:
        with _refusing_texts():
            documents = list(database[RECORDINGS].find({"subject": subject}, projection={"preview": False}))
        for document in documents:
            facts = None if document.get("deleted_us") else _facts(document)
            if facts is not None:
                found[_likeness(facts)].append((facts, cast("RecordingDocument", document)))
    return found


def _equal_recordings(
    database: Documents, documents: Sequence[_Documents], stored_already: _StoredAlready
) -> dict[str, str]:
    """From the id of each recording that is a stored one as it is by now, to the id of that."""
    wanted: defaultdict[str, list[tuple[_Facts, str, bytes]]] = defaultdict(list)
    for document, samples in documents:
        facts = _facts(document)
        if facts is not None:
            wanted[_likeness(facts)].append((facts, document["_id"], _values(document, samples["samples"])))
    alike = [
        (likeness, stored_facts, stored)
        for likeness, recordings in wanted.items()
        for stored_facts, stored in stored_already.get(likeness, ())
        if any(_says_no_more(facts, stored_facts) for facts, _, _ in recordings)
    ]
    equal: dict[str, str] = {}
    for start, stop in _cuts([_n_bytes(stored) for _, _, stored in alike]):
        samples_by_id = read_samples(database, [stored["_id"] for _, _, stored in alike[start:stop]])
        for likeness, stored_facts, stored in alike[start:stop]:
            stored_values = _values(stored, samples_by_id.get(stored["_id"], b""))
            for facts, key, values in wanted[likeness]:
                if values == stored_values and _says_no_more(facts, stored_facts):
                    equal[key] = stored["_id"]
    return equal


def _store(database: Documents, documents: Sequence[_Documents], stored_already: _StoredAlready) -> StoredRecordings:
    with _refusing_texts():  # before anything is stored
        for document, _ in documents:
            bson.encode(document)
    ids = [document["_id"] for document, _ in documents]
    versions: dict[str, int] = {}
    """Of those in the trash."""
    known: dict[str, str] = {}
    """From an id to the one under which the same recording is stored."""
    for found in database[RECORDINGS].find({"_id": {"$in": ids}}, projection={"version": True, "deleted_us": True}):
        if found["deleted_us"]:
            versions[found["_id"]] = found["version"]
        else:
            known[found["_id"]] = found["_id"]
    others = [pair for pair in documents if pair[0]["_id"] not in known]
    known |= _equal_recordings(database, others, stored_already)
    new = {pair[0]["_id"]: pair for pair in documents if pair[0]["_id"] not in known}
    _insert(database, RECORDING_SAMPLES, [samples for _, samples in new.values()])
    n_new = _insert(database, RECORDINGS, [document for key, (document, _) in new.items() if key not in versions])
    for key in new.keys() & versions.keys():
        replacement = {**new[key][0], "version": versions[key] + 1}
        unchanged = {"_id": key, "version": versions[key]}
        n_new += database[RECORDINGS].replace_one(unchanged, replacement).matched_count
    return StoredRecordings([known.get(key, key) for key in ids], n_new)


@contextlib.contextmanager
def _refusing_texts() -> Iterator[None]:
    """Translate what is raised for a text that cannot be sent to the database."""
    try:
        yield
    except (BSONError, UnicodeEncodeError) as error:
        msg = f"a text of a recording cannot be stored: {error}"
        raise RecordingError(msg) from error


def _insert(database: Documents, collection: str, documents: Sequence[Mapping[str, Any]]) -> int:
    """Insert documents but for those that are there already; return how many were not."""
    if not documents:
        return 0
    try:
        return len(database[collection].insert_many([dict(one) for one in documents], ordered=False).inserted_ids)
    except BulkWriteError as error:
        if not is_repetition(error):
            raise
        n_inserted: int = error.details["nInserted"]
        return n_inserted


def _is_selected(document: Mapping[str, Any], selection: RecordingSelection) -> bool:
    label = document.get("label")
    return (
        not document.get("deleted_us")
        and (selection.subjects is None or document.get("subject") in selection.subjects)
        and (selection.sessions is None or document.get("session") in selection.sessions)
        and (selection.sensors is None or document.get("sensor") in selection.sensors)
        and (selection.labels is None or label in [wanted.model_dump() for wanted in selection.labels])
    )


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
