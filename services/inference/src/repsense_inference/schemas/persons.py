"""Persons whose movements are recorded."""

from dataclasses import asdict
from typing import Annotated, Self

from pydantic import AwareDatetime, ConfigDict, Field
from pydantic.config import JsonDict

from repsense.documents import PersonDocument
from repsense.timestamps import from_epoch_us
from repsense_inference.recording_amounts import RecordedAmount
from repsense_inference.recording_ports import Belongings, Erased
from repsense_inference.schemas.base import Name, Note, Request, Resource

__all__ = [
    "ErasedPerson",
    "ModelVersion",
    "Person",
    "PersonBelongings",
    "PersonChange",
    "PersonList",
    "PersonRequest",
]

_PERSON_EXAMPLE: JsonDict = {
    "person_id": "0d5c8a1f3b7e4c29a6d0e1f2a3b4c5d6",
    "name": "Anna",
    "note": "wears it on the left",
    "n_recordings": 24,
    "recorded_minutes": 12.5,
    "version": 1,
    "created_at": "2026-03-01T17:00:00Z",
}
_MODELS_EXAMPLE: JsonDict = {"models": [{"name": "garden-work", "version": 2}]}


class PersonRequest(Request):
    """Somebody new."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Anna", "note": "wears it on the left"}]})

    name: Name
    note: Note | None = None


class PersonChange(Request):
    """What is to be different; what is left out stays as it is."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Anna B."}, {"note": None}]})

    name: Annotated[Name, Field(default_factory=str, description="Recordings and workouts follow.")]
    note: Note | None = None


class Person(Resource):
    """Somebody whose movements are recorded."""

    model_config = ConfigDict(json_schema_extra={"examples": [_PERSON_EXAMPLE]})

    person_id: str
    name: Annotated[str, Field(description="The `subject` of their recordings and workouts.")]
    note: str | None
    n_recordings: Annotated[int, Field(description="Without those in the trash, as the next one.")]
    recorded_minutes: float
    version: int
    created_at: AwareDatetime

    @classmethod
    def from_document(cls, document: PersonDocument, recorded: RecordedAmount) -> Self:
        """From what is stored."""
        return cls(
            person_id=document["_id"],
            name=document["name"],
            note=document["note"],
            n_recordings=recorded.n_recordings,
            recorded_minutes=recorded.minutes,
            version=document["version"],
            created_at=from_epoch_us(document["created_us"]),
        )


class PersonList(Resource):
    """Everybody, by name."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [_PERSON_EXAMPLE]}]})

    items: list[Person]


class ModelVersion(Resource):
    """Names a version of a model."""

    name: str
    version: int


class PersonBelongings(Resource):
    """What is stored of a person and would be deleted with them."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "n_recordings": 24,
                    "recorded_minutes": 12.5,
                    "n_workouts": 3,
                    "n_training_jobs": 1,
                    **_MODELS_EXAMPLE,
                }
            ]
        }
    )

    n_recordings: Annotated[int, Field(description="Those in the trash too.")]
    recorded_minutes: float
    n_workouts: Annotated[int, Field(description="Workouts that were said to be theirs.")]
    n_training_jobs: Annotated[int, Field(description="Ended ones that name them.")]
    models: Annotated[
        list[ModelVersion],
        Field(description="Versions whose evaluation names them. These stay: delete or train them anew yourself."),
    ]

    @classmethod
    def of(cls, belongings: Belongings, models: list[ModelVersion]) -> Self:
        """From what was found."""
        return cls(
            n_recordings=belongings.n_recordings,
            recorded_minutes=belongings.recorded_s / 60,
            n_workouts=belongings.n_workouts,
            n_training_jobs=belongings.n_training_jobs,
            models=models,
        )


class ErasedPerson(Resource):
    """What was deleted for good."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "n_recordings": 24,
                    "n_workouts": 3,
                    "n_sets": 31,
                    "n_classifications": 9200,
                    "n_samples_documents": 15300,
                    "n_training_jobs": 1,
                    **_MODELS_EXAMPLE,
                }
            ]
        }
    )

    n_recordings: int
    n_workouts: int
    n_sets: int
    n_classifications: int
    n_samples_documents: Annotated[int, Field(description="Pieces of raw signal.")]
    n_training_jobs: int
    models: Annotated[list[ModelVersion], Field(description="Versions whose evaluation names them; these stay.")]

    @classmethod
    def of(cls, erased: Erased, models: list[ModelVersion]) -> Self:
        """From what was deleted."""
        return cls(**asdict(erased), models=models)
