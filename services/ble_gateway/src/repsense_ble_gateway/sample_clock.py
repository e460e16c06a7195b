"""When a sample was taken, although only the arrival of its notification is known.

Notifications wait for the next connection event, are repeated on the air and come in bursts: arrival is sample time
plus a delay that is never negative. The sensor's own time of a sample is told by its clock, else by its number over
the nominal rate; the host's time of it is that plus an offset, the lower edge of all arrivals minus sensor times.

    arrival minus      |    .      . :
    the sensor's time  |  .   . :  .    .
                       |.__.__________._____  offset

What cannot be known stays in: the least delay of the link, and, where notifications follow the connection events in
step, the wait for the next event, up to one connection interval.
"""

import math
from collections import deque
from dataclasses import dataclass, field

from repsense.timestamps import MICROSECONDS
from repsense_ble_gateway.lower_envelope import LowerEnvelope
from repsense_ble_gateway.packets import Packet

__all__ = ["SampleClock"]

_MAX_SLEWED_US = 5 * MICROSECONDS
"""Times wait rather than go back, unless the host's clock was put back by more than that."""
_MAX_RISE_US = 0.5 * MICROSECONDS
_KNOWN_ERROR = 0.005
_WRONG_RATE = 0.02
"""Crystals and the oscillators of motion sensors keep their rate to about 1 %; what is off by more was set so."""
_DECIDED_AFTER_US = 5.0 * MICROSECONDS


@dataclass(slots=True)
class SampleClock:
    """Fits the sample times of one stream, and its rate.

    Attributes:
        sample_rate_hz: The stream's nominal rate.
    """

    sample_rate_hz: float
    _envelope: LowerEnvelope = field(default_factory=LowerEnvelope)
    _origin: tuple[int, int] | None = None
    """Number of the stream's first sample, and when its packet arrived."""
    _newest_us: float = 0.0
    """The sensor's time of the newest sample, since the first one."""
    _device_clock: "_DeviceClock | None" = None
    _told: tuple[int, int] | None = None
    """The sample of the highest number whose time was asked, and the answer."""

    def arrived(self, sequence: int, packet: Packet, arrived_us: int) -> None:
        """Take note of a packet: at first of all, then of each in the order of the stream.

        Args:
            sequence: Number in the stream of its first sample.
            packet: As it came; its device clock is used if it has one and that keeps to the rate.
            arrived_us: When it arrived, microseconds since 1970.
        """
        if self._origin is None:
            self._origin = (sequence, arrived_us)
            if packet.device_time_us is not None:
                self._device_clock = _DeviceClock(MICROSECONDS / self.sample_rate_hz, sequence, packet)
        elif self._device_clock is not None and not self._device_clock.follow(sequence, packet):
            self._device_clock = None
            self._envelope = LowerEnvelope()
        self._newest_us = self._sensor_us(sequence + len(packet.samples) - 1)
        self._envelope.add(self._newest_us, arrived_us - self._origin[1] - self._newest_us)

    def time_us(self, sequence: int) -> int:
        """When a sample was taken, microseconds since 1970, once a packet has arrived.

        Asked for increasing numbers, the answers increase by half of the nominal period or more, except that they
        follow the host's clock at once where it is put back by more than 5 s.
        """
        if self._origin is None:
            msg = "no packet has arrived yet"
            raise ValueError(msg)
        sensor_us = self._sensor_us(sequence)
        fitted_us = self._origin[1] + round(sensor_us + self._envelope.line_us(sensor_us))
        if self._told is not None:
            n_since = sequence - self._told[0]
            bound_us = self._told[1] + round(n_since * MICROSECONDS / self.sample_rate_hz / 2)
            if n_since <= 0:
                return min(fitted_us, bound_us)
            if bound_us - fitted_us <= _MAX_SLEWED_US:
                fitted_us = max(fitted_us, bound_us)
        self._told = (sequence, fitted_us)
        return fitted_us

    @property
    def effective_rate_hz(self) -> float | None:
        """The rate as measured, by the device's clock if it has one; None before it is known to 0.5 %.

        Where a device does not count, samples that are lost without a trace make it lower.
        """
        rate_hz, error = self._measured_rate()
        return rate_hz if error < _KNOWN_ERROR else None

    @property
    def corrected_rate_hz(self) -> float | None:
        """The rate as measured if the nominal one is surely wrong, by more than 2 %: begin a new stream with it."""
        rate_hz, error = self._measured_rate()
        return rate_hz if abs(self.sample_rate_hz / rate_hz - 1) - error > _WRONG_RATE else None

    @property
    def fell_behind(self) -> bool:
        """Whether arrivals have come to be late by more than 0.5 s for good.

        Where a device counts its samples, or has a clock, the host's clock was put forward and all is well. Where it
        does not, samples were lost without a trace: begin a new stream.
        """
        return self._envelope.risen_us > _MAX_RISE_US

    def _sensor_us(self, sequence: int) -> float:
        if self._device_clock is not None:
            return self._device_clock.time_us(sequence)
        first = 0 if self._origin is None else self._origin[0]
        return (sequence - first) / self.sample_rate_hz * MICROSECONDS

    def _measured_rate(self) -> tuple[float, float]:
        """The rate, and how much of it its error may be; infinite as long as there is too little to go by."""
        if self._newest_us < _DECIDED_AFTER_US:
            return self.sample_rate_hz, math.inf
        if self._device_clock is not None:
            return MICROSECONDS / self._device_clock.period_us, self._device_clock.period_error
        return self.sample_rate_hz / (1 + self._envelope.slope), self._envelope.slope_error


