"""A small MQTT client for tests."""

import contextlib
import socket
import threading
import uuid
from collections.abc import Callable, Iterator

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

__all__ = ["Listener", "connect", "listening", "publishing", "subscribed"]

_PATIENCE_S = 60.0
"""Only so that a failure does not hang."""


def connect(client: mqtt.Client, port: int) -> None:
    """Connect without Nagle's algorithm, which would add up to 40 ms to what is measured."""

    def send_at_once(_client: mqtt.Client, _userdata: object, connection: object) -> None:
        if isinstance(connection, socket.socket):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    client.on_socket_open = send_at_once
    client.connect("127.0.0.1", port)


class Listener:
    """Collects messages; a test waits for the state that it expects."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, bytes]] = []
        self._changed = threading.Condition()

    def add(self, topic: str, payload: bytes) -> None:
        """Take one message."""
        with self._changed:
            self.messages.append((topic, payload))
            self._changed.notify_all()

    def wait(self, condition: Callable[[list[tuple[str, bytes]]], bool], timeout_s: float = _PATIENCE_S) -> None:
        """Wait until the messages fulfil a condition."""
        with self._changed:
            if not self._changed.wait_for(lambda: condition(self.messages), timeout_s):
                text = f"after {timeout_s} s the condition does not hold; {len(self.messages)} messages came"
                raise TimeoutError(text)


@contextlib.contextmanager
def subscribed(port: int, topic_filter: str, receive: Callable[[str, bytes], None]) -> Iterator[None]:
    """Subscribe with QoS 1 until the block ends; the subscription holds when the block begins.

    `receive` is called with topic and payload in a thread of the client.
    """
    holds = threading.Event()
    # A persistent session, so that nothing is missed while the broker restarts.
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=uuid.uuid4().hex, clean_session=False)
    client.reconnect_delay_set(1, 1)
    client.on_connect = lambda client, *_: client.subscribe(topic_filter, qos=1)
    client.on_subscribe = lambda *_: holds.set()
    client.on_message = lambda _client, _userdata, message: receive(message.topic, bytes(message.payload))
    connect(client, port)
    client.loop_start()
    try:
        if not holds.wait(_PATIENCE_S):
            text = f"no subscription to {topic_filter}"
            raise TimeoutError(text)
        yield
    finally:
        client.disconnect()
        client.loop_stop()


@contextlib.contextmanager
def listening(port: int, topic_filter: str) -> Iterator[Listener]:
    """Collect the messages of a subscription until the block ends."""
    listener = Listener()
    with subscribed(port, topic_filter, listener.add):
        yield listener


@contextlib.contextmanager
def publishing(port: int) -> Iterator[Callable[[str, bytes], None]]:
    """A function that publishes with QoS 1 and returns when the broker has the message."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.reconnect_delay_set(1, 1)
    connect(client, port)
    published: dict[int, threading.Event] = {}

    def taken(packet_id: int) -> threading.Event:
        # Not a defaultdict: two threads that ask at once could get two events, and one would wait for ever.
        return published.setdefault(packet_id, threading.Event())

    client.on_publish = lambda _client, _userdata, packet_id, *_: taken(packet_id).set()
    client.loop_start()

    def publish(topic: str, payload: bytes) -> None:
        packet_id = client.publish(topic, payload, qos=1).mid
        if not taken(packet_id).wait(_PATIENCE_S):
            text = f"the broker did not take a message on {topic}"
            raise TimeoutError(text)

    try:
        yield publish
    finally:
        client.disconnect()
        client.loop_stop()
