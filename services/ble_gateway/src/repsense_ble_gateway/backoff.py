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
    _n_failures: int = 0

    @property
    def is_first(self) -> bool:
        """Whether nothing has failed since the last success."""
        return self._n_failures == 0

    def reset(self) -> None:
        """An attempt succeeded."""
        self._n_failures = 0

    async def wait(self, stopping: asyncio.Event | None = None) -> None:
        """An attempt failed: pause, or return at once when `stopping` is set."""
        pause_s = min(self.most_s, self.first_s * 2**self._n_failures) * random.uniform(0.75, 1.0)  # noqa: S311
        self._n_failures += 1
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause_s):
                await (stopping or asyncio.Event()).wait()
