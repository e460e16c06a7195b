"""What waits for the broker: samples, kept until they are known to be in the database, and the latest states.

    put ─> arrived ─> spool (a thread writes it) ─> lane of the sensor ─> take ─> broker ─> preprocessor
                        ^                                                                       │
                        └──────────── trimmed by what is reported as stored ────────────────────┘

A samples message is on its way only after it was written to the spool. The event loop never waits for the disk: while
that stalls, messages wait in memory.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import TypeVar

from repsense.messages import StoredMessage
from repsense.timestamps import MICROSECONDS, now_us
from repsense.topics import SensorTopic, parse_topic, sensor_topic
from repsense_ble_gateway.lane import Lane, LaneRules
from repsense_ble_gateway.spool import ALL_KEYS, Changes, NewMessage, Place, Spool, SpooledMessage, Written

__all__ = ["Outbox", "OutboxRules", "Outgoing"]

_LOGGER = logging.getLogger(__name__)

_TRANSACTION = 1_000
"""Messages: so many are written in some 100 ms; what else waits for the disk should not wait longer."""
_READ_AT_ONCE = 1_000
"""Messages that are looked at for lost ones at a time, once per second: live messages go in between."""

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message on its way.

    Attributes:
        topic: Where it is published.
        payload: What is published.
        retain: Whether it is a state, of which only the latest counts.
        place: Which samples it holds; None if it holds none, and so is not kept on disk.
    """

    topic: str
    payload: bytes
    retain: bool = False
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class OutboxRules:
    """What can be tuned.

    Attributes:
        capacity: How many messages wait in memory for the disk at most: some 20 MB, an hour of one sensor at 50 Hz.
        review_s: How often lost and outdated messages are looked for.
        acknowledgements_s: How often it is written down how far the broker has acknowledged. What it had acknowledged
            since then is sent again after a crash, and recognised by its sequence.
        durable_s: How often what was written is forced to the disk itself.
        unreported_s: After how long without a report of stored samples it is said that nobody stores them.
        lanes: When messages are taken for lost.
    """

    capacity: int = 20_000
    review_s: float = 1.0
    acknowledgements_s: float = 5.0
    durable_s: float = 0.5
    unreported_s: float = 60.0
    lanes: LaneRules = field(default_factory=LaneRules)


@dataclass(slots=True)
class _Side:
    """A sensor's messages that are not kept on disk: each goes before the samples that came after it."""

    waiting: deque[tuple[int, Outgoing]] = field(default_factory=deque)
    """With the first key that must wait for it."""
    next_key: int = 0
    """Lowest key that the next samples can have."""


@dataclass(frozen=True, slots=True)
class _Flight:
    """A message that was handed to the broker."""

    message: Outgoing
    sensor: str | None = None
    key: int | None = None


