"""What happens now: one connection to the broker, the newest of each sensor, and the listeners of `/v1/live`.

    broker ── BrokerListener ── LiveHub ─┬─ newest classification and status of each sensor, for polling
                                         ├─ Listener ── GET /v1/live
                                         └─ Listener ── GET /v1/live?sensor_id=wrist

Classifications are forwarded as they come and parsed only when somebody asks for the newest, so that many sensors
cost little. Everything here runs in the event loop; the questions that routes ask from their threads are single
reads of a dictionary.
"""

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime

import aiomqtt
from aiomqtt.exceptions import MqttConnectError
from fastapi.sse import ServerSentEvent

from repsense.broker import BrokerAddress, BrokerProblem, BrokerProblemKind
from repsense.errors import MessageError
from repsense.messages import ClassificationMessage, GatewayStatusMessage, SensorStatusMessage
from repsense.topics import SensorTopic, Topic, all_gateways_topic, all_sensors_topic, parse_topic
from repsense_inference.faults import Fault, FaultKind
from repsense_inference.gateway_clocks import GatewayClocks
from repsense_inference.metrics import Metrics
from repsense_inference.presence import effective_status

__all__ = ["BrokerListener", "Listener", "LiveHub"]

_LOGGER = logging.getLogger(__name__)

LISTENER_CAPACITY = 1_000
"""Events that may wait for one listener: more than a second of the busiest stream, about 1 MB."""

KEEPALIVE_S = 15
"""A broker that hangs is noticed after one and a half of these."""
CONNECT_TIMEOUT_S = 5.0
FIRST_RETRY_S = 0.5
LAST_RETRY_S = 5.0
"""Waiting for the broker doubles from the first to the last."""
MAX_WAITING_MESSAGES = 20_000
"""Bounds what can pile up while the loop is busy."""

_NOT_YET = Fault(FaultKind.BROKER_AWAY, "not connected to the message broker yet")
_GIVEN_UP = Fault(FaultKind.BROKER_AWAY, "the connection to the message broker was given up; restart this service")
_FAULTS = {
    BrokerProblemKind.AWAY: (FaultKind.BROKER_AWAY, "the message broker cannot be reached"),
    BrokerProblemKind.PASSWORD: (FaultKind.BROKER_PASSWORD, "the message broker does not accept user and password"),
    BrokerProblemKind.CERTIFICATE: (FaultKind.BROKER_CERTIFICATE, "the message broker's certificate is not trusted"),
}


class Listener:
    """The events of one live stream, in order; the oldest give way if the client is too slow."""

    def __init__(self, sensor_id: str | None, capacity: int, metrics: Metrics) -> None:
        """Prepare for events.

        Args:
            sensor_id: Whose events; None for everyone's.
            capacity: How many events may wait.
            metrics: Where dropped events are counted.
        """
        self.sensor_id = sensor_id
        self._waiting: deque[ServerSentEvent] = deque(maxlen=capacity)
        self._metrics = metrics
        self._changed = asyncio.Event()
        self._closed = False

    def put(self, event: ServerSentEvent) -> None:
        """Add an event."""
        if len(self._waiting) == self._waiting.maxlen:
            self._metrics.dropped_events.inc()
        self._waiting.append(event)
        self._changed.set()

    def close(self) -> None:
        """End the stream at once."""
        self._closed = True
        self._changed.set()

    async def events(self) -> AsyncIterator[ServerSentEvent]:
        """Every event from now on, until the listener is closed."""
        while not self._closed:
            while self._waiting and not self._closed:
                yield self._waiting.popleft()
            self._changed.clear()
            if not self._closed:
                await self._changed.wait()


