"""Results of the network, stored and on demand."""

from collections.abc import Sequence
from typing import Annotated, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, FailFast, Field
from pydantic.config import JsonDict

from repsense.documents import ClassificationDocument
from repsense.labels import Label
from repsense.messages import ClassificationMessage, LabelProbability, UnclassifiedReason
from repsense.timestamps import from_epoch_us
from repsense_inference.schemas.base import PUSH_UP, NextCursor, Resource, label_from

__all__ = [
    "CLASSIFICATION_EXAMPLE",
    "Classification",
    "ClassificationPage",
    "ClassifiedWindow",
    "ClassifyRequest",
    "ClassifyResponse",
]

MAX_VALUE = 1e6
"""No sensor of a body reaches this in m/s^2, rad/s or uT; it keeps the arithmetic within float32."""

CLASSIFICATION_EXAMPLE: JsonDict = {
    "sensor_id": "wrist",
    "stream_id": "5f0c2a7e",
    "model_name": "bodyweight",
    "model_version": 1,
    "window_start_at": "2026-03-01T17:42:08Z",
    "window_end_at": "2026-03-01T17:42:10Z",
    "last_sequence": 126499,
    "label": PUSH_UP,
    "confidence": 0.97,
    "window_label": PUSH_UP,
    "probabilities": [
        {"label": PUSH_UP, "probability": 0.96},
        {"label": {"exercise": "push-up", "form": "incorrect"}, "probability": 0.04},
    ],
    "unclassified_reason": None,
    "set_id": "wrist-1772386900000000",
    "simulated": False,
}


class Classification(Resource):
    """The result for one window of a sensor's signal."""

    model_config = ConfigDict(json_schema_extra={"examples": [CLASSIFICATION_EXAMPLE]})

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
                "label": label_from(document["label"]),
                "confidence": document["confidence"],
                "window_label": label_from(document["window_label"]),
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


class ClassificationPage(Resource):
    """Classifications, newest first."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"items": [{**CLASSIFICATION_EXAMPLE, "set_id": None}], "next_cursor": None}]}
    )

    items: list[Classification]
    next_cursor: NextCursor


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


class ClassifiedWindow(Resource):
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


class ClassifyResponse(Resource):
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
                            "label": PUSH_UP,
                            "confidence": 0.96,
                            "probabilities": CLASSIFICATION_EXAMPLE["probabilities"],
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
