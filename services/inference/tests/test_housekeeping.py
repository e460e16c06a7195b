"""What goes by itself after a while."""

import asyncio
import contextlib

import pytest

from repsense.timestamps import MICROSECONDS, now_us
from repsense_inference.errors import DatabaseUnavailableError
from repsense_inference.housekeeping import ERASURES_KEPT_S, TRASH_S, keep_house


class _Kept:
    """Notes until when things were deleted; fails at first."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.before_us: list[int] = []

    def purge(self, before_us: int) -> int:
        if self.failures:
            raise self.failures.pop()
        self.before_us.append(before_us)
        return 1


async def _until_deleted(recordings: _Kept, erasures: _Kept) -> None:
    task = asyncio.create_task(keep_house(recordings, erasures, interval_s=0))
    while len(erasures.before_us) < 2:
        assert not task.done()
        await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("failure", [DatabaseUnavailableError("away"), KeyError("deleted_us")])
def test_trash_and_erasures_go_in_their_time_also_after_something_failed(failure: Exception) -> None:
    recordings, erasures = _Kept(failure, failure), _Kept()
    began_us = now_us()
    asyncio.run(_until_deleted(recordings, erasures))
    for kept, kept_s in ((recordings, TRASH_S), (erasures, ERASURES_KEPT_S)):
        assert all(began_us <= us + kept_s * MICROSECONDS <= now_us() for us in kept.before_us)
