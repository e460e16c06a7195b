"""What the services say when the broker does not let them in, and what becomes of what a gateway may not send."""

import asyncio
import contextlib
import gc
import logging
import threading
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from support.brokers import BROKERS
from support.secured_broker import Client, SecuredBroker, secured_broker

from repsense.broker import BrokerAddress
from repsense.messages import SamplesMessage, StoredMessage
from repsense.topics import SensorTopic, all_sensors_topic, parse_topic, sensor_topic
from repsense_ble_gateway import broker_connection
from repsense_ble_gateway.gateway import run_gateway
from repsense_ble_gateway.sources.simulator import SimulatorSource
from repsense_inference.live import BrokerListener, LiveHub
from repsense_inference.metrics import Metrics
from repsense_preprocessor.broker import BrokerSession

_LONGEST_S = 60.0
"""Only so that a failure does not hang."""
_PROBLEMS = {
    "password": "does not accept the user inference with the password in MQTT_URL",
    "certificate": "was signed by nobody whom this system trusts",
}


@pytest.fixture(params=BROKERS)
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SecuredBroker]:
    with secured_broker(request.param, tmp_path) as running:
        yield running
    # paho-mqtt 2.1 leaves a connection whose certificate it refused to the garbage collector.
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "unclosed <ssl", ResourceWarning)
        gc.collect()


def _wrong(broker: SecuredBroker, problem: str) -> BrokerAddress:
    if problem == "password":
        return broker.address("inference", "wrong")
    return BrokerAddress.parse(broker.url("inference"))


@pytest.mark.filterwarnings("ignore:unclosed <ssl:ResourceWarning")
@pytest.mark.parametrize("problem", _PROBLEMS)
def test_the_preprocessor_says_once_why_it_is_not_let_in_and_tries_again(
    broker: SecuredBroker, problem: str, caplog: pytest.LogCaptureFixture
) -> None:
    tries: list[bool] = []

    def may_connect() -> bool:
        tries.append(True)
        return True

    topic = all_sensors_topic(SensorTopic.SAMPLES)
    session = BrokerSession(_wrong(broker, problem), "preprocessor", topic, may_connect=may_connect)
    session.start()
    try:
        _until(lambda: len(tries) > 2)
    finally:
        session.stop()
    assert _PROBLEMS[problem] in str(session.problem)
    assert caplog.text.count(_PROBLEMS[problem]) == 1
    assert "trying again" in caplog.text


@pytest.mark.filterwarnings("ignore:unclosed <ssl:ResourceWarning")
@pytest.mark.parametrize("problem", _PROBLEMS)
def test_the_api_says_once_why_it_is_not_let_in(
    broker: SecuredBroker, problem: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        listener = BrokerListener(_wrong(broker, problem), LiveHub(Metrics()))
        async with _running(listener.run()):
            await _eventually(lambda: _PROBLEMS[problem] in caplog.text)

    asyncio.run(scenario())
    assert caplog.text.count(_PROBLEMS[problem]) == 1


@pytest.mark.filterwarnings("ignore:unclosed <ssl:ResourceWarning")
@pytest.mark.parametrize("problem", _PROBLEMS)
def test_a_gateway_says_once_why_it_is_not_let_in(
    broker: SecuredBroker, problem: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        async with _running_gateway(_wrong(broker, problem), "home", "wrist"):
            await _eventually(lambda: _PROBLEMS[problem] in caplog.text)

    asyncio.run(scenario())
    assert caplog.text.count(_PROBLEMS[problem]) == 1


def test_what_a_gateway_may_not_send_is_kept_until_it_may(
    broker: SecuredBroker, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker_connection, "_ASK_AGAIN_S", 0.5)
    caplog.set_level(logging.INFO)
    store = _Store(broker.client("preprocessor", session="the-preprocessor"))

    async def scenario() -> None:
        address = broker.address("gateway-home", broker.allow("home", "wrist"))
        broker.reload()
        async with _running_gateway(address, "home", "wrist", "hip", spool=tmp_path / "spool"):
            await _eventually(lambda: len(store.sequences("wrist")) > 5)
            assert store.sequences("hip") == []
            if broker.kind == "nats":
                await _eventually(lambda: "does not let the user gateway-home speak for hip" in caplog.text)
            broker.allow("home", "wrist", "hip")
            broker.reload()
            await _eventually(lambda: 0 in store.sequences("hip"))
            await _eventually(lambda: store.is_complete("hip"))
        assert broker.kind != "nats" or "lets the user gateway-home speak for hip now" in caplog.text

    asyncio.run(scenario())
    assert store.is_complete("wrist")


def test_a_gateway_under_an_id_that_is_not_its_own_says_so(
    broker: SecuredBroker, caplog: pytest.LogCaptureFixture
) -> None:
    if broker.kind == "mosquitto":
        pytest.skip("Mosquitto grants subscriptions without looking at the rights, so a gateway cannot know")
    address = broker.address("gateway-home", broker.allow("home", "wrist", "ankle"))

    async def scenario() -> None:
        async with _running_gateway(address, "attic", "wrist"):
            await _eventually(lambda: "speak for gateway attic" in caplog.text)

    asyncio.run(scenario())
    assert "(GATEWAY_ID) must be the one that its user was made for" in caplog.text


class _Store:
    """Does what the preprocessor does as far as a gateway can see: reports what it has got."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._ranges: dict[str, list[tuple[int, int]]] = {}
        client.on_message = self._take
        client.subscribe(all_sensors_topic(SensorTopic.SAMPLES))

    def sequences(self, sensor_id: str) -> list[int]:
        """Where the batches begin that have come."""
        return [first for first, _ in self._ranges.get(sensor_id, [])]

    def is_complete(self, sensor_id: str) -> bool:
        """Whether nothing is missing up to the newest sample."""
        end = 0
        for first, stop in sorted(self._ranges.get(sensor_id, [])):
            if first > end:
                return False
            end = max(end, stop)
        return end > 0

    def _take(self, topic: str, payload: bytes) -> None:
        message = SamplesMessage.decode(payload)
        parsed = parse_topic(topic)
        assert parsed is not None
        taken = (message.sequence, message.sequence + len(message.samples))
        self._ranges.setdefault(parsed.id, []).append(taken)
        report = StoredMessage(sensor_id=parsed.id, stream_id=message.stream_id, ranges=(taken,))
        self._client.publish_later(sensor_topic(parsed.id, SensorTopic.STORED), report.encode())


@contextlib.asynccontextmanager
async def _running_gateway(
    address: BrokerAddress, gateway_id: str, *sensor_ids: str, spool: Path | None = None
) -> AsyncIterator[None]:
    sources = [SimulatorSource(sensor_id, sensor_id, 1) for sensor_id in sensor_ids]
    stopping = asyncio.Event()
    async with _running(run_gateway(sources, gateway_id, address, stopping, spool_folder=spool)):
        yield
        stopping.set()


@contextlib.asynccontextmanager
async def _running(work: Awaitable[object]) -> AsyncIterator[None]:
    task = asyncio.ensure_future(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(_LONGEST_S):
        while not condition():  # noqa: ASYNC110 - a thread changes it
            await asyncio.sleep(0.02)


def _until(condition: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(int(_LONGEST_S / 0.02)):
        if condition():
            return
        pause.wait(0.02)
    raise TimeoutError
