"""`/v1/sets`: stretches of one exercise."""

from fastapi import APIRouter

from repsense_inference.dependencies import (
    CursorQuery,
    LimitQuery,
    PartsDependency,
    SensorIdQuery,
    SetIdPath,
    WorkoutIdQuery,
)
from repsense_inference.problems import not_found, problem_responses
from repsense_inference.schemas import ExerciseSet, SetPage

__all__ = ["router"]

router = APIRouter(prefix="/v1/sets", tags=["workouts"])


@router.get("", responses=problem_responses(422, 503))
def list_sets(
    parts: PartsDependency,
    sensor_id: SensorIdQuery = None,
    workout_id: WorkoutIdQuery = None,
    limit: LimitQuery = 100,
    cursor: CursorQuery = None,
) -> SetPage:
    """Sets, newest first."""
    page = parts.sets.page(sensor_id, workout_id, limit, cursor)
    return SetPage(items=[ExerciseSet.from_document(document) for document in page.items], next_cursor=page.next_cursor)


@router.get("/{set_id}", responses=problem_responses(404, 422, 503))
def get_set(set_id: SetIdPath, parts: PartsDependency) -> ExerciseSet:
    """One set."""
    document = parts.sets.get(set_id)
    if document is None:
        raise not_found(set_id, "set")
    return ExerciseSet.from_document(document)
