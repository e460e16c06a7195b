"""Sending made-up notifications at the moments when a radio would deliver them."""

import asyncio
from dataclasses import dataclass
from typing import Self

from repsense.timestamps import MICROSECONDS, now_us

__all__ = ["Pace"]


@dataclass(frozen=True, slots=True)
class Pace:
    """Maps a source's own time to the host's.

    Attributes:
        speed: Seconds of the source per second of the host.
        began_us: What the host's clock would have shown at the source's time 0, microseconds since 1970.
        _began_s: The event loop's time at that moment.
    """

    speed: float
    began_us: int
    _began_s: float

    @classmethod
    def start(cls, *, speed: float = 1.0, duration_s: float = 0.0) -> Self:
        """Begin now.

        Args:
            speed: Seconds of the source per second of the host.
            duration_s: How long the source will last, in its own time. One that runs faster than the clock must
                begin in the past so as not to end in the future.
        """
        head_start_s = max(0.0, duration_s - duration_s / speed)
        return cls(speed, now_us() - round(head_start_s * MICROSECONDS), asyncio.get_running_loop().time())

    async def wait_until(self, time_s: float) -> int:
        """Sleep until the source's time; return what a host's clock shows then, microseconds since 1970."""
        due_s = self._began_s + time_s / self.speed
        # sleep(0) keeps other sensors going where this one is behind.
        await asyncio.sleep(max(0.0, due_s - asyncio.get_running_loop().time()))
        return self.began_us + round(time_s * MICROSECONDS)
