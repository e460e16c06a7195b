"""The place of each packet in its stream, by whatever the device tells: a count, a clock, or nothing.

A count says it outright. A clock says how much time passed since the packet before: more than that packet's own
samples take means that some are missing. Their period is measured, for devices do not keep the rate that they were
asked for: 52 Hz, or 25, where 50 was wanted (polarofficial/polar-ble-sdk#736).

    device clock  |--- 5 samples ---|--- 5 samples ---|                 |--- 5 samples ---|
    place         0                 5                  10: lost          15

With neither, samples are counted as they come, and a silence is the only sign that some did not.
"""

from collections import deque
from dataclasses import dataclass, field
from enum import Enum, auto

from repsense.timestamps import MICROSECONDS
from repsense_ble_gateway.packets import Packet
from repsense_ble_gateway.packets.repsense import SEQUENCE_MODULUS

__all__ = ["Irregularity", "SequenceCounter"]

_MAX_REPEATED_S = 2.0
"""BlueZ can deliver the same notification twice; anything older than this is a device that was restarted."""
_MAX_LOST_S = 600.0
_SILENCE_PACKETS = 3
_SILENCE_S = 1.0
"""A device that tells neither count nor clock has lost samples if nothing comes for longer than both."""
_N_PERIODS = 15
"""The median of so many stays right while up to seven packets of them are missing."""
_N_TELLING = 5
_TREMBLING = 0.4
"""With fewer periods than that, one that is not further from the nominal one says nothing against it."""
_LEAST_LOSS = 0.75
"""Packets are lost whole: less than that part of one is a clock that trembles."""
_MAX_PERIOD_RATIO = 2.5
"""Before there is another packet to compare with: devices were seen to keep half the rate, not less."""


class Irregularity(Enum):
    """What is wrong with a packet's place."""

    DUPLICATE = auto()
    """Its samples were there before."""
    RESTART = auto()
    """The device counts from elsewhere, or lost an unknown number of samples. A new stream begins."""


@dataclass(slots=True)
class SequenceCounter:
    """Finds the places of one stream's packets.

    Attributes:
        sample_rate_hz: The stream's nominal rate.
    """

    sample_rate_hz: float
    _expected: int | None = None
    """Number in the stream of the next sample; None before the first packet."""
    _last: Packet | None = None
    """The newest packet that has a place."""
    _last_arrival_us: int = 0
    _periods_us: deque[float] = field(default_factory=lambda: deque(maxlen=_N_PERIODS))
    """By the device's clock, from one packet to the next."""

    def place(self, packet: Packet, arrived_us: int) -> int | Irregularity:
        """Number of a packet's first sample in the stream, or why it has none.

        The stream begins where the device's own count is, else at 0. Places only grow, and no two packets overlap.

        Args:
            packet: One that tells the same as the first one: a count, a clock or neither.
            arrived_us: When it arrived, microseconds since 1970.
        """
        if self._expected is None or self._last is None:
            place: int | Irregularity = packet.sequence or 0
        elif packet.sequence is not None:
            place = self._by_count(packet.sequence, self._expected)
        elif packet.device_time_us is not None and self._last.device_time_us is not None:
            ahead_us = _signed_difference(
                packet.device_time_us,
                self._last.device_time_us,
                packet.clock_wraps_us,
                round(_MAX_REPEATED_S * MICROSECONDS),
            )
            place = self._by_clock(ahead_us, len(self._last.samples), self._expected)
        else:
            place = self._by_arrival(arrived_us, len(self._last.samples), self._expected)
        if not isinstance(place, Irregularity):
            self._expected = place + len(packet.samples)
            self._last = packet
            self._last_arrival_us = arrived_us
        return place

    def _by_count(self, sequence: int, expected: int) -> int | Irregularity:
        ahead = _signed_difference(sequence, expected, SEQUENCE_MODULUS, SEQUENCE_MODULUS // 2)
        if not -_MAX_REPEATED_S * self.sample_rate_hz <= ahead <= _MAX_LOST_S * self.sample_rate_hz:
            return Irregularity.RESTART
        return Irregularity.DUPLICATE if ahead < 0 else expected + ahead

    def _by_clock(self, ahead_us: int, n_before: int, expected: int) -> int | Irregularity:
        if not -_MAX_REPEATED_S * MICROSECONDS <= ahead_us <= _MAX_LOST_S * MICROSECONDS:
            return Irregularity.RESTART
        if ahead_us <= 0:
            return Irregularity.DUPLICATE
        period_us = self._period_us(ahead_us / n_before)
        n_missing = ahead_us / period_us - n_before
        return expected + (round(n_missing) if n_missing > _LEAST_LOSS * n_before else 0)

    def _period_us(self, newest_us: float) -> float:
        """The period, with that of the newest packet, which is longer if samples are missing before it."""
        nominal_us = MICROSECONDS / self.sample_rate_hz
        self._periods_us.append(newest_us)
        if len(self._periods_us) == 1 and newest_us > _MAX_PERIOD_RATIO * nominal_us:
            return nominal_us
        usual_us = sorted(self._periods_us)[(len(self._periods_us) - 1) // 2]
        trembles = len(self._periods_us) < _N_TELLING and abs(usual_us / nominal_us - 1) < _TREMBLING
        return nominal_us if trembles else usual_us

    def _by_arrival(self, arrived_us: int, n_before: int, expected: int) -> int | Irregularity:
        longest_s = max(_SILENCE_PACKETS * n_before / self.sample_rate_hz, _SILENCE_S)
        silent = arrived_us - self._last_arrival_us > longest_s * MICROSECONDS
        return Irregularity.RESTART if silent else expected


def _signed_difference(new: int, old: int, modulus: int | None, max_back: int) -> int:
    """How far a counter has come; negative, by at most `max_back`, if it went back. Exact without a modulus."""
    return new - old if modulus is None else (new - old + max_back) % modulus - max_back
