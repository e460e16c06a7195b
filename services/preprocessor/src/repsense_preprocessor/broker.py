"""The preprocessor's side of the broker: a persistent session whose messages are acknowledged by hand."""

import contextlib
import logging
import queue
import socket
import ssl
from collections.abc import Iterable
from dataclasses import dataclass

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from repsense.broker import BrokerAddress
from repsense_preprocessor import metrics

__all__ = ["BrokerSession", "Received"]

_LOGGER = logging.getLogger(__name__)

_KEEPALIVE_S = 30
_RECONNECT_DELAY_S = (1, 10)
_QOS_AT_LEAST_ONCE = 1
_MAX_IN_FLIGHT = 1_000
"""Publications that may wait for the broker's word at a time; paho's default of 20 would throttle a burst."""


@dataclass(frozen=True, slots=True)
class Received:
    """One message that waits to be acknowledged."""

    topic: str
    payload: bytes
    packet_id: int
    connection: int
    """The number of the connection that it came over."""


def _send_at_once(_client: mqtt.Client, _userdata: object, connection: object) -> None:
    """Turn off Nagle's algorithm: a result that follows an acknowledgement would wait for the peer's, up to 40 ms."""
    if isinstance(connection, socket.socket):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class BrokerSession:
    """A subscription that survives restarts of both ends.

    paho's network thread fills a queue, bounded by the broker, which sends no more than its own limit of
    unacknowledged messages. aiomqtt cannot acknowledge by hand, hence paho itself.
    """

    def __init__(self, address: BrokerAddress, client_id: str, topic_filter: str) -> None:
        self._address = address
        self._topic_filter = topic_filter
        self._received: queue.SimpleQueue[Received] = queue.SimpleQueue()
        self._connection = 0
        self._held: set[int] = set()
        """Packet ids of this connection that were received and not acknowledged."""
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=False, manual_ack=True
        )
        if address.username is not None:
            self._client.username_pw_set(address.username, address.password)
        if address.tls:
            self._client.tls_set_context(ssl.create_default_context())
        self._client.max_inflight_messages_set(_MAX_IN_FLIGHT)
        self._client.reconnect_delay_set(*_RECONNECT_DELAY_S)
        self._client.on_socket_open = _send_at_once
        self._client.on_connect = self._on_connect
        self._client.on_connect_fail = self._on_connect_fail
        self._client.on_disconnect = self._on_disconnect
        self._client.on_subscribe = lambda *_: metrics.SUBSCRIBED.set(1)
        self._client.on_message = self._on_message

    def start(self) -> None:
        """Connect in the background, now and whenever the connection breaks."""
        self._client.connect_async(self._address.host, self._address.port, keepalive=_KEEPALIVE_S)
        self._client.loop_start()

    def stop(self) -> None:
        """Disconnect; the broker keeps the session and what arrives for it."""
        self._client.disconnect()
        self._client.loop_stop()

    @property
    def n_waiting(self) -> int:
        """How many messages have come and were not taken yet."""
        return self._received.qsize()

    def receive(self, max_messages: int, timeout_s: float) -> list[Received]:
        """Take what has arrived; wait for the first one no longer than the timeout."""
        batch: list[Received] = []
        with contextlib.suppress(queue.Empty):
            batch.append(self._received.get(timeout=timeout_s))
            while len(batch) < max_messages:
                batch.append(self._received.get_nowait())
        return batch

    def acknowledge(self, messages: Iterable[Received]) -> None:
        """Tell the broker that messages need not come again.

        One that came over an earlier connection is left out: its packet id may mean another message by now. The
        broker sends it again, and it is then recognised as a duplicate.
        """
        for message in messages:
            if message.connection == self._connection:
                self._held.discard(message.packet_id)
                self._client.ack(message.packet_id, _QOS_AT_LEAST_ONCE)

    def publish(self, topic: str, payload: bytes) -> None:
        """Publish at least once; what cannot be sent now waits in memory for the connection."""
        self._client.publish(topic, payload, qos=_QOS_AT_LEAST_ONCE)

    def _on_connect(
        self,
        client: mqtt.Client,
        _userdata: object,
        flags: mqtt.ConnectFlags,
        reason: ReasonCode,
        _p: Properties | None,
    ) -> None:
        if reason.is_failure:
            _LOGGER.warning("the broker at %s refuses the connection: %s", self._address, reason)
            return
        self._connection += 1
        self._held.clear()
        _LOGGER.info(
            "connected to the broker at %s%s",
            self._address,
            ", going on with the session" if flags.session_present else "",
        )
        client.subscribe(self._topic_filter, qos=_QOS_AT_LEAST_ONCE)

    def _on_connect_fail(self, _client: mqtt.Client, _userdata: object) -> None:
        _LOGGER.warning("the broker at %s cannot be reached; trying again", self._address)

    def _on_disconnect(
        self,
        _client: mqtt.Client,
        _userdata: object,
        _flags: mqtt.DisconnectFlags,
        reason: ReasonCode,
        _p: Properties | None,
    ) -> None:
        metrics.SUBSCRIBED.set(0)
        if reason.is_failure:
            _LOGGER.warning("the connection to the broker broke: %s; trying again", reason)

    def _on_message(self, _client: mqtt.Client, _userdata: object, message: mqtt.MQTTMessage) -> None:
        # The broker repeats what is not acknowledged in time; while the database is away that is everything.
        if message.dup and message.mid in self._held:
            return
        self._held.add(message.mid)
        self._received.put(Received(message.topic, bytes(message.payload), message.mid, self._connection))
