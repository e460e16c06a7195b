"""The documents in the database: their shapes, keys and indexes, for those who write and those who read.

Every write is idempotent: a document's `_id` follows from what it describes, so a message that MQTT delivers twice
changes nothing.

Two facts about nx-27017 0.8.1, the embedded database of the native mode, shape this schema. A filter on one indexed
field uses the index; one on two fields, or on a range of `_id`, scans. Hence `sensor_key`, a sensor's id and a time
in one string, which MongoDB serves equally well. And a TTL index makes every query of its collection scan. Hence
expiry by an explicit, indexed delete (`database.delete_expired_samples`).
"""

from typing import Literal, TypedDict

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "CLASSIFICATIONS",
    "INDEXES",
    "MODELS",
    "RECORDINGS",
    "SAMPLES",
    "SENSORS",
    "SETS",
    "TRAINING_JOBS",
    "WORKOUTS",
    "ClassificationDocument",
    "LabelDocument",
    "ModelDocument",
    "RecordingDocument",
    "SamplesDocument",
    "SensorDocument",
    "SetDocument",
    "TrainingJobDocument",
    "TrainingJobState",
    "TrainingProgressDocument",
    "WorkoutDocument",
    "decode_samples",
    "encode_samples",
    "model_key",
    "sensor_key",
    "sensor_key_range",
]

SAMPLES = "samples"
CLASSIFICATIONS = "classifications"
SETS = "sets"
WORKOUTS = "workouts"
SENSORS = "sensors"
MODELS = "models"
RECORDINGS = "recordings"
TRAINING_JOBS = "training_jobs"

INDEXES: dict[str, tuple[str, ...]] = {
    SAMPLES: ("sensor_key", "first_sample_us"),
    CLASSIFICATIONS: ("sensor_key", "window_start_us"),
    SETS: ("sensor_key", "started_us", "workout_id", "state"),
    WORKOUTS: ("sensor_key", "started_us"),
    SENSORS: (),
    MODELS: (),
    RECORDINGS: ("subject", "session", "created_us"),
    TRAINING_JOBS: ("state", "created_us"),
}
"""The indexed fields of each collection, each index ascending and on one field."""


class LabelDocument(TypedDict):
    """A label as it is stored."""

    exercise: str
    form: str | None


class SamplesDocument(TypedDict):
    """One samples message, as it came."""

    _id: str
    """`<stream-id>:<sequence>`, the sequence with twelve digits."""
    sensor_key: str
    """By the time of the first sample."""
    sensor_id: str
    stream_id: str
    sequence: int
    n_lost_before: int
    n_samples: int
    first_sample_us: int
    last_sample_us: int
    sample_rate_hz: float
    channels: list[str]
    samples: bytes
    """Row-major little-endian float32, shape (n_samples, n_channels), SI units."""
    simulated: bool


class ClassificationDocument(TypedDict):
    """The result for one window."""

    _id: str
    """`<sensor-id>:<model>@<version>:<window start>`."""
    sensor_key: str
    """By the window's start."""
    sensor_id: str
    stream_id: str
    model_name: str
    model_version: int
    window_start_us: int
    window_end_us: int
    last_sequence: int
    label: LabelDocument | None
    confidence: float
    window_label: LabelDocument | None
    probabilities: list[float] | None
    """One per label of the model, which `models` knows; None if the window was not classified."""
    unclassified_reason: str | None
    simulated: bool


class SetDocument(TypedDict):
    """A stretch of one exercise."""

    _id: str
    """`<sensor-id>-<start>`, also the set's id in messages and in REST."""
    sensor_key: str
    """By the start."""
    sensor_id: str
    workout_id: str
    state: Literal["open", "closed"]
    exercise: str
    form: str | None
    """The form of most windows; None where the model knows only one."""
    form_windows: dict[str, int]
    """How many windows had each form."""
    started_us: int
    """Middle of the first window."""
    ended_us: int
    """Middle of the last window."""
    last_window_end_us: int
    """Windows that end no later are counted."""
    n_windows: int
    confidence: float
    """Mean confidence of the set's windows."""
    model_name: str
    model_version: int
    simulated: bool


