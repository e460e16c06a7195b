"""Every secret of a deployment: made once, kept where only its reader sees it, changed on request.

    ca/            ca.crt, ca.key                        the authority of the broker's certificate
    gateways/      <name>.json                           password and sensors of each gateway
    guests/        home_assistant_password
    broker/        users.conf, routes.conf               NATS server; the second one for a cluster
                   passwords, acl                        Mosquitto
                   server.crt, server.key, broker-ca.crt
    database/      root_password                         MongoDB's first start
    admin/         mongodb_url, <service>_mongodb_password
    preprocessor/  mqtt_url, mqtt_client_id, mongodb_url, broker-ca.crt
    inference/     mqtt_url, mongodb_url, api_key, broker-ca.crt
    simulator/     mqtt_url, broker-ca.crt
    trainer/       mongodb_url
    dashboard/     api_key, dashboard_password
    prometheus/    api_key
    grafana/       admin_password

A service gets its folder and no other one. What a password is made into (hashes, rights) is derived anew each time and
written only where it differs.
"""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from pydantic import BaseModel, ConfigDict, ValidationError

from repsense.errors import RepSenseError
from repsense.topics import SensorId
from repsense_admin.broker_users import (
    BrokerUser,
    gateway_user,
    home_assistant_user,
    inference_user,
    mosquitto_passwords,
    mosquitto_rights,
    nats_routes,
    nats_users,
    preprocessor_user,
)
from repsense_admin.certificates import (
    Credentials,
    end_of,
    fits,
    is_named,
    near_end,
    new_authority,
    new_server,
    reason_to_renew,
)
from repsense_admin.secret_store import ROOT, Owner, SecretStore

__all__ = ["DeploymentSecrets", "GivenSecrets", "Rotation"]

_SERVICE = Owner(10_001, 10_001)
"""The user of our images; the NATS server runs as it too."""
_BROKERS = Owner(10_001, 1_883, group_reads=True)
"""The NATS server's user, and Mosquitto's group where that takes its place."""
_MOSQUITTO = Owner(1_883, 1_883)
_MONGODB = Owner(999, 999)
_PROMETHEUS = Owner(65_534, 65_534)
_GRAFANA = Owner(472, 0)

_BROKER = "broker:8883"
_CLUSTER = ("broker-1:6222", "broker-2:6222", "broker-3:6222")
"""As in compose/cluster.yml."""
_ROUTES = "broker/routes.conf"
_DATABASE = "database:27017"
_DATABASE_ROOT = "root"
_DATABASE_SERVICES = ("preprocessor", "inference", "trainer")
_BROKER_SERVICES = ("preprocessor", "inference", "simulator")
_WITH_CA = ("broker", *_BROKER_SERVICES)

_SIMULATOR_GATEWAY_ID = "demo"
_SIMULATED_SENSORS = ("simulator", *(f"simulator-{number}" for number in range(1, 9)))
"""One person, or up to eight by `--sensors`."""

_HOME_ASSISTANT = "guests/home_assistant_password"

_PASSWORD_BYTES = 32
_TYPED_PASSWORD_BYTES = 12
"""For those that a person types: 16 characters, 2^96 possibilities."""
_CLIENT_ID_BYTES = 8


