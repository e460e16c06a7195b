"""The address of the MQTT broker, as every service takes it from `MQTT_URL`, and what can be wrong with it in words."""

import dataclasses
import itertools
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Self
from urllib.parse import unquote, urlsplit

from repsense.errors import RepSenseError

__all__ = ["BrokerAddress", "BrokerProblem", "BrokerProblemKind"]

_PORTS = {"mqtt": 1883, "mqtts": 8883}
"""Registered for MQTT without and with TLS."""

# From OpenSSL's x509_vfy.h; Python has no names for them.
_NAME_MISMATCHES = frozenset({62, 63, 64})
_WRONG_TIMES = frozenset({9, 10})

_REFUSED_IDENTITIES = frozenset({"Bad user name or password", "Not authorized"})
"""As paho-mqtt calls the answers 4 and 5 to a CONNECT; brokers give the one or the other for a wrong password."""


class BrokerProblemKind(StrEnum):
    """What a person has to look at."""

    AWAY = "away"
    PASSWORD = "password"  # noqa: S105 - the kind of a problem
    CERTIFICATE = "certificate"


@dataclass(frozen=True, slots=True)
class BrokerProblem:
    """Why there is no connection to the broker.

    Attributes:
        kind: For programs.
        text: A clause for people, without a full stop.
    """

    kind: BrokerProblemKind
    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where the broker listens, how to recognise it, and how to identify oneself to it."""

    host: str
    port: int
    tls: ssl.SSLContext | None = field(default=None, repr=False, compare=False)
    """By which the broker's certificate is checked; None for a connection without TLS."""
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    """Holds the authorities that are trusted; None for those of the system."""
    others: tuple[tuple[str, int], ...] = ()
    """Where the other servers of a cluster listen: host and port."""

    @classmethod
    def parse(cls, url: str, ca_file: str | Path | None = None) -> Self:
        """Take apart a URL such as `mqtt://127.0.0.1:1883` or `mqtts://user:password@broker.example`.

        Several servers of one cluster are named as in `mqtts://user:password@a.example,b.example:8884`.

        Args:
            url: `MQTT_URL`.
            ca_file: `MQTT_CA_FILE`: the certificates, as PEM, of the authorities that are trusted for mqtts; None or
                nothing for those of the system.

        Raises:
            RepSenseError: If the URL is malformed (the password is not in the message) or the file cannot be used.
        """
        example = "MQTT_URL must look like mqtt://127.0.0.1:1883 or mqtts://user:password@broker.example"
        try:
            parts = urlsplit(url)
            identity, _, hosts = parts.netloc.rpartition("@")
            named = [urlsplit(f"//{identity}@{host}") for host in hosts.split(",")]
            servers = [(one.hostname or "", one.port or _PORTS.get(parts.scheme, 0)) for one in named]
            for host, _ in servers:
                host.encode("idna")  # as it will be when it is looked up
        except ValueError as error:
            raise RepSenseError(example) from error
        if parts.scheme not in _PORTS or not all(host for host, _ in servers):
            raise RepSenseError(example)
        authorities = Path(ca_file) if ca_file else None
        return cls(
            host=servers[0][0],
            port=servers[0][1],
            tls=_trusting(authorities) if parts.scheme == "mqtts" else None,
            username=unquote(named[0].username) if named[0].username else None,
            password=unquote(named[0].password) if named[0].password else None,
            ca_file=authorities,
            others=tuple(servers[1:]),
        )

    def in_turn(self) -> Iterator[Self]:
        """The servers one after the other, without end: whoever finds one gone goes to the next one."""
        for host, port in itertools.cycle([(self.host, self.port), *self.others]):
            yield dataclasses.replace(self, host=host, port=port)

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    def refused(self, reason: str) -> BrokerProblem:
        """What it means that the broker answered, and refused.

        Args:
            reason: The broker's, as paho-mqtt puts it.
        """
        if reason not in _REFUSED_IDENTITIES:
            return BrokerProblem(BrokerProblemKind.AWAY, f"the broker at {self} refuses the connection: {reason}")
        if self.username is None:
            text = (
                f"the broker at {self} demands a user and a password; put them into MQTT_URL, as in "
                "mqtts://user:password@broker.example"
            )
        else:
            text = f"the broker at {self} does not accept the user {self.username} with the password in MQTT_URL"
        return BrokerProblem(BrokerProblemKind.PASSWORD, text)

    def unreachable(self, error: BaseException | None) -> BrokerProblem:
        """What it means that there is no connection.

        Args:
            error: What the attempt ended with; that of a library which has hidden the system's as its context will do.
        """
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, ssl.SSLError):
            cause = cause.__cause__ or cause.__context__
        if isinstance(cause, ssl.SSLCertVerificationError):
            return BrokerProblem(BrokerProblemKind.CERTIFICATE, self._untrusted(cause))
        if cause is not None and cause.reason == "WRONG_VERSION_NUMBER":
            text = f"what answers at {self} speaks no TLS: mqtts:// in MQTT_URL needs the broker's TLS port, often 8883"
            return BrokerProblem(BrokerProblemKind.CERTIFICATE, text)
        reason = f": {error}" if error is not None and str(error) else ""
        return BrokerProblem(BrokerProblemKind.AWAY, f"the broker at {self} cannot be reached{reason}")

    def _untrusted(self, error: ssl.SSLCertVerificationError) -> str:
        certificate = f"the certificate of the broker at {self}"
        if error.verify_code in _NAME_MISMATCHES:
            return (
                f"{certificate} does not name {self.host}: put a name into MQTT_URL that it has, or add this one to "
                "BROKER_NAMES where the broker runs"
            )
        if error.verify_code in _WRONG_TIMES:
            return f"{certificate} is not valid today ({error.verify_message}); is the clock of this machine right?"
        if self.ca_file is not None:
            return f"{certificate} was not signed by the authority in {self.ca_file}: get the broker's present one"
        return (
            f"{certificate} was signed by nobody whom this system trusts: name the file with the broker's authority in "
            "MQTT_CA_FILE"
        )


def _trusting(ca_file: Path | None) -> ssl.SSLContext:
    """The checks of a client that trusts certain authorities.

    Raises:
        RepSenseError: If the file cannot be used.
    """
    try:
        return ssl.create_default_context(cafile=ca_file)
    except ssl.SSLError as error:
        msg = f"MQTT_CA_FILE: {ca_file} holds no certificate; it must be a PEM file, as `make gateway-access` writes it"
        raise RepSenseError(msg) from error
    except OSError as error:
        msg = f"MQTT_CA_FILE: cannot read {ca_file} ({error.strerror})"
        raise RepSenseError(msg) from error