class Outbox:
    """Holds messages until the broker has them, and samples until the database has them.

    A message that must be retained is a state: only the latest of each topic counts, it goes first, and every new
    connection sends it again. The others go out in order for each sensor, the sensors taking turns, so that one's
    backlog does not hold up the others.
    """

    def __init__(
        self,
        spool: Spool | None = None,
        sensor_ids: Iterable[str] = (),
        rules: OutboxRules | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Describe an outbox; it works while `running`.

        Args:
            spool: Keeps the samples; in memory by default.
            sensor_ids: The sensors whose messages will come.
            rules: What can be tuned.
            clock: Runs forward, in seconds.
        """
        self._spool = spool or Spool()
        self._thread = ThreadPoolExecutor(1, "spool")
        self._rules = rules or OutboxRules()
        self._clock = clock
        # Not the system's clock: where there is no battery it jumps once the network is there, and what is kept would
        # be too old at once.
        self._begin_clock(now_us())
        self._lanes = {sensor_id: self._new_lane() for sensor_id in sensor_ids}
        self._sides: dict[str, _Side] = {}
        self._turns: dict[str, None] = {}
        """Sensors that may have something to send, in the order of their turns."""
        self._states: dict[str, Outgoing] = {}
        self._stale: dict[str, None] = {}
        """Topics whose state the broker does not know yet, oldest change first."""
        self._arrived: deque[tuple[Outgoing, int]] = deque()
        self._writing: list[tuple[Outgoing, int]] = []
        self._stored: list[StoredMessage] = []
        self._given_up: dict[str, list[int]] = {}
        self._in_flight: dict[int, _Flight] = {}
        """By ticket, oldest first."""
        self._tickets = count()
        self._marks: dict[str, int] = {}
        self._marked_s = clock()
        self._n_renewals = 0
        self._review_due = False
        self._dropping = False
        self._unreported: set[str] = set()
        """The sensors of which it was said that nobody stores their samples."""
        self._filled = asyncio.Event()
        self._emptied = asyncio.Event()
        self._n_expectant = 0
        """Who waits for `emptied`."""
        self._work = asyncio.Event()
        self.n_published = 0
        """Messages that the broker has acknowledged, states too."""
        self.n_dropped = 0
        """Samples messages that had to make room before the broker had them, or that it lost again and again."""
        self.n_resent = 0
        """Samples messages that were sent again because they were lost behind the broker, or to ask for others."""
        self.n_bytes = 0
        """What the spool occupied when it was last looked at."""

    def __len__(self) -> int:
        n_beside = sum(len(side.waiting) for side in self._sides.values())
        n_others_in_flight = sum(flight.key is None for flight in self._in_flight.values())
        return self.n_waiting + len(self._stale) + n_beside + n_others_in_flight

    @property
    def is_on_disk(self) -> bool:
        """Whether samples outlive this process."""
        return self._spool.is_on_disk

    @property
    def sensor_ids(self) -> set[str]:
        """Whose samples are kept, or will be."""
        return set(self._lanes)

    @property
    def n_waiting(self) -> int:
        """Messages beside states that the broker has not acknowledged, on disk too."""
        return len(self._arrived) + len(self._writing) + sum(lane.n_waiting for lane in self._lanes.values())

    @property
    def n_unconfirmed(self) -> int:
        """Samples messages that the broker has acknowledged and the preprocessor has not reported as stored."""
        return sum(lane.n_unconfirmed for lane in self._lanes.values())

    @property
    def oldest_waiting_s(self) -> float:
        """Age of the oldest message that the broker has not acknowledged, seconds; 0 if there is none."""
        times_us = [lane.oldest_waiting_us for lane in self._lanes.values()]
        times_us += [created_us for _, created_us in (*self._writing, *list(self._arrived)[:1])]
        present_us = self._now_us()
        return max((present_us - time_us for time_us in times_us if time_us is not None), default=0) / MICROSECONDS

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Work until the block ends; then write down what is known, so that the next run sends nothing twice.

        Raises:
            SpoolError: If another gateway uses the same spool.
        """
        with self._thread, ThreadPoolExecutor(1, "durable") as durable:
            backlog = await self._call(self._spool.open)
            for sensor_id, left in backlog.items():
                self._lanes[sensor_id] = self._new_lane(left.acknowledged_key, left.n_messages, left.n_waiting)
            if backlog:
                # Where there is no battery, the system's clock may have been wrong when these were made, or be so now.
                self._begin_clock(max(left.newest_us for left in backlog.values()))
            try:
                async with asyncio.TaskGroup() as tasks:
                    workers = [tasks.create_task(self._pump(), name="spool")]
                    workers.append(tasks.create_task(self._ask_for_reviews(), name="review"))
                    workers.append(tasks.create_task(self._make_durable(durable), name="durable"))
                    self._work.set()
                    yield
                    for task in workers:
                        task.cancel()
            finally:
                await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._thread, self._close))

    def put(self, message: Outgoing) -> None:
        """Add a message; never waits."""
        if message.retain:
            self._states[message.topic] = message
            self._stale.pop(message.topic, None)
            self._stale[message.topic] = None
            self._filled.set()
        else:
            self._arrived.append((message, self._now_us()))
            if len(self._arrived) > self._rules.capacity:
                dropped, _ = self._arrived.popleft()
                self._count_dropped(int(dropped.place is not None), "the disk is too slow")
            self._work.set()

    async def take(self) -> tuple[int, Outgoing]:
        """Wait for the next message to send.

        Returns:
            A ticket for `sent`, and the message.
        """
        while (flight := self._next()) is None:
            self._filled.clear()
            await self._filled.wait()
        ticket = next(self._tickets)
        self._in_flight[ticket] = flight
        return ticket, flight.message

    def sent(self, ticket: int) -> None:
        """The broker has acknowledged a message."""
        flight = self._in_flight.pop(ticket)
        self.n_published += 1
        if flight.sensor is not None and flight.key is not None:
            self._lanes[flight.sensor].acknowledged(flight.key, self._clock())
        self._check_emptied()

    def connection_lost(self) -> None:
        """Whatever was not acknowledged must be sent again, and all states."""
        for flight in reversed(self._in_flight.values()):
            if flight.sensor is not None and flight.key is None:
                self._sides[flight.sensor].waiting.appendleft((0, flight.message))
        self._in_flight.clear()
        for lane in self._lanes.values():
            lane.connection_lost()
        self._turns = dict.fromkeys((*self._lanes, *self._sides))
        self._stale.update(dict.fromkeys(self._states))
        self._filled.set()

    def stored(self, message: StoredMessage) -> None:
        """The preprocessor reports samples that are in the database."""
        self._stored.append(message)
        self._work.set()

    async def emptied(self) -> None:
        """Wait until the broker has everything."""
        self._n_expectant += 1
        try:
            while len(self):
                self._emptied.clear()
                await self._emptied.wait()
        finally:
            self._n_expectant -= 1

    def _new_lane(self, acknowledged_key: int = 0, n_messages: int = 0, n_waiting: int = 0) -> Lane:
        return Lane(self._rules.lanes, self._clock(), acknowledged_key, n_messages, n_waiting)

    def _begin_clock(self, at_us: int) -> None:
        """Let the clock of the messages show a time, microseconds since 1970, and run forward from now on."""
        self._epoch_us = at_us - round(self._clock() * MICROSECONDS)

    def _now_us(self) -> int:
        return self._epoch_us + round(self._clock() * MICROSECONDS)

    def _check_emptied(self) -> None:
        # Counting costs more than a message does where there are hundreds of sensors.
        if self._n_expectant and not len(self):
            self._emptied.set()

    def _next(self) -> _Flight | None:
        if self._stale:
            topic = next(iter(self._stale))
            del self._stale[topic]
            return _Flight(self._states[topic])
        for sensor in list(self._turns):
            del self._turns[sensor]
            flight = self._next_of(sensor)
            if flight is not None:
                self._turns[sensor] = None
                return flight
        return None

    def _next_of(self, sensor: str) -> _Flight | None:
        """A sensor's next message that is in memory."""
        lane, side = self._lanes.get(sensor), self._sides.get(sensor)
        key = None if lane is None else lane.next_key
        if side is not None and side.waiting:
            waits_for = key if key is not None else (None if lane is None or not lane.n_behind else lane.cursor + 1)
            if waits_for is None or side.waiting[0][0] <= waits_for:
                return _Flight(side.waiting.popleft()[1], sensor)
        if lane is None or key is None:
            return None
        payload = lane.take().payload
        if lane.wants_more:
            self._work.set()
        return _Flight(Outgoing(sensor_topic(sensor, SensorTopic.SAMPLES), payload), sensor, key)

    async def _pump(self) -> None:
        """Do everything that needs the spool, one thing after another."""
        while True:
            await self._work.wait()
            self._work.clear()
            changes = self._collect()
            if changes:
                self._settle(changes, await self._call(partial(self._spool.write, changes)))
            await self._read_more()
            if self._review_due:
                self._review_due = False
                await self._review()
            self._check_emptied()

    def _close(self) -> None:
        """Write what is known. What the pump may have left half done is written once more, which changes nothing."""
        while (changes := self._collect()) or self._arrived:
            self._spool.write(changes)
            self._writing.clear()
        self._spool.write(Changes(acknowledged=self._new_marks()))
        self._spool.close()

    async def _call(self, function: Callable[[], _Result]) -> _Result:
        """Let the spool's thread do something."""
        result = await asyncio.get_running_loop().run_in_executor(self._thread, function)
        if self._spool.n_renewals != self._n_renewals:
            self._n_renewals = self._spool.n_renewals
            for lane in self._lanes.values():
                lane.restart()
        return result

    def _collect(self) -> Changes:
        """What is to be written now."""
        while self._arrived and len(self._writing) < _TRANSACTION:
            self._writing.append(self._arrived.popleft())
        stored, self._stored = self._stored, []
        given_up, self._given_up = self._given_up, {}
        if self._arrived:
            self._work.set()
        return Changes(
            messages=[
                NewMessage(_owner(message), message.place, message.payload, created_us)
                for message, created_us in self._writing
                if message.place is not None
            ],
            stored=stored,
            given_up=given_up,
        )

    def _settle(self, changes: Changes, written: Written) -> None:
        """Take note of what was written, in the order in which it came."""
        now_s = self._clock()
        for sensor, keys in written.stored.items():
            self._lanes[sensor].confirmed(keys, now_s)
        for sensor, keys in changes.given_up.items():
            self._lanes[sensor].gone(keys)
            self.n_dropped += len(keys)
            _LOGGER.warning("%s: %d messages are never stored however often they are sent: dropped", sensor, len(keys))
        self._settle_arrived(iter(written.keys))
        for sensor, keys in written.dropped.items():
            self._count_dropped(self._lanes[sensor].gone(keys), "the spool is full")

    def _settle_arrived(self, keys: Iterator[int]) -> None:
        writing, self._writing = self._writing, []
        for message, created_us in writing:
            sensor = _owner(message)
            side = self._sides.setdefault(sensor, _Side())
            if message.place is None:
                side.waiting.append((side.next_key, message))
                if len(side.waiting) > self._rules.capacity:
                    side.waiting.popleft()
            else:
                key = next(keys)
                side.next_key = key + 1
                lane = self._lanes.setdefault(sensor, self._new_lane())
                lane.written(SpooledMessage(key, message.payload, created_us))
            self._wake(sensor)

    def _wake(self, sensor: str) -> None:
        self._turns.setdefault(sensor)
        self._filled.set()

    async def _read_more(self) -> None:
        for sensor, lane in list(self._lanes.items()):
            if lane.wants_more:
                read = partial(self._spool.read, sensor, lane.cursor, ALL_KEYS, self._rules.lanes.window)
                lane.read(await self._call(read))
                self._wake(sensor)

    async def _review(self) -> None:
        """Look for what was lost and what is too old."""
        for sensor, lane in list(self._lanes.items()):
            now_s = self._clock()
            await self._repeat_lost(sensor, lane, now_s)
            if lane.must_probe(now_s):
                await self._probe(sensor, lane, now_s)
        for sensor, keys in (await self._call(partial(self._spool.drop_older, self._now_us()))).items():
            self._count_dropped(self._lanes[sensor].gone(keys), "they are too old")
        self.n_bytes = await self._call(lambda: self._spool.n_bytes)
        self._dropping = self._dropping and self.n_waiting > 0
        self._say_what_is_unreported()
        if self._clock() - self._marked_s >= self._rules.acknowledgements_s:
            self._marked_s = self._clock()
            if marks := self._new_marks():
                await self._call(partial(self._spool.write, Changes(acknowledged=marks)))

    def _say_what_is_unreported(self) -> None:
        """Brokers take what a gateway may not send, and throw it away; or nobody is there to store it."""
        now_s, most_s = self._clock(), self._rules.unreported_s
        unreported = {sensor for sensor, lane in self._lanes.items() if lane.unreported_s(now_s) > most_s}
        if begun := unreported - self._unreported:
            _LOGGER.warning(
                "%s: the broker takes the samples, but nobody has stored any for %g s: no preprocessor is running, or "
                "this gateway's user may not send them (docs/security.md); they are kept here and sent again",
                ", ".join(sorted(begun)),
                most_s,
            )
        if ended := self._unreported - unreported:
            _LOGGER.info("%s: samples are stored again", ", ".join(sorted(ended)))
        self._unreported = unreported

    async def _repeat_lost(self, sensor: str, lane: Lane, now_s: float) -> None:
        until = lane.lost_until(now_s)
        after, lost = 0, list[SpooledMessage]()
        while until is not None and not lost and after < until:
            found = await self._call(partial(self._spool.read, sensor, after, until, _READ_AT_ONCE))
            lost = [message for message in found if lane.is_lost(message.key, now_s)]
            after = found[-1].key if found else until
        if lost:
            given_up = lane.repeat(lost)
            if given_up:
                self._given_up[sensor] = given_up
                self._work.set()
            self.n_resent += len(lost) - len(given_up)
            _LOGGER.warning("%s: %d messages were lost behind the broker and are sent again", sensor, len(lost))
            self._wake(sensor)

    async def _probe(self, sensor: str, lane: Lane, now_s: float) -> None:
        key = lane.last_repeat()
        if key is None:
            message = await self._call(partial(self._spool.newest, sensor))
        else:
            message = next(iter(await self._call(partial(self._spool.read, sensor, key - 1, key, 1))), None)
        lane.probe(message, now_s)
        if message is not None:
            self.n_resent += 1
            self._wake(sensor)

    def _new_marks(self) -> dict[str, int]:
        """How far the broker has acknowledged, where that is worth a write."""
        marks = {}
        for sensor, lane in self._lanes.items():
            mark, before = lane.mark(), self._marks.get(sensor, 0)
            if lane.n_unconfirmed and mark > before:
                marks[sensor] = mark
        self._marks |= marks
        return marks

    async def _ask_for_reviews(self) -> None:
        while True:
            await asyncio.sleep(self._rules.review_s)
            self._review_due = True
            self._work.set()

    async def _make_durable(self, thread: ThreadPoolExecutor) -> None:
        while self.is_on_disk:
            await asyncio.sleep(self._rules.durable_s)
            await asyncio.get_running_loop().run_in_executor(thread, self._spool.make_durable)

    def _count_dropped(self, n_messages: int, why: str) -> None:
        self.n_dropped += n_messages
        if n_messages and not self._dropping:
            self._dropping = True
            _LOGGER.warning("samples that the broker does not have are dropped from now on: %s", why)


def _owner(message: Outgoing) -> str:
    """Whose message it is: the sensor's id, or the topic itself where that is no sensor's."""
    topic = parse_topic(message.topic)
    return message.topic if topic is None else topic.id
