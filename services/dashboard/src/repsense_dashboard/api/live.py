"""What the live page asks: sensors, their present and their signal."""

from typing import Any, Literal

from pydantic import AwareDatetime

from repsense_dashboard.api.connection import Connection, Resource

__all__ = [
    "Candidate",
    "Classification",
    "ExerciseSet",
    "Label",
    "Live",
    "LiveApi",
    "Sensor",
    "SignalWindow",
]


class Label(Resource):
    """An activity and, where it was taught, how it is done."""

    exercise: str
    form: str | None = None


class Candidate(Resource):
    """One label with its probability."""

    label: Label
    probability: float


class Sensor(Resource):
    """A sensor, its connection and what it has sent."""

    sensor_id: str
    name: str
    state: Literal["online", "connecting", "offline", "unknown"]
    state_reason: str | None = None
    gateway_id: str | None = None
    simulated: bool = False
    channels: tuple[str, ...] | None = None
    sample_rate_hz: float | None = None
    """As it is set."""
    effective_rate_hz: float | None = None
    """As it is measured."""
    loss: float | None = None
    """Share of the last minute's samples that were lost on the air."""
    rssi_dbm: int | None = None
    battery_percent: int | None = None
    n_reconnects: int | None = None
    """Since its gateway was started."""
    last_sample_at: AwareDatetime | None = None
    loss_share: float | None = None
    """Share of the whole stream's samples that are missing."""
    problem: str | None = None


class Classification(Resource):
    """What the network says about one window; `label` is None where it does not know."""

    sensor_id: str
    model_name: str
    model_version: int
    window_end_at: AwareDatetime
    label: Label | None = None
    confidence: float | None = None
    probabilities: tuple[Candidate, ...] | None = None
    unclassified_reason: str | None = None
    set_id: str | None = None
    simulated: bool = False


class ExerciseSet(Resource):
    """Uninterrupted repetitions of one exercise."""

    set_id: str
    sensor_id: str
    workout_id: str | None = None
    state: Literal["open", "closed"]
    exercise: str
    form: str | None = None
    incorrect_share: float | None = None
    started_at: AwareDatetime
    ended_at: AwareDatetime | None = None
    duration_s: float
    n_windows: int = 0
    confidence: float | None = None
    simulated: bool = False


class Live(Resource):
    """The present of one sensor."""

    sensor: Sensor
    classification: Classification | None = None
    running_set: ExerciseSet | None = None


class SignalWindow(Resource):
    """The last seconds of a sensor's signal.

    `samples` has shape (len(offsets_s), len(channels)), in the unit of each channel; `offsets_s` counts from
    `start_at`.
    """

    sensor_id: str
    channels: tuple[str, ...]
    start_at: AwareDatetime | None = None
    offsets_s: list[float]
    samples: list[list[float | None]]


class _Sensors(Resource):
    items: tuple[Sensor, ...]


class _Sets(Resource):
    items: tuple[ExerciseSet, ...]


class _Models(Resource):
    items: tuple[dict[str, Any], ...]


class LiveApi:
    """Reads what changes while people move; every method raises `ApiError` if there is no usable answer."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list_sensors(self) -> tuple[Sensor, ...]:
        """Return every sensor that was ever seen."""
        return self._connection.get(_Sensors, "/v1/sensors").items

    def get_live(self, sensor_id: str) -> Live:
        """Return the present of one sensor."""
        return self._connection.get(Live, f"/v1/sensors/{sensor_id}/live")

    def get_signal(self, sensor_id: str, *, seconds: float, max_points: int) -> SignalWindow:
        """Return the last `seconds` of the signal, thinned to at most `max_points` samples."""
        return self._connection.get(
            SignalWindow, f"/v1/sensors/{sensor_id}/samples", {"seconds": seconds, "max_points": max_points}
        )

    def list_sets(self, sensor_id: str, *, limit: int) -> tuple[ExerciseSet, ...]:
        """Return the last sets of one sensor, newest first."""
        return self._connection.get(_Sets, "/v1/sets", {"sensor_id": sensor_id, "limit": limit}).items

    def has_model(self) -> bool:
        """Tell whether there is any model to classify with."""
        return bool(self._connection.get(_Models, "/v1/models").items)
