"""Models and their versions."""

from typing import Annotated, Literal

from pydantic import Field

from repsense.manifest import ModelManifest
from repsense.registry import VersionState
from repsense_inference.schemas.base import Resource

__all__ = ["BrokenVersion", "Model", "ModelList"]


class Model(Resource):
    """A version of a model."""

    in_use: Annotated[
        bool, Field(description="Whether this service answers with it now; after a promotion within five seconds.")
    ]
    state: Annotated[
        Literal[VersionState, "retired"],
        Field(
            description='"in_use": the version of its model that is to be used; "promoted": used again once the higher '
            'ones are taken back; "standby": trained but not promoted, or taken back; "retired": known from what it '
            "has classified, not on disk."
        ),
    ]
    has_report: Annotated[bool, Field(description="Whether there is a page that tells how it was evaluated.")]
    problem: Annotated[str | None, Field(description="In words, why it is not used although it is to be.")]
    manifest: ModelManifest


class BrokenVersion(Resource):
    """A version on disk that cannot be read."""

    name: str
    version: int
    state: VersionState
    problem: Annotated[str, Field(description="In words.")]


class ModelList(Resource):
    """Model versions, the one in use first."""

    items: list[Model]
    broken: Annotated[list[BrokenVersion], Field(description="Versions on disk that cannot be read.")]
    name_in_use: Annotated[str, Field(description="The model with which everything is classified.")]
    refusal: Annotated[
        str | None, Field(description="In words, why a newer version is in place and not used; null if there is none.")
    ] = None
