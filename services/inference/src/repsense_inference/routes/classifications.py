"""`/v1/classifications`: the result for every window of every sensor."""

from fastapi import APIRouter

from repsense_inference.dependencies import (
    CursorQuery,
    FromQuery,
    LimitQuery,
    PartsDependency,
    SensorIdQuery,
    ToQuery,
    search_time_us,
)
from repsense_inference.problems import invalid_request, problem_responses
from repsense_inference.schemas import Classification, ClassificationPage

__all__ = ["router"]

router = APIRouter(prefix="/v1/classifications", tags=["classifications"])


@router.get("", responses=problem_responses(422, 503))
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
    from_us = 0 if from_at is None else search_time_us(from_at)
    to_us = None if to_at is None else search_time_us(to_at)
    if to_us is not None and to_us <= from_us:
        detail = "from must be before to"
        raise invalid_request(detail)
    page = parts.classifications.page(sensor_id, from_us, to_us, limit, cursor)
    return ClassificationPage(
        items=[Classification.from_document(document, parts.labels.of(document)) for document in page.items],
        next_cursor=page.next_cursor,
    )
