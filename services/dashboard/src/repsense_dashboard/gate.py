"""What stands between the network and Streamlit: nothing of the dashboard is served to whoever may not see it.

With a password, that is everybody who has not given it. Without one, the dashboard listens on this machine only, and
answers to its names only: a page of the internet that has its own name lead here gets nothing. In both cases a page of
another origin can neither open the dashboard's live connection nor send anything.
"""

import ipaddress
import re
from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import parse_qs, quote

from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from repsense_dashboard.access import SESSION_S, Access
from repsense_dashboard.login_page import LOGIN_POLICY, login_page
from repsense_dashboard.response_headers import ResponseHeaders
from repsense_dashboard.wording import counted

__all__ = ["LOGOUT_PATH", "OriginGate", "PasswordGate", "gates", "is_loopback", "login_routes"]

LOGIN_PATH = "/login"
LOGOUT_PATH = "/logout"

_COOKIE = "repsense_access"

# The process tells that it is up to whoever asks; the login page has the type face of the others.
_OPEN_PATHS = frozenset({LOGIN_PATH, LOGOUT_PATH, "/_stcore/health"})
_OPEN_FOLDERS = ("/static/media/",)

_LONGEST_FORM = 4096
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_PORT = re.compile(r":\d{0,5}$", re.ASCII)


def is_loopback(host: str) -> bool:
    """Tell whether a host is a name or an address of this very machine."""
    try:
        return ipaddress.ip_address(host.removeprefix("[").removesuffix("]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def gates(access: Access | None) -> list[Middleware]:
    """Return what requests have to pass, the first one first; without `access` only this machine is answered."""
    first = [Middleware(ResponseHeaders), Middleware(OriginGate, only_loopback=access is None)]
    return first if access is None else [*first, Middleware(PasswordGate, access=access)]


class OriginGate:
    """Refuses names that are not this machine's, where nothing else protects it, and what foreign pages want."""

    def __init__(self, app: ASGIApp, *, only_loopback: bool) -> None:
        self._app = app
        self._only_loopback = only_loopback

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass, or answer it."""
        if scope["type"] in ("http", "websocket"):
            headers = Headers(scope=scope)
            host = headers.get("host", "")
            if self._only_loopback and not is_loopback(_PORT.sub("", host)):
                sentence = "Without a DASHBOARD_PASSWORD the dashboard answers to 127.0.0.1 and localhost only."
                await _refuse(scope, receive, send, HTTPStatus.MISDIRECTED_REQUEST, sentence)
                return
            origin = headers.get("origin")
            changing = scope["type"] == "websocket" or scope["method"] not in _SAFE_METHODS
            if changing and origin is not None and origin.partition("://")[2] != host:
                await _refuse(scope, receive, send, HTTPStatus.FORBIDDEN, "Other pages may do nothing here.")
                return
        await self._app(scope, receive, send)


class PasswordGate:
    """Lets those pass who have proved that they know the password, and sends the others to the login page."""

    def __init__(self, app: ASGIApp, *, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass, or answer it."""
        if scope["type"] not in ("http", "websocket") or self._may_pass(HTTPConnection(scope)):
            await self._app(scope, receive, send)
        elif scope["type"] == "http" and "text/html" in Headers(scope=scope).get("accept", ""):
            query = scope["query_string"].decode("latin-1")
            wanted = scope["path"] + (f"?{query}" if query else "")
            await RedirectResponse(f"{LOGIN_PATH}?next={quote(wanted, safe='/')}", HTTPStatus.SEE_OTHER)(
                scope, receive, send
            )
        else:
            await _refuse(scope, receive, send, HTTPStatus.UNAUTHORIZED, "Log in first.")

    def _may_pass(self, connection: HTTPConnection) -> bool:
        path: str = connection.scope["path"]
        if path in _OPEN_PATHS or path.startswith(_OPEN_FOLDERS):
            return True
        return self._access.is_proof(connection.cookies.get(_COOKIE, ""))


async def _refuse(scope: Scope, receive: Receive, send: Send, status: HTTPStatus, sentence: str) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008, "reason": sentence})
    else:
        await PlainTextResponse(sentence, status)(scope, receive, send)


def login_routes(access: Access) -> list[Route]:
    """Return the login page and the way out."""

    async def login(request: Request) -> Response:
        wanted = _own_path(request.query_params.get("next", "/"))
        if request.method != "POST":
            return _page(wanted)
        body = await _short_body(request)
        if body is None:
            return _page(wanted, "That is far too long for a password.", HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        password = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True).get("password", [""])[0]
        attempt = access.attempt(password, request.client.host if request.client else "")
        if attempt.right:
            response = RedirectResponse(wanted, HTTPStatus.SEE_OTHER)
            secure = request.url.scheme == "https"
            response.set_cookie(
                _COOKIE, access.prove(), max_age=SESSION_S, httponly=True, samesite="lax", secure=secure
            )
            return response
        if attempt.looked_at:
            return _page(wanted, "That is not the password.", HTTPStatus.UNAUTHORIZED)
        return _page(
            wanted,
            f"After a wrong password the next try has to wait. Try again in {counted(attempt.wait_s, 'second')}.",
            HTTPStatus.TOO_MANY_REQUESTS,
            {"Retry-After": str(attempt.wait_s)},
        )

    async def logout(_request: Request) -> Response:
        response = RedirectResponse(LOGIN_PATH, HTTPStatus.SEE_OTHER)
        response.delete_cookie(_COOKIE)
        return response

    return [Route(LOGIN_PATH, login, methods=["GET", "POST"]), Route(LOGOUT_PATH, logout, methods=["GET"])]


async def _short_body(request: Request) -> bytes | None:
    """Return what was sent, None if it is more than a form with a password can be."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > _LONGEST_FORM:
            return None
    return body


def _page(
    wanted: str, problem: str = "", status: HTTPStatus = HTTPStatus.OK, headers: Mapping[str, str] | None = None
) -> HTMLResponse:
    action = f"{LOGIN_PATH}?next={quote(wanted, safe='/')}"
    policy = {"Content-Security-Policy": LOGIN_POLICY, "Cache-Control": "no-store", "Referrer-Policy": "same-origin"}
    return HTMLResponse(login_page(action, problem), status, policy | dict(headers or {}))


def _own_path(wanted: str) -> str:
    """Return where to go after the login: never to another site, as which a second slash would be read."""
    own = wanted.startswith("/") and not wanted.startswith(("//", "/\\"))
    return wanted if own and wanted.isprintable() else "/"
