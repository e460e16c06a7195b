"""The connection to the broker: kept up, its state announced, the outbox emptied through it."""

import asyncio
import logging
import math
import secrets
import socket
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Literal

from aiomqtt import Client, Message, MqttError, Will
from aiomqtt.exceptions import MqttConnectError
from paho.mqtt.reasoncodes import ReasonCode

from repsense.broker import BrokerAddress, BrokerProblem
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
_ANSWER_S = 10.0
_ENDLESS = math.inf
"""For aiomqtt, whose waits are bounded by `asyncio.timeout` here: its own timeout is `asyncio.wait_for`, which before
Python 3.12 loses a cancellation that comes together with the answer (python/cpython#86296)."""
_SENDERS = 8
"""Messages that wait for their acknowledgement at the same time; aiomqtt warns above ten."""
_TOPICS_PER_SUBSCRIPTION = 100
"""A packet of 7 kB at most; brokers limit its size."""
_FAREWELL_S = 2.0
"""How long a gateway that is asked to stop tries to deliver what it still has."""
_ASK_AGAIN_S = 20.0
"""How soon it is noticed that somebody has given this gateway a right; each question is a line in the broker's log."""


class BrokerConnection:
    """Delivers an outbox to the broker, across outages."""

    def __init__(self, address: BrokerAddress, gateway_id: str, outbox: Outbox) -> None:
        self._address = address
        self._servers = address.in_turn()
        self._gateway_id = gateway_id
        self._outbox = outbox
        self._topic = gateway_status_topic(gateway_id)
        self.n_bad_reports = 0
        """Messages on our sensors' `stored` topics that could not be used."""

    async def run(self, leaving: asyncio.Event) -> None:
        """Stay connected until `leaving` is set; then deliver the rest and say goodbye."""
        backoff = Backoff()
        said = set[BrokerProblem]()
        while not leaving.is_set():
            self._address = next(self._servers)
            try:
                async with self._client() as client:
                    _LOGGER.info("connected to the broker at %s", self._address)
                    backoff.reset()
                    said.clear()
                    metrics.BROKER_CONNECTED.set(1)
                    await self._serve(client, leaving)
            except* (MqttError, TimeoutError) as errors:
                problem = self._problem(_first(errors))
                if problem not in said:
                    said.add(problem)
                    _LOGGER.warning("%s%s", problem, "" if leaving.is_set() else "; trying again")
            metrics.BROKER_CONNECTED.set(0)
            if not leaving.is_set():
                self._outbox.connection_lost()
                await backoff.wait(leaving)

    def _problem(self, error: BaseException) -> BrokerProblem:
        if isinstance(error, MqttConnectError):
            return self._address.refused(str(error.rc))
        return self._address.unreachable(error)

    def _client(self) -> Client:
        will = GatewayStatusMessage(gateway_id=self._gateway_id, state="offline", reason="connection lost")
        return Client(
            self._address.host,
            self._address.port,
            username=self._address.username,
            password=self._address.password,
            # Random: two gateways that were given one id by mistake would otherwise throw each other out for ever.
            identifier=f"repsense-gateway-{self._gateway_id}-{secrets.token_hex(3)}",
            tls_context=self._address.tls,
            keepalive=_KEEPALIVE_S,
            timeout=_ANSWER_S,
            clean_session=True,
            # Without Nagle's algorithm, which would hold a batch back until the broker acknowledges the one before.
            socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
            will=Will(self._topic, will.encode(), _QOS_AT_LEAST_ONCE, retain=True),
        )

    async def _serve(self, client: Client, leaving: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as tasks:
            # From before the first message until after the last: nothing else notices at once that the broker goes.
            watching = tasks.create_task(self._watch(client, leaving), name="watch")
            await self._announce(client, "online")
            refused = await self._subscribe(client)
            serving = [tasks.create_task(self._send(client), name=f"send-{n}") for n in range(_SENDERS)]
            serving.append(tasks.create_task(self._ask_again(client, refused), name="ask again"))
            await leaving.wait()
            try:
                async with asyncio.timeout(_FAREWELL_S):
                    await self._outbox.emptied()
            except TimeoutError:
                _LOGGER.debug("the broker did not take everything in %g s", _FAREWELL_S)
            for task in serving:
                task.cancel()
            await self._announce(client, "offline", "stopped")
            watching.cancel()

    async def _send(self, client: Client) -> None:
        while True:
            # Nothing is awaited between taking and handing to the client, so several senders keep the order.
            ticket, message = await self._outbox.take()
            await _publish(client, message.topic, message.payload, retain=message.retain)
            self._outbox.sent(ticket)

    async def _subscribe(self, client: Client) -> set[str]:
        """Listen for what is said of this gateway and of its sensors.

        Returns:
            The sensors for which the broker refuses that: for them this gateway may not speak, and what it publishes
            is thrown away. MQTT 3.1.1 has no other way to say so.
        """
        if any(map(_is_refused, await _subscription_answers(client, [(self._topic, _QOS_AT_LEAST_ONCE)]))):
            _LOGGER.warning(
                "the broker does not let %s speak for gateway %s, so all of its sensors will seem to be offline: the "
                "gateway's id (GATEWAY_ID) must be the one that its user was made for",
                self._user,
                self._gateway_id,
            )
        refused = await self._subscribe_to_reports(client, self._outbox.sensor_ids)
        if refused:
            _LOGGER.warning(
                "the broker does not let %s speak for %s: their samples are kept here until it does; "
                "`make gateway-access` where the broker runs gives a gateway its sensors",
                self._user,
                ", ".join(sorted(refused)),
            )
        return refused

    async def _subscribe_to_reports(self, client: Client, sensor_ids: Iterable[str]) -> set[str]:
        """Which sensors the broker refuses."""
        ids = sorted(sensor_ids)
        refused = set[str]()
        for first in range(0, len(ids), _TOPICS_PER_SUBSCRIPTION):
            # A report that is lost does no harm, and keeping them would cost the broker a queue for each sensor.
            some = ids[first : first + _TOPICS_PER_SUBSCRIPTION]
            topics = [(sensor_topic(sensor_id, SensorTopic.STORED), _QOS_AT_MOST_ONCE) for sensor_id in some]
            answers = await _subscription_answers(client, topics)
            refused |= {sensor_id for sensor_id, answer in zip(some, answers, strict=True) if _is_refused(answer)}
        return refused

    async def _ask_again(self, client: Client, refused: set[str]) -> None:
        """See whether this gateway may speak for more sensors by now; a broker does not tell."""
        while refused:
            await asyncio.sleep(_ASK_AGAIN_S)
            still_refused = await self._subscribe_to_reports(client, refused)
            if granted := refused - still_refused:
                _LOGGER.info("the broker lets %s speak for %s now", self._user, ", ".join(sorted(granted)))
            refused = still_refused

    @property
    def _user(self) -> str:
        return f"the user {self._address.username}" if self._address.username else "a gateway without a user"

    async def _watch(self, client: Client, leaving: asyncio.Event) -> None:
        """Notice the end of the connection at once, a foreign word about this gateway, and what is stored.

        If the connection broke unnoticed, the broker publishes the old one's Last Will when it gives it up, perhaps
        long after the new one said "online".
        """
        async for message in client.messages:
            if message.topic.value != self._topic:
                self._take_report(message)
            elif _says_offline(message) and not leaving.is_set():
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
        await _publish(client, self._topic, status.encode(), retain=True)


async def _publish(client: Client, topic: str, payload: bytes, *, retain: bool) -> None:
    async with asyncio.timeout(_ANSWER_S):
        await client.publish(topic, payload, _QOS_AT_LEAST_ONCE, retain=retain, timeout=_ENDLESS)


async def _subscription_answers(client: Client, topics: list[tuple[str, int]]) -> Iterable[object]:
    """The broker's answer for each topic."""
    async with asyncio.timeout(_ANSWER_S):
        return await client.subscribe(topics, timeout=_ENDLESS)


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


def _is_refused(answer: object) -> bool:
    return isinstance(answer, ReasonCode) and answer.is_failure


def _says_offline(message: Message) -> bool:
    try:
        return GatewayStatusMessage.decode(message.payload).state == "offline"
    except MessageError:
        return False


def _first(errors: ExceptionGroup[MqttError | TimeoutError]) -> BaseException:
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
