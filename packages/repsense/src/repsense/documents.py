"""The documents in the database: their shapes, keys and indexes, for those who write and those who read.

Every write is idempotent: a document's `_id` follows from what it describes, so a message that MQTT delivers twice
changes nothing.

Two facts about nx-27017 0.8.1, the embedded database of the native mode, shape this schema. A filter on one indexed
field uses the index; one on two fields, or on a range of `_id`, scans. Hence `sensor_key`, a sensor's id and a time
in one string, which MongoDB serves equally well. And a TTL index makes every query of its collection scan. Hence
expiry by an explicit, indexed delete (`retention.delete_older`).
"""

import json
from typing import Literal, NotRequired, TypedDict

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "CLASSIFICATIONS",
    "ERASURES",
    "INDEXES",
    "LABELS",
    "MODELS",
    "PARTITIONS",
    "PERSONS",
    "PREPROCESSORS",
    "RECORDINGS",
    "RECORDING_SAMPLES",
    "REPLICAS",
    "SAMPLES",
    "SCHEMA",
    "SENSORS",
    "SETS",
    "SET_EDITS",
    "TRAINING_JOBS",
    "UNIQUE_INDEXES",
    "WORKOUTS",
    "WORKOUT_EDITS",
    "WRITE_PROBES",
    "ClassificationDocument",
    "ErasureDocument",
    "ExerciseTotalDocument",
    "LabelDocument",
    "ModelDocument",
    "PartitionDocument",
    "PersonDocument",
    "PreprocessorDocument",
    "RecordingDocument",
    "RecordingSamplesDocument",
    "ReplicaDocument",
    "SamplesDocument",
    "SchemaDocument",
    "SensorDocument",
    "SetDocument",
    "SetEditDocument",
    "StoredLabelDocument",
    "TrainingJobDocument",
    "TrainingJobState",
    "TrainingProgressDocument",
    "WorkoutDocument",
    "WorkoutEditDocument",
    "decode_samples",
    "encode_samples",
    "label_key",
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
RECORDING_SAMPLES = "recording_samples"
LABELS = "labels"
PERSONS = "persons"
SET_EDITS = "set_edits"
WORKOUT_EDITS = "workout_edits"
ERASURES = "erasures"
TRAINING_JOBS = "training_jobs"
PARTITIONS = "partitions"
REPLICAS = "replicas"
"""Who works now; no backup holds either."""
PREPROCESSORS = "preprocessors"
"""Signs of life; of what runs now, so no backup holds them."""
WRITE_PROBES = "write_probes"
"""One document of each service that tries whether the database takes changes; no backup holds them."""
SCHEMA = "schema"
"""One document, which says what the others are like; no backup holds it."""

INDEXES: dict[str, tuple[str, ...]] = {
    SAMPLES: ("sensor_key", "first_sample_us"),
    CLASSIFICATIONS: ("sensor_key", "window_start_us"),
    SETS: ("sensor_key", "started_us", "workout_id", "state"),
    WORKOUTS: ("sensor_key", "started_us"),
    SENSORS: (),
    MODELS: (),
    RECORDINGS: ("subject", "session", "created_us", "changed_us", "deleted_us"),
    RECORDING_SAMPLES: (),
    LABELS: (),
    PERSONS: (),
    SET_EDITS: ("started_us", "workout_id", "changed_us"),
    WORKOUT_EDITS: ("started_us", "subject", "changed_us"),
    ERASURES: ("erased_us",),
    TRAINING_JOBS: ("state", "created_us"),
}
"""The indexed fields of each collection, each index ascending and on one field."""

UNIQUE_INDEXES: dict[str, str] = {PERSONS: "name", LABELS: "key"}
"""The field of which a collection has each value only once."""


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
    generation: NotRequired[int]
    """Of the lease under which it was written, where several preprocessors share the work; see `PartitionDocument`."""


class ExerciseTotalDocument(TypedDict):
    """What a workout holds of one exercise."""

    exercise: str
    n_sets: int
    duration_us: int
    form_windows: dict[str, int]
    """How many windows had each form."""


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
    totals: list[ExerciseTotalDocument]
    """By exercise, in alphabetical order, without what was edited."""
    simulated: bool
    generation: NotRequired[int]
    """As in `SetDocument`."""


class SetEditDocument(TypedDict):
    """What a person said of a closed set; the set itself stays as the network saw it.

    It is a document of its own because the preprocessor, which writes the sets, must not have to know of it.
    """

    _id: str
    """The set's."""
    workout_id: str
    started_us: int
    """The set's, so that the edits of many sets are found at once."""
    version: int
    """Counts the edits, from 1."""
    changed_us: int
    label: LabelDocument | None
    """What it really was; None if the network was right."""
    discarded: bool
    """Whether it was no set at all."""
    repetitions: int | None
    note: str | None
    original: ExerciseTotalDocument
    """The set as the network saw it, as a part of its workout's totals."""
    n_windows: int
    """The set's: so many have the form that a person gave it."""


