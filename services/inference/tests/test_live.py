import asyncio
import json
import logging
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi.sse import ServerSentEvent
from prometheus_client import Gauge
from support.servers import broker

from repsense.broker import BrokerAddress
from repsense.messages import ClassificationMessage, GatewayStatusMessage, SensorStatusMessage
from repsense.topics import SensorTopic, gateway_status_topic, sensor_topic
from repsense_inference.faults import Fault, FaultKind
from repsense_inference.live import BrokerListener, Listener, LiveHub
from repsense_inference.metrics import Metrics

_NOW = datetime(2026, 3, 1, 17, tzinfo=UTC)
_ONLINE = SensorStatusMessage(sensor_id="wrist", gateway_id="laptop", state="online", at=_NOW)
_WILL = GatewayStatusMessage(gateway_id="laptop", state="offline", reason="connection lost")
_CLASSIFICATION = ClassificationMessage(
    sensor_id="wrist",
    stream_id="one",
    model_name="mean",
    model_version=1,
    window_start_at=_NOW,
    window_end_at=_NOW,
    last_sequence=9,
    label=None,
    confidence=0.0,
    window_label=None,
    probabilities=None,
)

_Test = Callable[[], Coroutine[Any, Any, None]]


def _in_loop(test: _Test) -> Callable[[], None]:
    def run() -> None:
        asyncio.run(asyncio.wait_for(test(), 10))

    run.__name__ = test.__name__
    return run


def _hub(capacity: int = 100) -> tuple[LiveHub, Metrics]:
    metrics = Metrics()
    hub = LiveHub(metrics, capacity)
    hub.connected()
    return hub, metrics


def _value(gauge: Gauge) -> float:
    return float(next(iter(next(iter(gauge.collect())).samples)).value)


def _publish_status(hub: LiveHub, message: SensorStatusMessage) -> None:
    hub.receive(sensor_topic(message.sensor_id, SensorTopic.STATUS), message.encode())


def _publish_classification(hub: LiveHub, payload: bytes, sensor_id: str = "wrist") -> None:
    hub.receive(sensor_topic(sensor_id, SensorTopic.CLASSIFICATION), payload)


async def _take(listener: Listener, n_events: int) -> list[ServerSentEvent]:
    events = listener.events()
    return [await anext(events) for _ in range(n_events)]


@_in_loop
async def test_a_classification_is_forwarded_as_it_came() -> None:
    hub, _ = _hub()
    payload = b'{"not even":\n"parsed"}'
    with hub.listen(None) as listener:
        _publish_classification(hub, payload)
        (event,) = await _take(listener, 1)

    assert event.event == "classification"
    assert event.raw_data == payload.decode()


@_in_loop
async def test_a_listener_of_one_sensor_hears_nothing_of_others() -> None:
    hub, _ = _hub()
    with hub.listen("wrist") as one, hub.listen(None) as everyone:
        _publish_classification(hub, b"1", "ankle")
        _publish_classification(hub, b"2", "wrist")
        _publish_classification(hub, b"3", "ankle")

        assert [event.raw_data for event in await _take(everyone, 3)] == ["1", "2", "3"]
        hub.close()
        assert [event.raw_data async for event in one.events()] == []

    with hub.listen("wrist"):
        assert hub.newest("ankle") is None


@_in_loop
async def test_a_slow_listener_loses_its_oldest_events_and_they_are_counted() -> None:
    hub, metrics = _hub(capacity=3)
    with hub.listen(None) as slow:
        for number in range(5):
            _publish_classification(hub, b"%d" % number)

        assert [event.raw_data for event in await _take(slow, 3)] == ["2", "3", "4"]
    assert metrics.registry.get_sample_value("repsense_inference_live_dropped_events_total") == 2


@_in_loop
async def test_a_new_listener_is_told_the_statuses_that_are_known() -> None:
    hub, metrics = _hub()
    _publish_status(hub, _ONLINE)
    _publish_status(hub, _ONLINE.model_copy(update={"sensor_id": "ankle"}))

    with hub.listen(None) as everyone, hub.listen("wrist") as one:
        assert _value(metrics.live_listeners) == 2
        told = [json.loads(event.raw_data or "")["sensor_id"] for event in await _take(everyone, 2)]
        (event,) = await _take(one, 1)

    assert told == ["ankle", "wrist"]
    assert event.event == "status"
    assert SensorStatusMessage.decode(event.raw_data or "") == _ONLINE
    assert _value(metrics.live_listeners) == 0


