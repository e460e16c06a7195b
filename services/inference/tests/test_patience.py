"""Clients that are slow, or stay: the service waits for them, but not for ever."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any

import httpx
import pytest
import uvicorn
from services.inference.tests.fakes_world import World, assert_problem
from starlette.types import Message

from repsense_inference import body_limit, punctuality
from repsense_inference.app import Limits
from repsense_inference.live import LiveHub
from repsense_inference.punctuality import PunctualProtocol

_PATIENCE_S = 20
_SHORT_S = 0.2
_MUCH = "/docs/assets/swagger-ui-bundle.js"
_MUCH_BYTES = 1_000_000
"""It has some more."""


@asynccontextmanager
async def _server(world: World) -> AsyncIterator[tuple[uvicorn.Server, int]]:
    """The app behind the real server; yields that and its port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(world.app(), http=PunctualProtocol, log_config=None, lifespan="off")
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server._serve(sockets=[listening]))
        yield server, int(listening.getsockname()[1])
        server.should_exit = True
        await serving


@asynccontextmanager
async def _service(world: World) -> AsyncIterator[int]:
    """The app behind the real server; yields the port."""
    async with _server(world) as (_, port):
        yield port


def _run(test: Coroutine[Any, Any, None]) -> None:
    async def with_patience() -> None:
        async with asyncio.timeout(_PATIENCE_S):
            await test

    asyncio.run(with_patience())


@contextmanager
def _asking_for_much(port: int, n_times: int) -> Iterator[socket.socket]:
    """A client that can hold little of what comes, and has sent requests for more than the system can hold for it."""
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        client.connect(("127.0.0.1", port))
        client.settimeout(0)
        request = f"GET {_MUCH} HTTP/1.1\r\nHost: pi.local\r\n".encode()
        client.sendall((request + b"\r\n") * (n_times - 1) + request + b"Connection: close\r\n\r\n")
        yield client


async def _read_all(client: socket.socket) -> int:
    n_bytes = 0
    while taken := await asyncio.get_running_loop().sock_recv(client, 1_000_000):
        n_bytes += len(taken)
    return n_bytes


@pytest.mark.parametrize("sent", [b"", b"GET /healthz HTTP/1.1\r\nX-Slow: "])
def test_who_does_not_finish_a_request_is_left(sent: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(punctuality, "REQUEST_TIMEOUT_S", _SHORT_S)

    async def test() -> None:
        async with _service(World()) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(sent)
            assert await reader.read() == b""
            writer.close()

    _run(test())


@pytest.mark.parametrize(
    ("first", "status", "then"),
    [
        pytest.param(b"GET /healthz HTTP/1.1\r\n", 200, b"GET /healthz HTT", id="a second request"),
        pytest.param(
            b"POST /v1/classify HTTP/1.1\r\nContent-Length: 99\r\n", 401, b"{", id="a body that was refused already"
        ),
    ],
)
def test_so_is_who_has_been_answered_and_does_not_finish_what_comes_then(
    monkeypatch: pytest.MonkeyPatch, first: bytes, status: int, then: bytes
) -> None:
    monkeypatch.setattr(punctuality, "REQUEST_TIMEOUT_S", _SHORT_S)

    async def test() -> None:
        async with _service(World(key="a key that is long enough")) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(first + b"Host: pi.local\r\n\r\n")
            assert (await reader.readuntil(b"}")).startswith(f"HTTP/1.1 {status} ".encode())
            writer.write(then)
            assert await reader.read() == b""
            writer.close()

    _run(test())


def test_so_is_who_takes_nothing_of_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(punctuality, "ANSWER_TIMEOUT_S", _SHORT_S)

    async def test() -> None:
        async with _server(World()) as (server, port):
            with _asking_for_much(port, n_times=20) as client:
                for is_connected in (True, False):
                    while bool(server.server_state.connections) != is_connected:  # noqa: ASYNC110 - nothing says it
                        await asyncio.sleep(_SHORT_S / 10)
                n_read = await _read_all(client)
        assert n_read < 20 * _MUCH_BYTES

    _run(test())


def test_an_answer_may_be_taken_slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    # A second, since the client may be held up, too.
    monkeypatch.setattr(punctuality, "ANSWER_TIMEOUT_S", 1.0)

    async def test() -> None:
        async with _service(World()) as port:
            with _asking_for_much(port, n_times=1) as client:
                for _ in range(30):
                    assert await asyncio.get_running_loop().sock_recv(client, 1_000)
                    await asyncio.sleep(0.1)
                n_read = await _read_all(client)
        assert n_read + 30 * 1_000 > _MUCH_BYTES

    _run(test())


def test_a_request_that_is_there_may_be_answered_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(punctuality, "REQUEST_TIMEOUT_S", _SHORT_S)
    world = World()

    async def test() -> None:
        async with (
            _service(world) as port,
            httpx.AsyncClient() as client,
            client.stream("GET", f"http://127.0.0.1:{port}/v1/live") as stream,
        ):
            lines = stream.aiter_lines()
            assert await anext(lines) == ": listening"
            await asyncio.sleep(2 * _SHORT_S)
            world.hub.close()
            assert [line async for line in lines] == ["retry: 1000", ""]

    _run(test())


def test_a_body_that_comes_too_slowly_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_limit, "GRACE_S", _SHORT_S)
    world = World()

    async def test() -> None:
        async with _service(world) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"POST /v1/classify HTTP/1.1\r\nHost: pi.local\r\nContent-Type: application/json\r\n")
            writer.write(b'Content-Length: 99\r\n\r\n{"sample_rate_hz": ')
            # It ends with the connection.
            answer, _, body = (await reader.read()).partition(b"\r\n\r\n")
            writer.close()
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert json.loads(body)["detail"].startswith("only 19 bytes of the body came in time")

    _run(test())


