"""What the routes need of the world outside; `repositories` and `model` provide it, tests provide their own.

What is stored is read and written with `DatabaseUnavailableError` while the database does not answer; page readers
raise `InvalidCursorError` for a cursor that is not theirs. Changes are made only to the version that they were made
for, in one update of the database, so that of two at the same time one wins and the other one is told.
"""

from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Protocol

from repsense.classifiers import Classifier
from repsense.documents import (
    ClassificationDocument,
    ModelDocument,
    PreprocessorDocument,
    SamplesDocument,
    SensorDocument,
    SetDocument,
    SetEditDocument,
    TrainingJobDocument,
    TrainingJobState,
    WorkoutEditDocument,
)
from repsense_inference.edited_workouts import EditedWorkout
from repsense_inference.faults import Fault
from repsense_inference.paging import Page
from repsense_inference.timelines import LabelledWindow

__all__ = [
    "ClassificationReader",
    "DatabaseProbe",
    "ModelReader",
    "ModelSource",
    "PreprocessorReader",
    "SampleReader",
    "SensorReader",
    "SetEdits",
    "SetReader",
    "TrainingJobs",
    "WorkoutStore",
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

    def oldest(self, sensor_id: str) -> SamplesDocument | None:
        """The chunk that begins first, of those that are still kept."""
        ...

    def following(self, sensor_id: str, from_us: int, limit: int) -> list[SamplesDocument]:
        """The first chunks that begin from a time on, oldest first."""
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

    def windows(self, sensor_id: str, from_us: int, to_us: int) -> list[LabelledWindow]:
        """What is shown of them, oldest first: many are read in a moment."""
        ...


class SetReader(Protocol):
    """Stored sets."""

    def newest(self, sensor_id: str) -> SetDocument | None:
        """The sensor's set that started last."""
        ...

    def get(self, set_id: str) -> SetDocument | None:
        """One set."""
        ...

    def of_workout(self, workout_id: str) -> list[SetDocument]:
        """A workout's sets, oldest first."""
        ...

    def newest_first(self, from_us: int, to_us: int, sensor_id: str | None = None) -> Iterator[SetDocument]:
        """The sets that started from one time on and before another, perhaps of one sensor, read as they are taken."""
        ...

    def page(self, sensor_id: str | None, workout_id: str | None, limit: int, cursor: str | None) -> Page[SetDocument]:
        """Sets, perhaps of one sensor or of one workout."""
        ...


class SetEdits(Protocol):
    """What people said of sets."""

    def get(self, set_id: str) -> SetEditDocument | None:
        """What was said of one set."""
        ...

    def of(self, set_ids: Collection[str]) -> Mapping[str, SetEditDocument]:
        """What was said of some sets, by their ids."""
        ...

    def put(self, edit: SetEditDocument, replaced_version: int) -> bool:
        """Store an edit in place of one of this version (0: of none); return whether it was still that one."""
        ...


class WorkoutStore(Protocol):
    """The workouts, with what people said of them and of their sets."""

    def get(self, workout_id: str) -> EditedWorkout | None:
        """One workout."""
        ...

    def newest_first(self) -> list[EditedWorkout]:
        """Every workout; cheap."""
        ...

    def edit(self, workout_id: str) -> WorkoutEditDocument | None:
        """What was said of one workout."""
        ...

    def put_edit(self, edit: WorkoutEditDocument, replaced_version: int) -> bool:
        """Store an edit in place of one of this version (0: of none); return whether it was still that one."""
        ...

    def forget(self, workout_id: str, set_ids: Collection[str]) -> None:
        """Hear that a workout was just deleted with its sets; it would be noticed anyway, at some cost."""
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
    """Whether the database answers, and takes changes."""

    @property
    def absence(self) -> Fault | None:
        """Why it cannot be read; None if it can."""
        ...

    @property
    def fault(self) -> Fault | None:
        """Why it cannot be read or changed; None if it can."""
        ...

    def doubt_writing(self) -> None:
        """Hear that somebody's changes are missing: whether it takes them is to be tried soon."""
        ...


class PreprocessorReader(Protocol):
    """The preprocessors' signs of life."""

    def all(self) -> list[PreprocessorDocument]:
        """Every one that there is, also of those who were killed."""
        ...


class ModelSource(Protocol):
    """The classifier that `POST /v1/classify` uses."""

    @property
    def fault(self) -> Fault | None:
        """Why there is none; None if there is."""
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
