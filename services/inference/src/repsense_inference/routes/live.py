"""`/v1/live`: what happens, as it happens."""

from collections.abc import AsyncIterable

from fastapi import APIRouter
from fastapi.sse import EventSourceResponse, ServerSentEvent

from repsense_inference.dependencies import PartsDependency, SensorIdQuery
from repsense_inference.problems import problem_responses

__all__ = ["router"]

RECONNECT_MS = 1_000
"""How long a browser waits before it opens an ended stream again."""

router = APIRouter(tags=["live"])


@router.get("/v1/live", response_class=EventSourceResponse, responses=problem_responses(422))
async def follow(parts: PartsDependency, sensor_id: SensorIdQuery = None) -> AsyncIterable[ServerSentEvent]:
    """Server-sent events of every sensor, or of one.

    - `classification`: a classification message, as on MQTT, once per window.
    - `status`: a sensor status message, first one for each sensor known, then whenever one changes.

    The stream begins with a comment when the listener is in place. A listener that is too slow loses its oldest
    events.
    """
    with parts.hub.listen(sensor_id) as listener:
        yield ServerSentEvent(comment="listening", retry=RECONNECT_MS)
        async for event in listener.events():
            yield event
