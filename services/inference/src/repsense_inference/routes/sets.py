"""`/v1/sets`: stretches of one exercise."""

from fastapi import APIRouter, Response

from repsense.documents import LabelDocument, SetDocument, SetEditDocument
from repsense.labels import Label
from repsense.timestamps import from_epoch_us, now_us
from repsense_inference.dependencies import (
    CursorQuery,
    LimitQuery,
    Parts,
    PartsDependency,
    SensorIdQuery,
    SetIdPath,
    WorkoutIdQuery,
)
from repsense_inference.edits import make_edit
from repsense_inference.problems import ProblemError, ProblemKind, or_not_found, problem_responses
from repsense_inference.recording_keeping import keep_interval
from repsense_inference.schemas.recordings import RecordingItems
from repsense_inference.schemas.workouts import ExerciseSet, SetChange, SetPage, SetRecordingRequest
from repsense_inference.totals import total_of_set
from repsense_inference.versions import ExpectedVersion, set_etag

__all__ = ["router"]

router = APIRouter(prefix="/v1/sets", tags=["workouts"])


@router.get("", responses=problem_responses(422, 503, ProblemKind.INVALID_CURSOR))
def list_sets(
    parts: PartsDependency,
    sensor_id: SensorIdQuery = None,
    workout_id: WorkoutIdQuery = None,
    limit: LimitQuery = 100,
    cursor: CursorQuery = None,
) -> SetPage:
    """Sets, newest first, with the discarded ones."""
    page = parts.sets.page(sensor_id, workout_id, limit, cursor)
    edits = parts.set_edits.of([document["_id"] for document in page.items])
    return SetPage(
        items=[ExerciseSet.from_document(document, edits.get(document["_id"])) for document in page.items],
        next_cursor=page.next_cursor,
    )


@router.get("/{set_id}", responses=problem_responses(404, 422, 503))
def get_set(set_id: SetIdPath, parts: PartsDependency, response: Response) -> ExerciseSet:
    """One set."""
    return _answer(_found(set_id, parts), parts.set_edits.get(set_id), response)


@router.patch("/{set_id}", responses=problem_responses(404, 412, 422, 428, 503, ProblemKind.SET_OPEN))
def change_set(
    set_id: SetIdPath, request: SetChange, version: ExpectedVersion, parts: PartsDependency, response: Response
) -> ExerciseSet:
    """Say what a set really was, or that it was none; how many repetitions; a note.

    What the network said stays in `recognised`. A set can be changed once it is closed.
    """
    document = _found_closed(set_id, parts)

    def compose(before: SetEditDocument | None, own_version: int) -> SetEditDocument:
        return _edit(document, before, request, own_version)

    edit = make_edit(version, lambda: parts.set_edits.get(set_id), compose, parts.set_edits.put)
    return _answer(document, edit, response)


@router.post(
    "/{set_id}/recording",
    status_code=201,
    responses=problem_responses(
        404, 422, 503, ProblemKind.SET_OPEN, ProblemKind.SET_DISCARDED, ProblemKind.SAMPLES_GONE
    ),
)
def keep_set(set_id: SetIdPath, request: SetRecordingRequest, parts: PartsDependency) -> RecordingItems:
    """Keep a set's signal as training data with the label that it has now, as long as the signal is stored.

    It is whole, from the middle of the set's first window to the middle of its last. The same set once more is not
    stored twice.
    """
    document = _found_closed(set_id, parts)
    found = ExerciseSet.from_document(document, parts.set_edits.get(set_id))
    if found.discarded:
        detail = "the set is said to be none: take that back first"
        raise ProblemError(ProblemKind.SET_DISCARDED, detail)
    subject = request.subject
    if "subject" not in request.model_fields_set:
        workout = parts.workouts.edit(document["workout_id"])
        subject = workout and workout["subject"]
    session = request.session
    if "session" not in request.model_fields_set:
        session = f"{from_epoch_us(document['started_us']):%Y-%m-%d} workout"
    items = keep_interval(
        parts,
        document["sensor_id"],
        document["started_us"],
        document["ended_us"],
        label=Label(exercise=found.exercise, form=found.form),
        subject=subject,
        session=session,
        trim="none",
    )
    return RecordingItems(items=items)


def _edit(document: SetDocument, before: SetEditDocument | None, request: SetChange, version: int) -> SetEditDocument:
    edit = SetEditDocument(
        _id=document["_id"],
        workout_id=document["workout_id"],
        started_us=document["started_us"],
        version=version,
        changed_us=now_us(),
        label=before["label"] if before else None,
        discarded=before["discarded"] if before else False,
        repetitions=before["repetitions"] if before else None,
        note=before["note"] if before else None,
        original=total_of_set(document),
        n_windows=document["n_windows"],
    )
    if "label" in request.model_fields_set:
        label = request.label
        edit["label"] = None if label is None else LabelDocument(exercise=label.exercise, form=label.form)
    if "discarded" in request.model_fields_set:
        edit["discarded"] = request.discarded
    if "repetitions" in request.model_fields_set:
        edit["repetitions"] = request.repetitions
    if "note" in request.model_fields_set:
        edit["note"] = request.note
    return edit


def _found(set_id: str, parts: Parts) -> SetDocument:
    return or_not_found(parts.sets.get(set_id), set_id, "set")


def _found_closed(set_id: str, parts: Parts) -> SetDocument:
    document = _found(set_id, parts)
    if document["state"] == "open":
        detail = "the set is still going on: try again when it has ended"
        raise ProblemError(ProblemKind.SET_OPEN, detail)
    return document


def _answer(document: SetDocument, edit: SetEditDocument | None, response: Response) -> ExerciseSet:
    found = ExerciseSet.from_document(document, edit)
    set_etag(response, found.version)
    return found
