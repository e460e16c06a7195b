"""Labels: what a window of movement is called. They are data that a user adds to, never code."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

__all__ = ["Label"]

_Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60)]


class Label(BaseModel):
    """An exercise and, where the model tells them apart, the form in which it is done."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    exercise: _Name
    """For instance "push-up"."""
    form: _Name | None = None
    """For instance "correct" or "incorrect"; None where only one form was trained."""

    def __str__(self) -> str:
        return self.exercise if self.form is None else f"{self.exercise} ({self.form})"
