"""Middleware that refuses bodies that are too large, or that come too slowly.

FastAPI has a limit of its own for the size, but it answers a Content-Length that is too large with plain text.
"""

import asyncio
from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from repsense_inference.problems import ProblemError, ProblemKind, problem_response

__all__ = ["BodyLimit"]

GRACE_S = 20.0
SLOWEST_BYTES_PER_S = 4_096
"""Slower than any line on which somebody would wait for an upload."""


class BodyLimit:
    """Refuses a body by its declared length before anything of it is read, or else as soon as too much has come.

    A body has a while, and longer the more of it is there already: a client that sends next to nothing holds nothing.
    """

    def __init__(self, app: ASGIApp, max_bytes: int, exceptions: Mapping[str, int] | None = None) -> None:
        """Prepare to guard an app.

        Args:
            app: The app.
            max_bytes: How large a body may be.
            exceptions: The same for some paths.
        """
        self._app = app
        self._max_bytes = max_bytes
        self._exceptions = dict(exceptions or {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        max_bytes = self._exceptions.get(scope["path"], self._max_bytes)
        declared = Headers(scope=scope).get("content-length", "")
        if declared.isdecimal() and int(declared) > max_bytes:
            await problem_response(ProblemKind.BODY_TOO_LARGE, _too_large(max_bytes))(scope, receive, send)
            return
        n_bytes = 0
        is_complete = False
        began_s = asyncio.get_running_loop().time()

        async def receive_limited() -> Message:
            nonlocal n_bytes, is_complete
            if is_complete:
                # What comes now is that the client has gone; whoever waits for that may wait long.
                return await receive()
            try:
                async with asyncio.timeout_at(began_s + GRACE_S + n_bytes / SLOWEST_BYTES_PER_S):
                    message = await receive()
            except TimeoutError:
                detail = f"only {n_bytes} bytes of the body came in time: try again on a better connection"
                raise ProblemError(ProblemKind.BODY_TOO_SLOW, detail, {"Connection": "close"}) from None
            n_bytes += len(message.get("body", b""))
            is_complete = not message.get("more_body", False)
            if n_bytes > max_bytes:
                raise ProblemError(ProblemKind.BODY_TOO_LARGE, _too_large(max_bytes))
            return message

        await self._app(scope, receive_limited, send)


def _too_large(max_bytes: int) -> str:
    return f"the body is too large: send at most {max_bytes} bytes, for instance a shorter recording"
