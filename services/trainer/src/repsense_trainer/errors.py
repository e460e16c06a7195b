"""The trainer's own errors, below the domain's base.

RepSenseError
├── DatasetError    the recordings or their description cannot be trained on
└── ExportError     the model version cannot be written where it was asked for
"""

from repsense.errors import RepSenseError

__all__ = ["DatasetError", "ExportError"]


class DatasetError(RepSenseError):
    """The dataset is missing something; the text says what, and what to do."""


class ExportError(RepSenseError):
    """A model version cannot be written; nothing of it is left behind."""
