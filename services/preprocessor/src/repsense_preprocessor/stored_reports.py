"""What is stored of each stream, collected until the gateways are told, so that they need not keep it any longer."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Self

from repsense.messages import SamplesMessage, StoredMessage

__all__ = ["SampleRange", "StoredReports"]

_INTERVAL_S = 1.0
"""Between two reports: each is a message per stream, and a gateway keeps what it has sent for a day."""


class SampleRange(NamedTuple):
    """Consecutive samples of a stream."""

    sensor_id: str
    stream_id: str
    first: int
    """Index in the stream of the first sample."""
    end: int
    """Index of the first sample that does not belong."""

    @classmethod
    def of(cls, message: SamplesMessage) -> Self:
        """The samples of a message."""
        return cls(message.sensor_id, message.stream_id, message.sequence, message.sequence + len(message.samples))


class StoredReports:
    """Collects ranges and hands them out merged.

    Nothing is kept but what was noted since the last report, so at most what arrives in one interval.
    """

    def __init__(self) -> None:
        self._ranges: dict[tuple[str, str], list[tuple[int, int]]] = {}
        """By sensor and stream, in the order in which they were stored."""
        self._reported_s = float("-inf")

    def note(self, stored: Iterable[SampleRange]) -> None:
        """Take down what need not be sent again."""
        for sensor_id, stream_id, first, end in stored:
            ranges = self._ranges.setdefault((sensor_id, stream_id), [])
            if ranges and ranges[-1][1] == first:
                ranges[-1] = (ranges[-1][0], end)
            else:
                ranges.append((first, end))

    def due(self, now_s: float) -> list[StoredMessage]:
        """What to report now: nothing until an interval after the report before.

        Args:
            now_s: A clock that only runs forward, in seconds.
        """
        if not self._ranges or now_s - self._reported_s < _INTERVAL_S:
            return []
        self._reported_s = now_s
        return self.rest()

    def rest(self) -> list[StoredMessage]:
        """Everything that was not reported yet, a message per stream."""
        collected, self._ranges = self._ranges, {}
        return [
            StoredMessage(sensor_id=sensor_id, stream_id=stream_id, ranges=_merged(ranges))
            for (sensor_id, stream_id), ranges in collected.items()
        ]


def _merged(ranges: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Ascending, with those that touch or overlap joined."""
    merged: list[tuple[int, int]] = []
    for first, end in sorted(ranges):
        if merged and first <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((first, end))
    return tuple(merged)
