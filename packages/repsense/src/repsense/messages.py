"""The messages that travel over MQTT, as JSON. docs/messages.md shows one of each.

A reader ignores fields that it does not know, so fields may be added within a schema version; it refuses a
version that it does not know.
"""

from datetime import UTC, datetime
from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from repsense.channels import Channel
from repsense.errors import MessageError
from repsense.labels import Label
from repsense.topics import GatewayId, SensorId

__all__ = [
    "MAX_MAGNITUDE",
    "MAX_SAMPLES_PER_MESSAGE",
    "SCHEMA_VERSION",
    "ClassificationMessage",
    "GatewayStatusMessage",
    "LabelProbability",
    "Message",
    "RunningSet",
    "SamplesMessage",
    "SensorStatusMessage",
    "StoredMessage",
    "TruthMessage",
    "UnclassifiedReason",
]

SCHEMA_VERSION: Literal[1] = 1
MAX_SAMPLES_PER_MESSAGE = 5_000
"""Bounds what one message can make a reader allocate; a batch of 250 ms has some 5 to 100 samples."""

MAX_MAGNITUDE = 1e6
"""In SI units; a float32 holds it, and the strongest sensors end at 1e4 (16 g is 157 m/s^2)."""

_MAX_SEQUENCE = 10**12
"""Thirty years at a thousand samples a second; arrays and the database hold what follows from it."""

_MAX_DURATION_S = 86_400.0
"""Of one message, so that the times of its samples are as plausible as that of the first."""
_PLAUSIBLE_TIMES = (datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC))

StreamId = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[a-z0-9-]+$")]
SampleRate = Annotated[float, Field(gt=0, le=10_000)]
UnclassifiedReason = Literal["gap", "still"]
"""Why a window has no probabilities: it spans missing samples, or nothing moves in it."""


class Message(BaseModel):
    """What every message has in common."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    schema_version: Literal[1] = SCHEMA_VERSION

    @classmethod
    def decode(cls, payload: bytes | bytearray | str) -> Self:
        """Parse a payload.

        Raises:
            MessageError: In one line, if the payload is not such a message.
        """
        try:
            return cls.model_validate_json(payload)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(str(part) for part in first["loc"]) or "payload"
            msg = f"not a {cls.__name__}: {place}: {first['msg']} ({error.error_count()} in all)"
            raise MessageError(msg) from error

    def encode(self) -> bytes:
        """The payload to publish."""
        return self.model_dump_json().encode()


class SamplesMessage(Message):
    """One batch of consecutive samples of one sensor, some 100 to 250 ms long."""

    sensor_id: SensorId
    stream_id: StreamId
    """New for every connection to the sensor, and whenever the channels or the rate change."""
    sequence: Annotated[int, Field(ge=0, le=_MAX_SEQUENCE)]
    """Index in the stream of the first sample of this batch: loss, duplicates and order are exact by it.

    A sensor that counts by itself may begin its stream at any number."""
    n_lost_before: Annotated[int, Field(ge=0, le=_MAX_SEQUENCE)] = 0
    """How many samples right before this batch the gateway knows to be lost: a reader need not wait for them."""
    first_sample_at: AwareDatetime
    """When the first sample was taken (fitted from sequence and rate), not when it arrived."""
    sample_rate_hz: SampleRate
    """The nominal rate; constant within a stream."""
    channels: Annotated[tuple[Channel, ...], Field(min_length=1)]
    """What the columns of `samples` are; a sensor without a channel leaves it out."""
    samples: Annotated[list[list[float]], Field(min_length=1, max_length=MAX_SAMPLES_PER_MESSAGE)]
    """(n_samples, n_channels) in m/s^2, rad/s and uT."""
    simulated: bool = False
    """True unless a person's body moved."""

    @model_validator(mode="after")
    def _check_shape(self) -> Self:
        n_channels = len(self.channels)
        if len(set(self.channels)) != n_channels:
            msg = "a channel is named twice"
            raise ValueError(msg)
        if any(len(sample) != n_channels for sample in self.samples):
            msg = f"every sample needs {n_channels} values, one for each of the channels"
            raise ValueError(msg)
        if max(map(max, self.samples)) > MAX_MAGNITUDE or min(map(min, self.samples)) < -MAX_MAGNITUDE:
            msg = f"a value is beyond {MAX_MAGNITUDE:g}, which no sensor measures"
            raise ValueError(msg)
        if not _PLAUSIBLE_TIMES[0] <= self.first_sample_at < _PLAUSIBLE_TIMES[1]:
            msg = f"first_sample_at {self.first_sample_at} is not a time of our days; set the gateway's clock"
            raise ValueError(msg)
        if len(self.samples) / self.sample_rate_hz > _MAX_DURATION_S:
            msg = f"at {self.sample_rate_hz:g} Hz its samples would take more than a day"
            raise ValueError(msg)
        return self

    def array(self) -> NDArray[np.float32]:
        """The samples as an array, shape (n_samples, n_channels), float32."""
        return np.asarray(self.samples, dtype=np.float32)


