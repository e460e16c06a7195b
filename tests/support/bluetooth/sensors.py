"""Sensors whose samples are numbered, so that loss and duplicates show exactly at the other end.

The number is in the acceleration, in steps of 0.01 g that every kind of packet keeps apart: its digits to the base
400, the lowest one along x. Other channels are 0.
"""

import asyncio
import time
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from repsense.channels import ACCELERATION, ANGULAR_RATE, CHANNELS, Channel
from repsense_ble_gateway.packets import STANDARD_GRAVITY_M_S2, Packet, prototype, repsense
from support.bluetooth.peripherals import Offered, Peripheral

__all__ = ["PrototypeSensor", "RepSenseSensor", "Sensor", "numbered_samples", "sample_numbers"]

_STEP_M_S2 = STANDARD_GRAVITY_M_S2 / 100
_BASE = 400
"""Up to 4 g: within the smallest range in use, 8 g."""
_RATE_SLACK_S = 0.5
"""A sensor that was held up for longer goes on from then, as one with a full buffer does."""


def numbered_samples(first: int, n_samples: int, channels: Sequence[Channel]) -> NDArray[np.float32]:
    """(n_samples, n_channels) samples in SI units that carry the numbers from `first` on."""
    numbers = np.arange(first, first + n_samples)
    samples = np.zeros((n_samples, len(channels)), np.float32)
    for digit, channel in enumerate(ACCELERATION):
        samples[:, channels.index(channel)] = numbers // _BASE**digit % _BASE * _STEP_M_S2
    return samples


def sample_numbers(samples: NDArray[np.floating[Any]], channels: Sequence[Channel]) -> list[int]:
    """The numbers that samples carry, whatever packet they came in."""
    acceleration = samples[:, [channels.index(channel) for channel in ACCELERATION]]
    digits = np.rint(acceleration / _STEP_M_S2).astype(np.int64)
    return [int(number) for number in digits @ _BASE ** np.arange(len(ACCELERATION))]


class Sensor(Peripheral):
    """A peripheral that measures: numbered samples while somebody is subscribed.

    Attributes:
        profile: The gateway's name for this kind.
        rate_hz: Samples per second that it sends by itself; 0 to send by `send` only.
        sent: When each sample was handed to the radio, by its number, seconds of the monotonic clock.
        characteristic: Where they come.
    """

    profile: ClassVar[str]
    characteristic: ClassVar[str]

    def __init__(self, table: Mapping[str, Sequence[Offered]], *, rate_hz: float, **options: Any) -> None:  # noqa: ANN401 - those of Peripheral
        super().__init__(table, **options)
        self.rate_hz = rate_hz
        self.sent: dict[int, float] = {}
        self._next = 0
        self._asked = asyncio.Event()
        """Whether it sends to those who are subscribed; some sensors have to be told to."""
        self._asked.set()

    async def advertise(self) -> None:
        """See `Peripheral`; the first time it also begins to measure."""
        await super().advertise()
        if self.rate_hz and not self._tasks:
            self.spawn(self._measure())

    async def send(self, n_notifications: int = 1) -> None:
        """Send the next samples now; waits until somebody is subscribed and has asked for them."""
        await self.subscribed(self.characteristic)
        await self._asked.wait()
        for _ in range(n_notifications):
            await self._send()

    @property
    @abstractmethod
    def n_samples(self) -> int:
        """In the next notification."""

    @abstractmethod
    def encode(self, first: int, n_samples: int) -> list[bytes]:
        """The notifications with the samples from that number on."""

    async def _send(self) -> None:
        """Measure, and send what was measured if anybody listens; a sensor goes on counting if not."""
        n_samples = self.n_samples
        numbers = range(self._next, self._next + n_samples)
        self._next += n_samples
        if self._asked.is_set():
            payloads = self.encode(numbers[0], n_samples)
            if all([await self.notify(self.characteristic, payload) for payload in payloads]):
                self.sent.update(dict.fromkeys(numbers, time.monotonic()))

    async def _measure(self) -> None:
        due_s = time.monotonic()
        while True:
            due_s = max(due_s + self.n_samples / self.rate_hz, time.monotonic() - _RATE_SLACK_S)
            await asyncio.sleep(due_s - time.monotonic())
            await self._send()


class RepSenseSensor(Sensor):
    """A sensor with RepSense packets, acceleration and angular rate."""

    profile = "repsense"
    characteristic = repsense.CHARACTERISTIC_UUID
    channels = (*ACCELERATION, *ANGULAR_RATE)

    def __init__(
        self,
        *,
        address: str = "F0:F1:F2:F3:F4:F5",
        name: str = "RepSense",
        rate_hz: float = 50.0,
        **options: Any,  # noqa: ANN401 - those of Peripheral
    ) -> None:
        table = {repsense.SERVICE_UUID: [Offered(self.characteristic, "NOTIFY")]}
        options.setdefault("advertised", [repsense.SERVICE_UUID])
        super().__init__(table, rate_hz=rate_hz, address=address, name=name, **options)

    @property
    def n_samples(self) -> int:
        """As many as a device should put into a notification, and the negotiated MTU allows."""
        # Until it is negotiated, not even one fits.
        payload_bytes = max(self.largest_notification_bytes, len(self.encode(0, 1)[0]))
        return repsense.samples_per_notification(self._nominal_rate_hz, len(self.channels), payload_bytes)

    def encode(self, first: int, n_samples: int) -> list[bytes]:
        """See `Sensor`."""
        samples = numbered_samples(first, n_samples, self.channels)
        device_time_us = round(first * 1e6 / self._nominal_rate_hz)
        packet = Packet(
            samples,
            self.channels,
            sequence=first,
            device_time_us=device_time_us,
            sample_rate_hz=self._nominal_rate_hz,
        )
        return [repsense.encode_packet(packet)]

    @property
    def _nominal_rate_hz(self) -> float:
        return self.rate_hz or 50.0


class PrototypeSensor(Sensor):
    """The 2018 prototype; its characteristic can be read, and can be subscribed to if it notifies."""

    profile = "prototype"
    characteristic = prototype.CHARACTERISTIC_UUID

    def __init__(
        self,
        *,
        address: str = "F0:F1:F2:F3:F4:18",
        name: str = "Prototype",
        rate_hz: float = prototype.SAMPLE_RATE_HZ,
        notifies: bool = True,
        **options: Any,  # noqa: ANN401 - those of Peripheral
    ) -> None:
        # The service's UUID is not known: the collector went by the characteristic.
        service = "2d30c082-f39f-4ce6-923f-3484ea480590"
        offered = Offered(self.characteristic, "READ|NOTIFY" if notifies else "READ", self._read)
        super().__init__(
            {service: [offered]}, rate_hz=rate_hz if notifies else 0, address=address, name=name, **options
        )

    n_samples = 1

    def encode(self, first: int, n_samples: int) -> list[bytes]:
        """See `Sensor`."""
        return [prototype.encode_packet(Packet(numbered_samples(first, n_samples, CHANNELS), CHANNELS))]

    def _read(self) -> bytes:
        """Each value is read once at most: a new one for every reading."""
        number = self._next
        self._next += 1
        self.sent[number] = time.monotonic()
        return self.encode(number, 1)[0]
