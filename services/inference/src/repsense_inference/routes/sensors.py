"""`/v1/sensors`: what is known of each sensor, its present and its signal."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query

from repsense.channels import UNITS
from repsense.timestamps import MICROSECONDS, from_epoch_us
from repsense_inference.dependencies import (
    FromQuery,
    Parts,
    PartsDependency,
    SensorIdPath,
    ToQuery,
    search_interval_us,
)
from repsense_inference.presence import merge_sensor
from repsense_inference.problems import invalid_request, not_found, problem_responses
from repsense_inference.schemas.classifications import Classification
from repsense_inference.schemas.sensors import Sensor, SensorList, SignalWindow
from repsense_inference.schemas.workouts import ExerciseSet, Live
from repsense_inference.signals import Signal, written_out

__all__ = ["router"]

MAX_SIGNAL_S = 600
"""Ten minutes of 50 Hz are some 3,000 chunks, which are read in a fraction of a second."""

router = APIRouter(prefix="/v1/sensors", tags=["sensors"])


@router.get("", responses=problem_responses(503))
def list_sensors(parts: PartsDependency) -> SensorList:
    """Every sensor that ever sent samples or that a gateway reports now."""
    documents = {document["_id"]: document for document in parts.sensors.all()}
    connected = parts.hub.broker_fault is None
    return SensorList(
        items=[
            merge_sensor(sensor_id, documents.get(sensor_id), parts.hub.status(sensor_id), broker_connected=connected)
            for sensor_id in sorted(documents.keys() | parts.hub.sensor_ids())
        ]
    )


@router.get("/{sensor_id}", responses=problem_responses(404, 422, 503))
def get_sensor(sensor_id: SensorIdPath, parts: PartsDependency) -> Sensor:
    """One sensor."""
    return _read_sensor(sensor_id, parts)


@router.get("/{sensor_id}/live", responses=problem_responses(404, 422, 503))
def get_live(sensor_id: SensorIdPath, parts: PartsDependency) -> Live:
    """What a sensor's wearer does now; cheap enough to be asked several times per second."""
    sensor = _read_sensor(sensor_id, parts)
    message = parts.hub.newest(sensor_id)
    classification: Classification | None
    if message is not None:
        classification = Classification.from_message(message)
        newest_set = parts.sets.get(message.running_set.set_id) if message.running_set else None
    else:
        # Nothing came since this service is connected: it has just started, or the sensor rests.
        document = parts.classifications.newest(sensor_id)
        classification = document and Classification.from_document(document, *parts.labels.of([document]))
        newest_set = parts.sets.newest(sensor_id)
    running_set = None
    if newest_set and newest_set["state"] == "open":
        running_set = ExerciseSet.from_document(newest_set)
    return Live(sensor=sensor, classification=classification, running_set=running_set)


@router.get("/{sensor_id}/samples", responses=problem_responses(404, 422, 503))
def get_samples(
    *,
    sensor_id: SensorIdPath,
    parts: PartsDependency,
    seconds: Annotated[
        float, Query(gt=0, le=MAX_SIGNAL_S, description="How much, up to the newest stored sample.")
    ] = 10.0,
    max_points: Annotated[int, Query(ge=2, le=10_000, description="Thin out evenly to at most so many samples.")] = 600,
    from_at: FromQuery = None,
    to_at: ToQuery = None,
) -> SignalWindow:
    """The newest stored seconds of a sensor's signal, or those between `from` and `to`."""
    stretch = _stretch_us(sensor_id, seconds, from_at, to_at, parts)
    chunks = parts.samples.between(sensor_id, *stretch) if stretch else []
    if not stretch or not chunks:
        # Nothing stored; that it is an unknown sensor is another thing to say.
        channels = _read_sensor(sensor_id, parts).channels or ()
        return SignalWindow(
            sensor_id=sensor_id,
            channels=channels,
            units={channel: UNITS[channel] for channel in channels},
            start_at=None,
            offsets_s=[],
            samples=[],
        )
    signal = Signal.from_chunks(chunks, *stretch).thinned(max_points)
    start_us = int(signal.times_us[0]) if len(signal.times_us) else None
    return SignalWindow(
        sensor_id=sensor_id,
        channels=signal.channels,
        units={channel: UNITS[channel] for channel in signal.channels},
        start_at=None if start_us is None else from_epoch_us(start_us),
        offsets_s=((signal.times_us - (start_us or 0)) / MICROSECONDS).tolist(),
        samples=written_out(signal.samples),
    )


def _read_sensor(sensor_id: str, parts: Parts) -> Sensor:
    document, status = parts.sensors.get(sensor_id), parts.hub.status(sensor_id)
    if document is None and status is None:
        raise not_found(sensor_id, "sensor")
    sensor = merge_sensor(sensor_id, document, status, broker_connected=parts.hub.broker_fault is None)
    newest = parts.samples.newest(sensor_id)
    # The sensor's own document is brought up to date only every few seconds.
    if newest is not None and (document is None or newest["last_sample_us"] > document["last_sample_us"]):
        return sensor.model_copy(update={"last_sample_at": from_epoch_us(newest["last_sample_us"])})
    return sensor


def _stretch_us(
    sensor_id: str, seconds: float, from_at: datetime | None, to_at: datetime | None, parts: Parts
) -> tuple[int, int] | None:
    """From when and until when, exclusive; None if nothing is stored."""
    if from_at is None and to_at is None:
        newest = parts.samples.newest(sensor_id)
        if newest is None:
            return None
        end_us = newest["last_sample_us"] + 1
        return max(0, end_us - round(seconds * MICROSECONDS)), end_us
    if from_at is None or to_at is None:
        detail = "give both from and to, or seconds instead"
        raise invalid_request(detail)
    return search_interval_us(from_at, to_at, MAX_SIGNAL_S)
