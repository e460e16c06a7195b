"""Who may do what at the broker, and how that is written down for the NATS server and for Mosquitto.

    user            publishes                              subscribes to
    preprocessor    stored, classification                 samples
    inference       nothing                                states, classification
    simulator       what a gateway does, for its sensors   stored, for its sensors
    gateway-<name>  what a gateway does, for its sensors   stored, for its sensors
    home-assistant  its own state, removed devices         devices, states, classification

What is not named is forbidden. To the subscriber's side of MQTT belong subjects that the NATS server uses inside
(`$MQTT.…`); it checks no user's rights for them, so none are given, and nobody can subscribe to them.
"""

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import bcrypt

from repsense.topics import (
    HOME_ASSISTANT_PREFIX,
    SensorTopic,
    all_gateways_topic,
    all_partitions_topic,
    all_sensors_topic,
    any_partition_topic,
    gateway_status_topic,
    home_assistant_topic,
    sensor_topic,
)

__all__ = [
    "BrokerUser",
    "gateway_user",
    "home_assistant_user",
    "inference_user",
    "mosquitto_passwords",
    "mosquitto_rights",
    "nats_routes",
    "nats_users",
    "preprocessor_user",
]

# A password that was drawn from 2^256 cannot be guessed however fast one may guess; a slow hash would only make a
# hundred gateways that come back at once wait for each other.
_BCRYPT_ROUNDS = 6
_PBKDF2_ITERATIONS = 1_000
_PBKDF2_HASH = "sha512"
_PBKDF2_SALT_BYTES = 12
"""As `mosquitto_passwd` makes them."""

_ROUTE_USER = "route"
_ROUTE_TIMEOUT_S = 10
"""Of a server that is busy with a hundred gateways that come back."""


@dataclass(frozen=True, slots=True)
class BrokerUser:
    """A user of the broker.

    Attributes:
        name: What it is called at the broker.
        publishes: Topics, perhaps with wildcards, to which it may publish.
        subscribes: Topics, perhaps with wildcards, to which it may subscribe.
    """

    name: str
    publishes: tuple[str, ...] = ()
    subscribes: tuple[str, ...] = ()


def preprocessor_user() -> BrokerUser:
    """The preprocessor: reads samples, and tells what came of them."""
    return BrokerUser(
        "preprocessor",
        (all_sensors_topic(SensorTopic.STORED), all_sensors_topic(SensorTopic.CLASSIFICATION)),
        (all_sensors_topic(SensorTopic.SAMPLES), all_partitions_topic()),
    )


def inference_user() -> BrokerUser:
    """The REST API: listens, and says nothing."""
    return BrokerUser(
        "inference",
        subscribes=(
            all_gateways_topic(),
            all_sensors_topic(SensorTopic.STATUS),
            all_sensors_topic(SensorTopic.CLASSIFICATION),
        ),
    )


def gateway_user(name: str, gateway_id: str, sensor_ids: Iterable[str], *, home_assistant: bool = False) -> BrokerUser:
    """A gateway, limited to its own sensors.

    Args:
        name: What it is called at the broker.
        gateway_id: What it is called in topics.
        sensor_ids: Its sensors.
        home_assistant: Whether it may describe them to Home Assistant.

    Raises:
        ValueError: If an id would not be safe in a topic.
    """
    state = gateway_status_topic(gateway_id)
    spoken = (SensorTopic.SAMPLES, SensorTopic.STATUS, SensorTopic.TRUTH)
    sensors = tuple(sensor_ids)
    publishes = [state, *(sensor_topic(sensor, kind) for sensor in sensors for kind in spoken)]
    # The NATS server asks for the right to the topic that a message gets on its way, not to the one that it came with.
    publishes += [any_partition_topic(sensor) for sensor in sensors]
    if home_assistant:
        publishes += [home_assistant_topic(sensor) for sensor in sensors]
    subscribes = [state, *(sensor_topic(sensor, SensorTopic.STORED) for sensor in sensors)]
    return BrokerUser(name, tuple(publishes), tuple(subscribes))


