"""Waiting for a sensor, but not for ever."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

__all__ = ["patience"]


@asynccontextmanager
async def patience(timeout_s: float, words: str) -> AsyncIterator[None]:
    """Bound what is done inside.

    Args:
        timeout_s: How long it may take.
        words: What to say if it takes longer.

    Raises:
        TimeoutError: With these words.
    """
    try:
        async with asyncio.timeout(timeout_s):
            yield
    except TimeoutError as error:
        # What was done inside may have found better words.
        raise TimeoutError(*error.args or (words,)) from error
