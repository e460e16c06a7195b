"""The gateway against a real broker."""

import asyncio
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path

import aiomqtt
import numpy as np
import pytest
from support import servers
from support.brokers import BROKERS, run_broker
from support.servers import Server

from repsense.broker import BrokerAddress
from repsense.channels import CHANNELS
from repsense.labels import Label
from repsense.messages import GatewayStatusMessage, SamplesMessage, SensorStatusMessage, StoredMessage, TruthMessage
from repsense.topics import SensorTopic, gateway_status_topic, sensor_topic
from repsense_ble_gateway import gateway as gateway_module
from repsense_ble_gateway.gateway import run_gateway
from repsense_ble_gateway.packets import Packet
from repsense_ble_gateway.packets.repsense import RepSenseDecoder, encode_packet
from repsense_ble_gateway.sources import Connected, Event, Moved, Received, SensorSource, SourceError
from repsense_ble_gateway.spool import SpoolError

_LONGEST_S = 60.0
"""Only so that a failure does not hang; nothing is asserted about time."""
_GATEWAY = gateway_status_topic("attic")


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Server]:
    with servers.broker(tmp_path / "broker") as running:
        yield running


def _address(broker: Server) -> BrokerAddress:
    return BrokerAddress("127.0.0.1", broker.port)


def _connected() -> Connected:
    return Connected(RepSenseDecoder())


def _received(sequence: int) -> Received:
    samples = np.full((10, 9), sequence / 1000, dtype=np.float32)
    packet = Packet(samples, CHANNELS, sequence, device_time_us=0, sample_rate_hz=50.0)
    return Received(encode_packet(packet), 1_700_000_000_000_000 + sequence * 20_000)


@dataclass
class _Source:
    """A sensor that sends what the test puts into its queue; None ends it, an exception breaks it."""

    sensor_id: str
    name: str = "Simulated wrist"
    simulated: bool = True
    queue: "asyncio.Queue[Event | Exception | None]" = field(default_factory=asyncio.Queue)

    async def events(self) -> AsyncGenerator[Event, None]:
        while (event := await self.queue.get()) is not None:
            if isinstance(event, Exception):
                raise event
            yield event

    def put(self, *events: "Event | Exception | None") -> None:
        for event in events:
            self.queue.put_nowait(event)


class _Reader:
    """Reads what was published and lets a test wait for what it expects."""

    def __init__(self, client: aiomqtt.Client) -> None:
        self._client = client

    async def until(self, wanted: Callable[[aiomqtt.Message], bool]) -> list[aiomqtt.Message]:
        """Messages up to and with the first that is wanted."""
        read: list[aiomqtt.Message] = []
        async with asyncio.timeout(_LONGEST_S):
            async for message in self._client.messages:
                read.append(message)
                if wanted(message):
                    return read
        raise AssertionError

    async def gateway_is(self, state: str) -> aiomqtt.Message:
        def wanted(message: aiomqtt.Message) -> bool:
            return message.topic.matches(_GATEWAY) and GatewayStatusMessage.decode(message.payload).state == state

        return (await self.until(wanted))[-1]

    async def sensor_is(self, sensor_id: str, state: str) -> SensorStatusMessage:
        topic = sensor_topic(sensor_id, SensorTopic.STATUS)

        def wanted(message: aiomqtt.Message) -> bool:
            return message.topic.matches(topic) and SensorStatusMessage.decode(message.payload).state == state

        return SensorStatusMessage.decode((await self.until(wanted))[-1].payload)

    async def samples(self, sensor_id: str, last_sequence: int) -> list[SamplesMessage]:
        topic = sensor_topic(sensor_id, SensorTopic.SAMPLES)

        def wanted(message: aiomqtt.Message) -> bool:
            return message.topic.matches(topic) and SamplesMessage.decode(message.payload).sequence == last_sequence

        read = await self.until(wanted)
        return [SamplesMessage.decode(message.payload) for message in read if message.topic.matches(topic)]


