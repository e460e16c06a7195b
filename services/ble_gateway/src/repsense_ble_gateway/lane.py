"""What the outbox knows of one sensor's messages: which to send next, which are on their way, which were lost.

    on disk                        in memory                     on disk
    |  acknowledged, not stored  |  in flight  |  ready  |  behind, not read yet  |
                                               cursor >--+

The way from here through the broker to the preprocessor keeps the order of one sensor's messages. So one that is not
stored, when another that was published after it is, was lost on the way, if what the broker delivers again late has
had its time. When a message was published is told by its turn: a message that was sent once has its own key as its
turn, one that was sent again as lost has the key that would follow the newest one sent by then.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import InitVar, dataclass, field
from typing import NamedTuple

from repsense_ble_gateway.spool import SpooledMessage

__all__ = ["Lane", "LaneRules", "Turn"]


@dataclass(frozen=True, slots=True)
class LaneRules:
    """When messages are taken for lost.

    Attributes:
        window: How many messages of a sensor are in memory; half of it is left when more are read.
        lost_after_s: How long after a later message was stored an earlier one may still turn up: longer than the
            broker takes to deliver again (`ack_wait` in broker/nats.conf) and the preprocessor waits for it
            (`reorder_s`).
        probe_after_s: How long the last message may stay unconfirmed before it is sent again to ask for the rest.
        max_probe_pause_s: The pause doubles up to this.
        max_repeats: How often a message is sent again as lost before it is given up.
        max_unconfirmed_repeats: How many messages that were sent again may be without confirmation at a time.
    """

    window: int = 256
    lost_after_s: float = 10.0
    probe_after_s: float = 15.0
    max_probe_pause_s: float = 600.0
    max_repeats: int = 5
    max_unconfirmed_repeats: int = 2_000


class Turn(NamedTuple):
    """When a message was published, compared with others of its sensor."""

    key: int
    """Of the first message that was published for the first time after it, or its own."""
    own_key: int


@dataclass(frozen=True, slots=True)
class _Repeat:
    turn: Turn
    n_times: int


@dataclass(slots=True)
class Lane:
    """The messages of one sensor.

    Attributes:
        rules: When messages are taken for lost.
        now_s: A clock that only runs forward; later calls go by the same one.
        acknowledged_key: The broker has acknowledged the messages up to this key.
        n_messages: How many are kept.
        n_behind: How many of them wait on disk and were not read yet.
    """

    rules: LaneRules
    now_s: InitVar[float]
    acknowledged_key: int = 0
    n_messages: int = 0
    n_behind: int = 0
    _ready: deque[SpooledMessage] = field(default_factory=deque)
    _in_flight: dict[int, SpooledMessage] = field(default_factory=dict)
    """By key, in the order of sending."""
    _cursor: int = field(init=False)
    """Key of the newest message that was read."""
    _newest_sent: int = field(init=False)
    """Key of the newest message that was ever sent."""
    _repeats: dict[int, _Repeat] = field(default_factory=dict)
    """By key, what was sent again as lost and is not confirmed."""
    _confirmed: deque[tuple[float, Turn]] = field(default_factory=deque)
    """When the message with the latest turn was confirmed; both ascending."""
    _quiet_since_s: float = field(init=False)
    """When something was last acknowledged, confirmed or asked."""
    _probe_pause_s: float = field(init=False)
    _unreported_since_s: float | None = None
    """When the broker acknowledged the first message since one was last confirmed."""

    def __post_init__(self, now_s: float) -> None:
        self._cursor = self._newest_sent = self.acknowledged_key
        self._quiet_since_s = now_s
        self._probe_pause_s = self.rules.probe_after_s

    @property
    def cursor(self) -> int:
        """Key of the newest message that was read."""
        return self._cursor

    @property
    def n_waiting(self) -> int:
        """How many messages the broker has not acknowledged."""
        return self.n_behind + len(self._ready) + len(self._in_flight)

    @property
    def n_unconfirmed(self) -> int:
        """How many messages the broker has acknowledged and the preprocessor has not reported."""
        return max(0, self.n_messages - self.n_waiting)

    def unreported_s(self, now_s: float) -> float:
        """For how long the broker has acknowledged messages without one being reported as stored, seconds."""
        since_s = self._unreported_since_s
        return 0.0 if since_s is None or not self.n_unconfirmed else now_s - since_s

    @property
    def wants_more(self) -> bool:
        """Whether messages should be read from disk."""
        return self.n_behind > 0 and len(self._ready) <= self.rules.window // 2

    @property
    def next_key(self) -> int | None:
        """Key of the message to be sent next; None if none is in memory."""
        return self._ready[0].key if self._ready else None

    @property
    def oldest_waiting_us(self) -> int | None:
        """When the oldest message in memory that waits was made, microseconds since 1970."""
        waiting = [*self._in_flight.values(), *list(self._ready)[:1]]
        return min((message.created_us for message in waiting), default=None)

    def written(self, message: SpooledMessage) -> None:
        """A new message is on disk."""
        self.n_messages += 1
        if self.n_behind or len(self._ready) >= self.rules.window:
            self.n_behind += 1
        else:
            self._ready.append(message)
            self._cursor = message.key

    def read(self, messages: Sequence[SpooledMessage]) -> None:
        """Messages came from disk, those that follow the cursor; none if there are no more."""
        self._ready.extend(messages)
        self._cursor = messages[-1].key if messages else self._cursor
        self.n_behind = max(0, self.n_behind - len(messages)) if messages else 0

    def take(self) -> SpooledMessage:
        """The next message is sent."""
        message = self._ready.popleft()
        self._in_flight[message.key] = message
        self._newest_sent = max(self._newest_sent, message.key)
        return message

    def acknowledged(self, key: int, now_s: float) -> None:
        """The broker has a message."""
        self._in_flight.pop(key, None)
        self._quiet_since_s = now_s
        if self._unreported_since_s is None:
            self._unreported_since_s = now_s

    def connection_lost(self) -> None:
        """What was in flight must be sent again."""
        self._ready.extendleft(reversed(self._in_flight.values()))
        self._in_flight.clear()

    def mark(self) -> int:
        """Bring `acknowledged_key` up to date."""
        waiting = [key for key in self._in_flight if key > self.acknowledged_key]
        waiting += [message.key for message in self._ready if message.key > self.acknowledged_key]
        self.acknowledged_key = max(self.acknowledged_key, min(waiting, default=self._cursor + 1) - 1)
        return self.acknowledged_key

    def gone(self, keys: Iterable[int]) -> int:
        """Messages are kept no longer.

        Returns:
            How many of them were still waiting.
        """
        removed = set(keys)
        n_before = self.n_waiting
        self.n_messages = max(0, self.n_messages - len(removed))
        self.n_behind = max(0, self.n_behind - sum(key > self._cursor for key in removed))
        if any(message.key in removed for message in self._ready):
            self._ready = deque(message for message in self._ready if message.key not in removed)
        for key in removed:
            self._in_flight.pop(key, None)
            self._repeats.pop(key, None)
        return n_before - self.n_waiting

    def confirmed(self, keys: Iterable[int], now_s: float) -> None:
        """Messages are in the database, and kept no longer."""
        keys = list(keys)
        newest = max(map(self._turn, keys), default=None)
        if newest is None:
            return
        if not self._confirmed or newest > self._confirmed[-1][1]:
            self._confirmed.append((now_s, newest))
        self._quiet_since_s = now_s
        self._unreported_since_s = None
        self._probe_pause_s = self.rules.probe_after_s
        self.gone(keys)

    def lost_until(self, now_s: float) -> int | None:
        """Up to which key messages may be lost; None if it is not known of any, or too many are on their way again."""
        proof = self._proof(now_s)
        if proof is None or not self.n_unconfirmed:
            return None
        if any(key in self._repeats for key in (*self._in_flight, *(message.key for message in self._ready))):
            return None
        if sum(repeat.turn >= proof for repeat in self._repeats.values()) >= self.rules.max_unconfirmed_repeats:
            return None
        return min(self.mark(), proof.key - 1)

    def is_lost(self, key: int, now_s: float) -> bool:
        """Whether a message that the broker has acknowledged was lost on the way."""
        proof = self._proof(now_s)
        return proof is not None and self._turn(key) < proof

    def repeat(self, messages: Iterable[SpooledMessage]) -> list[int]:
        """Send lost messages again, before all others.

        Returns:
            The keys of those that are given up.
        """
        again, given_up = [], []
        for message in messages:
            n_times = self._repeats[message.key].n_times if message.key in self._repeats else 0
            if n_times >= self.rules.max_repeats:
                given_up.append(message.key)
            else:
                self._repeats[message.key] = _Repeat(Turn(self._newest_sent + 1, message.key), n_times + 1)
                again.append(message)
        self._ready.extendleft(reversed(again))
        return given_up

    def must_probe(self, now_s: float) -> bool:
        """Whether the last message should be sent again, since nothing else would show what became of the others."""
        quiet = now_s - self._quiet_since_s >= self._probe_pause_s
        return quiet and self.n_waiting == 0 and self.n_unconfirmed > 0

    def last_repeat(self) -> int | None:
        """Key of the last message that was sent again; None if all are confirmed."""
        return max(self._repeats, key=self._turn, default=None)

    def probe(self, message: SpooledMessage | None, now_s: float) -> None:
        """Send the last message again; None says that there is none."""
        self._quiet_since_s = now_s
        self._probe_pause_s = min(2 * self._probe_pause_s, self.rules.max_probe_pause_s)
        if message is None:
            self.n_messages = self.n_waiting
        else:
            self._ready.append(message)

    def restart(self) -> None:
        """What was on disk is lost."""
        self.n_behind = 0
        self.n_messages = 0
        self._repeats.clear()

    def _turn(self, key: int) -> Turn:
        repeat = self._repeats.get(key)
        return Turn(key, key) if repeat is None else repeat.turn

    def _proof(self, now_s: float) -> Turn | None:
        """The latest turn of which it is known for long enough that it was stored."""
        due_s = now_s - self.rules.lost_after_s
        while len(self._confirmed) > 1 and self._confirmed[1][0] <= due_s:
            self._confirmed.popleft()
        return self._confirmed[0][1] if self._confirmed and self._confirmed[0][0] <= due_s else None
