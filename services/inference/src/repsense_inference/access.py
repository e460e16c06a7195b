"""Who may use the API: whoever has the key or, without one, whoever is on this machine.

Without a key the API listens on loopback only. A web page that somebody has open can send requests there all the
same, by a name of its own that leads to 127.0.0.1, or as a form; the browser then says so in `Host` or `Origin`.
"""

import hashlib
import hmac
import ipaddress
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from repsense_inference.documentation import DOCUMENTATION_PATHS
from repsense_inference.problems import ProblemKind, problem_response
from repsense_inference.rate_limit import PerMinute, client_address

__all__ = ["OPEN_PATHS", "SECURITY_SCHEMES", "KeyAccess", "LoopbackAccess", "is_loopback"]

OPEN_PATHS = frozenset({"/healthz", "/readyz"}) | DOCUMENTATION_PATHS
"""What is answered without a key: whether the service is well, and how it is used."""

SECURITY_SCHEMES: Mapping[str, Any] = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "The API key."},
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "The API key."},
}
"""For OpenAPI: two ways to send the key."""

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_PORT = re.compile(r":\d{0,5}$", re.ASCII)


class KeyAccess:
    """Middleware that lets nobody in who does not send the key, before anything of the body is read.

    Whoever tries one key after another is soon not listened to any more, not even with the right one. A key that was
    tried a moment ago is no new try: a client that was given a wrong one says the same each time.
    """

    def __init__(self, app: ASGIApp, key: str, wrong_keys_per_minute: int = 0) -> None:
        """Prepare to guard an app.

        Args:
            app: The app.
            key: What clients must send.
            wrong_keys_per_minute: How many wrong ones an address may try; 0 is without a limit.
        """
        self._app = app
        self._digest = _digest(key)
        self._wrong_keys = PerMinute(wrong_keys_per_minute)
        self._tries_of_one_key = PerMinute(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http" or scope["path"] in OPEN_PATHS:
            await self._app(scope, receive, send)
            return
        given = _given_key(Headers(scope=scope))
        if given is None:
            detail = "send the API key: Authorization: Bearer <key>, or X-API-Key: <key>"
            refusal = problem_response(ProblemKind.KEY_REQUIRED, detail, {"WWW-Authenticate": "Bearer"})
        elif wait_s := await self._wrong_keys.wait_s(client_address(scope)):
            detail = f"too many wrong keys within a minute: wait {wait_s} s, then send the right one"
            refusal = problem_response(ProblemKind.TOO_MANY_KEYS, detail, {"Retry-After": str(wait_s)})
        elif not hmac.compare_digest(_digest(given), self._digest):
            await self._count_wrong_key(client_address(scope), given)
            detail = "this is not the API key: look at API_KEY where the service was started"
            headers = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
            refusal = problem_response(ProblemKind.KEY_WRONG, detail, headers)
        else:
            await self._app(scope, receive, send)
            return
        await refusal(scope, receive, send)

    async def _count_wrong_key(self, who: str, given: str) -> None:
        if not await self._tries_of_one_key.count(f"{who} {_digest(given).hex()}"):
            await self._wrong_keys.count(who)


class LoopbackAccess:
    """Middleware that lets nobody in who calls this machine by another name, or from a web page of others."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        if not is_loopback(_PORT.sub("", headers.get("host", ""))):
            detail = "without an API_KEY the API answers to 127.0.0.1 and localhost only: use one of these names"
            refusal = problem_response(ProblemKind.HOST_UNKNOWN, detail)
        elif origin is not None and scope["method"] not in _SAFE_METHODS and not _is_local_origin(origin):
            detail = "a web page of another site may change nothing here"
            refusal = problem_response(ProblemKind.FOREIGN_ORIGIN, detail)
        else:
            await self._app(scope, receive, send)
            return
        await refusal(scope, receive, send)


def is_loopback(host: str) -> bool:
    """Whether a name or address, without a port, is this machine's own and nobody else's."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.removeprefix("[").removesuffix("]")).is_loopback
    except ValueError:
        return False


def _is_local_origin(origin: str) -> bool:
    try:
        return is_loopback(urlsplit(origin).hostname or "")
    except ValueError:
        return False


def _given_key(headers: Headers) -> str | None:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    return headers.get("x-api-key") or None


def _digest(key: str) -> bytes:
    """Of equal length for every key, so that a comparison tells nothing of it."""
    return hashlib.sha256(key.encode("latin-1")).digest()