class WorkoutEditDocument(TypedDict):
    """What a person said of a workout."""

    _id: str
    """The workout's."""
    started_us: int
    """The workout's."""
    version: int
    changed_us: int
    subject: str | None
    """Who it was."""
    note: str | None


class ErasureDocument(TypedDict):
    """A workout whose sets were deleted for good.

    The preprocessor may not have been through with it, and then writes its document once more, with totals of what is
    gone: readers count the sets of such a workout instead.
    """

    _id: str
    """The workout's."""
    erased_us: int


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
    generation: NotRequired[int]
    """As in `SetDocument`."""


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
    """A labelled recording, kept for training; see `recordings.Recording`. Its samples are a document of their own."""

    _id: str
    """`recordings.recording_id` of the recording as it was when it was stored; never changes."""
    version: int
    """Counts the changes, from 1."""
    subject: str | None
    session: str | None
    label: LabelDocument | None
    sensor: str | None
    sample_rate_hz: float
    channels: list[str]
    n_captured: int
    """How many samples are stored."""
    trim_start: int
    """The first sample that belongs to the recording: what is trimmed off stays, so that it can be had back."""
    trim_stop: int
    """One after the last."""
    started_us: int | None
    """When the first stored sample was taken."""
    activity_s: float
    """At the first stored sample."""
    attributes: dict[str, str]
    interruption: str | None
    """In words, why it is shorter than was meant; None if it is not."""
    preview: list[float]
    """The movement of what is stored, for a small picture: at most 120 values, evenly spread; see `movement`."""
    note: str | None
    created_us: int
    """When it was stored."""
    changed_us: int
    deleted_us: int
    """When it was thrown away, to be had back for a while; 0 if it was not."""


class RecordingSamplesDocument(TypedDict):
    """The samples of a recording; written and deleted before the `RecordingDocument`, so that none are left behind."""

    _id: str
    """The recording's."""
    samples: bytes
    """As in `SamplesDocument`."""


class PersonDocument(TypedDict):
    """Somebody whose movements are recorded. Recordings name their subject by the person's name."""

    _id: str
    """Never changes: a random UUID, 32 hexadecimal digits."""
    name: str
    """Unique among the persons."""
    former_name: str | None
    """What recordings and workouts may still call the person: the renaming is under way. None otherwise."""
    earlier_names: NotRequired[list[str]]
    """What else the person was called, as trainings of that time still say. Absent if nothing."""
    note: str | None
    version: int
    created_us: int
    changed_us: int


class StoredLabelDocument(TypedDict):
    """A label that can be chosen. Recordings hold theirs by its words."""

    _id: str
    """Never changes: a random UUID, 32 hexadecimal digits."""
    key: str
    """`label_key` of its words, unique among the labels."""
    exercise: str
    form: str | None
    former: LabelDocument | None
    """What recordings may still call it: the renaming is under way. None otherwise."""
    background: bool
    """Whether it is no exercise, such as rest; a network is trained to show it as unknown."""
    version: int
    created_us: int
    changed_us: int


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


class SchemaDocument(TypedDict):
    """What a database says of itself; see `schema`."""

    _id: str
    """`schema`."""
    version: int
    """The `schema.SCHEMA_VERSION` of the code for which its documents are."""
    indexes: list[str]
    """Those that it has."""
    claimed_by: str | None
    """Who is changing the schema."""
    claimed_until_us: int
    """Until when the claim holds unless it is renewed; after that somebody else may go on."""


class PreprocessorDocument(TypedDict):
    """A sign of life, replaced every two seconds while a preprocessor runs, and deleted when it stops."""

    _id: str
    """Which one: the replica's name."""
    beat: int
    """Grows with each sign: who compares it by a clock of their own need not trust this one's."""
    at_us: int
    """By the preprocessor's clock."""
    started_us: int
    version: str
    """Of RepSense."""
    ready: bool
    problems: dict[str, str]
    """By what is missing (`broker`, `database`, `model`) the reason in words; empty if it is ready."""
    model_name: str | None
    """None as long as it waits for one, as is the version."""
    model_version: int | None
    n_streams: int
    n_waiting: int
    """Messages that have come and were not begun with."""
    oldest_waiting_s: float
    """How long the oldest message waits that has come and is not stored; 0 if all are."""


class PartitionDocument(TypedDict):
    """The lease of one partition of the sensors: which preprocessor serves it, where several share the work."""

    _id: int
    """The partition's number, from 0."""
    replica: str | None
    """Who has it; None if it is free."""
    generation: int
    """Grows with every claim, over all partitions, so that of two writers the later one is known: the time of the
    claim in microseconds, which a restored backup cannot take back."""


class ReplicaDocument(TypedDict):
    """A preprocessor that shares the work. Its leases hold for as long as others see it change."""

    _id: str
    """Another one for each process."""
    beat: int
    """Counts up, about once a second."""


def label_key(exercise: str, form: str | None) -> str:
    """A label's words in one string; for the embedded database, two labels without a form would differ in it."""
    return json.dumps([exercise, form], ensure_ascii=False)


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
