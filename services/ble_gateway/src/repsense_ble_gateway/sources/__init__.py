"""Sources: where notifications come from.

A source tells what happens to one sensor as events, in order; it connects and reconnects by itself:

    Connecting ─> Connected ─> Received … ─> Disconnected ─> Connecting ─> …
                               Measured (of the radio and the battery)
                               Moved (only where the truth is known)
"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Protocol

from repsense.errors import RepSenseError
from repsense.labels import Label
from repsense_ble_gateway.packets import PacketDecoder

__all__ = [
    "Connected",
    "Connecting",
    "Disconnected",
    "Event",
    "Measured",
    "Moved",
    "Received",
    "SensorSource",
    "SourceError",
]


class SourceError(RepSenseError):
    """A source cannot go on, and trying again would not help."""


@dataclass(frozen=True, slots=True)
class Connecting:
    """The source looks for the sensor."""

    reason: str
    """In words, what it waits for."""


@dataclass(frozen=True, slots=True)
class Connected:
    """Notifications will follow, and what they mean."""

    decoder: PacketDecoder
    sample_rate_hz: float | None = None
    """The nominal rate, for packets that do not say it."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What else is known of the sensor; None where nothing new is."""

    rssi_dbm: int | None = None
    """Signal strength, dBm."""
    battery_percent: int | None = None


@dataclass(frozen=True, slots=True)
class Received:
    """A notification."""

    payload: bytes
    arrived_us: int
    """When the host had it, microseconds since 1970."""


@dataclass(frozen=True, slots=True)
class Moved:
    """What the body is really doing from one sample on; for simulated and recorded sensors."""

    sequence: int
    """Of the first sample for which it holds, as in the packets, not wrapped."""
    label: Label | None
    """None while there is no exercise."""
    repetition: int = 0
    """Within the set, from 1; 0 where it is not known."""


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The sensor is gone."""

    reason: str
    """In words."""


Event = Connecting | Connected | Received | Measured | Moved | Disconnected


class SensorSource(Protocol):
    """One sensor."""

    @property
    def sensor_id(self) -> str:
        """Its id in topics."""
        ...

    @property
    def name(self) -> str:
        """What to call it on a screen; a simulated one says so."""
        ...

    @property
    def simulated(self) -> bool:
        """True unless a person's body moves, or did."""
        ...

    def events(self) -> AsyncGenerator[Event, None]:
        """What happens to the sensor; ends when there will never be more.

        Raises:
            SourceError: If it cannot go on.
        """
        ...
