"""`/v1/sensors/{sensor_id}/movement` and `/timeline`: what moves, in a take and over hours."""

from typing import Annotated

from fastapi import APIRouter, Query

from repsense.documents import RecordingDocument
from repsense.timestamps import MICROSECONDS, from_epoch_us
from repsense_inference.dependencies import Parts, PartsDependency, SensorIdPath, search_interval_us
from repsense_inference.live_movement import look_at_take
from repsense_inference.movement_timelines import MAX_STEPS, choose_step_us
from repsense_inference.problems import problem_responses
from repsense_inference.schemas.base import Instant, label_from
from repsense_inference.schemas.movement import (
    Interruption,
    SensorMovement,
    SensorTimeline,
    TimelinePreview,
    TimelineRecording,
    TimelineSet,
)
from repsense_inference.schemas.recordings import MAX_INTERVAL_S
from repsense_inference.schemas.workouts import ExerciseSet

__all__ = ["router"]

MAX_TIMELINE_S = 24 * 3600
"""As long as samples are kept by default."""
_LONGEST_SET_US = 2 * 3600 * MICROSECONDS
"""How long before the timeline a set may have begun that reaches into it."""

_FromQuery = Annotated[
    Instant, Query(alias="from", description="From this time on.", examples=["2026-03-01T17:40:00Z"])
]
_ToQuery = Annotated[Instant, Query(alias="to", description="Before this time.", examples=["2026-03-01T17:40:30Z"])]

router = APIRouter(prefix="/v1/sensors", tags=["sensors"])


@router.get("/{sensor_id}/movement", responses=problem_responses(422, 503))
def get_movement(
    sensor_id: SensorIdPath, from_at: _FromQuery, to_at: _ToQuery, parts: PartsDependency
) -> SensorMovement:
    """The movement in a take under way, as far as it is stored; cheap enough to be asked twice a second."""
    from_us, to_us = search_interval_us(from_at, to_at, MAX_INTERVAL_S)
    take = look_at_take(parts.samples.between(sensor_id, from_us, to_us), from_us, to_us)
    return SensorMovement(
        sensor_id=sensor_id,
        from_at=from_epoch_us(from_us),
        to_at=from_epoch_us(to_us),
        n_samples=take.n_samples,
        onset_at=None if take.onset_us is None else from_epoch_us(take.onset_us),
        end_at=None if take.end_us is None else from_epoch_us(take.end_us),
        repetitions=[from_epoch_us(time_us) for time_us in take.repetitions_us],
        preview=take.preview,
        interruptions=[Interruption(at=from_epoch_us(at_us), reason=reason) for at_us, reason in take.interruptions],
    )


@router.get("/{sensor_id}/timeline", responses=problem_responses(422, 503))
def get_sensor_timeline(
    sensor_id: SensorIdPath,
    from_at: _FromQuery,
    to_at: _ToQuery,
    parts: PartsDependency,
    max_points: Annotated[
        int, Query(ge=2, le=10_000, description=f"Of the preview, at most; it has never more than {MAX_STEPS}.")
    ] = 300,
) -> SensorTimeline:
    """Up to a day of a sensor: how much it moved, what was recorded and recognised; for labelling afterwards."""
    from_us, to_us = search_interval_us(from_at, to_at, MAX_TIMELINE_S)
    step_us = choose_step_us(to_us - from_us, max_points)
    first_step, last_step = from_us // step_us, (to_us - 1) // step_us
    oldest = parts.samples.oldest(sensor_id)
    return SensorTimeline(
        sensor_id=sensor_id,
        from_at=from_epoch_us(from_us),
        to_at=from_epoch_us(to_us),
        kept_from=None if oldest is None else from_epoch_us(oldest["first_sample_us"]),
        preview=TimelinePreview(
            start_at=from_epoch_us(first_step * step_us),
            step_s=step_us / MICROSECONDS,
            values=parts.timelines.read(sensor_id, first_step, last_step, step_us),
        ),
        recordings=_recordings(parts, sensor_id, from_us, to_us),
        sets=_sets(parts, sensor_id, from_us, to_us),
    )


def _recordings(parts: Parts, sensor_id: str, from_us: int, to_us: int) -> list[TimelineRecording]:
    found = []
    for recording in parts.recordings.overview():
        bounds = _bounds_us(recording)
        is_of_sensor = recording["sensor"] == sensor_id and not recording["deleted_us"]
        if is_of_sensor and bounds is not None and bounds[0] < to_us and bounds[1] > from_us:
            found.append((bounds, recording))
    return [
        TimelineRecording(
            recording_id=recording["_id"],
            label=label_from(recording["label"]),
            started_at=from_epoch_us(started_us),
            ended_at=from_epoch_us(ended_us),
        )
        for (started_us, ended_us), recording in sorted(found, key=lambda one: one[0])
    ]


def _bounds_us(recording: RecordingDocument) -> tuple[int, int] | None:
    """When what is left of a recording began and ended; None if it is not known."""
    started_us, rate_hz = recording["started_us"], recording["sample_rate_hz"]
    if started_us is None:
        return None
    return (
        started_us + round(recording["trim_start"] * MICROSECONDS / rate_hz),
        started_us + round(recording["trim_stop"] * MICROSECONDS / rate_hz),
    )


def _sets(parts: Parts, sensor_id: str, from_us: int, to_us: int) -> list[TimelineSet]:
    found = [
        one
        for one in parts.sets.newest_first(max(0, from_us - _LONGEST_SET_US), to_us, sensor_id)
        if one["ended_us"] > from_us
    ]
    edits = parts.set_edits.of([one["_id"] for one in found])
    sets = [ExerciseSet.from_document(one, edits.get(one["_id"])) for one in reversed(found)]
    return [
        TimelineSet(
            set_id=one.set_id, exercise=one.exercise, form=one.form, started_at=one.started_at, ended_at=one.ended_at
        )
        for one in sets
        if not one.discarded
    ]
