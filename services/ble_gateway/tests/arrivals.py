"""Generated arrivals of packets, with the true times of their samples: what a radio link does to a stream."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from repsense.channels import CHANNELS
from repsense_ble_gateway.packets import Packet

START_US = 1_700_000_000_000_000
DEVICE_START_US = 2**32 - 20_000_000
"""A clock of 32 bits wraps 20 s after the start."""
_STALL_S = (0.1, 2.0)


@dataclass(frozen=True, slots=True)
class Link:
    """How a sensor keeps its rate, and how its packets travel.

    Attributes:
        rate_hz: The rate that the sensor should keep.
        n_samples: In each packet.
        rate_factor: What it keeps is this times that, by its own clock.
        drift_ppm: By how much its clock is slow, against the host's.
        wander_ppm: How much more or less that is at times, in a sine of an hour.
        jitter_ms: Mean of the exponential delay of each packet.
        interval_ms: Connection interval: packets arrive at multiples of it; 0 means at once.
        stall_every_s: Mean time between stalls of 0.1 to 2 s, after which all that waited comes at once.
        loss: Share of the packets that never arrive.
        seed: Of all that is random.
    """

    rate_hz: float = 50.0
    n_samples: int = 5
    rate_factor: float = 1.0
    drift_ppm: float = 0.0
    wander_ppm: float = 0.0
    jitter_ms: float = 15.0
    interval_ms: float = 0.0
    stall_every_s: float = 60.0
    loss: float = 0.05
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Arrivals:
    """The packets that arrived, one row each.

    Attributes:
        n_samples: In each packet.
        sequence: Number of the first sample.
        device_us: The device's clock at the first sample, since it was started.
        taken_us: When the first sample was taken, by the host's clock.
        arrived_us: When the packet arrived.
        least_delay_us: Of all packets, from their last sample to their arrival.
    """

    n_samples: int
    sequence: NDArray[np.int64]
    device_us: NDArray[np.int64]
    taken_us: NDArray[np.float64]
    arrived_us: NDArray[np.int64]
    least_delay_us: float

    def packet(self, row: int, *, counts: bool = False, tells_time: bool = False) -> Packet:
        """One of them, as a device sends it that counts, tells the time, both or neither; both wrap at 2^32."""
        return packet(
            self.n_samples,
            sequence=int(self.sequence[row]) % 2**32 if counts else None,
            device_time_us=(int(self.device_us[row]) + DEVICE_START_US) % 2**32 if tells_time else None,
        )


def packet(n_samples: int, *, sequence: int | None = None, device_time_us: int | None = None) -> Packet:
    """A packet of which only the place matters."""
    wraps_us = None if device_time_us is None else 2**32
    return Packet(np.zeros((n_samples, 1), dtype=np.float32), CHANNELS[:1], sequence, device_time_us, wraps_us)


def generate(link: Link, duration_s: float) -> Arrivals:
    """What arrives over a link; packets arrive in order, the first one is never lost."""
    generator = np.random.default_rng(link.seed)
    period_us = 1e6 / (link.rate_hz * link.rate_factor)
    n_packets = int(duration_s * link.rate_hz * link.rate_factor / link.n_samples)
    sequence = np.arange(n_packets) * link.n_samples
    device_us = sequence * period_us
    hours = device_us / 3.6e9
    wander_us = link.wander_ppm * 3600 * (1 - np.cos(2 * np.pi * hours)) / (2 * np.pi)
    taken_us = START_US + device_us * (1 + link.drift_ppm * 1e-6) + wander_us
    delay_us = 2_000 + generator.exponential(max(link.jitter_ms, 1e-9) * 1000, n_packets)
    complete_us = taken_us + (link.n_samples - 1) * period_us
    arrived_us = _stalled(_next_event(complete_us + delay_us, link, generator), link, generator)
    kept = np.flatnonzero((generator.random(n_packets) >= link.loss) | (sequence == 0))
    return Arrivals(
        n_samples=link.n_samples,
        sequence=sequence[kept],
        device_us=np.rint(device_us[kept]).astype(np.int64),
        taken_us=taken_us[kept],
        arrived_us=np.rint(arrived_us[kept]).astype(np.int64),
        least_delay_us=float((arrived_us - complete_us)[kept].min()),
    )


def _next_event(ready_us: NDArray[np.float64], link: Link, generator: np.random.Generator) -> NDArray[np.float64]:
    in_order_us: NDArray[np.float64] = np.maximum.accumulate(ready_us)
    if not link.interval_ms:
        return in_order_us
    first_us = START_US + generator.uniform(0, link.interval_ms * 1000)
    interval_us = link.interval_ms * 1000
    return np.asarray(np.ceil((in_order_us - first_us) / interval_us) * interval_us + first_us)


def _stalled(arrived_us: NDArray[np.float64], link: Link, generator: np.random.Generator) -> NDArray[np.float64]:
    if not link.stall_every_s:
        return arrived_us
    n_stalls = int((arrived_us[-1] - START_US) / 1e6 / link.stall_every_s)
    starts_us = np.sort(generator.uniform(START_US, arrived_us[-1], n_stalls))
    for start_us, length_us in zip(starts_us, generator.uniform(*_STALL_S, n_stalls) * 1e6, strict=True):
        waits = (arrived_us >= start_us) & (arrived_us < start_us + length_us)
        arrived_us = np.where(waits, start_us + length_us, arrived_us)
    return np.asarray(np.maximum.accumulate(arrived_us))
