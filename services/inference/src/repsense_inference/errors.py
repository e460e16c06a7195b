"""The errors of this service, below the project's base.

    RepSenseError
    ├── InvalidCursorError          a `cursor` that this list did not give
    ├── UnusableSamplesError        samples to classify that do not fit the model
    ├── NameTakenError              a name that another one of its kind has
    ├── DatabaseUnavailableError    worth another try
    ├── ModelUnavailableError       worth another try
    └── ModelsUnavailableError      the versions on disk cannot be reached

`problems` says which HTTP status each becomes.
"""

from repsense.errors import RepSenseError

__all__ = [
    "DatabaseUnavailableError",
    "InvalidCursorError",
    "ModelUnavailableError",
    "ModelsUnavailableError",
    "NameTakenError",
    "UnusableSamplesError",
]


class InvalidCursorError(RepSenseError):
    """A cursor that this list did not give, or that belongs to other filters."""

    def __init__(self) -> None:
        super().__init__("cursor: take next_cursor of the page before, with the same filters, or leave it out")


class UnusableSamplesError(RepSenseError):
    """Samples that cannot be classified; the text says what to send instead."""


class NameTakenError(RepSenseError):
    """Another person or label is called so."""


class DatabaseUnavailableError(RepSenseError):
    """The database did not answer."""


class ModelUnavailableError(RepSenseError):
    """No model is open."""


class ModelsUnavailableError(RepSenseError):
    """The directory with the versions of all models is not there or cannot be read; the text says what to do."""
