"""The errors of RepSense.

    RepSenseError
    ├── MessageError        a message from the broker that cannot be used
    ├── RecordingError      a recording on disk that cannot be read
    ├── StreamError         a sensor's stream does not fit the model (`reason` says how)
    ├── ManifestError       a model directory or its manifest cannot be used
    ├── SchemaError         the database cannot be used by this code, or not yet
    ├── RegistryError       the versions of a model on disk cannot be changed as asked
    │   └── VersionTakenError            there is a version of that number already
    └── ClassifierError     the network gave no answer
        ├── ClassifierUnavailableError   its server is away: worth another try
        └── ModelVersionGoneError        its server has unloaded the version: another one is to be used

Errors of libraries are translated into these where they are called; the cause stays chained.
"""

from enum import StrEnum

__all__ = [
    "ClassifierError",
    "ClassifierUnavailableError",
    "ManifestError",
    "MessageError",
    "ModelVersionGoneError",
    "RecordingError",
    "RegistryError",
    "RepSenseError",
    "SchemaError",
    "StreamError",
    "StreamErrorReason",
    "VersionTakenError",
]


class RepSenseError(Exception):
    """Base of every error that RepSense raises on purpose; its text is fit for a user's eyes."""


class MessageError(RepSenseError):
    """A message is not what its topic promises; it is logged once, counted and dropped."""


class RecordingError(RepSenseError):
    """A recording cannot be read or lacks what is asked of it."""


class StreamErrorReason(StrEnum):
    """Why a sensor's stream cannot be classified by the model in use."""

    MISSING_CHANNEL = "missing_channel"
    """The model was trained with a channel that the sensor does not deliver."""
    RATE_TOO_LOW = "rate_too_low"
    """The sensor is slower than the model's rate; inventing samples in between would be a guess."""


class StreamError(RepSenseError):
    """A stream does not fit the model.

    Attributes:
        reason: The kind of misfit, for programs; the text is for people.
    """

    def __init__(self, reason: StreamErrorReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class ManifestError(RepSenseError):
    """A model directory has no usable version or its manifest is wrong."""


class SchemaError(RepSenseError):
    """The database cannot be used by this code, or not yet; the same call may succeed later.

    Attributes:
        is_passing: Whether it will by itself: somebody else is bringing the database to this code's schema.
    """

    def __init__(self, message: str, *, is_passing: bool = False) -> None:
        super().__init__(message)
        self.is_passing = is_passing


class RegistryError(RepSenseError):
    """A change to the model registry is refused or failed; nothing that was in use was touched."""


class VersionTakenError(RegistryError):
    """A version of that number is there already; perhaps somebody else has just added it."""


class ClassifierError(RepSenseError):
    """The network could not classify the windows that it was given."""


class ClassifierUnavailableError(ClassifierError):
    """The model server did not answer in time; the same call may succeed later."""


class ModelVersionGoneError(ClassifierError):
    """The model server does not serve the version any more; it has another one, or will have."""
