import asyncio
import random

import pytest

from repsense_ble_gateway.backoff import Backoff

_N_FAILURES = 5_000
"""Of a broker that is away for a night."""


@pytest.fixture
def pauses_s(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What was waited, without waiting."""
    asked: list[float] = []

    def timeout(pause_s: float) -> asyncio.Timeout:
        asked.append(pause_s)
        return asyncio.Timeout(0)

    monkeypatch.setattr(asyncio, "timeout", timeout)
    monkeypatch.setattr(random, "uniform", lambda _, most: most)
    return asked


def test_pauses_double_up_to_the_longest_however_long_nothing_succeeds(pauses_s: list[float]) -> None:
    async def fail() -> None:
        backoff = Backoff(0.5, 5.0)
        for _ in range(_N_FAILURES):
            await backoff.wait()
        backoff.reset()
        await backoff.wait()

    asyncio.run(fail())
    assert pauses_s[:4] == [0.5, 1.0, 2.0, 4.0]
    assert set(pauses_s[4:_N_FAILURES]) == {5.0}
    assert pauses_s[_N_FAILURES:] == [0.5]


def test_a_pause_ends_at_once_when_it_is_time_to_stop() -> None:
    async def stop() -> None:
        stopping = asyncio.Event()
        stopping.set()
        async with asyncio.timeout(30.0):
            await Backoff(3600.0, 3600.0).wait(stopping)

    asyncio.run(stop())
