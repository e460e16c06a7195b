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
from repsense_ble_gateway.loss_meter import LossMeter
from repsense_ble_gateway.packets import Packet, PacketError
from repsense_ble_gateway.sample_clock import SampleClock
from repsense_ble_gateway.sequence_counter import Irregularity, SequenceCounter
from repsense_ble_gateway.sources import Connected, Connecting, Disconnected, Event, Measured, Moved, Received

__all__ = ["SensorStream"]

_LOGGER = logging.getLogger(__name__)

_DECIMALS = 5
"""Of a value in a message: 0.00001 m/s^2, rad/s or uT is far below every sensor's resolution."""
_STATUS_INTERVAL_US = 10 * MICROSECONDS
"""How often a sensor's status is brought up to date while nothing but figures change."""
_CLOCK_SET_US = 32 * MICROSECONDS
"""Bluetooth lets a connection be silent for no longer. What comes later, or before what came before, tells that the
host's clock was set."""
_RATE_DIGITS = 4
_LOSS_DECIMALS = 4


def _random_stream_id() -> str:
    return uuid.uuid4().hex


@dataclass(frozen=True, slots=True)
class _Figures:
    """What changes in a status while the sensor is connected, rounded to what is worth a message."""

    effective_rate_hz: float | None
    loss: float | None
    rssi_dbm: int | None
    battery_percent: int | None


@dataclass(slots=True)
class _Stream:
    """What stays the same between two interruptions."""

    stream_id: str
    channels: tuple[Channel, ...]
    sample_rate_hz: float
    counts: bool
    """Whether the device tells what is missing, by a count or a clock."""
    counter: SequenceCounter
    clock: SampleClock
    batcher: Batcher
    end: int | None = None
    """Index of the first sample that has not come yet; None before the first packet."""
    arrived_us: int = 0
    """When the last packet came."""

    @classmethod
    def begin(cls, stream_id: str, packet: Packet, sample_rate_hz: float) -> Self:
        return cls(
            stream_id=stream_id,
            channels=packet.channels,
            sample_rate_hz=sample_rate_hz,
            counts=packet.sequence is not None or packet.device_time_us is not None,
            counter=SequenceCounter(sample_rate_hz),
            clock=SampleClock(sample_rate_hz),
            batcher=Batcher(sample_rate_hz),
        )

    def place(self, packet: Packet, sample_rate_hz: float, arrived_us: int) -> int | Irregularity:
        """Where a packet belongs in this stream."""
        if packet.channels != self.channels or sample_rate_hz != self.sample_rate_hz:
            return Irregularity.RESTART
        place = self.counter.place(packet, arrived_us)
        if isinstance(place, int) and self._clock_was_set(place + len(packet.samples), arrived_us):
            return Irregularity.RESTART
        return place

    def _clock_was_set(self, end: int, arrived_us: int) -> bool:
        """Whether the host's clock was put forward or back since the last packet, by more than any delay.

        A stream with two kinds of times would have windows and sets that last as long as the jump.
        """
        if self.end is None:
            return False
        expected_us = self.arrived_us + (end - self.end) / self.sample_rate_hz * MICROSECONDS
        return abs(arrived_us - expected_us) > _CLOCK_SET_US


