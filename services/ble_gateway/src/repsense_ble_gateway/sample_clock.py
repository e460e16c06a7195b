"""When a sample was taken, although only the arrival of its notification is known.

Notifications wait for the next connection event, are repeated on the air and come in bursts: arrival is sample time
plus a delay that is never negative. So the sample with number k was taken at offset + k / rate, and the offset is
the smallest arrival minus k / rate seen: that of the notification that waited least.

    arrival minus k / rate   |    .      . :
                             |  .   . :  .    .
                             |.__.__________._____  offset

The minimum is taken over the last seconds only, so that it follows a crystal that drifts in either direction.
"""

from collections import deque
from dataclasses import dataclass, field

from repsense.timestamps import MICROSECONDS

__all__ = ["SampleClock"]


@dataclass(slots=True)
class SampleClock:
    """Fits the sample times of one stream.

    Attributes:
        sample_rate_hz: The stream's nominal rate.
        window_s: How long an arrival counts. At 100 ppm of drift, ten seconds make an error of 1 ms.
    """

    sample_rate_hz: float
    window_s: float = 10.0
    _minima: deque[tuple[int, float]] = field(default_factory=deque)
    """(arrival, arrival minus ideal time), both increasing: the sliding minimum is the first."""

    def arrived(self, last_sequence: int, arrived_us: int) -> None:
        """Take note of a notification.

        Args:
            last_sequence: Number of its last sample: none can arrive before it was taken.
            arrived_us: When it arrived, microseconds since 1970.
        """
        offset_us = arrived_us - self._ideal_us(last_sequence)
        while self._minima and self._minima[-1][1] >= offset_us:
            self._minima.pop()
        self._minima.append((arrived_us, offset_us))
        while self._minima[0][0] < arrived_us - self.window_s * MICROSECONDS:
            self._minima.popleft()

    def time_us(self, sequence: int) -> int:
        """When a sample was taken, microseconds since 1970, once a notification has arrived."""
        return round(self._minima[0][1] + self._ideal_us(sequence))

    def _ideal_us(self, sequence: int) -> float:
        return sequence / self.sample_rate_hz * MICROSECONDS
