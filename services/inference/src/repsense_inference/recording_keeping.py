"""Making recordings of what a sensor sent, and of other recordings."""

import time
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from repsense.channels import Channel
from repsense.documents import RecordingDocument
from repsense.errors import RecordingError
from repsense.labels import Label
from repsense.recordings import Recording
from repsense.recordings.movement import find_movement
from repsense.recordings.stored import recording_documents
from repsense.recordings.stretches import cut_stretches
from repsense.timestamps import MICROSECONDS, from_epoch_us, now_us
from repsense_inference.dependencies import Parts
from repsense_inference.names import adopt_names
from repsense_inference.problems import ProblemError, ProblemKind, invalid_request, or_not_found
from repsense_inference.recording_ports import RecordingChanges
from repsense_inference.schemas import recordings as schemas
from repsense_inference.versions import version_conflict

__all__ = ["captured_samples", "keep_interval", "split_recording", "trim_bounds"]

_MIN_SAMPLES = 2
_ARRIVAL_S = 2.0
"""How long after it was taken a sample may be on its way: packets, batches of the gateway, the broker, the database."""
_POLL_S = 0.05


def keep_interval(
    parts: Parts,
    sensor_id: str,
    from_us: int,
    to_us: int,
    *,
    label: Label | None,
    subject: str | None = None,
    session: str | None = None,
    note: str | None = None,
    trim: Literal["auto", "none"] = "auto",
) -> list[schemas.Recording]:
    """Keep a stretch of a sensor's stored signal.

    Args:
        parts: Of the service.
        sensor_id: Whose signal.
        from_us: From when, microseconds since 1970.
        to_us: Until when, exclusive.
        label: What was done.
        subject: Who did it; somebody new becomes a person.
        session: On which occasion.
        note: To remember.
        trim: Whether rest before and after the movement is trimmed off, unless the label says that it is rest.

    Returns:
        One recording per uninterrupted stretch, oldest first. The same stretch again gives the same ones.

    Raises:
        ProblemError: If nothing is stored for that time, or it is too long for a recording.
    """
    _await_arrival(parts, sensor_id, to_us)
    chunks = parts.samples.between(sensor_id, from_us, to_us)
    stretches = cut_stretches(chunks, from_us, to_us)
    if not stretches:
        raise _samples_gone(parts, sensor_id)
    trims = trim == "auto" and not _is_background(parts, label)
    attributes = {"simulated": "true"} if any(chunk["simulated"] for chunk in chunks) else {}
    documents = []
    for stretch in stretches:
        recording = Recording(
            stretch.samples,
            stretch.channels,
            stretch.sample_rate_hz,
            label,
            subject,
            session,
            sensor_id,
            from_epoch_us(stretch.started_us),
            (stretch.started_us - stretches[0].started_us) / MICROSECONDS,
            attributes | ({"filled_samples": str(stretch.n_filled)} if stretch.n_filled else {}),
        )
        bounds = None
        if trims:
            bounds = find_movement(stretch.samples, stretch.channels, stretch.sample_rate_hz)
        documents.append((recording, bounds, stretch.interruption))
    stored_us = now_us()
    try:
        pairs = [
            recording_documents(recording, stored_us, trim=bounds, interruption=interruption, note=note)
            for recording, bounds, interruption in documents
        ]
    except RecordingError as error:
        raise invalid_request(str(error)) from error
    ids = parts.recordings.add(pairs).ids
    adopt_names(parts)
    return [schemas.Recording.from_document(document) for document in parts.recordings.several(ids)]


def _is_background(parts: Parts, label: Label | None) -> bool:
    """Whether a label is no exercise: what moves in it is not what it is about."""
    return label is not None and any(
        known["background"] and (known["exercise"], known["form"]) == (label.exercise, label.form)
        for known in parts.label_store.all()
    )


