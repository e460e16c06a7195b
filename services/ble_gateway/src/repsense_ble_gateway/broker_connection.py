"""The connection to the broker: kept up, its state announced, the outbox emptied through it."""

import asyncio
import logging
import secrets
import socket
import ssl
from datetime import UTC, datetime
from typing import Literal

from aiomqtt import Client, Message, MqttError, Will

from repsense.broker import BrokerAddress
from repsense.errors import MessageError
from repsense.messages import GatewayStatusMessage, StoredMessage
from repsense.topics import SensorTopic, gateway_status_topic, sensor_topic
from repsense_ble_gateway import metrics
from repsense_ble_gateway.backoff import Backoff
from repsense_ble_gateway.outbox import Outbox

__all__ = ["BrokerConnection"]

_LOGGER = logging.getLogger(__name__)

_QOS_AT_MOST_ONCE = 0
_QOS_AT_LEAST_ONCE = 1
_KEEPALIVE_S = 15
"""The broker announces a gateway that fell silent after one and a half of these."""
_PUBLISH_TIMEOUT_S = 10.0
_SENDERS = 8
"""Messages that wait for their acknowledgement at the same time; aiomqtt warns above ten."""
_TOPICS_PER_SUBSCRIPTION = 100
"""A packet of 7 kB at most; brokers limit its size."""
_FAREWELL_S = 2.0
"""How long a gateway that is asked to stop tries to deliver what it still has."""


class BrokerConnection:
    """Delivers an outbox to the broker, across outages."""

    def __init__(self, address: BrokerAddress, gateway_id: str, outbox: Outbox) -> None:
        self._address = address
        self._gateway_id = gateway_id
        self._outbox = outbox
        self._topic = gateway_status_topic(gateway_id)
        self._tls = ssl.create_default_context() if address.tls else None
        self.n_bad_reports = 0
        """Messages on our sensors' `stored` topics that could not be used."""

    async def run(self, leaving: asyncio.Event) -> None:
        """Stay connected until `leaving` is set; then deliver the rest and say goodbye."""
        backoff = Backoff()
        while not leaving.is_set():
            try:
                async with self._client() as client:
                    _LOGGER.info("connected to the broker at %s", self._address)
                    backoff.reset()
                    metrics.BROKER_CONNECTED.set(1)
                    await self._serve(client, leaving)
            except* MqttError as errors:
                if backoff.is_first:
                    _LOGGER.warning("no broker at %s (%s); trying again", self._address, _first(errors))
            metrics.BROKER_CONNECTED.set(0)
            if not leaving.is_set():
                self._outbox.connection_lost()
                await backoff.wait(leaving)
        if n_left := self._outbox.n_waiting:
            fate = "are kept and sent at the next start" if self._outbox.is_on_disk else "are lost"
            _LOGGER.warning("the broker did not take %d messages: they %s", n_left, fate)

    def _client(self) -> Client:
        will = GatewayStatusMessage(gateway_id=self._gateway_id, state="offline", reason="connection lost")
        return Client(
            self._address.host,
            self._address.port,
            username=self._address.username,
            password=self._address.password,
            # Random: two gateways that were given one id by mistake would otherwise throw each other out for ever.
            identifier=f"repsense-gateway-{self._gateway_id}-{secrets.token_hex(3)}",
            tls_context=self._tls,
            keepalive=_KEEPALIVE_S,
            timeout=_PUBLISH_TIMEOUT_S,
            clean_session=True,
            # Without Nagle's algorithm, which would hold a batch back until the broker acknowledges the one before.
            socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
            will=Will(self._topic, will.encode(), _QOS_AT_LEAST_ONCE, retain=True),
        )

    async def _serve(self, client: Client, leaving: asyncio.Event) -> None:
        await self._announce(client, "online")
        await self._subscribe(client)
        async with asyncio.TaskGroup() as tasks:
            serving = [tasks.create_task(self._send(client), name=f"send-{n}") for n in range(_SENDERS)]
            serving.append(tasks.create_task(self._watch(client), name="watch"))
            await leaving.wait()
            try:
                async with asyncio.timeout(_FAREWELL_S):
                    await self._outbox.emptied()
            except TimeoutError:
                _LOGGER.debug("the broker did not take everything in %g s", _FAREWELL_S)
            for task in serving:
                task.cancel()
        await self._announce(client, "offline", "stopped")

    async def _send(self, client: Client) -> None:
        while True:
            # Nothing is awaited between taking and handing to the client, so several senders keep the order.
            ticket, message = await self._outbox.take()
            await client.publish(message.topic, message.payload, _QOS_AT_LEAST_ONCE, retain=message.retain)
            self._outbox.sent(ticket)

    async def _subscribe(self, client: Client) -> None:
        await client.subscribe(self._topic, _QOS_AT_LEAST_ONCE)
        topics = [sensor_topic(sensor_id, SensorTopic.STORED) for sensor_id in self._outbox.sensor_ids]
        for first in range(0, len(topics), _TOPICS_PER_SUBSCRIPTION):
            # A report that is lost does no harm, and keeping them would cost the broker a queue for each sensor.
            some = topics[first : first + _TOPICS_PER_SUBSCRIPTION]
            await client.subscribe([(topic, _QOS_AT_MOST_ONCE) for topic in some])

    async def _watch(self, client: Client) -> None:
        """Notice the end of the connection at once, a foreign word about this gateway, and what is stored.

        If the connection broke unnoticed, the broker publishes the old one's Last Will when it gives it up, perhaps
        long after the new one said "online".
        """
        async for message in client.messages:
            if message.topic.value != self._topic:
                self._take_report(message)
            elif _says_offline(message):
                await self._announce(client, "online")

    def _take_report(self, message: Message) -> None:
        try:
            report = _decode_report(message)
        except MessageError as error:
            self.n_bad_reports += 1
            if self.n_bad_reports == 1:
                _LOGGER.warning("%s: %s; such messages are dropped and counted", message.topic, error)
        else:
            self._outbox.stored(report)

    async def _announce(self, client: Client, state: Literal["online", "offline"], reason: str | None = None) -> None:
        status = GatewayStatusMessage(gateway_id=self._gateway_id, state=state, reason=reason, at=datetime.now(UTC))
        await client.publish(self._topic, status.encode(), _QOS_AT_LEAST_ONCE, retain=True)


def _decode_report(message: Message) -> StoredMessage:
    """A report of the sensor that its topic names.

    Raises:
        MessageError: If it is none.
    """
    report = StoredMessage.decode(message.payload)
    if message.topic.value != sensor_topic(report.sensor_id, SensorTopic.STORED):
        msg = f"it speaks of sensor {report.sensor_id}"
        raise MessageError(msg)
    return report


def _says_offline(message: Message) -> bool:
    try:
        return GatewayStatusMessage.decode(message.payload).state == "offline"
    except MessageError:
        return False


def _first(errors: ExceptionGroup[MqttError]) -> BaseException:
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
