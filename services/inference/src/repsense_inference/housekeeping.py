"""What is deleted for good after a while, without anybody asking."""

import asyncio
import logging
from typing import Protocol

from repsense.timestamps import MICROSECONDS, now_us
from repsense_inference.errors import DatabaseUnavailableError

__all__ = ["ERASURES_KEPT_S", "TRASH_S", "keep_house"]

_LOGGER = logging.getLogger(__name__)

TRASH_S = 7 * 24 * 3600
"""How long a recording that was thrown away can be had back."""
ERASURES_KEPT_S = 30 * 24 * 3600
"""Longer than a preprocessor may have been away that still has to be through with a deleted workout."""
_INTERVAL_S = 600.0


class _Trash(Protocol):
    def purge(self, before_us: int) -> object: ...


class _Erasures(Protocol):
    def purge(self, before_us: int) -> int: ...


async def keep_house(recordings: _Trash, erasures: _Erasures, interval_s: float = _INTERVAL_S) -> None:
    """Until cancelled, delete what has been in the trash for long, and forget what was erased long ago."""
    while True:
        await asyncio.sleep(interval_s)
        try:
            await asyncio.to_thread(recordings.purge, now_us() - TRASH_S * MICROSECONDS)
            n_forgotten = await asyncio.to_thread(erasures.purge, now_us() - ERASURES_KEPT_S * MICROSECONDS)
        except DatabaseUnavailableError as error:
            _LOGGER.debug("nothing was tidied up: %s", error)
            continue
        except Exception:
            # A mistake of ours. Nobody waits for this task, and the next time it may do.
            _LOGGER.exception("nothing was tidied up")
            continue
        if n_forgotten:
            _LOGGER.info("forgot %d workouts that were deleted long ago", n_forgotten)
