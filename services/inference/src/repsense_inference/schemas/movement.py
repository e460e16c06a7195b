"""What moves in a sensor's stored signal: during a take, and over the last hours."""

from typing import Annotated

from pydantic import AwareDatetime, ConfigDict, Field
from pydantic.config import JsonDict

from repsense.labels import Label
from repsense_inference.schemas.base import PUSH_UP, Resource

__all__ = [
    "Interruption",
    "SensorMovement",
    "SensorTimeline",
    "TimelinePreview",
    "TimelineRecording",
    "TimelineSet",
]

_MOVEMENT_EXAMPLE: JsonDict = {
    "sensor_id": "wrist",
    "from": "2026-03-01T17:40:00Z",
    "to": "2026-03-01T17:40:30Z",
    "n_samples": 1500,
    "onset_at": "2026-03-01T17:40:03.200000Z",
    "end_at": "2026-03-01T17:40:27.200000Z",
    "repetitions": ["2026-03-01T17:40:04.600000Z", "2026-03-01T17:40:07.100000Z"],
    "preview": [0.1, 0.1, 2.4, 3.1, 2.8, 0.2],
    "interruptions": [],
}
_TIMELINE_EXAMPLE: JsonDict = {
    "sensor_id": "wrist",
    "from": "2026-03-01T17:00:00Z",
    "to": "2026-03-01T18:00:00Z",
    "kept_from": "2026-02-28T18:00:00Z",
    "preview": {"start_at": "2026-03-01T17:00:00Z", "step_s": 10.0, "values": [0.1, None, 2.4]},
    "recordings": [
        {
            "recording_id": "3f9a1c5e7b2d4f60819a2b3c4d5e6f70",
            "label": PUSH_UP,
            "started_at": "2026-03-01T17:40:03.200000Z",
            "ended_at": "2026-03-01T17:40:27.200000Z",
        }
    ],
    "sets": [
        {
            "set_id": "wrist-1772386900000000",
            "exercise": "push-up",
            "form": "correct",
            "started_at": "2026-03-01T17:41:40Z",
            "ended_at": "2026-03-01T17:42:10Z",
        }
    ],
}


class _Interval(Resource):
    sensor_id: str
    from_at: Annotated[AwareDatetime, Field(alias="from")]
    to_at: Annotated[AwareDatetime, Field(alias="to")]


class Interruption(Resource):
    """Where a signal breaks off."""

    at: AwareDatetime
    reason: Annotated[str, Field(description="In words.", examples=["the sensor was disconnected"])]


class SensorMovement(_Interval):
    """The movement in a stretch of a sensor's signal, as far as it is stored by now."""

    model_config = ConfigDict(validate_by_name=True, json_schema_extra={"examples": [_MOVEMENT_EXAMPLE]})

    n_samples: int
    onset_at: Annotated[AwareDatetime | None, Field(description="Null as long as nothing stands out from rest.")]
    end_at: Annotated[AwareDatetime | None, Field(description="End of the movement so far.")]
    repetitions: Annotated[list[AwareDatetime], Field(description="The middle of each; empty without a rhythm.")]
    preview: Annotated[list[float], Field(description="Movement, evenly spread, at most 120 values; m/s^2.")]
    interruptions: list[Interruption]


class TimelinePreview(Resource):
    """How strong the movement was, in even steps."""

    start_at: Annotated[AwareDatetime, Field(description="Of the first step, which may begin before `from`.")]
    step_s: float
    values: Annotated[
        list[float | None],
        Field(description="m/s^2; null where nothing is stored. Of a long step a part is looked at."),
    ]


class TimelineRecording(Resource):
    """A recording that was taken in that time."""

    recording_id: str
    label: Label | None
    started_at: AwareDatetime
    ended_at: AwareDatetime


class TimelineSet(Resource):
    """A set that was recognised in that time, as it was corrected."""

    set_id: str
    exercise: str
    form: str | None
    started_at: AwareDatetime
    ended_at: AwareDatetime


class SensorTimeline(_Interval):
    """What is stored of some hours, for labelling afterwards."""

    model_config = ConfigDict(validate_by_name=True, json_schema_extra={"examples": [_TIMELINE_EXAMPLE]})

    kept_from: Annotated[
        AwareDatetime | None, Field(description="From when on the sensor's signal is stored; null if nothing is.")
    ]
    preview: TimelinePreview
    recordings: Annotated[list[TimelineRecording], Field(description="Oldest first, as the sets.")]
    sets: list[TimelineSet]
