"""The connection to the broker: kept up, its state announced, the outbox emptied through it."""

import asyncio
import logging
import secrets
import socket
import ssl
from datetime import UTC, datetime
from typing import Literal

from aiomqtt import Client, MqttError, Will

from repsense.broker import BrokerAddress
from repsense.errors import MessageError
from repsense.messages import GatewayStatusMessage
from repsense.topics import gateway_status_topic
from repsense_ble_gateway.backoff import Backoff
from repsense_ble_gateway.outbox import Outbox

__all__ = ["BrokerConnection"]

_LOGGER = logging.getLogger(__name__)

_QOS_AT_LEAST_ONCE = 1
_KEEPALIVE_S = 15
"""The broker announces a gateway that fell silent after one and a half of these."""
_PUBLISH_TIMEOUT_S = 10.0
_SENDERS = 8
"""Messages that wait for their acknowledgement at the same time; aiomqtt warns above ten."""
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

    async def run(self, leaving: asyncio.Event) -> None:
        """Stay connected until `leaving` is set; then deliver the rest and say goodbye."""
        backoff = Backoff()
        while not leaving.is_set():
            try:
                async with self._client() as client:
                    _LOGGER.info("connected to the broker at %s", self._address)
                    backoff.reset()
                    await self._serve(client, leaving)
            except* MqttError as errors:
                if backoff.is_first:
                    _LOGGER.warning("no broker at %s (%s); trying again", self._address, _first(errors))
            if not leaving.is_set():
                self._outbox.connection_lost()
                await backoff.wait(leaving)
        if len(self._outbox):
            _LOGGER.warning("%d messages were not delivered", len(self._outbox))

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

    async def _watch(self, client: Client) -> None:
        """Notice the end of the connection at once, and a foreign word about this gateway.

        If the connection broke unnoticed, the broker publishes the old one's Last Will when it gives it up, perhaps
        long after the new one said "online".
        """
        await client.subscribe(self._topic, _QOS_AT_LEAST_ONCE)
        async for message in client.messages:
            try:
                status = GatewayStatusMessage.decode(message.payload)
            except MessageError:
                continue
            if status.state == "offline":
                await self._announce(client, "online")

    async def _announce(self, client: Client, state: Literal["online", "offline"], reason: str | None = None) -> None:
        status = GatewayStatusMessage(gateway_id=self._gateway_id, state=state, reason=reason, at=datetime.now(UTC))
        await client.publish(self._topic, status.encode(), _QOS_AT_LEAST_ONCE, retain=True)


def _first(errors: ExceptionGroup[MqttError]) -> BaseException:
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
