"""From what happens to a sensor to the messages about it. Pure: no clock, no network."""

import logging
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal, Self

from repsense.channels import Channel
from repsense.messages import Message, SamplesMessage, SensorStatusMessage, TruthMessage
from repsense.timestamps import MICROSECONDS, from_epoch_us
from repsense_ble_gateway.batcher import Batch, Batcher
from repsense_ble_gateway.packets import Packet, PacketError
from repsense_ble_gateway.sample_clock import SampleClock
from repsense_ble_gateway.sequence_counter import Irregularity, SequenceCounter
from repsense_ble_gateway.sources import Connected, Connecting, Disconnected, Event, Moved, Received

__all__ = ["SensorStream"]

_LOGGER = logging.getLogger(__name__)

_MAX_REPEATED_S = 2.0
"""BlueZ can deliver the same notification twice; anything older than this is a device that was restarted."""
_MAX_LOST_S = 600.0
_SILENCE_PERIODS = 3
"""A device that does not count its samples has lost some if it is silent for more than three of its periods."""
_DECIMALS = 5
"""Of a value in a message: 0.00001 m/s^2, rad/s or uT is far below every sensor's resolution."""


def _random_stream_id() -> str:
    return uuid.uuid4().hex


def _decode(connection: Connected, payload: bytes) -> tuple[Packet, float]:
    """The packet and its rate; raises PacketError if there is not both."""
    packet = connection.decoder(payload)
    sample_rate_hz = packet.sample_rate_hz or connection.sample_rate_hz
    if sample_rate_hz is None:
        msg = "a packet does not say its rate, and it is not known otherwise"
        raise PacketError(msg)
    return packet, sample_rate_hz


@dataclass(slots=True)
class _Stream:
    """What stays the same between two interruptions."""

    stream_id: str
    channels: tuple[Channel, ...]
    sample_rate_hz: float
    counter: SequenceCounter
    clock: SampleClock
    batcher: Batcher
    last_arrival_us: int = 0

    @classmethod
    def begin(cls, stream_id: str, packet: Packet, sample_rate_hz: float, expected: int) -> Self:
        return cls(
            stream_id=stream_id,
            channels=packet.channels,
            sample_rate_hz=sample_rate_hz,
            counter=SequenceCounter(
                expected,
                max_repeated=round(_MAX_REPEATED_S * sample_rate_hz),
                max_lost=round(_MAX_LOST_S * sample_rate_hz),
            ),
            clock=SampleClock(sample_rate_hz),
            batcher=Batcher(sample_rate_hz),
        )

    def differs(self, packet: Packet, sample_rate_hz: float, arrived_us: int) -> bool:
        """Whether a packet cannot belong to this stream, whatever its sequence number."""
        silence_s = (arrived_us - self.last_arrival_us) / MICROSECONDS
        return (
            packet.channels != self.channels
            or sample_rate_hz != self.sample_rate_hz
            or (packet.sequence is None and silence_s > _SILENCE_PERIODS / sample_rate_hz)
        )


@dataclass(slots=True)
class SensorStream:
    """Turns the events of one sensor into messages.

    Attributes:
        sensor_id: The sensor's id in topics.
        gateway_id: Whose sensor it is.
        name: What to call it on a screen.
        simulated: Whether no person's body moves.
        new_stream_id: Makes the id of a stream.
        n_bad_packets: Notifications that could not be decoded.
        n_duplicate_packets: Packets that had come before.
    """

    sensor_id: str
    gateway_id: str
    name: str
    simulated: bool
    new_stream_id: Callable[[], str] = _random_stream_id
    n_bad_packets: int = 0
    n_duplicate_packets: int = 0
    _connection: Connected | None = None
    _stream: _Stream | None = None
    _truths: list[Moved] = field(default_factory=list)
    """Those that wait for the packet that tells their time."""

    def handle(self, event: Event, now_us: int) -> Iterator[Message]:
        """The messages that follow from an event, in the order in which they must be published.

        Args:
            event: What happened.
            now_us: The host's clock, microseconds since 1970.
        """
        match event:
            case Connecting(reason):
                yield from self._end_stream()
                yield self._status("connecting", now_us, reason)
            case Disconnected(reason):
                yield from self._end_stream()
                yield self._status("offline", now_us, reason)
            case Connected():
                yield from self._end_stream()
                self._connection = event
            case Moved():
                self._truths.append(event)
            case Received():
                yield from self._receive(event, now_us)

    def _receive(self, received: Received, now_us: int) -> Iterator[Message]:
        if self._connection is None:
            return
        try:
            packet, sample_rate_hz = _decode(self._connection, received.payload)
        except PacketError as error:
            self.n_bad_packets += 1
            if self.n_bad_packets == 1:
                _LOGGER.warning("%s: %s; such notifications are dropped and counted", self.sensor_id, error)
            return
        place: int | Irregularity = Irregularity.RESTART
        if self._stream is not None and not self._stream.differs(packet, sample_rate_hz, received.arrived_us):
            place = self._stream.counter.place(packet.sequence, len(packet.samples))
        if place is Irregularity.DUPLICATE:
            self.n_duplicate_packets += 1
            return
        if self._stream is None or isinstance(place, Irregularity):
            yield from self._flush()
            place = packet.sequence or 0
            self._stream = _Stream.begin(self.new_stream_id(), packet, sample_rate_hz, place + len(packet.samples))
            yield self._status("online", now_us)
        stream = self._stream
        stream.last_arrival_us = received.arrived_us
        stream.clock.arrived(place + len(packet.samples) - 1, received.arrived_us)
        yield from self._known_truths(stream, place + len(packet.samples))
        for batch in stream.batcher.push(place, packet.samples):
            yield self._samples(stream, batch)

    def _flush(self) -> Iterator[Message]:
        if self._stream is not None:
            for batch in self._stream.batcher.flush():
                yield self._samples(self._stream, batch)

    def _end_stream(self) -> Iterator[Message]:
        yield from self._flush()
        self._stream = None
        self._connection = None
        self._truths.clear()

    def _known_truths(self, stream: _Stream, stop: int) -> Iterator[TruthMessage]:
        while self._truths and self._truths[0].sequence < stop:
            truth = self._truths.pop(0)
            yield TruthMessage(
                sensor_id=self.sensor_id,
                stream_id=stream.stream_id,
                sequence=truth.sequence,
                label=truth.label,
                repetition=truth.repetition,
                at=from_epoch_us(stream.clock.time_us(truth.sequence)),
            )

    def _samples(self, stream: _Stream, batch: Batch) -> SamplesMessage:
        return SamplesMessage(
            sensor_id=self.sensor_id,
            stream_id=stream.stream_id,
            sequence=batch.sequence,
            n_lost_before=batch.n_lost_before,
            first_sample_at=from_epoch_us(stream.clock.time_us(batch.sequence)),
            sample_rate_hz=stream.sample_rate_hz,
            channels=stream.channels,
            samples=batch.samples.astype(float).round(_DECIMALS).tolist(),
            simulated=self.simulated,
        )

    def _status(
        self, state: Literal["connecting", "online", "offline"], now_us: int, reason: str | None = None
    ) -> SensorStatusMessage:
        stream = self._stream
        return SensorStatusMessage(
            sensor_id=self.sensor_id,
            gateway_id=self.gateway_id,
            state=state,
            reason=reason,
            name=self.name,
            stream_id=stream.stream_id if stream else None,
            channels=stream.channels if stream else None,
            sample_rate_hz=stream.sample_rate_hz if stream else None,
            simulated=self.simulated,
            at=from_epoch_us(now_us),
        )
