"""Stored things: reading them, and writing training jobs; nothing outside this package knows pymongo."""

from dataclasses import dataclass
from typing import Self

from repsense_inference.repositories.classifications import StoredClassifications
from repsense_inference.repositories.connection import DatabaseConnection
from repsense_inference.repositories.models import StoredModels
from repsense_inference.repositories.samples import StoredSamples
from repsense_inference.repositories.sensors import StoredSensors
from repsense_inference.repositories.training_jobs import StoredTrainingJobs
from repsense_inference.repositories.workouts import StoredSets, StoredWorkouts

__all__ = ["DatabaseConnection", "Repositories"]


@dataclass(frozen=True, slots=True)
class Repositories:
    """One of each."""

    sensors: StoredSensors
    samples: StoredSamples
    classifications: StoredClassifications
    sets: StoredSets
    workouts: StoredWorkouts
    models: StoredModels
    training_jobs: StoredTrainingJobs

    @classmethod
    def on(cls, connection: DatabaseConnection) -> Self:
        """All of them, on one connection."""
        return cls(
            StoredSensors(connection),
            StoredSamples(connection),
            StoredClassifications(connection),
            StoredSets(connection),
            StoredWorkouts(connection),
            StoredModels(connection),
            StoredTrainingJobs(connection),
        )
