"""Training jobs."""

from typing import Annotated, Self, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from pydantic.config import JsonDict

from repsense.documents import TrainingJobDocument, TrainingJobState, TrainingProgressDocument
from repsense.timestamps import from_epoch_us
from repsense.training import ModelName, RecordingSelection, TrainingConfiguration
from repsense_inference.schemas.base import NextCursor, Resource

__all__ = [
    "TrainingJob",
    "TrainingJobPage",
    "TrainingJobRequest",
    "TrainingLog",
    "TrainingProgress",
]

_TRAINING_JOB_EXAMPLE: JsonDict = {
    "job_id": "6f1d0c8e5b1f4f0c9a3e2d7b8c9d0e1f",
    "state": "running",
    "queue_position": None,
    "model_name": "bodyweight",
    "selection": {"subjects": ["anna", "ben"]},
    "configuration": {"seed": 1},
    "promote": True,
    "created_at": "2026-03-01T17:00:00Z",
    "started_at": "2026-03-01T17:00:01Z",
    "ended_at": None,
    "worker_id": "laptop-4711",
    "n_attempts": 1,
    "cancel_requested": False,
    "progress": {
        "stage": "leaving out session 3",
        "n_steps": 16,
        "step": 3,
        "n_epochs": 20,
        "epoch": 4,
        "losses": [1.2, 0.7, 0.5, 0.4],
        "groups": {"1": 0.99, "2": 0.98},
    },
    "error": None,
    "model_version": None,
}

_Stored = TypeVar("_Stored", RecordingSelection, TrainingConfiguration)


class TrainingJobRequest(BaseModel):
    """What to train."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"model_name": "bodyweight"},
                {
                    "model_name": "garden-work",
                    "selection": {"subjects": ["anna", "ben"], "labels": [{"exercise": "digging"}]},
                    "configuration": {"seed": 1},
                    "promote": True,
                },
            ]
        },
    )

    model_name: Annotated[ModelName, Field(description="The new version is one of this model.")]
    selection: Annotated[RecordingSelection, Field(description="Which of the stored recordings; all by default.")] = (
        RecordingSelection()
    )
    configuration: TrainingConfiguration = TrainingConfiguration()
    promote: Annotated[bool, Field(description="Put the version in use when it is done.")] = False


class TrainingProgress(Resource):
    """How far a training is."""

    stage: Annotated[str, Field(description="In words.", examples=["leaving out session 3"])]
    n_steps: Annotated[int, Field(description="Trainings in all: for the evaluation, and the last on everything.")]
    step: Annotated[int, Field(description="The one under way, from 1; 0 before the first.")]
    n_epochs: Annotated[int, Field(description="Of the training under way, as are the next two.")]
    epoch: Annotated[int, Field(description="Epochs that are done.")]
    losses: Annotated[list[float], Field(description="Mean loss of each of these epochs.")]
    groups: Annotated[dict[str, float], Field(description="Accuracy on each group that was left out so far: 0 to 1.")]

    @classmethod
    def from_document(cls, document: TrainingProgressDocument) -> Self:
        """From what is stored."""
        return cls(**document)


class TrainingJob(Resource):
    """A training that somebody asked for, and what became of it."""

    model_config = ConfigDict(json_schema_extra={"examples": [_TRAINING_JOB_EXAMPLE]})

    job_id: str
    state: TrainingJobState
    queue_position: Annotated[int | None, Field(description="Of a queued job: 1 is the next.")]
    model_name: str
    selection: Annotated[
        RecordingSelection | None, Field(description="Null if another version of RepSense wrote it in another form.")
    ]
    configuration: Annotated[TrainingConfiguration | None, Field(description="Likewise.")]
    promote: bool
    created_at: AwareDatetime
    started_at: Annotated[AwareDatetime | None, Field(description="When its newest attempt began.")]
    ended_at: AwareDatetime | None
    worker_id: Annotated[str | None, Field(description="Who trains it, or did.")]
    n_attempts: Annotated[int, Field(description="More than one if a worker died; after the third the job fails.")]
    cancel_requested: bool
    progress: TrainingProgress | None
    error: Annotated[str | None, Field(description="In words, why it failed.")]
    model_version: Annotated[
        int | None, Field(description="What it produced; it may be there although the job failed or was cancelled.")
    ]

    @classmethod
    def from_document(cls, document: TrainingJobDocument, queue_position: int | None) -> Self:
        """From what is stored."""
        progress, started_us, ended_us = document["progress"], document["started_us"], document["ended_us"]
        return cls(
            job_id=document["_id"],
            state=document["state"],
            queue_position=queue_position,
            model_name=document["model_name"],
            selection=_decoded(RecordingSelection, document["selection"]),
            configuration=_decoded(TrainingConfiguration, document["configuration"]),
            promote=document["promote"],
            created_at=from_epoch_us(document["created_us"]),
            started_at=None if started_us is None else from_epoch_us(started_us),
            ended_at=None if ended_us is None else from_epoch_us(ended_us),
            worker_id=document["worker_id"],
            n_attempts=document["n_attempts"],
            cancel_requested=document["cancel_requested"],
            progress=progress and TrainingProgress.from_document(progress),
            error=document["error"],
            model_version=document["model_version"],
        )


class TrainingJobPage(Resource):
    """Training jobs, newest first."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [_TRAINING_JOB_EXAMPLE], "next_cursor": None}]})

    items: list[TrainingJob]
    next_cursor: NextCursor


class TrainingLog(Resource):
    """What a training wrote."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"lines": ["INFO 24 recordings"]}]})

    lines: Annotated[list[str], Field(description="The last ones, oldest first.")]


def _decoded(kind: type[_Stored], text: str) -> _Stored | None:
    try:
        return kind.model_validate_json(text)
    except ValidationError:
        return None