@dataclass(slots=True)
class SensorStream:
    """Turns the events of one sensor into messages.

    Attributes:
        sensor_id: The sensor's id in topics.
        gateway_id: Whose sensor it is.
        name: What to call it on a screen.
        simulated: Whether no person's body moves.
        new_stream_id: Makes the id of a stream.
        n_samples: Samples received.
        n_lost: Samples known to be lost on the air.
        n_bad_packets: Notifications that could not be decoded.
        n_duplicate_packets: Packets that had come before.
        n_reconnects: How often the connection was made anew.
    """

    sensor_id: str
    gateway_id: str
    name: str
    simulated: bool
    new_stream_id: Callable[[], str] = _random_stream_id
    n_samples: int = 0
    n_lost: int = 0
    n_bad_packets: int = 0
    n_duplicate_packets: int = 0
    n_reconnects: int = 0
    _connection: Connected | None = None
    _was_connected: bool = False
    _corrected_rate_hz: float | None = None
    """What this connection's sensor delivers in place of the rate that it should."""
    _stream: _Stream | None = None
    _loss: LossMeter = field(default_factory=LossMeter)
    _rssi_dbm: int | None = None
    _battery_percent: int | None = None
    _shown: _Figures | None = None
    """What the last status said."""
    _compare_us: int = 0
    """When the figures are compared with it again."""
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
                self.n_reconnects += self._was_connected
                self._was_connected = True
            case Measured(rssi_dbm, battery_percent):
                self._rssi_dbm = self._rssi_dbm if rssi_dbm is None else rssi_dbm
                self._battery_percent = self._battery_percent if battery_percent is None else battery_percent
            case Moved():
                self._truths.append(event)
            case Received():
                yield from self._receive(event, now_us)

    def _receive(self, received: Received, now_us: int) -> Iterator[Message]:
        if self._connection is None:
            return
        try:
            packets = self._connection.decoder.decode(received.payload)
            rates_hz = [self._rate_hz(packet, self._connection) for packet in packets]
        except PacketError as error:
            self.n_bad_packets += 1
            if self.n_bad_packets == 1:
                _LOGGER.warning("%s: %s; such notifications are dropped and counted", self.sensor_id, error)
            return
        for packet, sample_rate_hz in zip(packets, rates_hz, strict=True):
            yield from self._take(packet, sample_rate_hz, received.arrived_us, now_us)
        yield from self._changed_figures(now_us)

    def _rate_hz(self, packet: Packet, connection: Connected) -> float:
        sample_rate_hz = self._corrected_rate_hz or packet.sample_rate_hz or connection.sample_rate_hz
        if sample_rate_hz is None:
            msg = "a packet does not say its rate, and it is not known otherwise"
            raise PacketError(msg)
        return sample_rate_hz

    def _take(self, packet: Packet, sample_rate_hz: float, arrived_us: int, now_us: int) -> Iterator[Message]:
        place: int | Irregularity = Irregularity.RESTART
        if self._stream is not None:
            place = self._stream.place(packet, sample_rate_hz, arrived_us)
        if place is Irregularity.DUPLICATE:
            self.n_duplicate_packets += 1
            return
        if self._stream is None or isinstance(place, Irregularity):
            yield from self._flush()
            self._stream = _Stream.begin(self.new_stream_id(), packet, sample_rate_hz)
            place = self._stream.counter.place(packet, arrived_us)
            assert isinstance(place, int)  # noqa: S101 - for the type checker; the first packet always has a place
            yield self._status("online", now_us)
        stream = self._stream
        stream.clock.arrived(place, packet, arrived_us)
        self._count(stream, place, len(packet.samples), now_us)
        stream.arrived_us = arrived_us
        yield from self._known_truths(stream, place + len(packet.samples))
        for batch in stream.batcher.push(place, packet.samples):
            yield self._samples(stream, batch)
        yield from self._without_faults(stream)

    def _without_faults(self, stream: _Stream) -> Iterator[Message]:
        """End a stream whose rate is not what it should be, or that has lost samples without a trace."""
        measured_hz = stream.clock.corrected_rate_hz
        if measured_hz is not None:
            self._corrected_rate_hz = float(f"{measured_hz:.{_RATE_DIGITS}g}")
            _LOGGER.warning(
                "%s: the sensor should deliver %g samples per second but delivers %g, which counts from now on",
                self.sensor_id,
                stream.sample_rate_hz,
                self._corrected_rate_hz,
            )
        if measured_hz is not None or (stream.clock.fell_behind and not stream.counts):
            yield from self._flush()
            self._stream = None

    def _count(self, stream: _Stream, place: int, n_received: int, now_us: int) -> None:
        n_lost = 0 if stream.end is None else place - stream.end
        stream.end = place + n_received
        self.n_samples += n_received
        self.n_lost += n_lost
        self._loss.add(now_us, n_received, n_lost)

    def _flush(self) -> Iterator[Message]:
        if self._stream is not None:
            for batch in self._stream.batcher.flush():
                yield self._samples(self._stream, batch)

    def _end_stream(self) -> Iterator[Message]:
        yield from self._flush()
        self._stream = None
        self._connection = None
        self._corrected_rate_hz = None
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

    def _figures(self) -> _Figures:
        stream = self._stream
        rate_hz = stream.clock.effective_rate_hz if stream else None
        loss = self._loss.share if stream and stream.counts else None
        return _Figures(
            None if rate_hz is None else float(f"{rate_hz:.{_RATE_DIGITS}g}"),
            None if loss is None else round(loss, _LOSS_DECIMALS),
            self._rssi_dbm,
            self._battery_percent,
        )

    def _changed_figures(self, now_us: int) -> Iterator[Message]:
        """A new status, now and then, if what it says has changed."""
        if self._stream is None or now_us < self._compare_us:
            return
        self._compare_us = now_us + _STATUS_INTERVAL_US
        if self._figures() != self._shown:
            yield self._status("online", now_us)

    def _status(
        self, state: Literal["connecting", "online", "offline"], now_us: int, reason: str | None = None
    ) -> SensorStatusMessage:
        stream, figures = self._stream, self._figures()
        self._shown, self._compare_us = figures, now_us + _STATUS_INTERVAL_US
        return SensorStatusMessage(
            sensor_id=self.sensor_id,
            gateway_id=self.gateway_id,
            state=state,
            reason=reason,
            name=self.name,
            stream_id=stream.stream_id if stream else None,
            channels=stream.channels if stream else None,
            sample_rate_hz=stream.sample_rate_hz if stream else None,
            effective_rate_hz=figures.effective_rate_hz,
            loss=figures.loss,
            rssi_dbm=figures.rssi_dbm,
            battery_percent=figures.battery_percent,
            n_reconnects=self.n_reconnects,
            simulated=self.simulated,
            at=from_epoch_us(now_us),
        )
