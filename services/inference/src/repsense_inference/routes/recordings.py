"""`/v1/recordings`: labelled stretches of signal, kept for training."""

from collections.abc import Sequence
from typing import Annotated, cast

import numpy as np
from fastapi import APIRouter, Path, Query, Response

from repsense.channels import UNITS, Channel
from repsense.documents import LabelDocument, RecordingDocument
from repsense.recordings.movement import find_repetitions
from repsense.timestamps import MICROSECONDS, from_epoch_us, now_us
from repsense_inference.dependencies import CursorQuery, LimitQuery, Parts, PartsDependency, search_interval_us
from repsense_inference.names import adopt_names
from repsense_inference.paging import page_at_hand
from repsense_inference.problems import ProblemKind, or_not_found, problem_responses
from repsense_inference.recording_filter import FilterDependency
from repsense_inference.recording_keeping import captured_samples, keep_interval, split_recording, trim_bounds
from repsense_inference.recording_ports import RecordingChanges
from repsense_inference.schemas.base import HEX_ID_PATTERN
from repsense_inference.schemas.recordings import (
    MAX_INTERVAL_S,
    BulkChange,
    BulkChangeRequest,
    BulkResult,
    KeepRequest,
    Recording,
    RecordingChange,
    RecordingItems,
    RecordingPage,
    RecordingSignal,
    RecordingVersion,
    RestoreRequest,
    SplitRequest,
    TrashRequest,
)
from repsense_inference.signals import written_out
from repsense_inference.versions import ExpectedVersion, set_etag, version_conflict

__all__ = ["router"]

_RecordingIdPath = Annotated[str, Path(pattern=HEX_ID_PATTERN, examples=["3f9a1c5e7b2d4f60819a2b3c4d5e6f70"])]

router = APIRouter(prefix="/v1/recordings", tags=["recordings"])


@router.get("", responses=problem_responses(422, 503, ProblemKind.INVALID_CURSOR))
def list_recordings(
    which: FilterDependency, parts: PartsDependency, limit: LimitQuery = 100, cursor: CursorQuery = None
) -> RecordingPage:
    """Recordings, those that were stored last first; all filters that are given must fit."""
    fitting = [one for one in parts.recordings.overview() if which.takes(one)]
    page = page_at_hand(fitting, "created_us", limit, cursor)
    documents = parts.recordings.several([one["_id"] for one in page.items])
    return RecordingPage(items=[Recording.from_document(one) for one in documents], next_cursor=page.next_cursor)


@router.post("", status_code=201, responses=problem_responses(422, 503, ProblemKind.SAMPLES_GONE))
def keep_recordings(request: KeepRequest, parts: PartsDependency) -> RecordingItems:
    """Keep a stretch of a sensor's signal as training data, as long as the signal is stored.

    Each uninterrupted stretch becomes a recording of its own, which says in `interruption` why it ends early. The
    same stretch once more is not stored twice.
    """
    from_us, to_us = search_interval_us(request.from_at, request.to_at, MAX_INTERVAL_S)
    items = keep_interval(
        parts,
        request.sensor_id,
        from_us,
        to_us,
        label=request.label,
        subject=request.subject,
        session=request.session,
        note=request.note,
        trim=request.trim,
    )
    return RecordingItems(items=items)


@router.post("/trash", responses=problem_responses(422, 503))
def throw_recordings_away(request: TrashRequest, parts: PartsDependency) -> BulkResult:
    """Put recordings into the trash; a week later they are deleted for good."""
    deleted_us = now_us()
    return _change_each(parts, request.recordings, RecordingChanges(deleted_us=deleted_us))


@router.post("/restore", responses=problem_responses(422, 503))
def restore_recordings(request: RestoreRequest, parts: PartsDependency) -> RecordingItems:
    """Take recordings out of the trash; those that are gone are left out of the answer."""
    wanted = [RecordingVersion(recording_id=recording_id) for recording_id in dict.fromkeys(request.recording_ids)]
    result = _change_each(parts, wanted, RecordingChanges(deleted_us=0))
    adopt_names(parts)
    return RecordingItems(items=result.items)


@router.post("/changes", responses=problem_responses(422, 503))
def change_recordings(request: BulkChangeRequest, parts: PartsDependency) -> BulkResult:
    """Make the same change to several recordings; those that somebody else has changed meanwhile stay as they are."""
    result = _change_each(parts, request.recordings, _changes(request.changes))
    adopt_names(parts)
    return result


@router.get("/{recording_id}", responses=problem_responses(404, 422, 503))
def get_recording(recording_id: _RecordingIdPath, parts: PartsDependency, response: Response) -> Recording:
    """One recording, also from the trash."""
    return _answer(_found(recording_id, parts), response)


