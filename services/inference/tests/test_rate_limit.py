"""How much one client may ask, and which key it may try how often."""

import asyncio
import time
from typing import Self

import httpx
import pytest
from services.inference.tests.fakes_world import World, assert_problem

from repsense_inference.app import Limits
from repsense_inference.rate_limit import PerMinute, client_address

_KEY = "sixteen-or-more!"


@pytest.fixture(autouse=True)
def _clock_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    # What counts is a sliding mean of this minute and the one before: over the end of one, a test would be off by one.
    monkeypatch.setattr(time, "time", lambda: 1_772_384_430.0)


class _Clients:
    """Several clients of one service, each with an address; one event loop, as the service has."""

    def __init__(self, world: World) -> None:
        self._app = world.app()
        self._runner = asyncio.Runner()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.close()

    def get(self, path: str, address: str = "192.168.1.7", key: str | None = None) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self._app, client=(address, 40_000))
            async with httpx.AsyncClient(transport=transport, base_url="http://pi.local") as client:
                return await client.get(path, headers={"X-API-Key": key} if key else None)

        return self._runner.run(send())


def _assert_told_to_wait(response: httpx.Response, kind: str) -> None:
    problem = assert_problem(response, 429, kind)
    wait_s = int(response.headers["retry-after"])
    assert 1 <= wait_s <= 60
    assert f"wait {wait_s} s" in problem["detail"]


def test_who_asks_too_often_is_told_to_wait_and_others_are_answered() -> None:
    with _Clients(World(limits=Limits(requests=3))) as clients:
        answers = [clients.get("/v1/sensors") for _ in range(5)]

        assert [one.status_code for one in answers] == [200, 200, 200, 429, 429]
        _assert_told_to_wait(answers[-1], "too-many-requests")
        assert clients.get("/v1/sensors", "192.168.1.8").status_code == 200


@pytest.mark.parametrize("path", ["/v1/history/export", "/openapi.json"])
def test_what_takes_long_has_a_limit_of_its_own(path: str) -> None:
    with _Clients(World(limits=Limits(requests=100, heavy_requests=2))) as clients:
        answers = [clients.get(path) for _ in range(3)]

        assert [one.status_code for one in answers] == [200, 200, 429]
        _assert_told_to_wait(answers[-1], "too-many-requests")
        assert clients.get("/v1/sensors").status_code == 200


def test_without_limits_everything_is_answered() -> None:
    with _Clients(World()) as clients:
        assert {clients.get("/v1/history/export").status_code for _ in range(150)} == {200}


def test_who_tries_keys_is_soon_not_listened_to_not_even_with_the_right_one() -> None:
    with _Clients(World(key=_KEY, limits=Limits(wrong_keys=3))) as clients:
        for number in range(3):
            assert_problem(clients.get("/v1/sensors", key=f"guess-number-{number}"), 401, "key-wrong")

        _assert_told_to_wait(clients.get("/v1/sensors", key="guess-number-3"), "too-many-keys")
        _assert_told_to_wait(clients.get("/v1/sensors", key=_KEY), "too-many-keys")
        assert clients.get("/v1/sensors", "192.168.1.8", key=_KEY).status_code == 200
        assert clients.get("/healthz").status_code == 200


def test_a_client_that_was_given_a_wrong_key_is_told_so_each_time_and_keeps_nobody_out() -> None:
    with _Clients(World(key=_KEY, limits=Limits(wrong_keys=3))) as clients:
        for _ in range(20):
            assert_problem(clients.get("/v1/sensors", key="the-one-of-last-year"), 401, "key-wrong")

        assert clients.get("/v1/sensors", key=_KEY).status_code == 200


def test_a_limit_is_one_of_the_last_minute() -> None:
    async def count() -> tuple[int, int, int]:
        twice = PerMinute(2)
        await twice.count("a")
        before = await twice.wait_s("a")
        await twice.count("a")
        return before, await twice.wait_s("a"), await twice.count("b")

    before, after, of_another = asyncio.run(count())

    assert (before, of_another) == (0, 0)
    assert 1 <= after <= 60


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.168.1.7", "192.168.1.8", False),
        ("192.168.1.7", "::ffff:192.168.1.7", True),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("a-socket", "a-socket", True),
    ],
)
def test_a_client_is_an_address_or_a_site_of_ipv6(one: str, other: str, same: bool) -> None:  # noqa: FBT001 - a parameter
    first, second = (client_address({"client": (host, 1)}) for host in (one, other))

    assert (first == second) is same


def test_a_client_without_an_address_is_one_too() -> None:
    assert client_address({"client": None}) == ""