class SensorStatusMessage(Message):
    """The retained state of one sensor, republished whenever it changes."""

    sensor_id: SensorId
    gateway_id: GatewayId
    """Whose Last Will counts for this sensor too."""
    state: Literal["connecting", "online", "offline"]
    reason: str | None = None
    """In words, where the state is not "online"."""
    name: str | None = None
    """What to call the sensor on a screen."""
    stream_id: StreamId | None = None
    channels: tuple[Channel, ...] | None = None
    sample_rate_hz: SampleRate | None = None
    """The stream's nominal rate."""
    effective_rate_hz: SampleRate | None = None
    """The rate as measured; None before it is known."""
    loss: Annotated[float, Field(ge=0, le=1)] | None = None
    """Share of the samples of the last minute that were lost on the air; None where that cannot be known."""
    rssi_dbm: int | None = None
    """Signal strength of the newest advertisement, dBm; a connected sensor does not advertise."""
    battery_percent: Annotated[int, Field(ge=0, le=100)] | None = None
    n_reconnects: Annotated[int, Field(ge=0)] = 0
    """How often the connection had to be made anew since the gateway was started."""
    simulated: bool = False
    at: AwareDatetime


class StoredMessage(Message):
    """Which samples of a stream are in the database, so that a gateway need not keep them.

    Not cumulative: each one tells what was stored since the one before. One that is lost does no harm: the gateway
    sends again what it does not know to be stored, that is recognised as a duplicate, and reported once more.
    """

    sensor_id: SensorId
    stream_id: StreamId
    ranges: Annotated[tuple[tuple[int, int], ...], Field(min_length=1)]
    """Index in the stream of the first sample and of the first one that does not belong, ascending, disjoint."""


class GatewayStatusMessage(Message):
    """The retained state of a gateway; also its Last Will, then without a time."""

    gateway_id: GatewayId
    state: Literal["online", "offline"]
    reason: str | None = None
    at: AwareDatetime | None = None
    """None in a Last Will: nobody is left to look at the clock."""


class TruthMessage(Message):
    """What a simulated person or a replayed recording is really doing, from one sample on.

    Valid until the next message of the same stream; for tests and benchmarks, never an input of the pipeline.
    """

    sensor_id: SensorId
    stream_id: StreamId
    sequence: Annotated[int, Field(ge=0)]
    """Index in the stream of the first sample for which this holds."""
    label: Label | None
    """None while the person rests or moves to the next exercise."""
    repetition: Annotated[int, Field(ge=0)] = 0
    """Number of the repetition within its set, from 1; 0 at rest or where it is not known."""
    at: AwareDatetime


class RunningSet(BaseModel):
    """The set that a classification belongs to, as known by then."""

    model_config = ConfigDict(frozen=True)

    set_id: str
    exercise: str
    form: str | None
    """The form of most of the set's windows so far."""
    started_at: AwareDatetime
    ended_at: AwareDatetime
    """Middle of the last window that belongs to the set, as `started_at` is of the first."""
    n_windows: int
    incorrect_share: float | None
    """Of the windows whose form is known: 0 all correct, 1 all incorrect; None if none is."""


class LabelProbability(BaseModel):
    """How likely the network finds one label."""

    model_config = ConfigDict(frozen=True)

    label: Label
    probability: float


class ClassificationMessage(Message):
    """The result for one window, published once it is stored."""

    sensor_id: SensorId
    stream_id: StreamId
    model_name: str
    model_version: int
    window_start_at: AwareDatetime
    """Time of the window's first sample."""
    window_end_at: AwareDatetime
    """One sample period after the window's last sample."""
    last_sequence: int
    """Index in the stream of the last sample that the window depends on."""
    label: Label | None
    """What a screen should show: smoothed over windows; None is "unknown"."""
    confidence: float
    """Mean probability of the label over the windows that it was smoothed from; 0 for "unknown"."""
    window_label: Label | None
    """The most probable label of this window alone; None if it was not classified."""
    probabilities: tuple[LabelProbability, ...] | None
    """For every label of the model, in its order; None if the window was not classified."""
    unclassified_reason: UnclassifiedReason | None = None
    running_set: RunningSet | None = None
    simulated: bool = False