def test_who_listens_while_nothing_comes_is_not_taken_for_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_limit, "GRACE_S", 0.0)
    seen: list[Message] = []

    async def app(_scope: object, receive: Any, _send: object) -> None:  # noqa: ANN401 - of ASGI
        seen.append(await receive())
        seen.append(await receive())

    async def test() -> None:
        messages: asyncio.Queue[Message] = asyncio.Queue()
        messages.put_nowait({"type": "http.request", "body": b"", "more_body": False})
        guarded = body_limit.BodyLimit(app, max_bytes=10)
        scope = {"type": "http", "path": "/v1/live", "headers": []}
        listening = asyncio.create_task(guarded(scope, messages.get, messages.put))
        await asyncio.sleep(_SHORT_S)
        messages.put_nowait({"type": "http.disconnect"})
        await listening

    _run(test())
    assert [one["type"] for one in seen] == ["http.request", "http.disconnect"]


def test_there_are_only_so_many_live_streams_at_once() -> None:
    world = World()
    world.hub = LiveHub(world.metrics, max_listeners=1)

    with world.hub.listen(None):
        problem = assert_problem(world.get("/v1/live"), 503, "too-many-streams")

    assert "API_LIVE_STREAMS" in problem["detail"]
    world.hub.close()
    assert world.get("/v1/live").status_code == 200


def test_nor_are_there_more_when_many_ask_at_the_same_moment() -> None:
    world = World()
    world.hub = LiveHub(world.metrics, max_listeners=2)

    async def test() -> None:
        async with (
            _service(world) as port,
            httpx.AsyncClient() as client,
            AsyncExitStack() as streams,
        ):
            asked = (client.stream("GET", f"http://127.0.0.1:{port}/v1/live") for _ in range(20))
            answers = await asyncio.gather(*(streams.enter_async_context(one) for one in asked))
            world.hub.close()
        assert sorted(answer.status_code for answer in answers) == [200] * 2 + [503] * 18

    _run(test())


def test_behind_a_proxy_clients_are_told_apart_by_what_it_says_of_them() -> None:
    async def test() -> None:
        async with (
            _service(World(limits=Limits(requests=1))) as port,
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client,
        ):

            async def ask(address: str) -> int:
                return (await client.get("/healthz", headers={"X-Forwarded-For": address})).status_code

            # uvicorn believes a proxy on this machine unless it is told otherwise.
            assert [await ask("203.0.113.7"), await ask("203.0.113.8")] == [200, 200]
            assert [await ask("203.0.113.7"), await ask("203.0.113.8")] == [429, 429]

    _run(test())
