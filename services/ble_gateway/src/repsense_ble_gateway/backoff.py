"""Waiting longer and longer between attempts."""

import asyncio
import contextlib
import random
from dataclasses import dataclass

__all__ = ["Backoff"]


@dataclass(slots=True)
class Backoff:
    """The pauses between attempts: doubling, capped, with jitter so that many clients do not return at once.

    Attributes:
        first_s: Pause after the first failure.
        most_s: No pause is longer.
    """

    first_s: float = 0.5
    most_s: float = 5.0
    _next_s: float | None = None

    def reset(self) -> None:
        """An attempt succeeded."""
        self._next_s = None

    async def wait(self, stopping: asyncio.Event | None = None) -> None:
        """An attempt failed: pause, or return at once when `stopping` is set."""
        pause_s = self.first_s if self._next_s is None else self._next_s
        self._next_s = min(self.most_s, 2 * pause_s)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause_s * random.uniform(0.75, 1.0)):  # noqa: S311
                await (stopping or asyncio.Event()).wait()
