"""What the REST API returns and takes; OpenAPI is made from these."""

from collections.abc import Sequence
from typing import Annotated, Literal, Self, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, FailFast, Field, ValidationError
from pydantic.config import JsonDict

from repsense.channels import Channel
from repsense.documents import (
    ClassificationDocument,
    LabelDocument,
    SetDocument,
    TrainingJobDocument,
    TrainingJobState,
    TrainingProgressDocument,
    WorkoutDocument,
)
from repsense.labels import Label
from repsense.manifest import ModelManifest
from repsense.messages import ClassificationMessage, LabelProbability, UnclassifiedReason
from repsense.timestamps import MICROSECONDS, from_epoch_us
from repsense.training import ModelName, RecordingSelection, TrainingConfiguration

__all__ = [
    "Classification",
    "ClassificationPage",
    "ClassifiedWindow",
    "ClassifyRequest",
    "ClassifyResponse",
    "ExerciseSet",
    "Live",
    "Model",
    "ModelList",
    "Sensor",
    "SensorList",
    "SetPage",
    "SignalWindow",
    "TrainingJob",
    "TrainingJobPage",
    "TrainingJobRequest",
    "TrainingLog",
    "TrainingProgress",
    "Workout",
    "WorkoutPage",
]

MAX_VALUE = 1e6
"""No sensor of a body reaches this in m/s^2, rad/s or uT; it keeps the arithmetic within float32."""

_PUSH_UP: JsonDict = {"exercise": "push-up", "form": "correct"}
_SENSOR_EXAMPLE: JsonDict = {
    "sensor_id": "wrist",
    "name": "Wrist",
    "state": "online",
    "state_reason": None,
    "gateway_id": "laptop",
    "simulated": False,
    "stream_id": "5f0c2a7e",
    "channels": ["ax", "ay", "az", "gx", "gy", "gz", "mx", "my", "mz"],
    "sample_rate_hz": 50.0,
    "effective_rate_hz": 49.98,
    "loss": 0.002,
    "rssi_dbm": -61,
    "battery_percent": 83,
    "n_reconnects": 2,
    "first_seen_at": "2026-03-01T17:00:00Z",
    "last_sample_at": "2026-03-01T17:42:10.180000Z",
    "n_samples": 126500,
    "n_lost": 20,
    "n_duplicate": 0,
    "loss_share": 0.000158,
    "problem": None,
}
_CLASSIFICATION_EXAMPLE: JsonDict = {
    "sensor_id": "wrist",
    "stream_id": "5f0c2a7e",
    "model_name": "bodyweight",
    "model_version": 1,
    "window_start_at": "2026-03-01T17:42:08Z",
    "window_end_at": "2026-03-01T17:42:10Z",
    "last_sequence": 126499,
    "label": _PUSH_UP,
    "confidence": 0.97,
    "window_label": _PUSH_UP,
    "probabilities": [
        {"label": _PUSH_UP, "probability": 0.96},
        {"label": {"exercise": "push-up", "form": "incorrect"}, "probability": 0.04},
    ],
    "unclassified_reason": None,
    "set_id": "wrist-1772386900000000",
    "simulated": False,
}
_SET_EXAMPLE: JsonDict = {
    "set_id": "wrist-1772386900000000",
    "sensor_id": "wrist",
    "workout_id": "wrist-1772384400000000",
    "state": "open",
    "exercise": "push-up",
    "form": "correct",
    "form_windows": {"correct": 14, "incorrect": 2},
    "incorrect_share": 0.125,
    "started_at": "2026-03-01T17:41:40Z",
    "ended_at": "2026-03-01T17:42:10Z",
    "duration_s": 30.0,
    "n_windows": 16,
    "confidence": 0.95,
    "model_name": "bodyweight",
    "model_version": 1,
    "simulated": False,
}
_WORKOUT_EXAMPLE: JsonDict = {
    "workout_id": "wrist-1772384400000000",
    "sensor_id": "wrist",
    "started_at": "2026-03-01T17:00:00Z",
    "ended_at": "2026-03-01T17:42:10Z",
    "duration_s": 2530.0,
    "n_sets": 9,
    "exercises": {"push-up": 3, "squat": 6},
    "simulated": False,
}
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


class _Resource(BaseModel):
    model_config = ConfigDict(frozen=True)


