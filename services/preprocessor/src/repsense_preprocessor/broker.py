"""The preprocessor's side of the broker: persistent sessions whose messages are acknowledged by hand."""

import contextlib
import itertools
import logging
import queue
import secrets
import socket
import ssl
import sys
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from repsense.broker import BrokerAddress
from repsense.topics import partition_topic
from repsense_preprocessor import metrics

__all__ = ["BrokerSession", "PartitionedBroker", "Received"]

_LOGGER = logging.getLogger(__name__)

_KEEPALIVE_S = 30
_RECONNECT_DELAY_S = (1, 10)
_QOS_AT_LEAST_ONCE = 1
_REDELIVERY_S = 6.0
"""What had not been acknowledged when a connection broke comes again no later than this after the next one was made;
see `pipeline.PipelineRules.reorder_s`."""
_CONNECTIONS = itertools.count(1)
"""Numbers the connections of all sessions of this process."""
_MAX_IN_FLIGHT = 1_000
"""Publications that may wait for the broker's word at a time; paho's default of 20 would throttle a burst."""
_FAREWELL_S = 2.0
"""How long the broker's word for what was published last is waited for at the end, where there is a connection."""


@dataclass(frozen=True, slots=True)
class Received:
    """One message that waits to be acknowledged."""

    topic: str
    payload: bytes
    packet_id: int
    connection: int
    """The number of the connection that it came over."""
    received_s: float = field(default_factory=time.monotonic)
    """When it came, by a clock that only runs forward."""
    partition: int | None = None
    """The sensor's, where several preprocessors share the work."""
    overtaking: bool = False
    """Whether older messages may be on their way, which came before and were not acknowledged."""


def _send_at_once(_client: mqtt.Client, _userdata: object, connection: object) -> None:
    """Turn off Nagle's algorithm: a result that follows an acknowledgement would wait for the peer's, up to 40 ms."""
    if isinstance(connection, socket.socket):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _show_certificate(connection: object) -> None:
    """Note until when the certificate is good that the broker has shown."""
    if isinstance(connection, ssl.SSLSocket) and (certificate := connection.getpeercert()):
        metrics.CERTIFICATE_EXPIRES.set(ssl.cert_time_to_seconds(str(certificate["notAfter"])))