@_in_loop
async def test_the_will_of_a_gateway_is_a_status_of_each_of_its_sensors() -> None:
    hub, _ = _hub()
    _publish_status(hub, _ONLINE)
    _publish_status(hub, _ONLINE.model_copy(update={"sensor_id": "ankle", "gateway_id": "phone"}))
    with hub.listen(None) as listener:
        await _take(listener, 2)
        hub.receive(gateway_status_topic("laptop"), _WILL.encode())
        (event,) = await _take(listener, 1)
        # The same again is no news.
        hub.receive(gateway_status_topic("laptop"), _WILL.encode())
        hub.receive(
            gateway_status_topic("laptop"),
            GatewayStatusMessage(gateway_id="laptop", state="online", at=_NOW).encode(),
        )
        (back,) = await _take(listener, 1)

    status = SensorStatusMessage.decode(event.raw_data or "")
    assert (status.sensor_id, status.state) == ("wrist", "offline")
    assert status.reason == "its gateway laptop is offline: connection lost"
    assert SensorStatusMessage.decode(back.raw_data or "") == _ONLINE


@_in_loop
async def test_a_status_that_arrives_after_the_will_is_offline_too() -> None:
    hub, _ = _hub()
    hub.receive(gateway_status_topic("laptop"), _WILL.encode())
    _publish_status(hub, _ONLINE)

    status = hub.status("wrist")

    assert status is not None
    assert status.state == "offline"


@_in_loop
async def test_a_status_taken_off_the_broker_is_forgotten() -> None:
    hub, _ = _hub()
    _publish_status(hub, _ONLINE)
    hub.receive(sensor_topic("wrist", SensorTopic.STATUS), b"")

    assert hub.status("wrist") is None
    assert hub.sensor_ids() == set()


@_in_loop
async def test_the_newest_classification_is_kept_until_the_broker_is_lost() -> None:
    hub, metrics = _hub()
    _publish_classification(hub, _CLASSIFICATION.encode())
    newer = _CLASSIFICATION.model_copy(update={"last_sequence": 10})
    _publish_classification(hub, newer.encode())
    _publish_status(hub, _ONLINE)

    assert hub.newest("wrist") == newer
    assert _value(metrics.mqtt_connected) == 1

    gone = Fault(FaultKind.BROKER_AWAY, "the broker is gone")
    hub.disconnected(gone)

    assert hub.newest("wrist") is None
    assert hub.status("wrist") is None
    assert hub.broker_fault == gone
    assert _value(metrics.mqtt_connected) == 0


def test_a_bad_message_is_said_once_counted_and_dropped(caplog: pytest.LogCaptureFixture) -> None:
    hub, metrics = _hub()
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            hub.receive(sensor_topic("wrist", SensorTopic.STATUS), b"{}")
        hub.receive(sensor_topic("ankle", SensorTopic.STATUS), _ONLINE.encode())
        _publish_classification(hub, b"\xff")
        assert hub.newest("wrist") is None
    hub.receive("another/topic", b"{}")

    assert hub.sensor_ids() == set()
    assert len(caplog.records) == 3
    assert metrics.registry.get_sample_value("repsense_inference_mqtt_refused_messages_total") == 5


@_in_loop
async def test_closing_ends_streams_that_wait_and_those_that_come() -> None:
    hub, _ = _hub()
    with hub.listen(None) as listener:
        waiting = asyncio.create_task(_take(listener, 1))
        await asyncio.sleep(0)
        hub.close()
        with pytest.raises(StopAsyncIteration):
            await waiting
    with hub.listen(None) as late:
        assert [event async for event in late.events()] == []


class _MistakenHub(LiveHub):
    def connected(self) -> None:
        msg = "a mistake"
        raise LookupError(msg)


def test_a_mistake_of_ours_is_logged_and_seen_by_readiness(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    hub = _MistakenHub(Metrics())
    with broker(tmp_path) as server:
        asyncio.run(asyncio.wait_for(BrokerListener(BrokerAddress("127.0.0.1", server.port), hub).run(), 10))

    assert "a mistake" in caplog.text
    assert hub.broker_fault is not None
    assert hub.broker_fault.detail == "the connection to the message broker was given up; restart this service"