_FORGOTTEN_AFTER_US = 60.0 * MICROSECONDS
_TRUSTED_AFTER_US = 0.5 * MICROSECONDS
_TICK_US = 1_000
"""Resolution of the coarsest device clock, Movesense's."""
_PLAUSIBLE = 2.5
"""A clock that runs so many times faster or slower than the samples do is none."""
_N_RECENT = 15
_REGULAR = 0.4
"""A mean that differs more than that from the recent intervals holds a loss that nobody counted, or an old rate."""


class _DeviceClock:
    """The device's time of each sample, from that of the first sample of each packet.

    Attributes:
        period_us: Between samples, as measured.
    """

    def __init__(self, nominal_period_us: float, sequence: int, packet: Packet) -> None:
        self.period_us = nominal_period_us
        self._nominal_period_us = nominal_period_us
        self._sequence = sequence
        self._packet = packet
        self._time_us = 0.0
        self._recent_us: deque[float] = deque(maxlen=_N_RECENT)
        self._elapsed_us = 0.0
        self._n_elapsed = 0.0

    @property
    def period_error(self) -> float:
        """How much of the period its error may be."""
        return _TICK_US / self._elapsed_us if self._elapsed_us else math.inf

    def time_us(self, sequence: int) -> float:
        """The device's time of a sample since the first packet."""
        return self._time_us + (sequence - self._sequence) * self.period_us

    def follow(self, sequence: int, packet: Packet) -> bool:
        """Take note of the next packet; return whether its clock can be true."""
        elapsed_us = self._elapsed(packet)
        n_elapsed = sequence - self._sequence
        nominal_us = n_elapsed * self._nominal_period_us
        if not nominal_us / _PLAUSIBLE - _TICK_US < elapsed_us < nominal_us * _PLAUSIBLE + _TICK_US:
            return False
        if n_elapsed == len(self._packet.samples):
            self._measure(elapsed_us, n_elapsed)
        self._time_us += elapsed_us
        self._sequence, self._packet = sequence, packet
        return True

    def _elapsed(self, packet: Packet) -> float:
        if packet.device_time_us is None or self._packet.device_time_us is None:
            return -math.inf
        elapsed_us = packet.device_time_us - self._packet.device_time_us
        return elapsed_us if packet.clock_wraps_us is None else elapsed_us % packet.clock_wraps_us

    def _measure(self, elapsed_us: float, n_elapsed: int) -> None:
        """Mean period of the last minute, begun anew when it proves to be of intervals unlike the recent ones."""
        self._recent_us.append(elapsed_us / n_elapsed)
        usual_us = sorted(self._recent_us)[(len(self._recent_us) - 1) // 2]
        if abs(self._elapsed_us - usual_us * self._n_elapsed) > _REGULAR * usual_us * self._n_elapsed:
            self._elapsed_us = self._n_elapsed = 0.0
        kept = max(0.0, 1 - elapsed_us / _FORGOTTEN_AFTER_US)
        self._elapsed_us = kept * self._elapsed_us + elapsed_us
        self._n_elapsed = kept * self._n_elapsed + n_elapsed
        if self._elapsed_us > _TRUSTED_AFTER_US:
            self.period_us = self._elapsed_us / self._n_elapsed
