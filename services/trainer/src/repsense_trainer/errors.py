"""The trainer's own errors, below the domain's base.

RepSenseError
├── ConfigurationError        the configuration file cannot be used
├── DatasetError              the recordings cannot be trained on
└── TrainingCancelledError    a training was ended before it was done
"""

from repsense.errors import RepSenseError

__all__ = ["ConfigurationError", "DatasetError", "TrainingCancelledError"]


class ConfigurationError(RepSenseError):
    """A configuration file is missing, or says what it cannot mean."""


class DatasetError(RepSenseError):
    """The dataset is missing something; the text says what, and what to do."""


class TrainingCancelledError(RepSenseError):
    """Nobody wants the result of a training any more; raised by `TrainingProgress`."""