class LiveHub:
    """Knows the newest of each sensor and passes events on."""

    def __init__(
        self, metrics: Metrics, listener_capacity: int = LISTENER_CAPACITY, max_listeners: int | None = None
    ) -> None:
        """Begin without a broker.

        Args:
            metrics: Where messages, listeners and dropped events are counted.
            listener_capacity: How many events may wait for one listener.
            max_listeners: How many there may be at once, where it is bounded.
        """
        self._metrics = metrics
        self._capacity = listener_capacity
        self._max_listeners = max_listeners
        self._broker_fault: Fault | None = _NOT_YET
        self._statuses: dict[str, SensorStatusMessage] = {}
        self._gateways: dict[str, GatewayStatusMessage] = {}
        self._gateway_clocks = GatewayClocks()
        self._newest: dict[str, bytes] = {}
        self._listeners: set[Listener] = set()
        self._refused_topics: set[str] = set()
        self._closed = False

    @property
    def broker_fault(self) -> Fault | None:
        """Why the broker brings nothing; None if it is connected."""
        return self._broker_fault

    @property
    def is_full(self) -> bool:
        """Whether no further listener is taken on."""
        return self._max_listeners is not None and len(self._listeners) >= self._max_listeners

    def sensor_ids(self) -> set[str]:
        """The sensors that have a status."""
        return set(self._statuses)

    def status(self, sensor_id: str) -> SensorStatusMessage | None:
        """The status of a sensor with its gateway's taken into account; None if nobody reports it."""
        status = self._statuses.get(sensor_id)
        return None if status is None else effective_status(status, self._gateways.get(status.gateway_id))

    def statuses(self) -> list[SensorStatusMessage]:
        """The status of every sensor that has one, as `status` gives it."""
        return [status for sensor_id in tuple(self._statuses) if (status := self.status(sensor_id)) is not None]

    def clock_offsets_s(self) -> dict[str, float]:
        """How far the clock of each gateway is ahead of this one, where that is known."""
        return self._gateway_clocks.offsets_s()

    def newest(self, sensor_id: str) -> ClassificationMessage | None:
        """The classification of a sensor that came last, if one came since the broker was connected."""
        payload = self._newest.get(sensor_id)
        if payload is None:
            return None
        try:
            return ClassificationMessage.decode(payload)
        except MessageError as error:
            self._refuse(f"classification of {sensor_id}", error)
            return None

    @contextlib.contextmanager
    def listen(self, sensor_id: str | None) -> Iterator[Listener]:
        """Take part in what happens while the context lasts; begins with the statuses known."""
        listener = Listener(sensor_id, self._capacity, self._metrics)
        for known_id in sorted(self._statuses):
            if sensor_id in {None, known_id}:
                listener.put(self._status_event(known_id))
        if self._closed:
            listener.close()
        self._listeners.add(listener)
        self._metrics.live_listeners.inc()
        try:
            yield listener
        finally:
            self._listeners.discard(listener)
            self._metrics.live_listeners.dec()

    def close(self) -> None:
        """End every live stream, now and from now on."""
        self._closed = True
        for listener in self._listeners:
            listener.close()

    def connected(self) -> None:
        """The broker is there."""
        self._broker_fault = None
        self._metrics.mqtt_connected.set(1)
        self._metrics.mqtt_connections.inc()

    def disconnected(self, fault: Fault) -> None:
        """The broker is gone, and what it said may be out of date when it comes back."""
        self._broker_fault = fault
        self._metrics.mqtt_connected.set(0)
        self._statuses.clear()
        self._gateways.clear()
        self._gateway_clocks.forget()
        self._newest.clear()

    def receive(self, topic_name: str, payload: bytes, *, retained: bool = False) -> None:
        """Take one message; a bad one is logged once per topic, counted and dropped.

        Args:
            topic_name: Its topic.
            payload: What it holds.
            retained: That it was not sent just now, but kept by the broker.
        """
        topic = parse_topic(topic_name)
        if topic is None:
            return
        self._metrics.mqtt_messages.labels(f"{topic.owner}/{topic.kind}").inc()
        try:
            if topic.kind == SensorTopic.CLASSIFICATION:
                self._receive_classification(topic.id, payload)
            elif topic.owner == "gateways":
                self._receive_gateway_status(topic, payload)
            else:
                self._receive_sensor_status(topic, payload, retained=retained)
        except (MessageError, UnicodeDecodeError) as error:
            self._refuse(topic_name, error)

    def _receive_classification(self, sensor_id: str, payload: bytes) -> None:
        self._newest[sensor_id] = payload
        listeners = self._listeners_of(sensor_id)
        if listeners:
            event = ServerSentEvent(event="classification", raw_data=payload.decode())
            for listener in listeners:
                listener.put(event)

    def _receive_sensor_status(self, topic: Topic, payload: bytes, *, retained: bool) -> None:
        # An empty retained message takes the one before off the broker.
        if not payload:
            self._statuses.pop(topic.id, None)
            return
        status = SensorStatusMessage.decode(payload)
        if status.sensor_id != topic.id:
            msg = f"the status of {status.sensor_id} on the topic of {topic.id}"
            raise MessageError(msg)
        self._statuses[topic.id] = status
        if not retained:
            ahead_s = (status.at - datetime.now(UTC)).total_seconds()
            self._gateway_clocks.hear(status.gateway_id, ahead_s, time.monotonic())
        self._announce(topic.id)

    def _receive_gateway_status(self, topic: Topic, payload: bytes) -> None:
        before = self._gateways.pop(topic.id, None)
        if payload:
            self._gateways[topic.id] = GatewayStatusMessage.decode(payload)
        for sensor_id, status in self._statuses.items():
            if status.gateway_id == topic.id and effective_status(status, before) != self.status(sensor_id):
                self._announce(sensor_id)

    def _announce(self, sensor_id: str) -> None:
        for listener in self._listeners_of(sensor_id):
            listener.put(self._status_event(sensor_id))

    def _status_event(self, sensor_id: str) -> ServerSentEvent:
        status = self.status(sensor_id)
        assert status is not None  # noqa: S101 - for the type checker; callers have just seen it
        return ServerSentEvent(event="status", raw_data=status.encode().decode())

    def _listeners_of(self, sensor_id: str) -> list[Listener]:
        return [listener for listener in self._listeners if listener.sensor_id in {None, sensor_id}]

    def _refuse(self, source: str, error: Exception) -> None:
        self._metrics.refused_messages.inc()
        if source not in self._refused_topics:
            self._refused_topics.add(source)
            _LOGGER.warning("refused a message (said once): %s: %s", source, error)


