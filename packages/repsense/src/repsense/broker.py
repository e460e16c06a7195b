"""The address of the MQTT broker, as every service takes it from `MQTT_URL`."""

from dataclasses import dataclass, field
from typing import Self
from urllib.parse import unquote, urlsplit

from repsense.errors import RepSenseError

__all__ = ["BrokerAddress"]

_PORTS = {"mqtt": 1883, "mqtts": 8883}
"""Registered for MQTT without and with TLS."""


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where the broker listens and how to identify oneself to it."""

    host: str
    port: int
    tls: bool = False
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, url: str) -> Self:
        """Take apart a URL such as `mqtt://127.0.0.1:1883` or `mqtts://user:password@broker.example`.

        Raises:
            RepSenseError: If the URL is malformed; the password is not in the message.
        """
        example = "MQTT_URL must look like mqtt://127.0.0.1:1883 or mqtts://user:password@broker.example"
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise RepSenseError(example) from error
        if parts.scheme not in _PORTS or not parts.hostname:
            raise RepSenseError(example)
        return cls(
            host=parts.hostname,
            port=port if port is not None else _PORTS[parts.scheme],
            tls=parts.scheme == "mqtts",
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
        )

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"
