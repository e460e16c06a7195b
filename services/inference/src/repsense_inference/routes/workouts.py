"""`/v1/workouts`: sets without a long pause between them."""

from fastapi import APIRouter

from repsense_inference.dependencies import CursorQuery, LimitQuery, PartsDependency, SensorIdQuery, WorkoutIdPath
from repsense_inference.problems import not_found, problem_responses
from repsense_inference.schemas import Workout, WorkoutPage

__all__ = ["router"]

router = APIRouter(prefix="/v1/workouts", tags=["workouts"])


@router.get("", responses=problem_responses(422, 503))
def list_workouts(
    parts: PartsDependency, sensor_id: SensorIdQuery = None, limit: LimitQuery = 100, cursor: CursorQuery = None
) -> WorkoutPage:
    """Workouts, newest first."""
    page = parts.workouts.page(sensor_id, limit, cursor)
    return WorkoutPage(items=[Workout.from_document(document) for document in page.items], next_cursor=page.next_cursor)


@router.get("/{workout_id}", responses=problem_responses(404, 422, 503))
def get_workout(workout_id: WorkoutIdPath, parts: PartsDependency) -> Workout:
    """One workout; its sets are at `/v1/sets?workout_id=`."""
    document = parts.workouts.get(workout_id)
    if document is None:
        raise not_found(workout_id, "workout")
    return Workout.from_document(document)
