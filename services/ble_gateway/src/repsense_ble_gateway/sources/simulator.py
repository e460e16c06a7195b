"""A simulated person's sensor: RepSense packets as a radio would deliver them, and the truth beside."""

from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from repsense.channels import CHANNELS
from repsense.labels import Label
from repsense.timestamps import MICROSECONDS, now_us
from repsense_ble_gateway.packets import Packet
from repsense_ble_gateway.packets.repsense import (
    CLOCK_WRAPS_US,
    RepSenseDecoder,
    encode_packet,
    samples_per_notification,
)
from repsense_ble_gateway.simulation.exercises import EXERCISES, Exercise
from repsense_ble_gateway.simulation.person import USUAL_REST_S, Person
from repsense_ble_gateway.sources import Connected, Event, Moved, Received
from repsense_ble_gateway.sources.pacing import Pace

__all__ = ["DEFAULT_JITTER_S", "SimulatorSource", "simulated_packets"]

_LATENCY_S = 0.008
"""From sample to host at best, as measured with BlueZ at a short connection interval."""
DEFAULT_JITTER_S = 0.012
"""Mean of the waiting for the next connection event and for retransmissions."""


@dataclass(frozen=True, slots=True)
class SimulatorSource:
    """A sensor on a simulated person.

    Attributes:
        sensor_id: Its id in topics.
        name: What to call it on a screen.
        seed: Decides everything that the person does.
        sample_rate_hz: Rate of the sensor.
        loss: Share of notifications that never arrive.
        jitter_s: Mean of the random delay of a notification on top of the constant one.
        exercises: What the person does sets of.
        rest_s: How long they rest between two sets, at least and at most.
    """

    sensor_id: str
    name: str
    seed: int
    sample_rate_hz: float = 50.0
    loss: float = 0.0
    jitter_s: float = DEFAULT_JITTER_S
    exercises: Sequence[Exercise] = EXERCISES
    rest_s: tuple[float, float] = USUAL_REST_S

    simulated = True

    async def events(self) -> AsyncGenerator[Event, None]:
        """See `SensorSource`; never ends."""
        # A second generator: what is lost on the air must not change what the person does.
        radio = np.random.default_rng((self.seed, 1))
        pace = Pace.start()
        yield Connected(RepSenseDecoder())
        arrival_s = 0.0
        person = Person(self.seed, self.sample_rate_hz, self.exercises, self.rest_s)
        for event in simulated_packets(person, self.sample_rate_hz):
            if isinstance(event, Moved):
                yield event
                continue
            assert event.sequence is not None  # noqa: S101 - for the type checker; the simulator counts
            last_sample_s = (event.sequence + len(event.samples) - 1) / self.sample_rate_hz
            # Late ones hold up those behind them: bursts.
            arrival_s = max(arrival_s, last_sample_s + _LATENCY_S + radio.exponential(self.jitter_s))
            await pace.wait_until(arrival_s)
            if radio.random() >= self.loss:
                yield Received(encode_packet(event), now_us())


def simulated_packets(person: Person, sample_rate_hz: float) -> Iterator[Packet | Moved]:
    """What the sensor of a person sends, and ahead of the packets what their samples will show.

    Args:
        person: Who wears the sensor.
        sample_rate_hz: Rate of the sensor.
    """
    n_packet = samples_per_notification(sample_rate_hz, len(CHANNELS))
    waiting = np.empty((0, len(CHANNELS)), dtype=np.float32)
    sequence = 0
    truth: tuple[Label | None, int] | None = None
    for stretch in person.workout():
        starts = np.flatnonzero(np.diff(stretch.repetition, prepend=-1))
        changes = [(sequence + len(waiting) + int(start), int(stretch.repetition[start])) for start in starts]
        waiting = np.concatenate([waiting, stretch.samples])
        for change, repetition in changes:
            if truth != (truth := (stretch.label, repetition)):
                yield Moved(change, stretch.label, repetition)
        while len(waiting) >= n_packet:
            device_time_us = round(sequence / sample_rate_hz * MICROSECONDS)
            yield Packet(
                waiting[:n_packet], CHANNELS, sequence, device_time_us, CLOCK_WRAPS_US, sample_rate_hz=sample_rate_hz
            )
            waiting, sequence = waiting[n_packet:], sequence + n_packet