@asynccontextmanager
async def _reader(broker: Server, persistent_id: str | None = None) -> AsyncIterator[_Reader]:
    """A subscriber; with an id the broker keeps its messages while it is away."""
    async with aiomqtt.Client(
        _address(broker).host, _address(broker).port, identifier=persistent_id, clean_session=persistent_id is None
    ) as client:
        await client.subscribe("repsense/#", 1)
        yield _Reader(client)


@asynccontextmanager
async def _gateway(
    broker: Server, sources: Sequence[SensorSource], spool_folder: Path | None = None
) -> AsyncIterator[asyncio.Event]:
    stopping = asyncio.Event()
    task = asyncio.create_task(run_gateway(sources, "attic", _address(broker), stopping, spool_folder=spool_folder))
    try:
        yield stopping
    finally:
        stopping.set()
        async with asyncio.timeout(_LONGEST_S):
            await task


async def _until_kept(folder: Path, n_messages: int) -> None:
    """Wait until a spool holds so many messages; it is another's, so there is no event to wait for."""

    def kept() -> int:
        address = f"{(folder / 'spool.db').as_uri()}?mode=ro"
        try:
            with closing(sqlite3.connect(address, uri=True)) as spool:
                return int(spool.execute("SELECT count(*) FROM messages").fetchone()[0])
        except sqlite3.OperationalError:
            return -1

    async with asyncio.timeout(_LONGEST_S):
        while kept() != n_messages:  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.01)


def _run(scenario: Callable[[], Coroutine[None, None, None]]) -> None:
    asyncio.run(scenario())


def test_samples_truth_and_status_reach_the_broker(broker: Server) -> None:
    squat = Label(exercise="squat")

    async def scenario() -> None:
        source = _Source("wrist")
        async with _reader(broker) as reader, _gateway(broker, [source]):
            await reader.gateway_is("online")
            source.put(_connected(), Moved(0, squat, 1), _received(0), _received(10))
            online = await reader.sensor_is("wrist", "online")
            assert (online.gateway_id, online.simulated, online.name) == ("attic", True, "Simulated wrist")
            messages = await reader.until(lambda message: message.topic.matches("+/+/+/+/samples"))
            truth = TruthMessage.decode(messages[0].payload)
            samples = SamplesMessage.decode(messages[1].payload)
            assert truth.stream_id == samples.stream_id == online.stream_id
            assert (truth.label, truth.sequence) == (squat, 0)
            assert (samples.sequence, len(samples.samples), samples.simulated) == (0, 10, True)

    _run(scenario)


def test_the_status_is_retained_for_those_who_come_later(broker: Server) -> None:
    async def scenario() -> None:
        source = _Source("wrist")
        async with _gateway(broker, [source]):
            source.put(_connected(), _received(0))
            async with _reader(broker) as reader:
                await reader.sensor_is("wrist", "online")
            async with _reader(broker) as reader:
                messages = [await reader.gateway_is("online")]
                assert messages[0].retain
            async with _reader(broker) as reader:
                assert (await reader.sensor_is("wrist", "online")).stream_id

    _run(scenario)


def test_a_clean_stop_says_so(broker: Server) -> None:
    async def scenario() -> None:
        source = _Source("wrist")
        async with _reader(broker) as reader:
            async with _gateway(broker, [source]):
                source.put(_connected(), _received(0))
                await reader.sensor_is("wrist", "online")
            offline = await reader.sensor_is("wrist", "offline")
            assert offline.reason == "the gateway was stopped"
            status = GatewayStatusMessage.decode((await reader.gateway_is("offline")).payload)
            assert status.reason == "stopped"

    _run(scenario)


def test_a_killed_gateway_is_announced_by_its_last_will(broker: Server) -> None:
    async def scenario() -> None:
        async with _reader(broker) as reader:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "repsense_ble_gateway", "simulator", "--gateway-id", "attic"),
                env={**os.environ, "MQTT_URL": f"mqtt://{_address(broker)}"},
            )
            try:
                await reader.until(lambda message: message.topic.matches("+/+/+/+/samples"))
            finally:
                process.kill()
                await process.wait()
            status = GatewayStatusMessage.decode((await reader.gateway_is("offline")).payload)
            assert (status.reason, status.at) == ("connection lost", None)

    _run(scenario)


