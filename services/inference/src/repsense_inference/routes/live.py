"""`/v1/live`: what happens, as it happens."""

from collections.abc import AsyncIterable, AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.sse import EventSourceResponse, ServerSentEvent

from repsense_inference.dependencies import PartsDependency, SensorIdQuery
from repsense_inference.live import Listener
from repsense_inference.problems import ProblemError, ProblemKind, problem_responses

__all__ = ["router"]

RECONNECT_MS = 1_000
"""How long a browser waits before it opens an ended stream again."""

_RETRY_AFTER_S = 5

router = APIRouter(tags=["live"])


async def _listener(parts: PartsDependency, sensor_id: SensorIdQuery = None) -> AsyncIterator[Listener]:
    """Take part before the stream begins, or refuse it: each one holds a connection for as long as it likes.

    Raises:
        ProblemError: If there are too many.
    """
    if parts.hub.is_full:
        detail = "as many live streams are open as API_LIVE_STREAMS allows: close one, or try again later"
        headers = {"Retry-After": str(_RETRY_AFTER_S)}
        raise ProblemError(ProblemKind.TOO_MANY_STREAMS, detail, headers)
    with parts.hub.listen(sensor_id) as listener:
        yield listener


@router.get(
    "/v1/live", response_class=EventSourceResponse, responses=problem_responses(422, ProblemKind.TOO_MANY_STREAMS)
)
async def follow(listener: Annotated[Listener, Depends(_listener)]) -> AsyncIterable[ServerSentEvent]:
    """Server-sent events of every sensor, or of one.

    - `classification`: a classification message, as on MQTT, once per window.
    - `status`: a sensor status message, first one for each sensor known, then whenever one changes.

    The stream begins with a comment when the listener is in place. A listener that is too slow loses its oldest
    events.
    """
    yield ServerSentEvent(comment="listening", retry=RECONNECT_MS)
    async for event in listener.events():
        yield event
