import asyncio

from repsense_ble_gateway.outbox import Outbox, Outgoing


def _message(text: str, *, retain: bool = False, topic: str = "t") -> Outgoing:
    return Outgoing(topic, text.encode(), retain)


async def _take(outbox: Outbox, n_messages: int) -> list[str]:
    return [(await outbox.take())[1].payload.decode() for _ in range(n_messages)]


def test_states_go_first_and_only_the_latest_of_each() -> None:
    async def scenario() -> None:
        outbox = Outbox()
        outbox.put(_message("samples"))
        outbox.put(_message("connecting", retain=True))
        outbox.put(_message("online", retain=True))
        assert await _take(outbox, 2) == ["online", "samples"]

    asyncio.run(scenario())


def test_what_was_not_acknowledged_is_sent_again_in_order() -> None:
    async def scenario() -> None:
        outbox = Outbox()
        for text in "abcd":
            outbox.put(_message(text))
        first, _ = await outbox.take()
        await _take(outbox, 2)
        outbox.sent(first)
        outbox.connection_lost()
        assert await _take(outbox, 3) == ["b", "c", "d"]

    asyncio.run(scenario())


def test_every_connection_learns_the_states_again() -> None:
    async def scenario() -> None:
        outbox = Outbox()
        outbox.put(_message("online", retain=True))
        ticket, _ = await outbox.take()
        outbox.sent(ticket)
        outbox.connection_lost()
        assert await _take(outbox, 1) == ["online"]

    asyncio.run(scenario())


def test_the_oldest_make_room_and_are_counted() -> None:
    async def scenario() -> None:
        outbox = Outbox(capacity=3)
        for text in "abcde":
            outbox.put(_message(text))
        assert outbox.n_dropped == 2
        assert await _take(outbox, 3) == ["c", "d", "e"]

    asyncio.run(scenario())


def test_one_can_wait_until_everything_is_acknowledged() -> None:
    async def scenario() -> None:
        outbox = Outbox()
        outbox.put(_message("a"))
        emptied = asyncio.create_task(outbox.emptied())
        ticket, _ = await outbox.take()
        await asyncio.sleep(0)
        assert not emptied.done()
        outbox.sent(ticket)
        await emptied

    asyncio.run(scenario())


def test_a_message_wakes_one_who_waits() -> None:
    async def scenario() -> None:
        outbox = Outbox()
        waiting = asyncio.create_task(outbox.take())
        await asyncio.sleep(0)
        outbox.put(_message("a"))
        assert (await waiting)[1].payload == b"a"

    asyncio.run(scenario())