class WorkoutDocument(TypedDict):
    """Sets of one sensor without a long pause between them."""

    _id: str
    """`<sensor-id>-<start>`, also the workout's id in REST."""
    sensor_key: str
    sensor_id: str
    started_us: int
    ended_us: int
    n_sets: int
    exercises: dict[str, int]
    """Sets per exercise."""
    simulated: bool


class SensorDocument(TypedDict):
    """What the preprocessor knows of one sensor."""

    _id: str
    """The sensor's id."""
    stream_id: str
    channels: list[str]
    sample_rate_hz: float
    first_seen_us: int
    """Kept from the first time that the sensor was stored."""
    last_sample_us: int
    n_samples: int
    """Of the current stream, as are the next two."""
    n_lost: int
    n_duplicate: int
    problem: str | None
    """In words, why the stream cannot be classified; None if it can."""
    simulated: bool


class ModelDocument(TypedDict):
    """A model version that has classified; kept so that old classifications stay readable."""

    _id: str
    """`<name>@<version>`."""
    name: str
    version: int
    manifest: str
    """The `ModelManifest` as JSON."""
    first_used_us: int


class RecordingDocument(TypedDict):
    """A labelled recording, kept for training; see `recordings.Recording`."""

    _id: str
    """The first 32 digits of the SHA-256 of everything that was recorded, so that the same recording is stored once."""
    subject: str | None
    session: str | None
    label: LabelDocument | None
    sensor: str | None
    sample_rate_hz: float
    channels: list[str]
    n_samples: int
    samples: bytes
    """As in `SamplesDocument`."""
    started_us: int | None
    activity_s: float
    attributes: dict[str, str]
    created_us: int
    """When it was stored."""


class TrainingProgressDocument(TypedDict):
    """How far a training is."""

    stage: str
    """In words, such as "leaving out session 3"."""
    n_steps: int
    """Trainings in all: one per group left out, and so on, and the last one on everything."""
    step: int
    """The one under way, from 1; 0 before the first."""
    n_epochs: int
    epoch: int
    """Epochs completed of the training under way."""
    losses: list[float]
    """Mean loss of each of these epochs."""
    groups: dict[str, float]
    """Accuracy on each group that was left out so far."""


TrainingJobState = Literal["queued", "running", "succeeded", "failed", "cancelled"]


class TrainingJobDocument(TypedDict):
    """A training that somebody asked for, and what became of it."""

    _id: str
    """A random UUID, 32 hexadecimal digits."""
    state: TrainingJobState
    model_name: str
    selection: str
    """`training.RecordingSelection` as JSON."""
    configuration: str
    """`training.TrainingConfiguration` as JSON."""
    promote: bool
    """Whether the version is put in use when it is done."""
    created_us: int
    started_us: int | None
    ended_us: int | None
    worker_id: str | None
    """Who has claimed it."""
    lease_until_us: int
    """Until when the claim holds unless it is renewed; after that another worker may take the job."""
    n_attempts: int
    cancel_requested: bool
    progress: TrainingProgressDocument | None
    error: str | None
    """Why it failed, in words."""
    model_version: int | None
    """What it produced."""
    log: list[str]
    """The last lines of the trainer's log, oldest first."""


def model_key(name: str, version: int) -> str:
    """The `_id` of a model's document."""
    return f"{name}@{version}"


def sensor_key(sensor_id: str, time_us: int) -> str:
    """A sensor and a time in one string that sorts by time within the sensor."""
    return f"{sensor_id}:{time_us:016d}"


def sensor_key_range(sensor_id: str, from_us: int = 0, to_us: int | None = None) -> dict[str, str]:
    """The filter on `sensor_key` for a sensor's documents from a time on, up to another, exclusive."""
    # ";" is the character after ":", so it bounds the sensor's keys from above.
    stop = f"{sensor_id};" if to_us is None else sensor_key(sensor_id, to_us)
    return {"$gte": sensor_key(sensor_id, from_us), "$lt": stop}


def encode_samples(samples: NDArray[np.float32]) -> bytes:
    """The bytes of a samples document's array."""
    return np.ascontiguousarray(samples, dtype="<f4").tobytes()


def decode_samples(document: SamplesDocument) -> NDArray[np.float32]:
    """The array of a samples document, shape (n_samples, n_channels), float32."""
    flat = np.frombuffer(document["samples"], dtype="<f4")
    return flat.reshape(document["n_samples"], len(document["channels"])).astype(np.float32)
