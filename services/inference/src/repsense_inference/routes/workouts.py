"""`/v1/workouts`: sets without a long pause between them."""

import contextlib
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from repsense.documents import WorkoutEditDocument
from repsense.timestamps import from_epoch_us, now_us
from repsense_inference.dependencies import (
    CursorQuery,
    ExerciseQuery,
    FromQuery,
    LimitQuery,
    Parts,
    PartsDependency,
    SensorIdQuery,
    SubjectQuery,
    ToQuery,
    WorkoutIdPath,
    search_range_us,
)
from repsense_inference.edited_workouts import EditedWorkout, apply_edits, choose
from repsense_inference.edits import make_edit
from repsense_inference.errors import NameTakenError
from repsense_inference.names import new_person
from repsense_inference.paging import page_at_hand
from repsense_inference.problems import ProblemError, ProblemKind, or_not_found, problem_responses
from repsense_inference.schemas.workouts import (
    ExerciseSet,
    TimelineWindow,
    Workout,
    WorkoutChange,
    WorkoutPage,
    WorkoutTimeline,
)
from repsense_inference.timelines import thin_out
from repsense_inference.versions import ExpectedVersion, set_etag, version_conflict

__all__ = ["router"]

router = APIRouter(prefix="/v1/workouts", tags=["workouts"])


@router.get("", responses=problem_responses(422, 503, ProblemKind.INVALID_CURSOR))
def list_workouts(
    *,
    parts: PartsDependency,
    sensor_id: SensorIdQuery = None,
    subject: SubjectQuery = None,
    exercise: ExerciseQuery = None,
    from_at: FromQuery = None,
    to_at: ToQuery = None,
    limit: LimitQuery = 100,
    cursor: CursorQuery = None,
) -> WorkoutPage:
    """Workouts, newest first; `from` and `to` are about their starts."""
    from_us, to_us = search_range_us(from_at, to_at)
    workouts = parts.workouts.newest_first()
    wanted = choose(workouts, from_us, to_us, sensor_id=sensor_id, subject=subject, exercise=exercise)
    rows: list[dict[str, Any]] = [
        {"_id": one.workout_id, "started_us": one.started_us, "workout": one} for one in wanted
    ]
    page = page_at_hand(rows, "started_us", limit, cursor)
    return WorkoutPage(items=[Workout.from_workout(row["workout"]) for row in page.items], next_cursor=page.next_cursor)


@router.get("/{workout_id}", responses=problem_responses(404, 422, 503))
def get_workout(workout_id: WorkoutIdPath, parts: PartsDependency, response: Response) -> Workout:
    """One workout; its sets are at `/v1/sets?workout_id=`."""
    return _answer(_found(workout_id, parts), response)


@router.get("/{workout_id}/timeline", responses=problem_responses(404, 422, 503))
def get_timeline(
    workout_id: WorkoutIdPath,
    parts: PartsDependency,
    max_points: Annotated[int, Query(ge=1, le=10_000, description="Put windows together to at most so many.")] = 500,
) -> WorkoutTimeline:
    """A workout in the order of time: its sets, and what was recognised in each window."""
    workout = _found(workout_id, parts)
    sets = parts.sets.of_workout(workout_id)
    edits = parts.set_edits.of([one["_id"] for one in sets])
    # A set begins and ends in the middle of a window.
    margin_us = max((one["last_window_end_us"] - one["ended_us"] for one in sets), default=0)
    windows = parts.classifications.windows(
        workout.sensor_id, max(0, workout.started_us - margin_us), workout.ended_us + 1
    )
    return WorkoutTimeline(
        started_at=from_epoch_us(workout.started_us),
        ended_at=from_epoch_us(workout.ended_us),
        sets=[ExerciseSet.from_document(one, edits.get(one["_id"])) for one in sets],
        windows=[
            TimelineWindow(
                start_at=from_epoch_us(one.start_us),
                end_at=from_epoch_us(one.end_us),
                label=one.label,
                confidence=one.confidence,
            )
            for one in thin_out(windows, max_points)
        ],
    )


@router.patch("/{workout_id}", responses=problem_responses(404, 412, 422, 428, 503))
def change_workout(
    workout_id: WorkoutIdPath,
    request: WorkoutChange,
    version: ExpectedVersion,
    parts: PartsDependency,
    response: Response,
) -> Workout:
    """Say whose workout it was, or write a note to it; somebody who is not known yet becomes a person."""
    workout = _found(workout_id, parts)
    if request.subject is not None:
        with contextlib.suppress(NameTakenError):
            parts.persons.add(new_person(request.subject))

    def compose(before: WorkoutEditDocument | None, own_version: int) -> WorkoutEditDocument:
        return _edit(workout, before, request, own_version)

    edit = make_edit(version, lambda: parts.workouts.edit(workout_id), compose, parts.workouts.put_edit)
    return _answer(apply_edits(workout, (), edit), response)


@router.delete(
    "/{workout_id}", status_code=204, responses=problem_responses(404, 412, 422, 428, 503, ProblemKind.SET_OPEN)
)
def delete_workout(workout_id: WorkoutIdPath, version: ExpectedVersion, parts: PartsDependency) -> None:
    """Delete a workout with its sets, what was said of them and the results of its time, for good.

    It can be repeated if it was interrupted. The raw signal goes by itself after a while.
    """
    workout = _found(workout_id, parts)
    if version not in {None, workout.version}:
        raise version_conflict()
    sets = parts.sets.of_workout(workout_id)
    if any(one["state"] == "open" for one in sets):
        detail = "a set of the workout is still going on: try again when it has ended"
        raise ProblemError(ProblemKind.SET_OPEN, detail)
    parts.erasing.erase_workout(workout_id)
    parts.workouts.forget(workout_id, [one["_id"] for one in sets])


def _edit(
    workout: EditedWorkout, before: WorkoutEditDocument | None, request: WorkoutChange, version: int
) -> WorkoutEditDocument:
    edit = WorkoutEditDocument(
        _id=workout.workout_id,
        started_us=workout.started_us,
        version=version,
        changed_us=now_us(),
        subject=before["subject"] if before else None,
        note=before["note"] if before else None,
    )
    if "subject" in request.model_fields_set:
        edit["subject"] = request.subject
    if "note" in request.model_fields_set:
        edit["note"] = request.note
    return edit


def _found(workout_id: str, parts: Parts) -> EditedWorkout:
    return or_not_found(parts.workouts.get(workout_id), workout_id, "workout")


def _answer(workout: EditedWorkout, response: Response) -> Workout:
    set_etag(response, workout.version)
    return Workout.from_workout(workout)