class _GatewayAccess(BaseModel):
    """What is known of a gateway's user."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    password: str
    sensors: tuple[SensorId, ...]
    home_assistant: bool = False


@dataclass(frozen=True, slots=True)
class GivenSecrets:
    """What the user wants to have; it goes before what was made earlier.

    Attributes:
        api_key: Of the REST API; None to have one made.
        dashboard_password: Likewise.
        broker_names: Names and addresses by which the broker is reached from outside, beside those of its machine.
    """

    api_key: str | None = None
    dashboard_password: str | None = None
    broker_names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rotation:
    """What follows from a changed secret.

    Attributes:
        changed: What was changed, in words.
        restart: The services that read it when they start.
        reload_broker: Whether the broker has to read its users or its certificate anew.
        prepare: Whether the database has to be told.
    """

    changed: str
    restart: tuple[str, ...] = ()
    reload_broker: bool = False
    prepare: bool = False


class DeploymentSecrets:
    """Makes, shows and changes the secrets in a store."""

    def __init__(
        self, store: SecretStore, given: GivenSecrets, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._store = store
        self._given = given
        self._now = now

    def create(self) -> list[str]:
        """Make what is missing and bring the rest up to date.

        Returns:
            What is worth knowing, a sentence each, beside what was written.

        Raises:
            RepSenseError: If something that is there cannot be understood.
        """
        self._api_key(self._given.api_key)
        self._dashboard_password(self._given.dashboard_password)
        self._keep("grafana/admin_password", _GRAFANA, _TYPED_PASSWORD_BYTES)
        self._database_secrets()
        for service in _BROKER_SERVICES:
            self._broker_url(service)
        if self._store.read("preprocessor/mqtt_client_id") is None:
            self._new_client_id()
        self._store.write(_ROUTES, self._store.read(_ROUTES) or nats_routes(_new_password(), _CLUSTER), _SERVICE)
        notes = self._certificates()
        self._write_broker_users()
        return notes

    def give(self, folder: Path) -> None:
        """Hand a fresh volume to the user of our images."""
        self._store.give(folder, _SERVICE)

    def shown(self) -> Mapping[str, str]:
        """What a person needs, by what it is for.

        Raises:
            RepSenseError: If nothing was made yet.
        """
        return {
            "Dashboard password": self._existing("dashboard/dashboard_password"),
            "API key": self._existing("inference/api_key"),
            "Grafana password (user admin)": self._existing("grafana/admin_password"),
        }

    def authority(self) -> str:
        """The certificate, as PEM, by which clients recognise the broker."""
        return self._existing("ca/ca.crt")

    def gateway(self, name: str, sensors: tuple[str, ...], *, home_assistant: bool) -> str:
        """Let a gateway send these sensors and no others; its password stays if it has one.

        Returns:
            Its password.

        Raises:
            RepSenseError: If there can be no such gateway.
        """
        self.authority()
        if not sensors:
            msg = f"name all sensors of gateway {name}: it may send exactly those that are named"
            raise RepSenseError(msg)
        before = self._gateway(name)
        password = before.password if before is not None else _new_password()
        try:
            access = _GatewayAccess(password=password, sensors=sensors, home_assistant=home_assistant)
            gateway_user(_gateway_user_name(name), name, sensors)
        except (ValidationError, ValueError) as error:
            msg = (
                f"{' '.join((name, *sensors))}: names of gateways and sensors are lower-case letters, digits and "
                "hyphens, at most 63, as in the gateway's configuration"
            )
            raise RepSenseError(msg) from error
        self._write_gateway(name, access)
        self._write_broker_users()
        return password

    def remove_gateway(self, name: str) -> None:
        """Let a gateway do nothing any more.

        Raises:
            RepSenseError: If there is none of that name.
        """
        if self._gateway(name) is None:
            raise RepSenseError(self._unknown_gateway(name))
        self._store.remove(_gateway_file(name))
        self._write_broker_users()

    def home_assistant(self) -> str:
        """Let Home Assistant read; returns its password, which stays if it has one.

        Raises:
            RepSenseError: If nothing was made yet.
        """
        self.authority()
        password = self._keep(_HOME_ASSISTANT, ROOT)
        self._write_broker_users()
        return password

    def remove_home_assistant(self) -> None:
        """Let Home Assistant do nothing any more."""
        self._store.remove(_HOME_ASSISTANT)
        self._write_broker_users()

    def check_reachable(self, host: str) -> None:
        """See that a client that connects to this name will find it in the broker's certificate.

        Raises:
            RepSenseError: If it will not.
        """
        if not is_named(self._existing("broker/server.crt"), host):
            msg = (
                f"the broker's certificate does not name {host}: add it to BROKER_NAMES in .env, run `make secrets`, "
                "and then this again"
            )
            raise RepSenseError(msg)

    def rotate(self, what: str) -> Rotation:
        """Replace one secret.

        Args:
            what: One of `rotatable`.

        Raises:
            RepSenseError: If there is no such secret, or the user has fixed it.
        """
        self.authority()
        change = self._changes().get(what)
        if change is None:
            msg = f"there is no {what}; what can be replaced is {', '.join(self.rotatable())}"
            raise RepSenseError(msg)
        return change()

    def rotatable(self) -> tuple[str, ...]:
        """What can be replaced."""
        return tuple(self._changes())

    def _changes(self) -> dict[str, Callable[[], Rotation]]:
        """How each secret is replaced."""
        return {
            "api-key": self._rotate_api_key,
            "dashboard-password": self._rotate_dashboard_password,
            **{service: partial(self._rotate_service, service) for service in _BROKER_SERVICES},
            **{_gateway_user_name(name): partial(self._rotate_gateway, name) for name in self._gateways()},
            **({"home-assistant": self._rotate_home_assistant} if self._store.read(_HOME_ASSISTANT) else {}),
            **{f"database-{service}": partial(self._rotate_database, service) for service in _DATABASE_SERVICES},
            "cluster": self._rotate_cluster,
            "certificate": self._rotate_certificate,
            "ca": self._rotate_authority,
        }

    def _rotate_api_key(self) -> Rotation:
        self._refuse_if_given(self._given.api_key, "API_KEY")
        self._api_key(_new_password())
        return Rotation("the API key", ("inference", "dashboard"))

    def _rotate_dashboard_password(self) -> Rotation:
        self._refuse_if_given(self._given.dashboard_password, "DASHBOARD_PASSWORD")
        self._dashboard_password(secrets.token_urlsafe(_TYPED_PASSWORD_BYTES))
        return Rotation("the dashboard's password; everybody has to log in anew", ("dashboard",))

    def _rotate_service(self, service: str) -> Rotation:
        self._write_broker_url(service, _new_password())
        self._write_broker_users()
        return Rotation(f"{service}'s password at the broker", (service,), reload_broker=True)

    def _rotate_gateway(self, name: str) -> Rotation:
        access = self._gateway(name)
        if access is None:
            raise RepSenseError(self._unknown_gateway(name))
        self._write_gateway(name, access.model_copy(update={"password": _new_password()}))
        self._write_broker_users()
        return Rotation(
            f"the password of gateway {name}; `make gateway-access` with all its sensors writes its new settings",
            reload_broker=True,
        )

    def _rotate_home_assistant(self) -> Rotation:
        self._store.write(_HOME_ASSISTANT, _new_password(), ROOT)
        self._write_broker_users()
        return Rotation("the password of Home Assistant, which `secrets home-assistant` prints", reload_broker=True)

    def _rotate_database(self, service: str) -> Rotation:
        self._store.write(_database_password(service), _new_password(), _SERVICE)
        self._database_secrets()
        return Rotation(f"{service}'s password at the database", (service,), prepare=True)

    def _rotate_cluster(self) -> Rotation:
        self._store.write(_ROUTES, nats_routes(_new_password(), _CLUSTER), _SERVICE)
        return Rotation("the password between the servers of a cluster", ("broker", "broker-2", "broker-3"))

    def _rotate_certificate(self) -> Rotation:
        self._new_server(Credentials(self._existing("ca/ca.crt"), self._existing("ca/ca.key")))
        return Rotation("the broker's key and certificate", reload_broker=True)

    def _rotate_authority(self) -> Rotation:
        self._new_server(self._new_authority())
        return Rotation(
            "the broker's authority; every gateway needs the new broker-ca.crt", _BROKER_SERVICES, reload_broker=True
        )

    def _existing(self, name: str) -> str:
        content = self._store.read(name)
        if content is None:
            msg = "there are no secrets yet: `make secrets` or `docker compose up -d` makes them"
            raise RepSenseError(msg)
        return content

    def _keep(self, name: str, owner: Owner, n_bytes: int = _PASSWORD_BYTES) -> str:
        """What is in a file; a new password if there is none."""
        content = self._store.read(name) or secrets.token_urlsafe(n_bytes)
        self._store.write(name, content, owner)
        return content

    def _api_key(self, wanted: str | None) -> None:
        key = wanted or self._store.read("inference/api_key") or _new_password()
        for name, owner in (
            ("inference/api_key", _SERVICE),
            ("dashboard/api_key", _SERVICE),
            ("prometheus/api_key", _PROMETHEUS),
        ):
            self._store.write(name, key, owner)

    def _dashboard_password(self, wanted: str | None) -> None:
        name = "dashboard/dashboard_password"
        password = wanted or self._store.read(name) or secrets.token_urlsafe(_TYPED_PASSWORD_BYTES)
        self._store.write(name, password, _SERVICE)

    def _database_secrets(self) -> None:
        root_password = self._keep("database/root_password", _MONGODB)
        root_url = f"{_database_url(_DATABASE_ROOT, root_password)}?authSource=admin"
        self._store.write("admin/mongodb_url", root_url, _SERVICE)
        for service in _DATABASE_SERVICES:
            password = self._keep(_database_password(service), _SERVICE)
            self._store.write(f"{service}/mongodb_url", _database_url(service, password), _SERVICE)

    def _broker_url(self, service: str) -> None:
        self._write_broker_url(service, self._broker_password(service) or _new_password())

    def _write_broker_url(self, service: str, password: str) -> None:
        self._store.write(f"{service}/mqtt_url", f"mqtts://{service}:{quote(password, safe='')}@{_BROKER}", _SERVICE)

    def _broker_password(self, service: str) -> str | None:
        url = self._store.read(f"{service}/mqtt_url")
        password = None if url is None else urlsplit(url).password
        return None if password is None else unquote(password)

    def _new_client_id(self) -> None:
        """Give the preprocessor's session a name that nobody guesses.

        A client that connects under the name of another one takes its session over. Its rights are its own, so it
        would read nothing, but it could throw away what waits there.
        """
        identifier = f"repsense-preprocessor-{secrets.token_hex(_CLIENT_ID_BYTES)}"
        self._store.write("preprocessor/mqtt_client_id", identifier, _SERVICE)

    def _certificates(self) -> list[str]:
        notes: list[str] = []
        authority = self._credentials("ca/ca")
        if authority is None or not fits(authority) or near_end(authority.certificate, self._now()):
            if authority is not None:
                notes.append("the broker has a new authority: every gateway needs the new broker-ca.crt")
            authority = self._new_authority()
        self._hand_out(authority)
        server = self._credentials("broker/server")
        reason = reason_to_renew(server, authority, self._given.broker_names, self._now())
        if reason is not None:
            end = end_of(self._new_server(authority).certificate)
            notes.append(f"the broker has a new certificate, valid until {end:%Y-%m-%d}, because {reason}")
        return notes

    def _credentials(self, name: str) -> Credentials | None:
        certificate, key = self._store.read(f"{name}.crt"), self._store.read(f"{name}.key")
        return None if certificate is None or key is None else Credentials(certificate, key)

    def _new_authority(self) -> Credentials:
        authority = new_authority(self._now())
        self._store.write("ca/ca.key", authority.key, ROOT)
        self._store.write("ca/ca.crt", authority.certificate, ROOT)
        self._hand_out(authority)
        return authority

    def _hand_out(self, authority: Credentials) -> None:
        for folder in _WITH_CA:
            owner = _BROKERS if folder == "broker" else _SERVICE
            self._store.write(f"{folder}/broker-ca.crt", authority.certificate, owner)

    def _new_server(self, authority: Credentials) -> Credentials:
        server = new_server(authority, self._given.broker_names, self._now())
        self._store.write("broker/server.key", server.key, _BROKERS)
        self._store.write("broker/server.crt", server.certificate, _BROKERS)
        return server

    def _write_broker_users(self) -> None:
        passwords: dict[BrokerUser, str] = {}
        for user in (
            preprocessor_user(),
            inference_user(),
            gateway_user("simulator", _SIMULATOR_GATEWAY_ID, _SIMULATED_SENSORS),
        ):
            passwords[user] = self._broker_password(user.name) or _new_password()
        if guest := self._store.read(_HOME_ASSISTANT):
            passwords[home_assistant_user()] = guest
        for name in self._gateways():
            access = self._gateway(name)
            if access is not None:
                rights = gateway_user(
                    _gateway_user_name(name), name, access.sensors, home_assistant=access.home_assistant
                )
                passwords[rights] = access.password
        for file, write, owner in (
            ("broker/users.conf", nats_users, _SERVICE),
            ("broker/passwords", mosquitto_passwords, _MOSQUITTO),
        ):
            self._store.write(file, write(passwords, self._store.read(file)), owner)
        self._store.write("broker/acl", mosquitto_rights(passwords), _MOSQUITTO)

    def _gateways(self) -> list[str]:
        return [name.removeprefix("gateways/").removesuffix(".json") for name in self._store.names("gateways")]

    def _gateway(self, name: str) -> _GatewayAccess | None:
        content = self._store.read(_gateway_file(name)) if name in self._gateways() else None
        return None if content is None else _GatewayAccess.model_validate_json(content)

    def _write_gateway(self, name: str, access: _GatewayAccess) -> None:
        self._store.write(_gateway_file(name), access.model_dump_json(), ROOT)

    def _unknown_gateway(self, name: str) -> str:
        known = ", ".join(self._gateways())
        return f"there is no gateway {name}" + (f"; there is {known}" if known else ", and no other one either")

    @staticmethod
    def _refuse_if_given(given: str | None, variable: str) -> None:
        if given is not None:
            msg = f"it is {variable} of .env: change it there and run `docker compose up -d`"
            raise RepSenseError(msg)


def _new_password() -> str:
    return secrets.token_urlsafe(_PASSWORD_BYTES)


def _gateway_user_name(name: str) -> str:
    return f"gateway-{name}"


def _gateway_file(name: str) -> str:
    return f"gateways/{name}.json"


def _database_password(service: str) -> str:
    return f"admin/{service}_mongodb_password"


def _database_url(user: str, password: str) -> str:
    return f"mongodb://{user}:{quote(password, safe='')}@{_DATABASE}/repsense"
