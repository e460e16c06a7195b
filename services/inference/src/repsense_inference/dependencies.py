"""What routes depend on: the parts of the service and the parameters that several of them take."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Path, Query, Request

from repsense.timestamps import MICROSECONDS, to_epoch_us
from repsense.topics import ID_PATTERN
from repsense_inference.inspections import Inspections
from repsense_inference.live import LiveHub
from repsense_inference.metrics import Metrics
from repsense_inference.model_directory import ModelDirectory
from repsense_inference.model_labels import ModelLabels
from repsense_inference.movement_timelines import MovementTimelines
from repsense_inference.ports import (
    ClassificationReader,
    DatabaseProbe,
    ModelReader,
    ModelSource,
    SampleReader,
    SensorReader,
    SetEdits,
    SetReader,
    TrainingJobs,
    WorkoutStore,
)
from repsense_inference.problems import invalid_request
from repsense_inference.recording_ports import Erasing, LabelStore, PersonStore, RecordingStore
from repsense_inference.schemas.base import Instant
from repsense_inference.watching import Watch

__all__ = [
    "CursorQuery",
    "ExerciseQuery",
    "FromQuery",
    "LimitQuery",
    "Parts",
    "PartsDependency",
    "SensorIdPath",
    "SensorIdQuery",
    "SetIdPath",
    "SubjectQuery",
    "ToQuery",
    "WorkoutIdPath",
    "WorkoutIdQuery",
    "search_interval_us",
    "search_range_us",
]


@dataclass(frozen=True)
class Parts:
    """Everything that the routes work with."""

    sensors: SensorReader
    samples: SampleReader
    classifications: ClassificationReader
    sets: SetReader
    set_edits: SetEdits
    workouts: WorkoutStore
    models: ModelReader
    training_jobs: TrainingJobs
    persons: PersonStore
    label_store: LabelStore
    recordings: RecordingStore
    erasing: Erasing
    database: DatabaseProbe
    model: ModelSource
    model_directory: ModelDirectory
    hub: LiveHub
    watch: Watch
    metrics: Metrics
    labels: ModelLabels = field(init=False)
    inspections: Inspections = field(init=False)
    timelines: MovementTimelines = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", ModelLabels(self.models))
        object.__setattr__(self, "inspections", Inspections(self.recordings))
        object.__setattr__(self, "timelines", MovementTimelines(self.samples))


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
SubjectQuery = Annotated[
    str | None, Query(min_length=1, max_length=100, description="Only this person's.", examples=["Anna"])
]
ExerciseQuery = Annotated[
    str | None, Query(min_length=1, max_length=60, description="Only with this exercise.", examples=["push-up"])
]
LimitQuery = Annotated[int, Query(ge=1, le=1_000, description="Items per page.")]
CursorQuery = Annotated[
    str | None, Query(max_length=8_000, description="next_cursor of the page before, with the same filters.")
]
FromQuery = Annotated[
    Instant | None, Query(alias="from", description="From this time on.", examples=["2026-03-01T17:00:00Z"])
]
ToQuery = Annotated[
    Instant | None, Query(alias="to", description="Before this time.", examples=["2026-03-01T18:00:00Z"])
]

_LAST_TIME_US = 10**16 - 1
"""`documents.sensor_key` has sixteen digits, enough until 2286."""


def search_range_us(from_at: datetime | None, to_at: datetime | None) -> tuple[int, int | None]:
    """From when and until when, exclusive, as it is searched; None is without end.

    Raises:
        ProblemError: If the one is not before the other.
    """
    from_us = 0 if from_at is None else _search_time_us(from_at)
    to_us = None if to_at is None else _search_time_us(to_at)
    if to_us is not None and to_us <= from_us:
        detail = "from must be before to"
        raise invalid_request(detail)
    return from_us, to_us


def search_interval_us(from_at: datetime, to_at: datetime, max_s: int) -> tuple[int, int]:
    """From when and until when, exclusive, as it is searched.

    Raises:
        ProblemError: If the one is not before the other, or more than so many seconds before it.
    """
    from_us, _ = search_range_us(from_at, to_at)
    to_us = _search_time_us(to_at)
    if to_us - from_us > max_s * MICROSECONDS:
        detail = f"from and to may be at most {max_s} s apart"
        raise invalid_request(detail)
    return from_us, to_us


def _search_time_us(time: datetime) -> int:
    """A time as it is searched, within what the keys can hold."""
    return min(max(to_epoch_us(time), 0), _LAST_TIME_US)