def test_the_replay_command_sends_a_whole_file_and_ends(broker: Server, tmp_path: Path) -> None:
    file = tmp_path / "recordings.csv"
    rows = [f"{name},{','.join(['0.5'] * 9)}" for name in ("Squat", "Lunge") for _ in range(40)]
    file.write_text("\n".join([f"activity,{','.join(CHANNELS)}", *rows]))

    async def scenario() -> None:
        async with _reader(broker) as reader:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "repsense_ble_gateway", "replay", str(file)),
                *("--rate-hz", "2", "--speed", "1000", "--gateway-id", "attic"),
                env={**os.environ, "MQTT_URL": f"mqtt://{_address(broker)}"},
            )
            async with asyncio.timeout(_LONGEST_S):
                assert await process.wait() == 0
            read = await reader.until(lambda message: message.topic.matches(_GATEWAY) and b"stopped" in message.payload)
        truths = [TruthMessage.decode(message.payload) for message in read if message.topic.matches("+/+/+/+/truth")]
        assert [truth.label for truth in truths] == [Label(exercise="Squat"), Label(exercise="Lunge")]
        samples = [
            SamplesMessage.decode(message.payload) for message in read if message.topic.matches("+/+/+/+/samples")
        ]
        assert [message.sequence for message in samples] == [*range(40), *range(40)]
        assert {message.stream_id for message in samples} == {truth.stream_id for truth in truths}
        times_s = [message.first_sample_at.timestamp() for message in samples]
        np.testing.assert_allclose(np.diff(times_s), 0.5, atol=1e-5)

    _run(scenario)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_command_cleanly(broker: Server, number: signal.Signals) -> None:
    async def scenario() -> None:
        async with _reader(broker) as reader:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "repsense_ble_gateway", "simulator", "--gateway-id", "attic", "--sensors", "2"),
                env={**os.environ, "MQTT_URL": f"mqtt://{_address(broker)}"},
                stderr=asyncio.subprocess.PIPE,
            )
            try:
                await reader.until(lambda message: message.topic.matches("+/+/+/simulator-2/samples"))
                process.send_signal(number)
                _, log = await process.communicate()
            finally:
                if process.returncode is None:
                    process.kill()
            status = GatewayStatusMessage.decode((await reader.gateway_is("offline")).payload)
            assert (process.returncode, status.reason) == (0, "stopped")
            assert b"Traceback" not in log

    _run(scenario)


def test_nothing_is_lost_while_the_broker_restarts(broker: Server) -> None:
    async def scenario() -> None:
        source = _Source("wrist")
        async with _gateway(broker, [source]):
            async with _reader(broker, "reader") as reader:
                source.put(_connected(), *(_received(sequence) for sequence in range(0, 50, 10)))
                received = await reader.samples("wrist", 40)
            await asyncio.to_thread(broker.stop)
            source.put(*(_received(sequence) for sequence in range(50, 500, 10)))
            await asyncio.to_thread(broker.start)
            async with _reader(broker, "reader") as reader:
                source.put(*(_received(sequence) for sequence in range(500, 600, 10)))
                received += await reader.samples("wrist", 590)
            # At least once: what was not acknowledged when the broker stopped may come twice.
            assert list(dict.fromkeys(message.sequence for message in received)) == list(range(0, 600, 10))

    _run(scenario)


@pytest.mark.parametrize("kind", BROKERS)
def test_what_the_broker_did_not_take_is_sent_in_order_by_the_next_gateway(kind: str, tmp_path: Path) -> None:
    with run_broker(kind, tmp_path / "broker") as broker:

        async def scenario() -> None:
            async with _reader(broker, "reader"):
                pass
            await asyncio.to_thread(broker.stop)
            first, second = _Source("wrist"), _Source("wrist")
            first.put(_connected(), *(_received(sequence) for sequence in range(0, 3000, 10)), None)
            async with _gateway(broker, [first, _Source("ankle")], tmp_path / "spool"):
                await _until_kept(tmp_path / "spool", 300)
            await asyncio.to_thread(broker.start)
            second.put(_connected(), *(_received(sequence) for sequence in range(3000, 3500, 10)))
            async with _gateway(broker, [second], tmp_path / "spool"), _reader(broker, "reader") as reader:
                received = await reader.samples("wrist", 3490)
            assert [message.sequence for message in received] == list(range(0, 3500, 10))
            assert len({message.stream_id for message in received}) == 2

        _run(scenario)


