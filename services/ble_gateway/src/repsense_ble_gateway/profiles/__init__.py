"""Profiles: how to recognise a kind of sensor, how to make it send, and what its notifications mean."""

from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from repsense.errors import RepSenseError
from repsense_ble_gateway.configuration import SensorConfiguration
from repsense_ble_gateway.packets import PacketDecoder

__all__ = ["Advertised", "Link", "Profile", "ProfileError", "Receive", "refuse_options", "refuse_other_rates"]

Receive = Callable[[bytes], None]
"""Takes the payload of a notification; called in the event loop."""


class Link(Protocol):
    """What a profile may do with a connected sensor. Characteristics are named by 128-bit UUIDs in lower case.

    Every method raises `bleak.exc.BleakError`, `TimeoutError` or `OSError` when the sensor refuses or is gone.
    """

    def properties(self, characteristic: str) -> frozenset[str]:
        """What a characteristic can do, as bleak names it ("notify", "read", …); empty if the sensor has none such."""
        ...

    async def read(self, characteristic: str) -> bytes:
        """Read a value."""
        ...

    async def write(self, characteristic: str, value: bytes, *, response: bool) -> None:
        """Write a value, waiting for the sensor's answer if asked for."""
        ...

    async def subscribe(self, characteristic: str, receive: Receive) -> None:
        """Have notifications or indications delivered until the link ends."""
        ...


@dataclass(frozen=True, slots=True)
class Advertised:
    """What a sensor says of itself before it is connected.

    Attributes:
        name: Its local name; empty if it has none.
        services: 128-bit UUIDs in lower case.
    """

    name: str
    services: frozenset[str]


class ProfileError(RepSenseError):
    """A sensor cannot be used as its profile says, for instance because it refuses the rate that was asked for.

    Trying again would not help before the configuration or the sensor is changed; the text says which.
    """


@dataclass(frozen=True, slots=True)
class Profile:
    """One kind of sensor.

    Attributes:
        name: As it is written in the configuration.
        title: For people: which products it is.
        characteristic: A sensor that has this characteristic, by its 128-bit UUID in lower case, is of this kind.
        service: One that advertises this service is likely to be; None if none is its own.
        name_prefixes: Likewise one whose name begins with one of these.
        check: Raises ProfileError, in words, if a sensor of this kind cannot do what is configured.
        decoder: Makes the decoder for one connection.
        start: Makes the connected sensor send: sets rate and ranges, subscribes. What then comes goes to the decoder.
            It returns when the sensor sends, or runs until it is cancelled if the gateway has to ask for each
            sample.
        sample_rate_hz: The nominal rate for packets that do not say it, by the configuration.
        silence_s: A sensor that sends nothing for so long is connected anew; shorter silences are the radio's.
    """

    name: str
    title: str
    characteristic: str
    service: str | None
    name_prefixes: tuple[str, ...]
    check: Callable[[SensorConfiguration], None]
    decoder: Callable[[SensorConfiguration], PacketDecoder]
    start: Callable[[Link, SensorConfiguration, Receive], Coroutine[Any, Any, None]]
    sample_rate_hz: Callable[[SensorConfiguration], float | None]
    silence_s: float = 5.0

    def recognises(self, advertised: Advertised) -> bool:
        """Whether an advertisement is likely to be of this kind."""
        return self.service in advertised.services or advertised.name.startswith(self.name_prefixes)


def refuse_options(configuration: SensorConfiguration, options: Iterable[str], why: str) -> None:
    """Refuse what a kind of sensor has no use for.

    Args:
        configuration: Of the sensor.
        options: The names of the fields.
        why: In words, as the beginning of a sentence.

    Raises:
        ProfileError: If one of them is given.
    """
    for option in options:
        if getattr(configuration, option) is not None:
            msg = f"{why}: leave out {option}"
            raise ProfileError(msg)


def refuse_other_rates(rate_hz: float, known: Iterable[float], kind: str) -> None:
    """Refuse a rate that a kind of sensor does not have.

    Args:
        rate_hz: What is asked for.
        known: The rates that there are.
        kind: In words, as the beginning of a sentence.

    Raises:
        ProfileError: If it is none of them.
    """
    rates = list(known)
    if rate_hz not in rates:
        *others, last = (f"{rate:g}" for rate in rates)
        msg = f"{kind} sends {', '.join(others)} or {last} samples per second, not {rate_hz:g}"
        raise ProfileError(msg)