class BrokerSession:
    """A subscription that survives restarts of both ends.

    paho's network thread fills a queue, bounded by the broker, which sends no more than its own limit of
    unacknowledged messages. aiomqtt cannot acknowledge by hand, hence paho itself.
    """

    def __init__(
        self,
        address: BrokerAddress,
        client_id: str,
        topic_filter: str | None,
        *,
        received: queue.SimpleQueue[Received] | None = None,
        partition: int | None = None,
        may_connect: Callable[[], bool] = lambda: True,
    ) -> None:
        """Prepare a session; nothing is sent before `start`.

        Args:
            address: Of the broker.
            client_id: Names the session.
            topic_filter: What is subscribed to; None makes a session that only publishes and that the broker forgets.
            received: Where messages go; a queue of its own if there is none.
            partition: What the messages are marked with.
            may_connect: Asked before each connection: whoever connects takes the session from whoever has it.
        """
        self._servers = address.in_turn()
        self._address = next(self._servers)
        self._topic_filter = topic_filter
        self._received: queue.SimpleQueue[Received] = received if received is not None else queue.SimpleQueue()
        self._partition = partition
        self._may_connect = may_connect
        self._is_subscribed = False
        self._connection = 0
        self._problem: str | None = f"the broker at {address} was not reached yet"
        self._told: set[str] = set()
        """Which problems were logged since it last worked."""
        self._resumed_s = float("-inf")
        """When the session was last gone on with, by a clock that only runs forward."""
        self._published: mqtt.MQTTMessageInfo | None = None
        """What was published last."""
        self._held: set[int] = set()
        """Packet ids of this connection that were received and not acknowledged."""
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=topic_filter is None, manual_ack=True
        )
        if address.username is not None:
            self._client.username_pw_set(address.username, address.password)
        if address.tls is not None:
            self._client.tls_set_context(address.tls)
        self._client.max_inflight_messages_set(_MAX_IN_FLIGHT)
        self._client.reconnect_delay_set(*_RECONNECT_DELAY_S)
        self._client.on_socket_open = _send_at_once
        self._client.on_pre_connect = self._before_connecting
        self._client.on_connect = self._on_connect
        self._client.on_connect_fail = self._on_connect_fail
        self._client.on_disconnect = self._on_disconnect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message

    def start(self) -> None:
        """Connect in the background, now and whenever the connection breaks."""
        self._choose_server()
        self._client.loop_start()

    def stop(self) -> None:
        """Disconnect once the broker has what was published; it keeps the session and what arrives for it.

        paho closes the connection while messages still come in, and a broker that then cannot answer may drop what it
        has not read yet.
        """
        if self._published is not None and self._client.is_connected():
            # It answers in order. What was published while there was no connection cannot be waited for.
            with contextlib.suppress(RuntimeError, ValueError):
                self._published.wait_for_publish(_FAREWELL_S)
        self._client.disconnect()
        self._client.loop_stop()
        self._note_subscribed(subscribed=False)

    @property
    def problem(self) -> str | None:
        """Why nothing comes from the broker, in words; None while it delivers."""
        return self._problem

    @property
    def n_waiting(self) -> int:
        """How many messages have come and were not taken yet."""
        return self._received.qsize()

    def receive(self, max_messages: int, timeout_s: float) -> list[Received]:
        """Take what has arrived; wait for the first one no longer than the timeout."""
        return _take(self._received, max_messages, timeout_s)

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
        self._published = self._client.publish(topic, payload, qos=_QOS_AT_LEAST_ONCE)

    def _on_connect(
        self,
        client: mqtt.Client,
        _userdata: object,
        flags: mqtt.ConnectFlags,
        reason: ReasonCode,
        _p: Properties | None,
    ) -> None:
        if reason.is_failure:
            self._note(str(self._address.refused(str(reason))))
            return
        metrics.CONNECTIONS.inc()
        _show_certificate(client.socket())
        self._connection = next(_CONNECTIONS)
        self._held.clear()
        self._resumed_s = time.monotonic() if flags.session_present else float("-inf")
        _LOGGER.info(
            "connected to the broker at %s%s",
            self._address,
            ", going on with the session" if flags.session_present else "",
        )
        if self._topic_filter is None:
            self._note_working()
        else:
            client.subscribe(self._topic_filter, qos=_QOS_AT_LEAST_ONCE)

    def _before_connecting(self, _client: mqtt.Client, _userdata: object) -> None:
        if not self._may_connect():
            # For paho this is a connection that failed: it asks again after its pause.
            raise ConnectionAbortedError

    def _choose_server(self) -> None:
        self._client.connect_async(self._address.host, self._address.port, keepalive=_KEEPALIVE_S)

    def _move_on(self) -> None:
        """Have the next try made with the next server of a cluster."""
        if self._address.others:
            self._address = next(self._servers)
            self._choose_server()

    def _on_connect_fail(self, _client: mqtt.Client, _userdata: object) -> None:
        # paho calls this while it handles what went wrong, and does not hand it on.
        self._note(str(self._address.unreachable(sys.exception())))
        self._move_on()

    def _on_disconnect(
        self,
        _client: mqtt.Client,
        _userdata: object,
        _flags: mqtt.DisconnectFlags,
        reason: ReasonCode,
        _p: Properties | None,
    ) -> None:
        self._note_subscribed(subscribed=False)
        if reason.is_failure:
            if self._problem is None:
                self._note(f"the connection to the broker at {self._address} broke: {reason}")
            self._move_on()

    def _on_subscribe(
        self,
        _client: mqtt.Client,
        _userdata: object,
        _packet_id: int,
        reasons: list[ReasonCode],
        _p: Properties | None,
    ) -> None:
        if any(reason.is_failure for reason in reasons):
            self._problem = f"the broker at {self._address} does not let this user read samples"
            _LOGGER.warning("%s", self._problem)
            return
        self._note_working()
        self._note_subscribed(subscribed=True)

    def _note(self, problem: str) -> None:
        """Note why nothing comes, and log it the first time."""
        self._problem = problem
        if problem not in self._told:
            self._told.add(problem)
            _LOGGER.warning("%s; trying again", problem)

    def _note_working(self) -> None:
        self._problem = None
        self._told.clear()

    def _note_subscribed(self, *, subscribed: bool) -> None:
        if subscribed != self._is_subscribed:
            self._is_subscribed = subscribed
            metrics.SUBSCRIBED.inc(1 if subscribed else -1)

    def _on_message(self, _client: mqtt.Client, _userdata: object, message: mqtt.MQTTMessage) -> None:
        # The broker repeats what is not acknowledged in time; while the database is away that is everything.
        if message.dup and message.mid in self._held:
            return
        self._held.add(message.mid)
        self._received.put(
            Received(
                message.topic,
                bytes(message.payload),
                message.mid,
                self._connection,
                partition=self._partition,
                overtaking=time.monotonic() - self._resumed_s < _REDELIVERY_S,
            )
        )