def test_what_is_reported_as_stored_leaves_the_spool(broker: Server, tmp_path: Path) -> None:
    async def scenario() -> None:
        source = _Source("wrist")
        async with _reader(broker) as reader, _gateway(broker, [source], tmp_path):
            source.put(_connected(), *(_received(sequence) for sequence in range(0, 50, 10)))
            sent = await reader.samples("wrist", 40)
            report = StoredMessage(sensor_id="wrist", stream_id=sent[0].stream_id, ranges=((0, 20), (30, 40)))
            async with aiomqtt.Client(_address(broker).host, _address(broker).port) as preprocessor:
                await preprocessor.publish(sensor_topic("wrist", SensorTopic.STORED), report.encode(), 1)
            await _until_kept(tmp_path, 2)

    _run(scenario)


def test_a_report_that_cannot_be_used_is_said_once(broker: Server, caplog: pytest.LogCaptureFixture) -> None:
    ankle = StoredMessage(sensor_id="ankle", stream_id="s1", ranges=((0, 10),))

    async def scenario() -> None:
        source = _Source("wrist")
        async with _reader(broker) as reader, _gateway(broker, [source]):
            source.put(_connected(), _received(0))
            await reader.samples("wrist", 0)
            async with aiomqtt.Client(_address(broker).host, _address(broker).port) as other:
                for payload in (ankle.encode(), b"not json"):
                    await other.publish(sensor_topic("wrist", SensorTopic.STORED), payload, 1)
                # The gateway takes what comes for it in order; this it answers.
                will = GatewayStatusMessage(gateway_id="attic", state="offline", reason="connection lost")
                await other.publish(_GATEWAY, will.encode(), 1, retain=True)
            await reader.gateway_is("offline")
            await reader.gateway_is("online")

    _run(scenario)
    assert [record.getMessage() for record in caplog.records if "such messages" in record.getMessage()] == [
        "repsense/v1/sensors/wrist/stored: it speaks of sensor ankle; such messages are dropped and counted"
    ]


