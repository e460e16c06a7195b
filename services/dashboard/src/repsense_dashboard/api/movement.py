"""What moves in a sensor's stored signal: during a take, and over the last hours."""

from datetime import datetime

from pydantic import AwareDatetime

from repsense_dashboard.api.connection import Connection, Resource
from repsense_dashboard.api.live import Label

__all__ = [
    "Interruption",
    "LabelledStretch",
    "Movement",
    "MovementApi",
    "RecognisedSet",
    "Timeline",
    "TimelinePreview",
]


class Interruption(Resource):
    """Where signal is missing, and why."""

    at: AwareDatetime
    reason: str


class Movement(Resource):
    """The movement in a stretch of signal."""

    sensor_id: str
    end_at: AwareDatetime | None = None
    repetitions: tuple[AwareDatetime, ...] = ()
    """The middle of each."""
    preview: tuple[float, ...] = ()
    interruptions: tuple[Interruption, ...] = ()


class TimelinePreview(Resource):
    """How strong the movement was, in even steps; None where nothing is stored."""

    start_at: AwareDatetime
    step_s: float
    values: tuple[float | None, ...]


class LabelledStretch(Resource):
    """A recording on the timeline."""

    recording_id: str
    label: Label | None = None
    started_at: AwareDatetime
    ended_at: AwareDatetime


class RecognisedSet(Resource):
    """A set that the network recognised, on the timeline."""

    set_id: str
    exercise: str
    form: str | None = None
    started_at: AwareDatetime
    ended_at: AwareDatetime | None = None
    """None while it goes on."""


class Timeline(Resource):
    """What is stored of a sensor's last hours."""

    sensor_id: str
    kept_from: AwareDatetime | None = None
    """When the oldest stored sample was taken."""
    preview: TimelinePreview
    recordings: tuple[LabelledStretch, ...] = ()
    sets: tuple[RecognisedSet, ...] = ()


class MovementApi:
    """Reads movement; every method raises `ApiError` if there is no usable answer."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get_movement(self, sensor_id: str, from_at: datetime, to_at: datetime) -> Movement:
        """Return the movement of a take; cheap enough to be asked twice a second."""
        params = {"from": from_at.isoformat(), "to": to_at.isoformat()}
        return self._connection.get(Movement, f"/v1/sensors/{sensor_id}/movement", params)

    def get_timeline(self, sensor_id: str, from_at: datetime, to_at: datetime, *, max_points: int) -> Timeline:
        """Return a stretch of the past, at most a day."""
        params: dict[str, str | float | bool | list[str]] = {"from": from_at.isoformat(), "to": to_at.isoformat()}
        params["max_points"] = max_points
        return self._connection.get(Timeline, f"/v1/sensors/{sensor_id}/timeline", params, patient=True)
