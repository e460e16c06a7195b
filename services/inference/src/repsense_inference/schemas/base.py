"""What every resource is, and what several of them hold."""

import re
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError

from repsense.documents import LabelDocument
from repsense.labels import Label

__all__ = [
    "HEX_ID_PATTERN",
    "PUSH_UP",
    "Instant",
    "Name",
    "NextCursor",
    "Note",
    "Request",
    "Resource",
    "label_from",
]

HEX_ID_PATTERN = r"^[0-9a-f]{32}$"
"""Ids of labels, persons, recordings and training jobs."""
PUSH_UP: JsonDict = {"exercise": "push-up", "form": "correct"}

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
"""Of a person or a session."""
Note = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2_000)]
"""Whatever somebody wants to remember; no note is null."""


_NUMBER = re.compile(r"\s*[-+]?[\d.]+\s*", re.ASCII)


def _not_a_number(value: object) -> object:
    """Refuse seconds since 1970, which Pydantic would take: whoever sends a year means something else."""
    if isinstance(value, int | float) or (isinstance(value, str) and _NUMBER.fullmatch(value)):
        kind, text = "datetime_parsing", "a number is no time"
        raise PydanticCustomError(kind, text)
    return value


Instant = Annotated[AwareDatetime, BeforeValidator(_not_a_number)]
"""A time that a client sends."""
NextCursor = Annotated[str | None, Field(description="Send it back as cursor for older ones; null at the end.")]


class Resource(BaseModel):
    """What a client gets."""

    model_config = ConfigDict(frozen=True)


class Request(BaseModel):
    """What a client sends.

    A field with a default may be left out. In a change that leaves it as it is: `model_fields_set` tells.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def label_from(document: LabelDocument | None) -> Label | None:
    """A stored label as a resource."""
    return None if document is None else Label(exercise=document["exercise"], form=document["form"])
