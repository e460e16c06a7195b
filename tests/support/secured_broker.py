"""The brokers of docker compose, run here: with users, rights and TLS, from the project's own configuration."""

import contextlib
import json
import signal
import socket
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from repsense.broker import BrokerAddress
from repsense_admin.broker_users import BrokerUser, mosquitto_passwords, mosquitto_rights, nats_users
from repsense_admin.deployment_secrets import DeploymentSecrets, GivenSecrets
from repsense_admin.secret_store import SecretStore
from support import servers

__all__ = ["Client", "SecuredBroker", "secured_broker"]

_SPY = BrokerUser("spy", subscribes=("#",))
_SPY_PASSWORD = uuid.uuid4().hex
_SPY_OF_NATS = nats_users({_SPY: _SPY_PASSWORD}, None)
_SPY_OF_MOSQUITTO = mosquitto_passwords({_SPY: _SPY_PASSWORD}, None)
_PATIENCE_S = 20.0
"""Only so that a failure does not hang."""


@dataclass
class Client:
    """A client of the broker that waits for the answer to everything it does."""

    address: BrokerAddress
    client_id: str = ""
    persistent: bool = False
    will: str | None = None
    """The topic of its Last Will, which says "gone"."""
    messages: list[tuple[str, bytes]] = field(default_factory=list)
    on_message: Callable[[str, bytes], None] | None = None
    """Called with each message, too; must not wait."""
    refusal: str | None = None
    session_present: bool = False
    n_disconnects: int = 0

    def __post_init__(self) -> None:
        self._changed = threading.Condition()
        self._connected = False
        self._answers: dict[int, list[bool]] = {}
        """Whether each subscription was granted, by the packet's number."""
        self._published: set[int] = set()
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=self.client_id or f"test-{uuid.uuid4().hex}",
            clean_session=not self.persistent,
            reconnect_on_failure=False,
        )
        if self.address.username is not None:
            self._client.username_pw_set(self.address.username, self.address.password)
        if self.address.tls is not None:
            self._client.tls_set_context(self.address.tls)
        if self.will is not None:
            self._client.will_set(self.will, b"gone", qos=1)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_publish = self._on_publish
        self._client.on_message = self._on_message

    def connect(self) -> "Client":
        """Connect, or find out why not: see `refusal`.

        Raises:
            OSError: If there is no connection at all.
        """
        self._client.connect(self.address.host, self.address.port)
        self._client.loop_start()
        self.wait(lambda: self._connected or self.refusal is not None or self.n_disconnects > 0)
        return self

    def disconnect(self) -> None:
        """Leave; the broker keeps a persistent session."""
        self._client.disconnect()
        # paho closes the connection in its loop, if that is given the time.
        self.wait(lambda: self.n_disconnects > 0)
        self._end()

    def die(self) -> None:
        """Leave without a word."""
        connection = self._client.socket()
        assert isinstance(connection, socket.socket)
        # Not the method of the encrypted one, which would forget that it is encrypted.
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
        self.wait(lambda: self.n_disconnects > 0)
        self._end()

    def subscribe(self, *topics: str, qos: int = 1) -> list[bool]:
        """Subscribe to topics; whether each was granted."""
        _, packet_id = self._client.subscribe([(topic, qos) for topic in topics])
        assert packet_id is not None
        self.wait(lambda: packet_id in self._answers)
        return self._answers[packet_id]

    def publish(self, topic: str, payload: bytes = b"{}", *, retain: bool = False) -> None:
        """Publish with QoS 1 and wait for the acknowledgement."""
        packet_id = self._client.publish(topic, payload, qos=1, retain=retain).mid
        self.wait(lambda: packet_id in self._published)

    def publish_later(self, topic: str, payload: bytes) -> None:
        """Publish with QoS 1 as soon as it can be done."""
        self._client.publish(topic, payload, qos=1)

    def wait(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition holds that what comes in can change."""
        with self._changed:
            if not self._changed.wait_for(condition, _PATIENCE_S):
                text = f"the condition does not hold; there came {self.messages}"
                raise TimeoutError(text)

    def received(self, topic: str, payload: bytes) -> None:
        """Wait for a message."""
        self.wait(lambda: (topic, payload) in self.messages)

    def _end(self) -> None:
        self._client.loop_stop()
        connection = self._client.socket()
        if isinstance(connection, socket.socket):
            connection.close()

    @contextlib.contextmanager
    def _news(self) -> Iterator[None]:
        with self._changed:
            yield
            self._changed.notify_all()

    def _on_connect(self, *arguments: object) -> None:
        _, _, flags, reason, _ = arguments
        assert isinstance(flags, mqtt.ConnectFlags)
        with self._news():
            if getattr(reason, "is_failure", False):
                self.refusal = str(reason)
            else:
                self._connected, self.session_present = True, flags.session_present

    def _on_disconnect(self, *_: object) -> None:
        with self._news():
            self.n_disconnects += 1

    def _on_subscribe(self, *arguments: object) -> None:
        _, _, packet_id, reasons, _ = arguments
        assert isinstance(packet_id, int)
        assert isinstance(reasons, list)
        with self._news():
            self._answers[packet_id] = [not reason.is_failure for reason in reasons]

    def _on_publish(self, *arguments: object) -> None:
        assert isinstance(arguments[2], int)
        with self._news():
            self._published.add(arguments[2])

    def _on_message(self, _client: mqtt.Client, _userdata: object, message: mqtt.MQTTMessage) -> None:
        with self._news():
            self.messages.append((message.topic, bytes(message.payload)))
        if self.on_message is not None:
            self.on_message(message.topic, bytes(message.payload))


@dataclass
class SecuredBroker:
    """A running broker with the secrets of a deployment."""

    kind: str
    server: servers.Server
    folder: Path
    secrets: DeploymentSecrets
    clients: list[Client] = field(default_factory=list)

    @property
    def ca_file(self) -> Path:
        """By which it is recognised."""
        return self.folder / "secrets" / "ca" / "ca.crt"

    def url(self, user: str, password: str | None = None) -> str:
        """How a user reaches it; with the user's own password by default."""
        if password is None:
            path = self.folder / "secrets" / user / "mqtt_url"
            password = BrokerAddress.parse(path.read_text()).password if path.exists() else _SPY_PASSWORD
        return f"mqtts://{user}:{password}@127.0.0.1:{self.server.port}"

    def address(self, user: str, password: str | None = None) -> BrokerAddress:
        """See `url`."""
        return BrokerAddress.parse(self.url(user, password), self.ca_file)

    def client(self, user: str, password: str | None = None, *, session: str = "") -> Client:
        """A connected client; with a session that the broker keeps if it has a name."""
        client = Client(self.address(user, password), session, persistent=bool(session)).connect()
        self.clients.append(client)
        return client

    def gateway(self, name: str, *sensors: str) -> Client:
        """A client that is a gateway with these sensors, from the next reload on if they are new."""
        return self.client(f"gateway-{name}", self.allow(name, *sensors))

    def allow(self, name: str, *sensors: str, home_assistant: bool = False) -> str:
        """Give a gateway its sensors; returns its password."""
        password = self.secrets.gateway(name, sensors, home_assistant=home_assistant)
        self._add_spy()
        return password

    def reload(self) -> None:
        """Have it read its files anew."""
        assert self.server.popen is not None
        self.server.popen.send_signal(signal.SIGHUP)

    def _add_spy(self) -> None:
        """Let one user more read everything, so that a test sees what nobody else would."""
        folder = self.folder / "secrets" / "broker"
        users = json.loads((folder / "users.conf").read_text())
        users["users"] += json.loads(_SPY_OF_NATS)["users"]
        _rewrite(folder / "users.conf", json.dumps(users))
        _rewrite(folder / "passwords", (folder / "passwords").read_text() + _SPY_OF_MOSQUITTO)
        _rewrite(folder / "acl", f"{(folder / 'acl').read_text()}\n{mosquitto_rights([_SPY])}")


@contextlib.contextmanager
def secured_broker(kind: str, folder: Path) -> Iterator[SecuredBroker]:
    """Run one: nats, nats-scaled or mosquitto; the gateway `home` has the sensors `wrist` and `ankle`."""
    (folder / "secrets").mkdir(parents=True)
    secrets = DeploymentSecrets(SecretStore(folder / "secrets"), GivenSecrets())
    secrets.create()
    port = servers.free_port()
    command = _mosquitto_command(folder, port) if kind == "mosquitto" else _nats_command(kind, folder, port)
    server = servers.Server(command, {}, folder / f"{kind}.log", port)
    broker = SecuredBroker(kind, server, folder, secrets)
    broker.allow("home", "wrist", "ankle")
    try:
        server.start()
        yield broker
    finally:
        for client in broker.clients:
            client.disconnect()
        server.kill()


def _nats_command(kind: str, folder: Path, port: int) -> list[str]:
    """The NATS server with the configuration of compose, whose folders and ports are others here."""
    configuration = folder / "configuration"
    configuration.mkdir()
    for file in (servers.ROOT / "broker").glob("nats-*.conf"):
        text = file.read_text()
        for here, there in (
            ("../../../run/secrets", "../secrets/broker"),
            ('"/run/secrets', f'"{folder}/secrets/broker'),
            ("store_dir: /data", f'store_dir: "{folder}/store"'),
            ("0.0.0.0:8883", f"127.0.0.1:{port}"),
            ("0.0.0.0:8222", f"127.0.0.1:{servers.free_port()}"),
        ):
            text = text.replace(here, there)
        (configuration / file.name).write_text(text)
    name = f"{kind.replace('nats', 'nats-compose')}.conf"
    return [str(servers.BIN / "nats-server"), "-c", str(configuration / name)]


def _mosquitto_command(folder: Path, port: int) -> list[str]:
    if servers.MOSQUITTO is None:
        message = "mosquitto is not installed"
        raise RuntimeError(message)
    text = (servers.ROOT / "broker" / "mosquitto-compose.conf").read_text()
    for here, there in (
        ("/run/secrets", f"{folder}/secrets/broker"),
        ("/mosquitto/data", f"{folder}/"),
        ("listener 8883", f"listener {port} 127.0.0.1"),
    ):
        text = text.replace(here, there)
    file = folder / "mosquitto.conf"
    file.write_text(f"{text}\nuser root\n")
    return [servers.MOSQUITTO, "-c", str(file)]


def _rewrite(file: Path, text: str) -> None:
    """Put another file in the place of one that cannot be written to."""
    file.unlink()
    file.write_text(text)
