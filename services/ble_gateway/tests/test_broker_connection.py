"""A connection to the broker that ends at an awkward moment."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager

import pytest
from aiomqtt import Client
from paho.mqtt.client import MQTTMessageInfo

from repsense.broker import BrokerAddress
from repsense.topics import SensorTopic, sensor_topic
from repsense_ble_gateway import broker_connection as module
from repsense_ble_gateway.backoff import Backoff
from repsense_ble_gateway.broker_connection import BrokerConnection
from repsense_ble_gateway.outbox import Outbox, Outgoing

_LONGEST_S = 60.0
"""Only so that a failure does not hang."""
_MAX_PACKET_BYTES = 1_000
_CONNACK = b"\x20\x02\x00\x00"


@pytest.mark.parametrize("n_steps", range(6))
def test_a_cancellation_that_comes_with_the_acknowledgement_is_not_lost(
    n_steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        client = Client("127.0.0.1")
        monkeypatch.setattr(client._client, "publish", lambda *_: MQTTMessageInfo(1))
        outbox = Outbox()
        outbox.put(Outgoing(sensor_topic("wrist", SensorTopic.STATUS), b"", retain=True))
        connection = BrokerConnection(BrokerAddress("127.0.0.1", 1883), "attic", outbox)
        sending = asyncio.create_task(connection._send(client))
        await _until(lambda: bool(client._pending_publishes))
        client._pending_publishes.pop(1).set()
        for _ in range(n_steps):
            await asyncio.sleep(0)
        sending.cancel()
        await asyncio.wait([sending], timeout=1.0)
        assert sending.cancelled()

    asyncio.run(scenario())


def test_a_broker_that_goes_while_it_is_greeted_is_noticed(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        connections: list[asyncio.StreamWriter] = []

        async def go(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await _greet(reader, writer)
            # "online".
            await reader.read(_MAX_PACKET_BYTES)
            connections.append(writer)
            writer.close()

        async with _connecting_to(go):
            await _until(lambda: len(connections) > 1)

    asyncio.run(scenario())
    gc.collect()
    # asyncio has found no error that nobody has looked at.
    assert [record.getMessage() for record in caplog.records if record.name == "asyncio"] == []
    assert "Disconnected" in caplog.text


def test_a_broker_that_does_not_answer_any_more_is_connected_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_ANSWER_S", 0.1)

    async def scenario() -> None:
        connections: list[asyncio.StreamWriter] = []

        async def fall_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await _greet(reader, writer)
            connections.append(writer)
            await reader.read()
            writer.close()

        async with _connecting_to(fall_silent):
            await _until(lambda: len(connections) > 1)

    asyncio.run(scenario())


def test_each_server_that_is_away_is_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    attempts: list[None] = []

    async def count(_: Backoff, __: asyncio.Event | None = None) -> None:
        attempts.append(None)
        await asyncio.sleep(0)

    monkeypatch.setattr(Backoff, "wait", count)

    async def scenario() -> None:
        async with _connecting(BrokerAddress.parse("mqtt://127.0.0.1:1,127.0.0.1:2")):
            await _until(lambda: len(attempts) > 4)

    asyncio.run(scenario())
    assert caplog.text.count("127.0.0.1:1 cannot be reached") == 1
    assert caplog.text.count("127.0.0.1:2 cannot be reached") == 1


async def _greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Accept a client, as a broker does."""
    await reader.read(_MAX_PACKET_BYTES)
    writer.write(_CONNACK)
    await writer.drain()


@asynccontextmanager
async def _connecting_to(
    broker: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[None, None, None]],
) -> AsyncIterator[None]:
    """Keep a connection to a broker of the test's own while the context lasts."""
    server = await asyncio.start_server(broker, "127.0.0.1")
    async with _connecting(BrokerAddress("127.0.0.1", server.sockets[0].getsockname()[1])):
        yield
    server.close()
    await server.wait_closed()


@asynccontextmanager
async def _connecting(address: BrokerAddress) -> AsyncIterator[None]:
    leaving, outbox = asyncio.Event(), Outbox()
    async with outbox.running(), asyncio.TaskGroup() as tasks:
        tasks.create_task(BrokerConnection(address, "attic", outbox).run(leaving))
        yield
        leaving.set()


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(_LONGEST_S):
        while not condition():  # noqa: ASYNC110 - of a library, or another's: there is no event to wait for
            await asyncio.sleep(0.01)
