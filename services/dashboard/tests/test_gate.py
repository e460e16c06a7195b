"""What is served to whom: the gates before a small application in the place of Streamlit."""

import asyncio
from collections.abc import Mapping
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from repsense_dashboard.access import Access
from repsense_dashboard.gate import gates, is_loopback, login_routes

_PASSWORD = "barbell-rack"  # noqa: S105 - of a test
_BROWSER = {"accept": "text/html,application/xhtml+xml"}


async def _page(_request: Request) -> Response:
    return PlainTextResponse("inside")


async def _stream(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text("inside")
    await websocket.close()


class _Client:
    """A browser that keeps its cookies and follows no redirect."""

    def __init__(self, access: Access | None, url: str) -> None:
        self._url = httpx.URL(url)
        self._cookies = httpx.Cookies()
        routes = [
            *(login_routes(access) if access else []),
            WebSocketRoute("/_stcore/stream", _stream),
            Route("/{path:path}", _page, methods=["GET", "POST"]),
        ]
        self._app = Starlette(routes=routes, middleware=gates(access))

    def get(self, path: str, **options: Any) -> httpx.Response:  # noqa: ANN401 - those of httpx
        return self._request("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:  # noqa: ANN401 - those of httpx
        return self._request("POST", path, **options)

    def _request(self, method: str, path: str, **options: Any) -> httpx.Response:  # noqa: ANN401 - those of httpx
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self._app)
            async with httpx.AsyncClient(transport=transport, base_url=self._url, cookies=self._cookies) as client:
                answer = await client.request(method, path, **options)
                self._cookies = client.cookies
                return answer

        return asyncio.run(ask())

    def reads_stream(self, headers: Mapping[str, str] | None = None) -> bool:
        """Open the live connection and tell whether anything comes over it."""
        cookie = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        sent = {"host": self._url.netloc.decode(), "cookie": cookie} | dict(headers or {})
        scope = {
            "type": "websocket",
            "path": "/_stcore/stream",
            "query_string": b"",
            "headers": [(name.encode(), value.encode()) for name, value in sent.items()],
        }
        said: list[Any] = []

        async def receive() -> dict[str, str]:
            return {"type": "websocket.connect"}

        async def send(message: Any) -> None:  # noqa: ANN401 - a message of ASGI
            said.append(message)

        asyncio.run(self._app(scope, receive, send))
        assert said[-1]["type"] == "websocket.close"
        return {"type": "websocket.send", "text": "inside"} in said


@pytest.fixture
def protected() -> _Client:
    return _Client(Access(_PASSWORD), "http://gym.example")


@pytest.fixture
def local() -> _Client:
    return _Client(None, "http://127.0.0.1:8501")


def _log_in(client: _Client, wanted: str = "/") -> httpx.Response:
    return client.post("/login", params={"next": wanted}, data={"password": _PASSWORD})


def test_without_the_password_nothing_is_served(protected: _Client) -> None:
    for path in ("/", "/train", "/_stcore/host-config", "/media/recording.csv", "/static/js/index.js", "/login/"):
        answer = protected.get(path)
        assert answer.status_code == 401
        assert "inside" not in answer.text
    assert protected.post("/_stcore/upload_file").status_code == 401
    assert not protected.reads_stream()


def test_a_browser_is_led_to_the_login_and_back_to_where_it_wanted(protected: _Client) -> None:
    answer = protected.get("/data?label=push-up&who=a%26b", headers=_BROWSER)
    assert answer.status_code == 303
    login = answer.headers["location"]
    page = protected.get(login)
    assert page.status_code == 200
    assert "Password of this dashboard" in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    answer = protected.post(login, data={"password": _PASSWORD})
    assert (answer.status_code, answer.headers["location"]) == (303, "/data?label=push-up&who=a%26b")


def test_with_the_password_everything_is_served(protected: _Client) -> None:
    cookie = _log_in(protected).headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Secure" not in cookie
    assert protected.get("/train").text == "inside"
    assert protected.post("/_stcore/upload_file").text == "inside"
    assert protected.reads_stream()


def test_over_tls_the_proof_never_travels_without() -> None:
    assert "Secure" in _log_in(_Client(Access(_PASSWORD), "https://gym.example")).headers["set-cookie"]


def test_a_wrong_password_is_said_and_slows_down(protected: _Client) -> None:
    answer = protected.post("/login", data={"password": "guess"})
    assert answer.status_code == 401
    assert "That is not the password." in answer.text
    assert 'role="alert"' in answer.text
    answer = protected.post("/login", data={"password": _PASSWORD})
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "1"
    assert "Try again in 1 second." in answer.text
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("body", [b"", b"password", b"word=barbell-rack", b"\xff\xfe", b"password=" + b"x" * 5000])
def test_whatever_is_sent_in_place_of_a_password_is_refused_in_words(protected: _Client, body: bytes) -> None:
    answer = protected.post("/login", content=body)
    assert answer.status_code in (401, 413)
    assert 'role="alert"' in answer.text


@pytest.mark.parametrize(
    "wanted", ["//evil.example", "/\\evil.example", "https://evil.example", "/\t/evil.example", ""]
)
def test_the_login_leads_to_no_other_site(protected: _Client, wanted: str) -> None:
    assert _log_in(protected, wanted=wanted).headers["location"] == "/"


def test_what_is_wanted_is_no_markup_on_the_login_page(protected: _Client) -> None:
    page = protected.get("/login", params={"next": '/"><script>alert(1)</script>'})
    assert "<script" not in page.text


def test_whoever_logs_out_is_outside(protected: _Client) -> None:
    _log_in(protected)
    assert protected.get("/logout").headers["location"] == "/login"
    assert protected.get("/").status_code == 401


def test_whether_it_runs_is_told_to_everybody(protected: _Client) -> None:
    assert protected.get("/_stcore/health").status_code == 200


@pytest.mark.parametrize("url", ["http://127.0.0.1:8501", "http://localhost:8501", "http://[::1]:8501"])
def test_without_a_password_this_machine_is_served(url: str) -> None:
    client = _Client(None, url)
    assert client.get("/").text == "inside"
    assert client.reads_stream({"origin": url})
    assert client.get("/login").text == "inside"


@pytest.mark.parametrize(
    "host", ["evil.example:8501", "192.168.1.7", "127.0.0.1.evil.example", "localhost.evil.example", "["]
)
def test_without_a_password_no_other_name_is_answered(local: _Client, host: str) -> None:
    answer = local.get("/", headers={"host": host})
    assert answer.status_code == 421
    assert "DASHBOARD_PASSWORD" in answer.text
    assert not local.reads_stream({"host": host})


def test_a_foreign_page_can_do_nothing(local: _Client, protected: _Client) -> None:
    _log_in(protected)
    for client in (local, protected):
        assert not client.reads_stream({"origin": "https://evil.example"})
        assert not client.reads_stream({"origin": "null"})
        assert client.post("/_stcore/upload_file", headers={"origin": "https://evil.example"}).status_code == 403
        assert client.get("/", headers={"origin": "https://evil.example"}).text == "inside"
    assert protected.reads_stream({"origin": "https://gym.example"})


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("[::1]", True),
        ("Localhost", True),
        ("0.0.0.0", False),  # noqa: S104 - nothing is bound
        ("::", False),
        ("10.0.0.2", False),
        ("gym", False),
        ("", False),
    ],
)
def test_loopback(host: str, local: bool) -> None:  # noqa: FBT001
    assert is_loopback(host) is local


def test_every_answer_says_what_a_page_may_do(protected: _Client, local: _Client) -> None:
    refused, served = protected.get("/train"), local.get("/train")
    assert (refused.status_code, served.status_code) == (401, 200)
    for answer in (refused, served):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'; script-src 'self' blob: 'sha256-" in policy
        assert "frame-ancestors 'none'" in policy
        assert "http" not in policy
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert "microphone=()" in answer.headers["permissions-policy"]
        assert answer.headers["cache-control"] == "no-store"
        assert "strict-transport-security" not in answer.headers
    assert "cache-control" not in local.get("/static/js/index.js").headers
    # The login page is stricter.
    assert "default-src 'none'; style-src" in protected.get("/login").headers["content-security-policy"]


def test_only_over_tls_a_browser_is_told_to_insist_on_it() -> None:
    answer = _Client(Access(_PASSWORD), "https://gym.example").get("/login")
    assert answer.headers["strict-transport-security"] == "max-age=31536000"