def home_assistant_user() -> BrokerUser:
    """Home Assistant: shows what gateways describe to it, and what comes of it."""
    return BrokerUser(
        "home-assistant",
        # Where it says that it is there, and where it deletes a device.
        (f"{HOME_ASSISTANT_PREFIX}/status", f"{HOME_ASSISTANT_PREFIX}/device/+/config"),
        (
            f"{HOME_ASSISTANT_PREFIX}/#",
            all_sensors_topic(SensorTopic.STATUS),
            all_sensors_topic(SensorTopic.CLASSIFICATION),
            all_gateways_topic(),
        ),
    )


def nats_users(passwords: Mapping[BrokerUser, str], before: str | None) -> str:
    """The users for the NATS server's configuration, to be included in its `authorization`.

    Args:
        passwords: The users with their passwords.
        before: What was returned last time: a password that is still the same keeps its hash, so that nothing
            changes where nothing has changed.
    """
    hashes = {user["user"]: user["password"] for user in json.loads(before)["users"]} if before else {}
    users = [
        {
            "user": user.name,
            "password": _bcrypt_hash(password, hashes.get(user.name)),
            "permissions": {
                "publish": _nats_permission(user.publishes),
                "subscribe": _nats_permission(user.subscribes),
            },
        }
        for user, password in passwords.items()
    ]
    return json.dumps({"users": users}, indent=1) + "\n"


def nats_routes(password: str, servers: Iterable[str]) -> str:
    """How the servers of a cluster identify themselves to each other, to be included in the block `cluster` of each.

    Args:
        password: The one that all of them know.
        servers: Host and port of each, where the others find it.
    """
    routes = [f"nats://{_ROUTE_USER}:{password}@{server}" for server in servers]
    authorization = {"user": _ROUTE_USER, "password": password, "timeout": _ROUTE_TIMEOUT_S}
    return json.dumps({"authorization": authorization, "routes": routes}, indent=1) + "\n"


def mosquitto_passwords(passwords: Mapping[BrokerUser, str], before: str | None) -> str:
    """The password file of Mosquitto; a password that is the same as in `before` keeps its hash."""
    hashes = dict(line.split(":", maxsplit=1) for line in (before or "").splitlines())
    lines = (f"{user.name}:{_pbkdf2_hash(password, hashes.get(user.name))}" for user, password in passwords.items())
    return "\n".join(lines) + "\n"


def mosquitto_rights(users: Iterable[BrokerUser]) -> str:
    """The access control list of Mosquitto."""
    lines: list[str] = []
    for user in users:
        lines += ["", f"user {user.name}"]
        lines += [f"topic write {topic}" for topic in user.publishes]
        lines += [f"topic read {topic}" for topic in user.subscribes]
    return "\n".join(lines[1:]) + "\n"


def _nats_permission(topics: Iterable[str]) -> dict[str, list[str]]:
    subjects = [topic.replace("/", ".").replace("+", "*").replace("#", ">") for topic in topics]
    return {"allow": subjects} if subjects else {"deny": [">"]}


def _bcrypt_hash(password: str, before: str | None) -> str:
    if before is not None and bcrypt.checkpw(password.encode(), before.encode()):
        return before
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(_BCRYPT_ROUNDS)).decode()


def _pbkdf2_hash(password: str, before: str | None) -> str:
    if before is not None:
        _, _, iterations, salt, _ = before.split("$")
        if hmac.compare_digest(before, _pbkdf2(password, base64.b64decode(salt), int(iterations))):
            return before
    return _pbkdf2(password, secrets.token_bytes(_PBKDF2_SALT_BYTES), _PBKDF2_ITERATIONS)


def _pbkdf2(password: str, salt: bytes, iterations: int) -> str:
    digest = hashlib.pbkdf2_hmac(_PBKDF2_HASH, password.encode(), salt, iterations)
    return f"$7${iterations}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"
