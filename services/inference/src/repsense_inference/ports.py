"""What the routes need of the world outside; `repositories` and `model` provide it, tests provide their own.

What is stored is read and written with `DatabaseUnavailableError` while the database does not answer; page readers
raise `InvalidCursorError` for a cursor that is not theirs.
"""

from contextlib import AbstractContextManager
from typing import Protocol

from repsense.classifiers import Classifier
from repsense.documents import (
    ClassificationDocument,
    ModelDocument,
    SamplesDocument,
    SensorDocument,
    SetDocument,
    TrainingJobDocument,
    TrainingJobState,
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
    "TrainingJobs",
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


class TrainingJobs(Protocol):
    """The trainings that were asked for; jobs come without their logs."""

    def add(self, job: TrainingJobDocument) -> TrainingJobDocument:
        """Put a job into the queue, unless one with its id is there; return the one that is there then."""
        ...

    def get(self, job_id: str) -> TrainingJobDocument | None:
        """One job."""
        ...

    def log(self, job_id: str) -> list[str] | None:
        """The last lines of a job's log, oldest first; None if there is no such job."""
        ...

    def queue(self) -> list[str]:
        """The ids of the jobs that wait, in the order in which they will be taken."""
        ...

    def page(self, state: TrainingJobState | None, limit: int, cursor: str | None) -> Page[TrainingJobDocument]:
        """Jobs, perhaps those in one state."""
        ...

    def cancel(self, job_id: str, now_us: int) -> TrainingJobDocument | None:
        """End a job that nobody works on, or ask the worker of a running one to; return the job as it is then."""
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
    def refusal(self) -> str | None:
        """In words, why a newer version is there and not used; None if there is none."""
        ...

    @property
    def classifier(self) -> Classifier | None:
        """The open classifier, if there is one, to look at."""
        ...

    def use(self, patience_s: float = 0.0) -> AbstractContextManager[Classifier]:
        """The open classifier, which stays open as long as it is used; `ModelUnavailableError` if there is none."""
        ...

    def lost(self, classifier: Classifier, reason: str) -> None:
        """Say that a classifier's server went away, so that it is opened again."""
        ...
