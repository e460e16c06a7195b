"""Whether what sensors send reaches the database."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from repsense.documents import SensorDocument
from repsense.messages import SensorStatusMessage
from repsense_inference.faults import Fault, FaultKind
from repsense_inference.watching.words import name_some

__all__ = ["Storing"]

STALLED_S = 15.0
"""The sensor's document is brought up to date every few seconds while its samples are stored."""


@dataclass(frozen=True, slots=True)
class _Mark:
    stream_id: str | None
    stored: tuple[str, int] | None
    """The stored stream and its newest sample."""
    at_s: float
    """Since when nothing has changed."""


class Storing:
    """Compares what gateways say is streaming with what is stored, by a clock of its own."""

    def __init__(self) -> None:
        self._marks: dict[str, _Mark] = {}

    def fault(
        self, statuses: Iterable[SensorStatusMessage], documents: Mapping[str, SensorDocument], now_s: float
    ) -> Fault | None:
        """That a sensor is online and nothing new of it is stored.

        Args:
            statuses: Of the sensors, their gateways' taken into account.
            documents: What is stored of each.
            now_s: When.
        """
        before, self._marks = self._marks, {}
        stalled = []
        for status in statuses:
            if status.state != "online":
                continue
            document = documents.get(status.sensor_id)
            stored = None if document is None else (document["stream_id"], document["last_sample_us"])
            mark = before.get(status.sensor_id)
            if mark is None or (mark.stream_id, mark.stored) != (status.stream_id, stored):
                mark = _Mark(status.stream_id, stored, now_s)
            self._marks[status.sensor_id] = mark
            if now_s - mark.at_s > STALLED_S:
                stalled.append(status)
        if not stalled:
            return None
        names = name_some([status.name or status.sensor_id for status in stalled])
        verb = "is" if len(stalled) == 1 else "are"
        detail = f"{names} {verb} online, but nothing new has been stored for a while"
        return Fault(FaultKind.NOT_STORED, detail, subjects=tuple(status.sensor_id for status in stalled))
