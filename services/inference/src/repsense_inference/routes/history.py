"""`/v1/history`: workouts by day and week, and all of them as a file."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from starlette.responses import StreamingResponse

from repsense_inference.dependencies import (
    FromQuery,
    PartsDependency,
    SensorIdQuery,
    SubjectQuery,
    ToQuery,
    search_range_us,
)
from repsense_inference.edited_workouts import choose
from repsense_inference.history import Period, find_zone, sum_spans, sum_up_by
from repsense_inference.problems import invalid_request, problem_responses
from repsense_inference.schemas.history import History
from repsense_inference.workout_export import csv_lines, json_lines, with_sets

__all__ = ["router"]

router = APIRouter(prefix="/v1/history", tags=["workouts"])


@router.get("", responses=problem_responses(422, 503))
def get_history(
    *,
    parts: PartsDependency,
    from_at: FromQuery = None,
    to_at: ToQuery = None,
    zone: Annotated[
        str, Query(max_length=100, description="Whose days, by its name.", examples=["Europe/Berlin"])
    ] = "UTC",
    by: Annotated[Period, Query(description="A week begins on Monday.")] = "day",
    subject: SubjectQuery = None,
    sensor_id: SensorIdQuery = None,
) -> History:
    """Workouts added up by the day or week in which they started; `from` and `to` are about their starts."""
    from_us, to_us = search_range_us(from_at, to_at)
    clock = find_zone(zone)
    if clock is None:
        detail = f"there is no time zone {zone!r}: send one such as Europe/Berlin or UTC"
        raise invalid_request(detail)
    workouts = choose(parts.workouts.newest_first(), from_us, to_us, sensor_id=sensor_id, subject=subject)
    periods = sum_up_by(by, workouts, clock)
    return History.from_spans(zone, by, periods, sum_spans(periods.values()))


@router.get(
    "/export",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "The file",
            "content": {
                "application/json": {"schema": {"type": "object"}},
                "text/csv": {"schema": {"type": "string"}},
            },
        },
        **problem_responses(422, 503),
    },
)
def export_history(
    *,
    parts: PartsDependency,
    form: Annotated[Literal["json", "csv"], Query(alias="format", description="csv has a row per set.")] = "json",
    from_at: FromQuery = None,
    to_at: ToQuery = None,
) -> StreamingResponse:
    """Every workout with its sets, the discarded ones too, newest first; `from` and `to` are about their starts."""
    from_us, to_us = search_range_us(from_at, to_at)
    workouts = choose(parts.workouts.newest_first(), from_us, to_us)
    end_us = max((one.ended_us for one in workouts), default=from_us) + 1
    found = with_sets(workouts, parts.sets.newest_first(from_us, end_us), parts.set_edits.of)
    return StreamingResponse(
        json_lines(found) if form == "json" else csv_lines(found),
        media_type="application/json" if form == "json" else "text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="repsense-workouts.{form}"'},
    )
