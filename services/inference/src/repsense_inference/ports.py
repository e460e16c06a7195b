"""What the routes need of the world outside; `repositories` and `model` provide it, tests provide their own.

Every reader raises `DatabaseUnavailableError` while the database does not answer; page readers raise
`InvalidCursorError` for a cursor that is not theirs.
"""

from typing import Protocol

from repsense.classifiers import Classifier
from repsense.documents import (
    ClassificationDocument,
    ModelDocument,
    SamplesDocument,
    SensorDocument,
    SetDocument,
    WorkoutDocument,
)
from repsense_inference.paging import Page

__all__ = [
    "ClassificationReader",
    "DatabaseProbe",
    "ModelReader",
    "ModelSource",
    "SampleReader",
    "SensorReader",
    "SetReader",
    "WorkoutReader",
]


class SensorReader(Protocol):
    """What the preprocessor knows of the sensors."""

    def all(self) -> list[SensorDocument]:
        """Every sensor that ever sent samples."""
        ...

    def get(self, sensor_id: str) -> SensorDocument | None:
        """One sensor; None if it never sent a sample."""
        ...


class SampleReader(Protocol):
    """Stored samples, by sensor and time."""

    def newest(self, sensor_id: str) -> SamplesDocument | None:
        """The chunk that begins last."""
        ...

    def between(self, sensor_id: str, from_us: int, to_us: int) -> list[SamplesDocument]:
        """The chunks with samples from one time on and before another, oldest first."""
        ...


class ClassificationReader(Protocol):
    """Stored classifications."""

    def newest(self, sensor_id: str) -> ClassificationDocument | None:
        """The sensor's classification whose window starts last."""
        ...

    def page(
        self, sensor_id: str | None, from_us: int, to_us: int | None, limit: int, cursor: str | None
    ) -> Page[ClassificationDocument]:
        """Classifications whose windows start from one time on and before another."""
        ...


class SetReader(Protocol):
    """Stored sets."""

    def newest(self, sensor_id: str) -> SetDocument | None:
        """The sensor's set that started last."""
        ...

    def get(self, set_id: str) -> SetDocument | None:
        """One set."""
        ...

    def page(self, sensor_id: str | None, workout_id: str | None, limit: int, cursor: str | None) -> Page[SetDocument]:
        """Sets, perhaps of one sensor or of one workout."""
        ...


class WorkoutReader(Protocol):
    """Stored workouts."""

    def get(self, workout_id: str) -> WorkoutDocument | None:
        """One workout."""
        ...

    def page(self, sensor_id: str | None, limit: int, cursor: str | None) -> Page[WorkoutDocument]:
        """Workouts, perhaps of one sensor."""
        ...


class ModelReader(Protocol):
    """The model versions that have classified."""

    def all(self) -> list[ModelDocument]:
        """Every one."""
        ...

    def get(self, key: str) -> ModelDocument | None:
        """One by its `documents.model_key`."""
        ...


class DatabaseProbe(Protocol):
    """Whether the database answers."""

    @property
    def problem(self) -> str | None:
        """In words, why it cannot be read; None if it can."""
        ...


class ModelSource(Protocol):
    """The classifier that `POST /v1/classify` uses."""

    @property
    def problem(self) -> str | None:
        """In words, why there is none; None if there is."""
        ...

    @property
    def classifier(self) -> Classifier | None:
        """The open classifier, if there is one."""
        ...

    def lost(self, classifier: Classifier, reason: str) -> None:
        """Say that a classifier's server went away, so that it is opened again."""
        ...
