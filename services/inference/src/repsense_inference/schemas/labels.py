"""Labels that can be chosen."""

from typing import Annotated, Self

from pydantic import AwareDatetime, ConfigDict, Field, StringConstraints
from pydantic.config import JsonDict

from repsense.documents import StoredLabelDocument
from repsense.timestamps import from_epoch_us
from repsense_inference.recording_amounts import RecordedAmount
from repsense_inference.schemas.base import Request, Resource

__all__ = ["LabelChange", "LabelList", "LabelRequest", "StoredLabel"]

_Word = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60)]
"""As `labels.Label` has them."""

_BACKGROUND = "Whether it is no exercise, such as rest; a network is trained to show it as unknown."
_LABEL_EXAMPLE: JsonDict = {
    "label_id": "7b1e4a90c2d34f58b6a7089d1c2e3f40",
    "exercise": "push-up",
    "form": "correct",
    "background": False,
    "n_recordings": 12,
    "minutes": 6.5,
    "version": 1,
    "created_at": "2026-03-01T17:00:00Z",
}


class LabelRequest(Request):
    """A label to choose from."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"exercise": "push-up", "form": "correct"}, {"exercise": "rest", "background": True}]
        }
    )

    exercise: _Word
    form: _Word | None = None
    background: Annotated[bool, Field(description=_BACKGROUND)] = False


class LabelChange(Request):
    """What is to be different; what is left out stays as it is."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"exercise": "press-up"}, {"form": None}]})

    exercise: Annotated[_Word, Field(default_factory=str, description="Recordings follow, as for the form.")]
    form: _Word | None = None
    background: Annotated[bool, Field(default_factory=bool, description=_BACKGROUND)]


class StoredLabel(Resource):
    """A label that can be chosen."""

    model_config = ConfigDict(json_schema_extra={"examples": [_LABEL_EXAMPLE]})

    label_id: str
    exercise: str
    form: str | None
    background: Annotated[bool, Field(description=_BACKGROUND)]
    n_recordings: Annotated[int, Field(description="Without those in the trash, as the next one.")]
    minutes: float
    version: int
    created_at: AwareDatetime

    @classmethod
    def from_document(cls, document: StoredLabelDocument, recorded: RecordedAmount) -> Self:
        """From what is stored."""
        return cls(
            label_id=document["_id"],
            exercise=document["exercise"],
            form=document["form"],
            background=document["background"],
            n_recordings=recorded.n_recordings,
            minutes=recorded.minutes,
            version=document["version"],
            created_at=from_epoch_us(document["created_us"]),
        )


class LabelList(Resource):
    """Every label, in alphabetical order."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [_LABEL_EXAMPLE]}]})

    items: list[StoredLabel]
