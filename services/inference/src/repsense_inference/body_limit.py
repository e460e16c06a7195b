"""Middleware that refuses bodies that are too large.

FastAPI has a limit of its own, but it answers a Content-Length that is too large with plain text.
"""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from repsense_inference.problems import ProblemError, problem_response

__all__ = ["BodyLimit"]


class BodyLimit:
    """Refuses a body by its declared length before anything of it is read, or else as soon as too much has come."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "")
        if declared.isdecimal() and int(declared) > self._max_bytes:
            problem = self._problem()
            await problem_response(problem.status_code, problem.kind, problem.title, problem.detail)(
                scope, receive, send
            )
            return
        n_bytes = 0

        async def receive_limited() -> Message:
            nonlocal n_bytes
            message = await receive()
            n_bytes += len(message.get("body", b""))
            if n_bytes > self._max_bytes:
                raise self._problem()
            return message

        await self._app(scope, receive_limited, send)

    def _problem(self) -> ProblemError:
        detail = f"the body is too large: send at most {self._max_bytes} bytes, for instance a shorter recording"
        return ProblemError(413, "body-too-large", "Body too large", detail)