def split_recording(parts: Parts, document: RecordingDocument, at_s: Sequence[float]) -> list[RecordingDocument]:
    """Store the pieces of a recording and put it into the trash.

    What is trimmed off goes with the first and the last piece.

    Args:
        parts: Of the service.
        document: The recording.
        at_s: Where to cut, in seconds from the start of what was captured.

    Returns:
        The pieces, in order.

    Raises:
        ProblemError: If a cut is outside the recording, or a piece would be too short; or somebody else was faster.
    """
    rate_hz = document["sample_rate_hz"]
    cuts = sorted({round(place_s * rate_hz) for place_s in at_s})
    bounds = [document["trim_start"], *cuts, document["trim_stop"]]
    if any(stop - start < _MIN_SAMPLES for start, stop in pairwise(bounds)):
        start_s, end_s = document["trim_start"] / rate_hz, document["trim_stop"] / rate_hz
        detail = f"at_s: cut within the recording, between {start_s:g} s and {end_s:g} s, into pieces of some samples"
        raise invalid_request(detail)
    captured = captured_samples(parts, document)
    edges = [0, *cuts, document["n_captured"]]
    pairs = []
    for index, (start, stop) in enumerate(pairwise(edges)):
        trim = bounds[index] - start, bounds[index + 1] - start
        is_last = stop == edges[-1]
        pairs.append(
            recording_documents(
                _piece(document, captured[start:stop], start),
                now_us(),
                trim=trim,
                interruption=document["interruption"] if is_last else None,
                note=document["note"],
            )
        )
    piece_ids = [piece["_id"] for piece, _ in pairs]
    present = {one["_id"] for one in parts.recordings.several(piece_ids)}
    # The pieces first: if this is interrupted, there is too much rather than too little.
    ids = parts.recordings.add(pairs).ids
    deleted_us = now_us()
    gone = RecordingChanges(deleted_us=deleted_us)
    if parts.recordings.change(document["_id"], document["version"], gone, deleted_us) is None:
        parts.recordings.remove([piece_id for piece_id in ids if piece_id in piece_ids and piece_id not in present])
        raise version_conflict()
    return parts.recordings.several(ids)


def trim_bounds(parts: Parts, document: RecordingDocument, trim: schemas.Trim) -> tuple[int, int]:
    """The first sample that is left of a recording, and one after the last.

    Raises:
        ProblemError: If that would be outside of what was captured, or leave nothing; or the recording is gone.
    """
    n_captured, rate_hz = document["n_captured"], document["sample_rate_hz"]
    if trim == "none":
        return 0, n_captured
    if trim == "auto":
        channels = tuple(Channel(channel) for channel in document["channels"])
        return find_movement(captured_samples(parts, document), channels, rate_hz)
    start, stop = round(trim.start_s * rate_hz), round(trim.end_s * rate_hz)
    if stop > n_captured or stop - start < _MIN_SAMPLES:
        detail = f"trim: keep some of what was captured, from 0 s to {n_captured / rate_hz:g} s"
        raise invalid_request(detail)
    return start, stop


def captured_samples(parts: Parts, document: RecordingDocument) -> NDArray[np.float32]:
    """All that was captured of a recording, shape (n_captured, n_channels), float32.

    Raises:
        ProblemError: If it was deleted in the meantime.
        RecordingError: If it is damaged.
    """
    samples = or_not_found(parts.recordings.samples(document["_id"]), document["_id"], "recording")
    shape = document["n_captured"], len(document["channels"])
    if len(samples) != 4 * shape[0] * shape[1]:
        msg = f"recording {document['_id']} in the database is damaged: its samples are incomplete"
        raise RecordingError(msg)
    return np.frombuffer(samples, dtype="<f4").astype(np.float32).reshape(shape)


def _piece(document: RecordingDocument, samples: NDArray[np.float32], start: int) -> Recording:
    """A part of a recording that begins so many samples after what was captured."""
    offset_s = start / document["sample_rate_hz"]
    started_us, activity_s, label = document["started_us"], document["activity_s"], document["label"]
    if start:
        # An activity that began with the recording began with what is left of it.
        activity_s = (activity_s or -document["trim_start"] / document["sample_rate_hz"]) + offset_s
    return Recording(
        samples,
        tuple(Channel(channel) for channel in document["channels"]),
        document["sample_rate_hz"],
        None if label is None else Label.model_validate(label),
        document["subject"],
        document["session"],
        document["sensor"],
        None if started_us is None else from_epoch_us(started_us + round(offset_s * MICROSECONDS)),
        activity_s,
        document["attributes"],
    )


def _await_arrival(parts: Parts, sensor_id: str, to_us: int) -> None:
    """Wait for what was taken only just now: whoever ends a take wants its last moment too."""
    arrival_us = round(_ARRIVAL_S * MICROSECONDS)
    while abs(now_us() - to_us) < arrival_us:
        newest = parts.samples.newest(sensor_id)
        has_arrived = newest is not None and newest["last_sample_us"] + MICROSECONDS / newest["sample_rate_hz"] >= to_us
        is_silent = newest is None or newest["last_sample_us"] < to_us - arrival_us
        if has_arrived or is_silent:
            return
        time.sleep(_POLL_S)


def _samples_gone(parts: Parts, sensor_id: str) -> ProblemError:
    oldest = parts.samples.oldest(sensor_id)
    kept = "nothing of it"
    if oldest is not None:
        kept = f"what it sent since {from_epoch_us(oldest['first_sample_us']):%Y-%m-%d %H:%M:%S} UTC"
    detail = (
        f"nothing is stored of sensor {sensor_id!r} for this time. Signals are kept for a day, unless "
        f"SAMPLES_RETENTION_HOURS says otherwise; now there is {kept}"
    )
    return ProblemError(ProblemKind.SAMPLES_GONE, detail)