class BrokerListener:
    """Keeps the hub connected to the broker."""

    def __init__(self, address: BrokerAddress, hub: LiveHub) -> None:
        self._address = address
        self._servers = address.in_turn()
        self._hub = hub

    async def run(self) -> None:
        """Follow the broker until cancelled; a broker that is away is tried again and again."""
        try:
            await self._follow()
        except Exception:
            # A mistake of ours. Nobody waits for this task, so it is said here, and by /readyz.
            _LOGGER.exception("the connection to the broker is given up")
            self._hub.disconnected(_GIVEN_UP)

    async def _follow(self) -> None:
        retry_s = FIRST_RETRY_S
        said: BrokerProblem | None = None
        while True:
            self._address = next(self._servers)
            try:
                async with self._client() as client:
                    await self._subscribe(client)
                    _LOGGER.info("connected to the broker at %s", self._address)
                    retry_s, said = FIRST_RETRY_S, None
                    self._hub.connected()
                    async for message in client.messages:
                        self._hub.receive(message.topic.value, message.payload, retained=message.retain)
            except aiomqtt.MqttError as error:
                problem = self._problem(error)
                kind, detail = _FAULTS[problem.kind]
                self._hub.disconnected(Fault(kind, detail, inside=problem.text))
                if problem != said:
                    _LOGGER.warning("%s; trying on", problem)
                    said = problem
                await asyncio.sleep(retry_s)
                retry_s = min(2 * retry_s, LAST_RETRY_S)

    def _problem(self, error: aiomqtt.MqttError) -> BrokerProblem:
        if isinstance(error, MqttConnectError):
            return self._address.refused(str(error.rc))
        return self._address.unreachable(error)

    def _client(self) -> aiomqtt.Client:
        return aiomqtt.Client(
            self._address.host,
            self._address.port,
            username=self._address.username,
            password=self._address.password,
            tls_context=self._address.tls,
            clean_session=True,
            keepalive=KEEPALIVE_S,
            timeout=CONNECT_TIMEOUT_S,
            max_queued_incoming_messages=MAX_WAITING_MESSAGES,
        )

    @staticmethod
    async def _subscribe(client: aiomqtt.Client) -> None:
        # QoS 0 for what is only shown: the next one follows in a moment and the database has them all.
        await client.subscribe(
            [
                (all_gateways_topic(), 1),
                (all_sensors_topic(SensorTopic.STATUS), 1),
                (all_sensors_topic(SensorTopic.CLASSIFICATION), 0),
            ]
        )
