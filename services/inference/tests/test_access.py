"""Who gets in: with the key, and without one on this machine alone."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from repsense_inference.access import KeyAccess, LoopbackAccess, is_loopback

_KEY = "a key of sixteen or more"


class _Inside:
    """What is behind the door; it reads the body, and knows how often somebody came in."""

    def __init__(self) -> None:
        self.n_visits = 0

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        self.n_visits += 1
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})


def _ask(app: ASGIApp, method: str, url: str, **arguments: Any) -> httpx.Response:  # noqa: ANN401 - as httpx takes them
    async def send() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client:
            return await client.request(method, url, **arguments)

    return asyncio.run(send())


def _assert_refused(response: httpx.Response, status: int, kind: str) -> None:
    assert response.headers["content-type"] == "application/problem+json"
    assert (response.status_code, response.json()["type"]) == (status, f"urn:repsense:{kind}")


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": f"Bearer {_KEY}"},
        {"Authorization": f"bearer  {_KEY} "},
        {"X-API-Key": _KEY},
        {"Authorization": "Basic YTpi", "X-API-Key": _KEY},
    ],
)
def test_the_key_opens_in_either_header(headers: dict[str, str]) -> None:
    inside = _Inside()

    assert _ask(KeyAccess(inside, _KEY), "GET", "http://pi.local/v1/sensors", headers=headers).status_code == 204
    assert inside.n_visits == 1


@pytest.mark.parametrize("path", ["/v1/sensors", "/metrics", "/nowhere", "/healthz/", "/docs/x", "//healthz"])
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer "}, {"Authorization": f"Basic {_KEY}"}])
def test_without_a_key_nothing_is_told(path: str, headers: dict[str, str]) -> None:
    inside = _Inside()

    response = _ask(KeyAccess(inside, _KEY), "GET", f"http://pi.local{path}", headers=headers)

    _assert_refused(response, 401, "key-required")
    assert response.headers["www-authenticate"] == "Bearer"
    assert inside.n_visits == 0


@pytest.mark.parametrize("key", [_KEY[:-1], f"{_KEY}x", _KEY.upper(), "ö" * 20])
def test_another_key_is_refused(key: str) -> None:
    inside = _Inside()

    response = _ask(
        KeyAccess(inside, _KEY), "GET", "http://pi.local/v1/sensors", headers=[(b"x-api-key", key.encode())]
    )

    _assert_refused(response, 401, "key-wrong")
    assert _KEY not in response.text
    assert inside.n_visits == 0


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/docs", "/openapi.json"])
def test_whether_it_is_well_and_how_it_is_used_is_told_without_a_key(path: str) -> None:
    assert _ask(KeyAccess(_Inside(), _KEY), "GET", f"http://pi.local{path}").status_code == 204


def test_a_body_is_not_read_before_the_key_is_seen() -> None:
    n_read = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal n_read
        for _ in range(10):
            n_read += 1
            yield b"x"

    _assert_refused(_ask(KeyAccess(_Inside(), _KEY), "POST", "http://pi.local/", content=body()), 401, "key-required")
    assert n_read == 0


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8000", "http://localhost", "http://LOCALHOST:80", "http://[::1]:8000"]
)
def test_names_of_this_machine_are_answered(url: str) -> None:
    assert _ask(LoopbackAccess(_Inside()), "GET", url).status_code == 204


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "192.168.1.7:8000", "localhost.evil", "", "::"],
)
def test_a_name_that_others_have_made_lead_here_is_not_answered(host: str) -> None:
    inside = _Inside()

    _assert_refused(
        _ask(LoopbackAccess(inside), "GET", "http://127.0.0.1/", headers={"Host": host}), 421, "host-unknown"
    )
    assert inside.n_visits == 0


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://localhost.evil.example", "http://[", "file://"]
)
@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE", "PUT"])
def test_a_page_of_others_changes_nothing(origin: str, method: str) -> None:
    inside = _Inside()

    response = _ask(LoopbackAccess(inside), method, "http://127.0.0.1/v1/x", headers={"Origin": origin})

    _assert_refused(response, 403, "foreign-origin")
    assert inside.n_visits == 0


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("POST", {}),
        ("POST", {"Origin": "http://127.0.0.1:8000"}),
        ("POST", {"Origin": "http://localhost:8501"}),
        ("GET", {"Origin": "https://evil.example"}),
    ],
)
def test_programs_and_own_pages_may_change_things_and_others_may_ask(method: str, headers: dict[str, str]) -> None:
    assert _ask(LoopbackAccess(_Inside()), method, "http://127.0.0.1/v1/x", headers=headers).status_code == 204


@pytest.mark.parametrize(
    ("host", "answer"),
    [
        ("127.0.0.1", True),
        ("127.5.5.5", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),  # noqa: S104 - nothing listens
        ("::", False),
        ("192.168.1.7", False),
        ("pi.local", False),
        ("", False),
    ],
)
def test_which_hosts_are_this_machine_alone(host: str, answer: bool) -> None:  # noqa: FBT001 - a parameter
    assert is_loopback(host) == answer
