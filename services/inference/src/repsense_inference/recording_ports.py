"""What the routes of recordings, persons and labels need of the world outside; see `ports`.

Changes are made only to the version that they were made for, in one update of the database, so that of two at the same
time one wins and the other one is told.
"""

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Protocol, Self, TypedDict

from repsense.documents import (
    LabelDocument,
    PersonDocument,
    RecordingDocument,
    RecordingSamplesDocument,
    StoredLabelDocument,
)
from repsense.recordings import Recording
from repsense.recordings.stored import StoredRecordings

__all__ = [
    "Belongings",
    "Erased",
    "Erasing",
    "LabelChanges",
    "LabelStore",
    "PersonChanges",
    "PersonStore",
    "RecordingChanges",
    "RecordingStore",
]


class PersonChanges(TypedDict, total=False):
    """What is to be different about a person."""

    name: str
    note: str | None


class PersonStore(Protocol):
    """The persons; what is read never has a renaming under way."""

    def all(self) -> list[PersonDocument]:
        """Everybody."""
        ...

    def get(self, person_id: str) -> PersonDocument | None:
        """One person."""
        ...

    def add(self, person: PersonDocument) -> None:
        """Add a person; `NameTakenError` if somebody is called so."""
        ...

    def change(
        self, person_id: str, version: int | None, changes: PersonChanges, changed_us: int
    ) -> PersonDocument | None:
        """Change a person, if the version is still that one (None: whichever), and return them, or None.

        Recordings and workouts follow the name; `NameTakenError` if somebody else is called so.
        """
        ...

    def remove(self, person_id: str) -> None:
        """Delete a person; nothing else of them."""
        ...


class LabelChanges(TypedDict, total=False):
    """What is to be different about a label."""

    exercise: str
    form: str | None
    background: bool


class LabelStore(Protocol):
    """The labels that can be chosen; what is read never has a renaming under way."""

    def all(self) -> list[StoredLabelDocument]:
        """Every label."""
        ...

    def get(self, label_id: str) -> StoredLabelDocument | None:
        """One label."""
        ...

    def add(self, label: StoredLabelDocument) -> StoredLabelDocument:
        """Add a label, unless there is one with its words; return the one that is there then."""
        ...

    def change(
        self, label_id: str, version: int | None, changes: LabelChanges, changed_us: int
    ) -> StoredLabelDocument | None:
        """Change a label, if the version is still that one (None: whichever), and return it, or None.

        Recordings follow the words; `NameTakenError` if another label has them.
        """
        ...

    def remove(self, label_id: str, version: int | None) -> bool:
        """Delete a label, if the version is still that one; return whether it was."""
        ...


class RecordingChanges(TypedDict, total=False):
    """What is to be different about a recording."""

    label: LabelDocument | None
    subject: str | None
    session: str | None
    note: str | None
    trim_start: int
    trim_stop: int
    deleted_us: int


class RecordingStore(Protocol):
    """The recordings, with those in the trash."""

    def overview(self) -> Sequence[RecordingDocument]:
        """Every recording, newest first, with an empty preview; cheap, and not to be changed."""
        ...

    def get(self, recording_id: str) -> RecordingDocument | None:
        """One recording."""
        ...

    def several(self, ids: Sequence[str]) -> list[RecordingDocument]:
        """Recordings in the order of their ids, without those that are gone."""
        ...

    def samples(self, recording_id: str) -> bytes | None:
        """All captured samples of a recording, as `documents.RecordingSamplesDocument` has them."""
        ...

    def load(self, documents: Sequence[RecordingDocument]) -> list[tuple[str, Recording]]:
        """Recordings with their samples, each with its id, without those that are gone; `RecordingError` if damaged."""
        ...

    def store(self, recordings: Sequence[Recording]) -> StoredRecordings:
        """Store recordings that are not stored yet; see `recordings.stored.store_recordings`."""
        ...

    def add(self, documents: Sequence[tuple[RecordingDocument, RecordingSamplesDocument]]) -> StoredRecordings:
        """Store some recordings that are not stored yet, with what else is known of them."""
        ...

    def change(
        self, recording_id: str, version: int | None, changes: RecordingChanges, changed_us: int
    ) -> RecordingDocument | None:
        """Change a recording, if the version is still that one (None: whichever), and return it, or None."""
        ...

    def change_several(
        self, versions: Mapping[str, int | None], changes: RecordingChanges, changed_us: int
    ) -> list[RecordingDocument]:
        """Make the same change to recordings by their ids, each as `change` does, and return those that had it."""
        ...

    def remove(self, ids: Sequence[str]) -> None:
        """Delete recordings for good."""
        ...


@dataclass(frozen=True, slots=True)
class Belongings:
    """What is stored of a person.

    Attributes:
        n_recordings: Those in the trash too.
        recorded_s: How long they are, seconds.
        n_workouts: Workouts that somebody said were theirs.
        n_training_jobs: Trainings that name them and have ended.
        n_trainings_under_way: Trainings that name them and wait or run.
    """

    n_recordings: int
    recorded_s: float
    n_workouts: int
    n_training_jobs: int
    n_trainings_under_way: int


@dataclass(frozen=True, slots=True)
class Erased:
    """How much was deleted for good."""

    n_recordings: int = 0
    n_workouts: int = 0
    n_sets: int = 0
    n_classifications: int = 0
    n_samples_documents: int = 0
    n_training_jobs: int = 0

    def __add__(self, other: Self) -> Self:
        return type(self)(*(one + more for one, more in zip(astuple(self), astuple(other), strict=True)))


class Erasing(Protocol):
    """Deleting for good; what was interrupted can be repeated."""

    def belongings(self, name: str) -> Belongings:
        """What `erase_person` would delete, and which trainings are under way."""
        ...

    def erase_person(self, name: str) -> Erased:
        """Delete everything of a person but the person: jobs, workouts, recordings, and the signal of their times."""
        ...

    def erase_workout(self, workout_id: str) -> Erased:
        """Delete a workout with its sets and results; the signal goes by itself after a while."""
        ...
