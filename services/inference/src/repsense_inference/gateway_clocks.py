"""How far the clocks of gateways are from this machine's, by the times in what they send."""

from dataclasses import dataclass

__all__ = ["GatewayClocks"]

_TOLERANCE_S = 5.0
"""Between how long two messages took."""
_APART_S = 1.0
"""Messages that had to wait come all at once."""


@dataclass(frozen=True, slots=True)
class _Message:
    ahead_s: float
    arrived_s: float


class GatewayClocks:
    """Tells a clock that is wrong from a message that is late.

    A message may have waited in a gateway or at the broker, so a time of the past proves nothing by itself. Two
    messages that came apart from each other and are equally old do. A time of the future cannot come from waiting.
    """

    def __init__(self) -> None:
        self._last: dict[str, _Message] = {}
        self._offsets_s: dict[str, float] = {}

    def hear(self, gateway_id: str, ahead_s: float, arrived_s: float) -> None:
        """Take note of a message.

        Args:
            gateway_id: Who sent it.
            ahead_s: How far the time in it is ahead of the clock here.
            arrived_s: When it came, by a clock that nobody sets.
        """
        before = self._last.get(gateway_id)
        self._last[gateway_id] = _Message(ahead_s, arrived_s)
        is_confirmed = (
            before is not None
            and arrived_s - before.arrived_s > _APART_S
            and abs(ahead_s - before.ahead_s) < _TOLERANCE_S
        )
        if ahead_s > 0 or is_confirmed:
            self._offsets_s[gateway_id] = ahead_s
        else:
            self._offsets_s.pop(gateway_id, None)

    def forget(self) -> None:
        """Begin anew: what is heard next may have waited."""
        self._last.clear()
        self._offsets_s.clear()

    def offsets_s(self) -> dict[str, float]:
        """How far each clock that is known is ahead; negative behind."""
        return dict(self._offsets_s)