class Sensor(_Resource):
    """A sensor: what it is, whether it can be reached and how well its samples arrive."""

    model_config = ConfigDict(json_schema_extra={"examples": [_SENSOR_EXAMPLE]})

    sensor_id: str
    name: Annotated[str, Field(description="What to call it on a screen.")]
    state: Annotated[
        Literal["online", "connecting", "offline", "unknown"],
        Field(description='"offline" also while its gateway is; "unknown" if nobody reports it.'),
    ]
    state_reason: Annotated[str | None, Field(description="In words, where the state needs explaining.")]
    gateway_id: str | None
    simulated: Annotated[bool, Field(description="True unless a person's body moves.")]
    stream_id: Annotated[str | None, Field(description="The current connection to the sensor.")]
    channels: tuple[Channel, ...] | None
    sample_rate_hz: Annotated[float | None, Field(description="The nominal rate.")]
    effective_rate_hz: Annotated[float | None, Field(description="The rate as measured.")]
    loss: Annotated[
        float | None, Field(description="Lost on the air, of all samples of the last minute: 0 to 1; null if unknown.")
    ]
    rssi_dbm: Annotated[
        int | None,
        Field(description="Signal strength of its newest advertisement; a connected sensor does not advertise."),
    ]
    battery_percent: Annotated[int | None, Field(description="Null if the sensor does not tell.")]
    n_reconnects: Annotated[
        int | None,
        Field(description="How often the connection was made anew since its gateway started; null if nobody reports."),
    ]
    first_seen_at: AwareDatetime | None
    last_sample_at: AwareDatetime | None
    n_samples: Annotated[int, Field(description="Received in the current stream, as are the next two.")]
    n_lost: int
    n_duplicate: int
    loss_share: Annotated[float, Field(description="Lost, of all samples of the current stream: 0 to 1.")]
    problem: Annotated[str | None, Field(description="In words, why the stream cannot be classified.")]


class SensorList(_Resource):
    """Every sensor."""

    items: list[Sensor]


class SignalWindow(_Resource):
    """A stretch of a sensor's signal, thinned for drawing."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "sensor_id": "wrist",
                    "channels": ["ax", "ay", "az"],
                    "units": {"ax": "m/s^2", "ay": "m/s^2", "az": "m/s^2"},
                    "start_at": "2026-03-01T17:42:00.180000Z",
                    "offsets_s": [0.0, 0.02],
                    "samples": [[0.12, -0.4, 9.79], [0.15, -0.38, 9.8]],
                }
            ]
        }
    )

    sensor_id: str
    channels: tuple[Channel, ...]
    units: dict[Channel, str]
    start_at: Annotated[AwareDatetime | None, Field(description="Time of the first sample; null if there is none.")]
    offsets_s: Annotated[list[float], Field(description="Seconds from start_at, one per sample, rising.")]
    samples: Annotated[list[list[float]], Field(description="One row per sample, one value per channel.")]


class Classification(_Resource):
    """The result for one window of a sensor's signal."""

    model_config = ConfigDict(json_schema_extra={"examples": [_CLASSIFICATION_EXAMPLE]})

    sensor_id: str
    stream_id: str
    model_name: str
    model_version: int
    window_start_at: AwareDatetime
    window_end_at: AwareDatetime
    last_sequence: int
    label: Annotated[Label | None, Field(description="What to show: smoothed over windows; null is unknown.")]
    confidence: Annotated[float, Field(description="Of the label; 0 for unknown.")]
    window_label: Annotated[Label | None, Field(description="The most probable label of this window alone.")]
    probabilities: Annotated[
        tuple[LabelProbability, ...] | None,
        Field(
            description='Every label of the model; they add up to at most 1, the rest is "none of these". '
            "Null if the window was not classified."
        ),
    ]
    unclassified_reason: Annotated[
        UnclassifiedReason | None, Field(description="It spans missing samples, or nothing moves in it.")
    ]
    set_id: Annotated[
        str | None,
        Field(description="The running set, of live ones; null in lists, where a set's times say what belongs to it."),
    ]
    simulated: bool

    @classmethod
    def from_message(cls, message: ClassificationMessage) -> Self:
        """From what the broker brought."""
        return cls(
            sensor_id=message.sensor_id,
            stream_id=message.stream_id,
            model_name=message.model_name,
            model_version=message.model_version,
            window_start_at=message.window_start_at,
            window_end_at=message.window_end_at,
            last_sequence=message.last_sequence,
            label=message.label,
            confidence=message.confidence,
            window_label=message.window_label,
            probabilities=message.probabilities,
            unclassified_reason=message.unclassified_reason,
            set_id=message.running_set.set_id if message.running_set else None,
            simulated=message.simulated,
        )

    @classmethod
    def from_document(cls, document: ClassificationDocument, labels: Sequence[Label] | None) -> Self:
        """From what is stored.

        Args:
            document: The stored classification.
            labels: Those of its model, in order; None if the model is not known any more.
        """
        probabilities = document["probabilities"]
        return cls.model_validate(
            {
                "sensor_id": document["sensor_id"],
                "stream_id": document["stream_id"],
                "model_name": document["model_name"],
                "model_version": document["model_version"],
                "window_start_at": from_epoch_us(document["window_start_us"]),
                "window_end_at": from_epoch_us(document["window_end_us"]),
                "last_sequence": document["last_sequence"],
                "label": _label(document["label"]),
                "confidence": document["confidence"],
                "window_label": _label(document["window_label"]),
                "probabilities": None
                if probabilities is None or labels is None
                else tuple(
                    LabelProbability(label=label, probability=probability)
                    for label, probability in zip(labels, probabilities, strict=True)
                ),
                "unclassified_reason": document["unclassified_reason"],
                # Which set a window belongs to may turn out only after it was stored.
                "set_id": None,
                "simulated": document["simulated"],
            }
        )


