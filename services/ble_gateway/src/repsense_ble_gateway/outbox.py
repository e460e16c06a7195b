"""What waits for the broker: messages in order, and the latest state of every retained topic."""

import asyncio
import logging
from collections import deque
from dataclasses import dataclass, field
from itertools import count

__all__ = ["Outbox", "Outgoing"]

_LOGGER = logging.getLogger(__name__)

_CAPACITY = 20_000
"""Messages: some 20 MB, an hour of one sensor at 50 Hz."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message on its way."""

    topic: str
    payload: bytes
    retain: bool = False


@dataclass(slots=True)
class Outbox:
    """Holds messages until the broker has acknowledged them.

    A message that must be retained is a state: only the latest of each topic counts, it goes first, and every new
    connection sends it again. The others go out in order; when there are too many the oldest are dropped.

    Attributes:
        capacity: How many messages wait at most.
        n_dropped: Messages that had to make room.
    """

    capacity: int = _CAPACITY
    n_dropped: int = 0
    _states: dict[str, Outgoing] = field(default_factory=dict)
    _stale: dict[str, None] = field(default_factory=dict)
    """Topics whose state the broker does not know yet, oldest change first."""
    _queue: deque[Outgoing] = field(default_factory=deque)
    _in_flight: dict[int, Outgoing] = field(default_factory=dict)
    """By ticket, oldest first."""
    _tickets: "count[int]" = field(default_factory=count)
    _dropping: bool = False
    _filled: asyncio.Event = field(default_factory=asyncio.Event)
    _emptied: asyncio.Event = field(default_factory=asyncio.Event)

    def __len__(self) -> int:
        return len(self._stale) + len(self._queue) + len(self._in_flight)

    def put(self, message: Outgoing) -> None:
        """Add a message; never waits."""
        if message.retain:
            self._states[message.topic] = message
            self._stale.pop(message.topic, None)
            self._stale[message.topic] = None
        else:
            self._queue.append(message)
            self._make_room()
        self._filled.set()
        self._emptied.clear()

    async def take(self) -> tuple[int, Outgoing]:
        """Wait for the next message to send.

        Returns:
            A ticket for `sent`, and the message.
        """
        while not (self._stale or self._queue):
            self._filled.clear()
            await self._filled.wait()
        if self._stale:
            topic = next(iter(self._stale))
            del self._stale[topic]
            message = self._states[topic]
        else:
            message = self._queue.popleft()
        ticket = next(self._tickets)
        self._in_flight[ticket] = message
        return ticket, message

    def sent(self, ticket: int) -> None:
        """The broker has acknowledged a message."""
        del self._in_flight[ticket]
        self._dropping = False
        if not len(self):
            self._emptied.set()

    def connection_lost(self) -> None:
        """Whatever was not acknowledged must be sent again, and all states."""
        self._queue.extendleft(message for message in reversed(self._in_flight.values()) if not message.retain)
        self._in_flight.clear()
        self._make_room()
        self._stale.update(dict.fromkeys(self._states))
        if len(self):
            self._filled.set()

    async def emptied(self) -> None:
        """Wait until the broker has everything."""
        while len(self):
            self._emptied.clear()
            await self._emptied.wait()

    def _make_room(self) -> None:
        while len(self._queue) > self.capacity:
            self._queue.popleft()
            self.n_dropped += 1
            if not self._dropping:
                self._dropping = True
                _LOGGER.warning("%d messages wait for the broker: the oldest are dropped from now on", self.capacity)
