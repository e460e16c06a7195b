"""Stored things, read and changed; nothing outside this package knows pymongo."""

from dataclasses import dataclass
from typing import Self

from repsense.documents import MODELS, PREPROCESSORS, SENSORS, ModelDocument, PreprocessorDocument, SensorDocument
from repsense_inference.repositories.classifications import StoredClassifications
from repsense_inference.repositories.connection import DatabaseConnection
from repsense_inference.repositories.erasing import Eraser
from repsense_inference.repositories.labels import StoredLabels
from repsense_inference.repositories.lookups import StoredDocuments
from repsense_inference.repositories.persons import StoredPersons
from repsense_inference.repositories.recordings import StoredRecordings
from repsense_inference.repositories.samples import StoredSamples
from repsense_inference.repositories.training_jobs import StoredTrainingJobs
from repsense_inference.repositories.workouts import StoredSetEdits, StoredSets, StoredWorkouts

__all__ = ["DatabaseConnection", "Repositories"]


@dataclass(frozen=True, slots=True)
class Repositories:
    """One of each."""

    preprocessors: StoredDocuments[PreprocessorDocument]
    sensors: StoredDocuments[SensorDocument]
    samples: StoredSamples
    classifications: StoredClassifications
    sets: StoredSets
    set_edits: StoredSetEdits
    workouts: StoredWorkouts
    models: StoredDocuments[ModelDocument]
    training_jobs: StoredTrainingJobs
    persons: StoredPersons
    labels: StoredLabels
    recordings: StoredRecordings
    erasing: Eraser

    @classmethod
    def on(cls, connection: DatabaseConnection) -> Self:
        """All of them, on one connection."""
        sets, recordings = StoredSets(connection), StoredRecordings(connection)
        return cls(
            preprocessors=StoredDocuments(connection, PREPROCESSORS),
            sensors=StoredDocuments(connection, SENSORS),
            samples=StoredSamples(connection),
            classifications=StoredClassifications(connection),
            sets=sets,
            set_edits=StoredSetEdits(connection),
            workouts=StoredWorkouts(connection, sets),
            models=StoredDocuments(connection, MODELS),
            training_jobs=StoredTrainingJobs(connection),
            persons=StoredPersons(connection),
            labels=StoredLabels(connection),
            recordings=recordings,
            erasing=Eraser(connection, recordings),
        )

    def read_ahead(self) -> None:
        """Read what is held in memory, so that nobody has to wait for it."""
        self.workouts.newest_first()
        self.recordings.overview()