class ClassificationPage(_Resource):
    """Classifications, newest first."""

    items: list[Classification]
    next_cursor: Annotated[str | None, Field(description="Send it back as cursor for older ones; null at the end.")]


class ExerciseSet(_Resource):
    """A stretch of one exercise without a rest."""

    model_config = ConfigDict(title="Set", json_schema_extra={"examples": [_SET_EXAMPLE]})

    set_id: str
    sensor_id: str
    workout_id: str
    state: Annotated[Literal["open", "closed"], Field(description='"open" while it may still grow.')]
    exercise: str
    form: Annotated[str | None, Field(description="The form of most windows.")]
    form_windows: Annotated[dict[str, int], Field(description="How many windows had each form.")]
    incorrect_share: Annotated[
        float | None, Field(description="Of the windows whose form is known: 0 all correct, 1 all incorrect.")
    ]
    started_at: AwareDatetime
    ended_at: AwareDatetime
    duration_s: float
    n_windows: int
    confidence: Annotated[float, Field(description="Mean confidence of its windows.")]
    model_name: str
    model_version: int
    simulated: bool

    @classmethod
    def from_document(cls, document: SetDocument) -> Self:
        """From what is stored."""
        form_windows = document["form_windows"]
        n_with_form = sum(form_windows.values())
        return cls(
            set_id=document["_id"],
            sensor_id=document["sensor_id"],
            workout_id=document["workout_id"],
            state=document["state"],
            exercise=document["exercise"],
            form=document["form"],
            form_windows=form_windows,
            incorrect_share=form_windows.get("incorrect", 0) / n_with_form if n_with_form else None,
            started_at=from_epoch_us(document["started_us"]),
            ended_at=from_epoch_us(document["ended_us"]),
            duration_s=(document["ended_us"] - document["started_us"]) / MICROSECONDS,
            n_windows=document["n_windows"],
            confidence=document["confidence"],
            model_name=document["model_name"],
            model_version=document["model_version"],
            simulated=document["simulated"],
        )


class SetPage(_Resource):
    """Sets, newest first."""

    items: list[ExerciseSet]
    next_cursor: Annotated[str | None, Field(description="Send it back as cursor for older ones; null at the end.")]


class Workout(_Resource):
    """Sets without a long pause between them."""

    model_config = ConfigDict(json_schema_extra={"examples": [_WORKOUT_EXAMPLE]})

    workout_id: str
    sensor_id: str
    started_at: AwareDatetime
    ended_at: AwareDatetime
    duration_s: float
    n_sets: int
    exercises: Annotated[dict[str, int], Field(description="Sets per exercise.")]
    simulated: bool

    @classmethod
    def from_document(cls, document: WorkoutDocument) -> Self:
        """From what is stored."""
        return cls(
            workout_id=document["_id"],
            sensor_id=document["sensor_id"],
            started_at=from_epoch_us(document["started_us"]),
            ended_at=from_epoch_us(document["ended_us"]),
            duration_s=(document["ended_us"] - document["started_us"]) / MICROSECONDS,
            n_sets=document["n_sets"],
            exercises=document["exercises"],
            simulated=document["simulated"],
        )


