"""`/v1/classifications`: the result for every window of every sensor."""

from fastapi import APIRouter

from repsense_inference.dependencies import (
    CursorQuery,
    FromQuery,
    LimitQuery,
    PartsDependency,
    SensorIdQuery,
    ToQuery,
    search_range_us,
)
from repsense_inference.problems import ProblemKind, problem_responses
from repsense_inference.schemas.classifications import Classification, ClassificationPage

__all__ = ["router"]

router = APIRouter(prefix="/v1/classifications", tags=["classifications"])


@router.get("", responses=problem_responses(422, 503, ProblemKind.INVALID_CURSOR))
def list_classifications(
    *,
    parts: PartsDependency,
    sensor_id: SensorIdQuery = None,
    from_at: FromQuery = None,
    to_at: ToQuery = None,
    limit: LimitQuery = 100,
    cursor: CursorQuery = None,
) -> ClassificationPage:
    """Classifications, newest first; `from` and `to` are about the windows' starts."""
    from_us, to_us = search_range_us(from_at, to_at)
    page = parts.classifications.page(sensor_id, from_us, to_us, limit, cursor)
    return ClassificationPage(
        items=list(map(Classification.from_document, page.items, parts.labels.of(page.items))),
        next_cursor=page.next_cursor,
    )