class PartitionedBroker:
    """A session for each partition that is served, so that what is queued follows it from one replica to the next."""

    def __init__(self, address: BrokerAddress, client_id: str, holds: Callable[[int, int], bool]) -> None:
        """Prepare to publish; no session is opened yet.

        Args:
            address: Of the broker.
            client_id: What the names of the sessions begin with.
            holds: Whether the lease of a partition, with its generation, is certain to hold now.
        """
        self._address = address
        self._client_id = client_id
        self._holds = holds
        self._received: queue.SimpleQueue[Received] = queue.SimpleQueue()
        self._sessions: dict[int, BrokerSession] = {}
        self._publisher = BrokerSession(address, f"{client_id}-{secrets.token_hex(4)}", None)

    def start(self) -> None:
        """Connect in the background, to publish."""
        self._publisher.start()

    def stop(self) -> None:
        """Disconnect; the broker keeps the sessions and what arrives for them."""
        self.close(list(self._sessions))
        self._publisher.stop()

    def open(self, generations: Mapping[int, int]) -> None:
        """Take up the sessions of partitions whose leases have these generations."""
        for partition, generation in generations.items():
            session = BrokerSession(
                self._address,
                f"{self._client_id}-{partition}",
                partition_topic(partition),
                received=self._received,
                partition=partition,
                may_connect=partial(self._holds, partition, generation),
            )
            self._sessions[partition] = session
            session.start()

    def close(self, partitions: Collection[int]) -> None:
        """Leave sessions; their messages that were not acknowledged come to whoever opens them next."""
        for partition in partitions:
            self._sessions.pop(partition).stop()

    @property
    def problem(self) -> str | None:
        """Why not everything comes from the broker that should, in words; None if it does."""
        sessions = [self._publisher, *self._sessions.copy().values()]
        return next((session.problem for session in sessions if session.problem is not None), None)

    @property
    def n_waiting(self) -> int:
        """How many messages have come and were not taken yet."""
        return self._received.qsize()

    def receive(self, max_messages: int, timeout_s: float) -> list[Received]:
        """Take what has arrived over all sessions; see `BrokerSession.receive`."""
        return _take(self._received, max_messages, timeout_s)

    def acknowledge(self, messages: Iterable[Received]) -> None:
        """See `BrokerSession.acknowledge`; a message whose session was left meanwhile is left out, too."""
        of_partition: dict[int | None, list[Received]] = {}
        for message in messages:
            of_partition.setdefault(message.partition, []).append(message)
        for partition, session in self._sessions.items():
            session.acknowledge(of_partition.get(partition, ()))

    def publish(self, topic: str, payload: bytes) -> None:
        """See `BrokerSession.publish`."""
        self._publisher.publish(topic, payload)


def _take(received: queue.SimpleQueue[Received], max_messages: int, timeout_s: float) -> list[Received]:
    """What is in a queue; wait for the first message no longer than the timeout."""
    batch: list[Received] = []
    with contextlib.suppress(queue.Empty):
        batch.append(received.get(timeout=timeout_s))
        while len(batch) < max_messages:
            batch.append(received.get_nowait())
    return batch
