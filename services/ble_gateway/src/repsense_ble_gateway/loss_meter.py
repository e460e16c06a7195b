"""How much of what a sensor sent got lost on the air, over the last minute."""

from collections import deque
from dataclasses import dataclass, field

from repsense.timestamps import MICROSECONDS

__all__ = ["LossMeter"]


@dataclass(slots=True)
class _Second:
    began_us: int
    n_received: int = 0
    n_lost: int = 0


@dataclass(slots=True)
class LossMeter:
    """Counts samples by the second.

    Attributes:
        window_s: How far back it looks.
    """

    window_s: float = 60.0
    _seconds: deque[_Second] = field(default_factory=deque)

    def add(self, now_us: int, n_received: int, n_lost: int) -> None:
        """Take note of samples that came, and of those known to be missing right before them."""
        began_us = now_us - now_us % MICROSECONDS
        if not self._seconds or self._seconds[-1].began_us != began_us:
            self._seconds.append(_Second(began_us))
        self._seconds[-1].n_received += n_received
        self._seconds[-1].n_lost += n_lost
        # Those of the future: the host's clock was put back.
        while not now_us - self.window_s * MICROSECONDS < self._seconds[0].began_us <= now_us:
            self._seconds.popleft()

    @property
    def share(self) -> float | None:
        """Lost samples of all that were sent, 0 to 1; None before the first sample."""
        n_lost = sum(second.n_lost for second in self._seconds)
        n_sent = n_lost + sum(second.n_received for second in self._seconds)
        return n_lost / n_sent if n_sent else None
