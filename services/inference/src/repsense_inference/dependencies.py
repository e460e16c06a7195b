"""What routes depend on: the parts of the service and the parameters that several of them take."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Path, Query, Request
from pydantic import AwareDatetime

from repsense.timestamps import to_epoch_us
from repsense.topics import ID_PATTERN
from repsense_inference.live import LiveHub
from repsense_inference.metrics import Metrics
from repsense_inference.model_labels import ModelLabels
from repsense_inference.ports import (
    ClassificationReader,
    DatabaseProbe,
    ModelReader,
    ModelSource,
    SampleReader,
    SensorReader,
    SetReader,
    TrainingJobs,
    WorkoutReader,
)

__all__ = [
    "CursorQuery",
    "FromQuery",
    "LimitQuery",
    "Parts",
    "PartsDependency",
    "SensorIdPath",
    "SensorIdQuery",
    "SetIdPath",
    "ToQuery",
    "WorkoutIdPath",
    "WorkoutIdQuery",
    "search_time_us",
]


@dataclass(frozen=True)
class Parts:
    """Everything that the routes work with."""

    sensors: SensorReader
    samples: SampleReader
    classifications: ClassificationReader
    sets: SetReader
    workouts: WorkoutReader
    models: ModelReader
    training_jobs: TrainingJobs
    database: DatabaseProbe
    model: ModelSource
    hub: LiveHub
    metrics: Metrics
    labels: ModelLabels = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", ModelLabels(self.models))


async def _parts(request: Request) -> Parts:
    # async although nothing is awaited: FastAPI would send a plain function to a worker thread.
    parts = request.app.state.parts
    assert isinstance(parts, Parts)  # noqa: S101 - for the type checker; app.py sets it
    return parts


PartsDependency = Annotated[Parts, Depends(_parts)]

# A set's or workout's id is its sensor's and a number.
_DERIVED_ID_PATTERN = r"^[a-z0-9][a-z0-9-]{0,95}$"

SensorIdPath = Annotated[str, Path(pattern=ID_PATTERN, examples=["wrist"])]
SensorIdQuery = Annotated[str | None, Query(pattern=ID_PATTERN, description="Only this sensor's.", examples=["wrist"])]
SetIdPath = Annotated[str, Path(pattern=_DERIVED_ID_PATTERN, examples=["wrist-1772386900000000"])]
WorkoutIdPath = Annotated[str, Path(pattern=_DERIVED_ID_PATTERN, examples=["wrist-1772384400000000"])]
WorkoutIdQuery = Annotated[
    str | None,
    Query(pattern=_DERIVED_ID_PATTERN, description="Only this workout's.", examples=["wrist-1772384400000000"]),
]
LimitQuery = Annotated[int, Query(ge=1, le=1_000, description="Items per page.")]
CursorQuery = Annotated[
    str | None, Query(max_length=8_000, description="next_cursor of the page before, with the same filters.")
]
FromQuery = Annotated[
    AwareDatetime | None, Query(alias="from", description="From this time on.", examples=["2026-03-01T17:00:00Z"])
]
ToQuery = Annotated[
    AwareDatetime | None, Query(alias="to", description="Before this time.", examples=["2026-03-01T18:00:00Z"])
]

_LAST_TIME_US = 10**16 - 1
"""`documents.sensor_key` has sixteen digits, enough until 2286."""


def search_time_us(time: datetime) -> int:
    """A time as it is searched, within what the keys can hold."""
    return min(max(to_epoch_us(time), 0), _LAST_TIME_US)