def test_a_spool_that_is_in_use_is_said_at_once(broker: Server, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with _reader(broker) as reader, _gateway(broker, [_Source("wrist")], tmp_path):
            await reader.gateway_is("online")
            with pytest.raises(SpoolError, match="another gateway keeps its samples in"):
                await run_gateway(
                    [_Source("ankle")], "cellar", _address(broker), asyncio.Event(), spool_folder=tmp_path
                )

    _run(scenario)


def test_the_status_is_announced_again_after_a_restart(broker: Server) -> None:
    async def scenario() -> None:
        source = _Source("wrist")
        async with _gateway(broker, [source]):
            async with _reader(broker) as reader:
                source.put(_connected(), _received(0))
                await reader.sensor_is("wrist", "online")
            await asyncio.to_thread(broker.stop)
            await asyncio.to_thread(broker.start)
            async with _reader(broker) as reader:
                await reader.gateway_is("online")
            async with _reader(broker) as reader:
                await reader.sensor_is("wrist", "online")

    _run(scenario)


def test_a_foreign_offline_is_answered(broker: Server) -> None:
    """The Last Will of a connection that broke unnoticed can come after the new connection said "online"."""

    async def scenario() -> None:
        async with _reader(broker) as reader, _gateway(broker, [_Source("wrist")]):
            await reader.gateway_is("online")
            will = GatewayStatusMessage(gateway_id="attic", state="offline", reason="connection lost")
            async with aiomqtt.Client(_address(broker).host, _address(broker).port) as other:
                await other.publish(_GATEWAY, will.encode(), 1, retain=True)
            await reader.gateway_is("offline")
            await reader.gateway_is("online")

    _run(scenario)


def test_one_failing_sensor_does_not_disturb_the_others(broker: Server, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        broken, refused, healthy = _Source("broken"), _Source("refused"), _Source("healthy")
        async with _reader(broker) as reader, _gateway(broker, [broken, refused, healthy]):
            for source in (broken, refused, healthy):
                source.put(_connected(), _received(0))
                await reader.sensor_is(source.sensor_id, "online")
            broken.put(ZeroDivisionError("bug"))
            assert (await reader.sensor_is("broken", "offline")).reason == "an unexpected error, see the gateway's log"
            refused.put(SourceError("no such characteristic"))
            assert (await reader.sensor_is("refused", "offline")).reason == "no such characteristic"
            healthy.put(_received(10))
            await reader.samples("healthy", 10)

    _run(scenario)
    assert [record.exc_info is not None for record in caplog.records if record.levelname == "ERROR"] == [True]


def test_the_gateway_ends_when_all_sensors_have_and_everything_is_delivered(broker: Server) -> None:
    async def scenario() -> None:
        source = _Source("wrist")
        source.put(_connected(), *(_received(sequence) for sequence in range(0, 1000, 10)), None)
        async with _reader(broker) as reader, asyncio.timeout(_LONGEST_S):
            went_well = await run_gateway([source], "attic", _address(broker), asyncio.Event())
            messages = await reader.samples("wrist", 990)
        assert went_well
        assert [message.sequence for message in messages] == list(range(0, 1000, 10))

    _run(scenario)


def test_a_broker_that_does_not_answer_does_not_hold_up_the_end(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        source = _Source("wrist")
        source.put(_connected(), _received(0))
        asked, ended = asyncio.Event(), asyncio.Event()

        async def silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            asked.set()
            await ended.wait()
            writer.close()

        server = await asyncio.start_server(silent, "127.0.0.1")
        port = server.sockets[0].getsockname()[1]
        stopping = asyncio.Event()
        task = asyncio.create_task(run_gateway([source], "attic", BrokerAddress("127.0.0.1", port), stopping))
        async with asyncio.timeout(_LONGEST_S):
            await asked.wait()
            stopping.set()
            assert await task
        ended.set()
        server.close()
        await server.wait_closed()

    _run(scenario)
    assert "the broker did not take 1 messages: they are lost" in caplog.text


def test_a_sensor_that_cannot_be_let_go_does_not_hold_up_the_end(
    broker: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway_module, "_CLEANUP_S", 0.1)

    class Stuck(_Source):
        async def events(self) -> AsyncGenerator[Event, None]:
            try:
                async for event in super().events():
                    yield event
            finally:
                # As of a Bluetooth service that hangs.
                await asyncio.Event().wait()

    async def scenario() -> None:
        source = Stuck("wrist")
        async with _reader(broker) as reader:
            async with _gateway(broker, [source]):
                source.put(_connected(), _received(0))
                await reader.sensor_is("wrist", "online")
            assert (await reader.sensor_is("wrist", "offline")).reason == "the gateway was stopped"
            await reader.gateway_is("offline")

    _run(scenario)


def test_home_assistant_is_told_of_each_sensor_on_request(broker: Server) -> None:
    async def scenario() -> None:
        stopping = asyncio.Event()
        sources = [_Source("wrist"), _Source("ankle")]
        gateway = run_gateway(sources, "attic", _address(broker), stopping, home_assistant_prefix="gym")
        task = asyncio.create_task(gateway)
        async with aiomqtt.Client("127.0.0.1", broker.port) as client:
            await client.subscribe("gym/#")
            async with asyncio.timeout(_LONGEST_S):
                described = {message.topic.value: message async for message in _first(client, 2)}
        stopping.set()
        await task
        assert set(described) == {"gym/device/repsense-wrist/config", "gym/device/repsense-ankle/config"}

    _run(scenario)


async def _first(client: aiomqtt.Client, n_messages: int) -> AsyncGenerator[aiomqtt.Message, None]:
    messages = client.messages
    for _ in range(n_messages):
        yield await anext(messages)