@router.get("/{recording_id}/signal", responses=problem_responses(404, 422, 503, ProblemKind.UNUSABLE_RECORDING))
def get_recording_signal(
    recording_id: _RecordingIdPath,
    parts: PartsDependency,
    max_points: Annotated[
        int, Query(ge=2, le=10_000, description="Thin out evenly to at most so many samples.")
    ] = 1_000,
    *,
    whole: Annotated[bool, Query(description="With what is trimmed off.")] = False,
) -> RecordingSignal:
    """The signal of a recording, and where its repetitions are."""
    document = _found(recording_id, parts)
    captured = captured_samples(parts, document)
    rate_hz, started_us = document["sample_rate_hz"], document["started_us"]
    start, stop = document["trim_start"], document["trim_stop"]
    first, last = (0, len(captured)) if whole else (start, stop)
    channels = tuple(Channel(channel) for channel in document["channels"])
    rows = np.arange(first, last, -(-(last - first) // max_points))
    middles = find_repetitions(captured[start:stop], channels, rate_hz)
    return RecordingSignal(
        channels=channels,
        units={channel: UNITS[channel] for channel in channels},
        start_at=None if started_us is None else from_epoch_us(started_us + round(first * MICROSECONDS / rate_hz)),
        offsets_s=((rows - first) / rate_hz).round(6).tolist(),
        samples=written_out(captured[rows]),
        trim_start_s=start / rate_hz,
        trim_end_s=stop / rate_hz,
        captured_s=len(captured) / rate_hz,
        repetitions_s=[round((start - first + middle) / rate_hz, 6) for middle in middles],
    )


@router.patch("/{recording_id}", responses=problem_responses(404, 412, 422, 428, 503, ProblemKind.UNUSABLE_RECORDING))
def change_recording(
    recording_id: _RecordingIdPath,
    request: RecordingChange,
    version: ExpectedVersion,
    parts: PartsDependency,
    response: Response,
) -> Recording:
    """Change label, person, session, note or trim; a recording in the trash, too."""
    document = _found(recording_id, parts)
    changes = _changes(request)
    if "trim" in request.model_fields_set:
        changes["trim_start"], changes["trim_stop"] = trim_bounds(parts, document, request.trim)
    changed = parts.recordings.change(recording_id, version, changes, now_us())
    if changed is None:
        raise version_conflict()
    if not changes.keys().isdisjoint({"label", "subject"}):
        adopt_names(parts)
    return _answer(changed, response)


@router.post(
    "/{recording_id}/split",
    status_code=201,
    responses=problem_responses(404, 412, 422, 428, 503, ProblemKind.UNUSABLE_RECORDING),
)
def split_recording_in_pieces(
    recording_id: _RecordingIdPath, request: SplitRequest, version: ExpectedVersion, parts: PartsDependency
) -> RecordingItems:
    """Cut a recording into several, which take its place; it goes to the trash.

    To undo it, restore the recording and put its pieces into the trash.
    """
    document = _found(recording_id, parts)
    if version not in {None, document["version"]}:
        raise version_conflict()
    pieces = split_recording(parts, document, request.at_s)
    return RecordingItems(items=[Recording.from_document(one) for one in pieces])


@router.delete("/{recording_id}", status_code=204, responses=problem_responses(404, 412, 422, 428, 503))
def delete_recording(
    recording_id: _RecordingIdPath,
    version: ExpectedVersion,
    parts: PartsDependency,
    *,
    for_good: Annotated[bool, Query(description="At once, without a way back.")] = False,
) -> None:
    """Put a recording into the trash, or delete it for good."""
    _found(recording_id, parts)
    deleted_us = now_us()
    if parts.recordings.change(recording_id, version, RecordingChanges(deleted_us=deleted_us), deleted_us) is None:
        raise version_conflict()
    if for_good:
        parts.recordings.remove([recording_id])


def _found(recording_id: str, parts: Parts) -> RecordingDocument:
    return or_not_found(parts.recordings.get(recording_id), recording_id, "recording")


def _answer(document: RecordingDocument, response: Response) -> Recording:
    set_etag(response, document["version"])
    return Recording.from_document(document)


def _changes(request: RecordingChange | BulkChange) -> RecordingChanges:
    """What a request changes besides the trim."""
    given = {name: getattr(request, name) for name in request.model_fields_set - {"trim"}}
    if request.label is not None:
        given["label"] = LabelDocument(exercise=request.label.exercise, form=request.label.form)
    return cast("RecordingChanges", given)


def _change_each(parts: Parts, wanted: Sequence[RecordingVersion], changes: RecordingChanges) -> BulkResult:
    versions = {one.recording_id: one.version for one in wanted}
    changed = parts.recordings.change_several(versions, changes, now_us())
    done = {document["_id"] for document in changed}
    return BulkResult(
        items=[Recording.from_document(document) for document in changed],
        conflicts=[recording_id for recording_id in versions if recording_id not in done],
    )
