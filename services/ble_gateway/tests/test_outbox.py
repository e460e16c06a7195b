import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from repsense.messages import StoredMessage
from repsense.topics import SensorTopic, sensor_topic
from repsense_ble_gateway import outbox as outbox_module
from repsense_ble_gateway.lane import LaneRules
from repsense_ble_gateway.outbox import Outbox, OutboxRules, Outgoing
from repsense_ble_gateway.spool import Changes, Place, Spool, SpoolError, SpoolLimits, Written

_LONGEST_S = 30.0
"""Only so that a failure does not hang."""
_QUICK = OutboxRules(review_s=0.01, acknowledgements_s=0, durable_s=0.01, lanes=LaneRules(window=8))


@dataclass
class _Clock:
    now_s: float = 1000.0

    def __call__(self) -> float:
        return self.now_s


class _StallingSpool(Spool):
    """A disk that does not answer until it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.stalled = threading.Event()
        self.goes_on = threading.Event()

    def write(self, changes: Changes) -> Written:
        self.stalled.set()
        self.goes_on.wait(_LONGEST_S)
        return super().write(changes)


def _samples(number: int, *, sensor_id: str = "wrist", stream_id: str = "s1") -> Outgoing:
    topic = sensor_topic(sensor_id, SensorTopic.SAMPLES)
    return Outgoing(topic, f"{sensor_id} {number}".encode(), place=Place(stream_id, 10 * number, 10))


def _state(text: str) -> Outgoing:
    return Outgoing(sensor_topic("wrist", SensorTopic.STATUS), text.encode(), retain=True)


def _truth(text: str) -> Outgoing:
    return Outgoing(sensor_topic("wrist", SensorTopic.TRUTH), text.encode())


def _stored(*numbers: int) -> StoredMessage:
    ranges = tuple((10 * number, 10 * number + 10) for number in numbers)
    return StoredMessage(sensor_id="wrist", stream_id="s1", ranges=ranges)


async def _take(outbox: Outbox, n_messages: int, *, acknowledged: bool = False) -> list[str]:
    payloads = []
    for _ in range(n_messages):
        ticket, message = await outbox.take()
        payloads.append(message.payload.decode())
        if acknowledged:
            outbox.sent(ticket)
    return payloads


async def _until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - a thread changes it
        await asyncio.sleep(0.001)


@asynccontextmanager
async def _running(outbox: Outbox) -> AsyncIterator[Outbox]:
    async with asyncio.timeout(_LONGEST_S), outbox.running():
        yield outbox


def _run(scenario: Callable[[], Coroutine[None, None, None]]) -> None:
    asyncio.run(scenario())


def test_states_go_first_and_only_the_latest_of_each() -> None:
    async def scenario() -> None:
        async with _running(Outbox()) as outbox:
            outbox.put(_samples(0))
            outbox.put(_state("connecting"))
            outbox.put(_state("online"))
            assert await _take(outbox, 2) == ["online", "wrist 0"]

    _run(scenario)


def test_what_was_not_acknowledged_is_sent_again_in_order() -> None:
    async def scenario() -> None:
        async with _running(Outbox()) as outbox:
            for number in range(4):
                outbox.put(_samples(number))
            first, _ = await outbox.take()
            await _take(outbox, 2)
            outbox.sent(first)
            outbox.connection_lost()
            assert await _take(outbox, 3) == ["wrist 1", "wrist 2", "wrist 3"]

    _run(scenario)


def test_every_connection_learns_the_states_again() -> None:
    async def scenario() -> None:
        async with _running(Outbox()) as outbox:
            outbox.put(_state("online"))
            assert await _take(outbox, 1, acknowledged=True) == ["online"]
            outbox.connection_lost()
            assert await _take(outbox, 1) == ["online"]

    _run(scenario)


def test_a_truth_keeps_its_place_before_the_samples_that_came_after_it() -> None:
    async def scenario() -> None:
        async with _running(Outbox(rules=_QUICK)) as outbox:
            expected = []
            for number in range(40):
                if number % 5 == 0:
                    outbox.put(_truth(f"truth {number}"))
                    expected.append(f"truth {number}")
                outbox.put(_samples(number))
                expected.append(f"wrist {number}")
            read = await _take(outbox, 20)
            outbox.connection_lost()
            read = await _take(outbox, 48)
        assert [text for text in read if text.startswith("wrist")] == [f"wrist {number}" for number in range(40)]
        for number in range(0, 40, 5):
            assert read.index(f"truth {number}") < read.index(f"wrist {number}")

    _run(scenario)


def test_a_long_backlog_is_sent_whole_and_in_order_with_little_of_it_in_memory(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with _running(Outbox(Spool(tmp_path), rules=_QUICK)) as outbox:
            for number in range(500):
                outbox.put(_samples(number))
            assert await _take(outbox, 500, acknowledged=True) == [f"wrist {number}" for number in range(500)]
            await outbox.emptied()
            assert (outbox.n_waiting, outbox.n_unconfirmed) == (0, 500)

    _run(scenario)


def test_a_backlog_does_not_hold_up_another_sensor(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with _running(Outbox(Spool(tmp_path), rules=_QUICK)) as outbox:
            for number in range(200):
                outbox.put(_samples(number))
            read = await _take(outbox, 2, acknowledged=True)
            outbox.put(_samples(0, sensor_id="ankle"))
            while read[-1] != "ankle 0":
                read += await _take(outbox, 1, acknowledged=True)
            assert outbox.n_waiting > 100

    _run(scenario)


def test_one_can_wait_until_everything_is_acknowledged() -> None:
    async def scenario() -> None:
        async with _running(Outbox()) as outbox:
            outbox.put(_samples(0))
            emptied = asyncio.create_task(outbox.emptied())
            ticket, _ = await outbox.take()
            await asyncio.sleep(0)
            assert not emptied.done()
            outbox.sent(ticket)
            await emptied

    _run(scenario)


def test_a_message_wakes_one_who_waits() -> None:
    async def scenario() -> None:
        async with _running(Outbox()) as outbox:
            waiting = asyncio.create_task(outbox.take())
            await asyncio.sleep(0)
            outbox.put(_samples(0))
            assert (await waiting)[1].payload == b"wrist 0"

    _run(scenario)


def test_a_disk_that_stalls_neither_blocks_nor_fills_the_memory() -> None:
    spool = _StallingSpool()

    async def scenario() -> None:
        async with _running(Outbox(spool, rules=OutboxRules(capacity=10))) as outbox:
            outbox.put(_samples(0))
            await _until(spool.stalled.is_set)
            for number in range(1, 20):
                outbox.put(_samples(number))
            assert (outbox.n_waiting, outbox.n_dropped) == (11, 9)
            spool.goes_on.set()
            assert await _take(outbox, 11) == ["wrist 0", *(f"wrist {number}" for number in range(10, 20))]

    _run(scenario)


def test_states_do_not_wait_for_the_disk() -> None:
    spool = _StallingSpool()

    async def scenario() -> None:
        async with _running(Outbox(spool)) as outbox:
            outbox.put(_samples(0))
            await _until(spool.stalled.is_set)
            outbox.put(_state("online"))
            assert await _take(outbox, 1) == ["online"]
            spool.goes_on.set()

    _run(scenario)


def test_what_is_reported_as_stored_is_kept_no_longer(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with _running(Outbox(Spool(tmp_path))) as outbox:
            for number in range(4):
                outbox.put(_samples(number))
            await _take(outbox, 4, acknowledged=True)
            assert outbox.n_unconfirmed == 4
            outbox.stored(_stored(0, 1, 3))
            await _until(lambda: outbox.n_unconfirmed == 1)

    _run(scenario)


@pytest.mark.parametrize("n_acknowledged", [0, 3, 5])
def test_the_next_run_sends_what_the_broker_does_not_have_and_nothing_else(tmp_path: Path, n_acknowledged: int) -> None:
    async def scenario() -> None:
        async with _running(Outbox(Spool(tmp_path))) as outbox:
            for number in range(5):
                outbox.put(_samples(number))
            await _take(outbox, n_acknowledged, acknowledged=True)
        async with _running(Outbox(Spool(tmp_path))) as outbox:
            assert (outbox.n_waiting, outbox.n_unconfirmed) == (5 - n_acknowledged, n_acknowledged)
            outbox.put(_samples(0, stream_id="s2"))
            expected = [f"wrist {number}" for number in (*range(n_acknowledged, 5), 0)]
            assert await _take(outbox, len(expected), acknowledged=True) == expected
            await outbox.emptied()

    _run(scenario)


def test_what_was_put_last_is_kept_when_the_end_comes_at_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with _running(Outbox(Spool(tmp_path))) as outbox:
            for number in range(2_500):
                outbox.put(_samples(number))
        async with _running(Outbox(Spool(tmp_path))) as outbox:
            assert outbox.n_waiting == 2_500

    _run(scenario)


@pytest.mark.parametrize("error", [ZeroDivisionError(), asyncio.CancelledError()])
def test_what_was_put_last_is_kept_when_something_breaks(tmp_path: Path, error: BaseException) -> None:
    async def scenario() -> None:
        async def breaks() -> None:
            async with _running(Outbox(Spool(tmp_path))) as outbox:
                outbox.put(_samples(0))
                raise error

        with pytest.raises((ExceptionGroup, asyncio.CancelledError)):
            await breaks()
        async with _running(Outbox(Spool(tmp_path))) as outbox:
            assert outbox.n_waiting == 1

    _run(scenario)


def test_what_was_lost_behind_the_broker_is_sent_again(caplog: pytest.LogCaptureFixture) -> None:
    clock = _Clock()

    async def scenario() -> None:
        async with _running(Outbox(rules=_QUICK, clock=clock)) as outbox:
            for number in range(5):
                outbox.put(_samples(number))
            await _take(outbox, 5, acknowledged=True)
            outbox.stored(_stored(0, 3))
            await _until(lambda: outbox.n_unconfirmed == 3)
            clock.now_s += 11
            assert await _take(outbox, 2, acknowledged=True) == ["wrist 1", "wrist 2"]
            assert (outbox.n_resent, outbox.n_unconfirmed) == (2, 3)
            outbox.stored(_stored(1, 2, 4))
            await _until(lambda: outbox.n_unconfirmed == 0)

    _run(scenario)
    assert "wrist: 2 messages were lost behind the broker" in caplog.text


def test_the_last_message_is_sent_again_until_something_is_reported() -> None:
    clock = _Clock()

    async def scenario() -> None:
        async with _running(Outbox(rules=_QUICK, clock=clock)) as outbox:
            for number in range(3):
                outbox.put(_samples(number))
            await _take(outbox, 3, acknowledged=True)
            clock.now_s += 16
            assert await _take(outbox, 1, acknowledged=True) == ["wrist 2"]
            clock.now_s += 31
            assert await _take(outbox, 1, acknowledged=True) == ["wrist 2"]
            outbox.stored(_stored(2))
            await _until(lambda: outbox.n_unconfirmed == 2)
            clock.now_s += 11
            assert await _take(outbox, 2, acknowledged=True) == ["wrist 0", "wrist 1"]

    _run(scenario)


def test_what_is_never_stored_is_given_up_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    clock = _Clock()

    async def scenario() -> None:
        async with _running(Outbox(rules=_QUICK, clock=clock)) as outbox:
            outbox.put(_samples(0))
            for number in range(1, 7):
                outbox.put(_samples(number))
                while f"wrist {number}" not in await _take(outbox, 1, acknowledged=True):
                    pass
                outbox.stored(_stored(number))
                await _until(lambda: outbox.n_unconfirmed == 1)
                clock.now_s += 11
                if number <= 5:
                    assert await _take(outbox, 1, acknowledged=True) == ["wrist 0"]
            await _until(lambda: outbox.n_unconfirmed == 0)
            assert (outbox.n_resent, outbox.n_dropped) == (5, 1)

    _run(scenario)
    assert "wrist: 1 messages are never stored" in caplog.text


def test_when_nobody_reports_nothing_is_sent_twice_but_the_last() -> None:
    clock = _Clock()

    async def scenario() -> None:
        async with _running(Outbox(rules=_QUICK, clock=clock)) as outbox:
            for number in range(50):
                outbox.put(_samples(number))
            await _take(outbox, 50, acknowledged=True)
            for _ in range(10):
                clock.now_s += 601
                assert await _take(outbox, 1, acknowledged=True) == ["wrist 49"]

    _run(scenario)


def test_what_is_too_old_goes_and_only_what_the_broker_lacks_counts_as_dropped() -> None:
    clock = _Clock()

    async def scenario() -> None:
        async with _running(Outbox(Spool(limits=SpoolLimits(max_age_s=60)), rules=_QUICK, clock=clock)) as outbox:
            for number in range(20):
                outbox.put(_samples(number))
            await _take(outbox, 5, acknowledged=True)
            assert outbox.oldest_waiting_s == 0
            clock.now_s += 14
            assert outbox.oldest_waiting_s == pytest.approx(14)
            clock.now_s += 50
            await _until(lambda: outbox.n_dropped == 15)
            assert (outbox.n_waiting, outbox.n_unconfirmed) == (0, 0)
            outbox.put(_samples(20))
            assert await _take(outbox, 1, acknowledged=True) == ["wrist 20"]

    _run(scenario)


def test_what_an_earlier_run_left_is_not_too_old_because_the_system_s_clock_was_put_forward(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        # Without a battery, and before the network is there.
        monkeypatch.setattr(outbox_module, "now_us", lambda: 0)
        async with _running(Outbox(Spool(tmp_path), rules=_QUICK)) as outbox:
            outbox.put(_samples(0))
            await outbox.take()
        monkeypatch.undo()
        async with _running(Outbox(Spool(tmp_path), rules=_QUICK)) as outbox:
            assert await _take(outbox, 1) == ["wrist 0"]
            await _until(lambda: outbox.n_bytes > 0)
            assert (outbox.n_dropped, outbox.n_waiting) == (0, 1)

    _run(scenario)


def test_a_spool_that_is_damaged_while_in_use_costs_only_what_it_held(tmp_path: Path) -> None:
    spool = Spool(tmp_path)

    async def scenario() -> None:
        async with _running(Outbox(spool, rules=OutboxRules(lanes=LaneRules(window=8)))) as outbox:
            for number in range(100):
                outbox.put(_samples(number))
            assert await _take(outbox, 1, acknowledged=True) == ["wrist 0"]
            for suffix in ("", "-wal"):
                file = tmp_path / f"spool.db{suffix}"
                file.write_bytes(b"\xff" * file.stat().st_size)
            assert spool._disk is not None
            spool._disk._connection.execute("PRAGMA shrink_memory")
            outbox.put(_samples(100))
            in_memory = [f"wrist {number}" for number in range(1, 8)]
            assert await _take(outbox, 8, acknowledged=True) == [*in_memory, "wrist 100"]
            await outbox.emptied()

    _run(scenario)
    assert len(list(tmp_path.glob("spool.db.damaged-*"))) >= 1


def test_two_outboxes_never_share_a_spool(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with _running(Outbox(Spool(tmp_path))):
            with pytest.raises(SpoolError, match="another gateway"):
                async with Outbox(Spool(tmp_path)).running():
                    pass

    _run(scenario)


def test_it_is_said_once_that_nobody_stores_the_samples_and_once_that_somebody_does(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")

    async def scenario() -> None:
        clock = _Clock()
        rules = OutboxRules(review_s=0.01, unreported_s=60)
        async with _running(Outbox(rules=rules, clock=clock)) as outbox:
            outbox.put(_samples(1))
            await _take(outbox, 1, acknowledged=True)
            clock.now_s += 59
            outbox.put(_samples(2))
            await _take(outbox, 1, acknowledged=True)
            assert "nobody has stored" not in caplog.text
            clock.now_s += 2
            await _until(lambda: "nobody has stored" in caplog.text)
            clock.now_s += 60
            outbox.put(_samples(3))
            await _take(outbox, 1, acknowledged=True)
            outbox.stored(_stored(2, 3))
            await _until(lambda: "wrist: samples are stored again" in caplog.text)

    asyncio.run(scenario())
    assert caplog.text.count("wrist: the broker takes the samples, but nobody has stored any for 60 s") == 1