class WorkoutPage(_Resource):
    """Workouts, newest first."""

    items: list[Workout]
    next_cursor: Annotated[str | None, Field(description="Send it back as cursor for older ones; null at the end.")]


class Live(_Resource):
    """The present of one sensor."""

    sensor: Sensor
    classification: Annotated[Classification | None, Field(description="The newest one.")]
    running_set: Annotated[ExerciseSet | None, Field(description="The open set of that classification.")]


class Model(_Resource):
    """A version of a model."""

    in_use: Annotated[bool, Field(description="Whether POST /v1/classify answers with it.")]
    manifest: ModelManifest


class ModelList(_Resource):
    """Model versions, the one in use first."""

    items: list[Model]
    refusal: Annotated[
        str | None, Field(description="In words, why a newer version is in place and not used; null if there is none.")
    ] = None


class ClassifyRequest(BaseModel):
    """A recording to classify."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "sample_rate_hz": 50,
                    "channels": ["ax", "ay", "az", "gx", "gy", "gz", "mx", "my", "mz"],
                    "samples": [[0.1, 0.2, 9.8, 0.0, 0.1, 0.0, 22.0, 5.0, -40.0]],
                }
            ]
        },
    )

    sample_rate_hz: Annotated[float, Field(gt=0, le=10_000, allow_inf_nan=False)]
    channels: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=60)]],
        Field(min_length=1, max_length=64, description="What the columns are; those unknown to the model are ignored."),
    ]
    # One error is enough: a million of them would cost more than the classification.
    samples: Annotated[
        list[Annotated[list[Annotated[float, Field(ge=-MAX_VALUE, le=MAX_VALUE, allow_inf_nan=False)]], FailFast()]],
        FailFast(),
        Field(min_length=1, description="One row per sample, one value per channel, in m/s^2, rad/s and uT."),
    ]


class ClassifiedWindow(_Resource):
    """The result for one window of a recording."""

    start_s: Annotated[float, Field(description="From the recording's first sample.")]
    end_s: float
    label: Annotated[
        Label | None,
        Field(description="Null below the confidence threshold, for what is no exercise, or when nothing moved."),
    ]
    confidence: Annotated[float, Field(description="The highest probability; 0 when nothing moved.")]
    probabilities: Annotated[
        list[LabelProbability],
        Field(
            description='Every label of the model; they add up to at most 1, the rest is "none of these". '
            "Empty when nothing moved."
        ),
    ]
    unclassified_reason: UnclassifiedReason | None


class ClassifyResponse(_Resource):
    """The windows of a recording, in order."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "model_name": "bodyweight",
                    "model_version": 1,
                    "windows": [
                        {
                            "start_s": 0.0,
                            "end_s": 2.0,
                            "label": _PUSH_UP,
                            "confidence": 0.96,
                            "probabilities": _CLASSIFICATION_EXAMPLE["probabilities"],
                            "unclassified_reason": None,
                        }
                    ],
                }
            ]
        }
    )

    model_name: str
    model_version: int
    windows: list[ClassifiedWindow]


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


class TrainingProgress(_Resource):
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


class TrainingJob(_Resource):
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


class TrainingJobPage(_Resource):
    """Training jobs, newest first."""

    items: list[TrainingJob]
    next_cursor: Annotated[str | None, Field(description="Send it back as cursor for older ones; null at the end.")]


class TrainingLog(_Resource):
    """What a training wrote."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"lines": ["INFO 24 recordings"]}]})

    lines: Annotated[list[str], Field(description="The last ones, oldest first.")]


def _decoded(kind: type[_Stored], text: str) -> _Stored | None:
    try:
        return kind.model_validate_json(text)
    except ValidationError:
        return None


def _label(document: LabelDocument | None) -> Label | None:
    return None if document is None else Label(exercise=document["exercise"], form=document["form"])
