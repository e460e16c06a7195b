"""Sensors and their signals."""

from typing import Annotated, Literal

from pydantic import AwareDatetime, ConfigDict, Field
from pydantic.config import JsonDict

from repsense.channels import Channel
from repsense_inference.schemas.base import Resource

__all__ = [
    "SENSOR_EXAMPLE",
    "Sensor",
    "SensorList",
    "SignalWindow",
]

SENSOR_EXAMPLE: JsonDict = {
    "sensor_id": "wrist",
    "name": "Wrist",
    "state": "online",
    "state_reason": None,
    "gateway_id": "laptop",
    "simulated": False,
    "stream_id": "5f0c2a7e",
    "channels": ["ax", "ay", "az", "gx", "gy", "gz", "mx", "my", "mz"],
    "sample_rate_hz": 50.0,
    "effective_rate_hz": 49.98,
    "loss": 0.002,
    "rssi_dbm": -61,
    "battery_percent": 83,
    "n_reconnects": 2,
    "first_seen_at": "2026-03-01T17:00:00Z",
    "last_sample_at": "2026-03-01T17:42:10.180000Z",
    "n_samples": 126500,
    "n_lost": 20,
    "n_duplicate": 0,
    "loss_share": 0.000158,
    "problem": None,
}


class Sensor(Resource):
    """A sensor: what it is, whether it can be reached and how well its samples arrive."""

    model_config = ConfigDict(json_schema_extra={"examples": [SENSOR_EXAMPLE]})

    sensor_id: str
    name: Annotated[str, Field(description="What to call it on a screen.")]
    state: Annotated[
        Literal["online", "connecting", "offline", "unknown"],
        Field(description='"offline" also while its gateway is; "unknown" if nobody reports it.'),
    ]
    state_reason: Annotated[str | None, Field(description="In words, where the state needs explaining.")]
    gateway_id: str | None
    simulated: Annotated[bool, Field(description="True unless a person's body moves.")]
    stream_id: Annotated[str | None, Field(description="The current connection to the sensor.")]
    channels: tuple[Channel, ...] | None
    sample_rate_hz: Annotated[float | None, Field(description="The nominal rate.")]
    effective_rate_hz: Annotated[float | None, Field(description="The rate as measured.")]
    loss: Annotated[
        float | None, Field(description="Lost on the air, of all samples of the last minute: 0 to 1; null if unknown.")
    ]
    rssi_dbm: Annotated[
        int | None,
        Field(description="Signal strength of its newest advertisement; a connected sensor does not advertise."),
    ]
    battery_percent: Annotated[int | None, Field(description="Null if the sensor does not tell.")]
    n_reconnects: Annotated[
        int | None,
        Field(description="How often the connection was made anew since its gateway started; null if nobody reports."),
    ]
    first_seen_at: AwareDatetime | None
    last_sample_at: Annotated[
        AwareDatetime | None, Field(description="In the list of all sensors it may be a few seconds old.")
    ]
    n_samples: Annotated[int, Field(description="Received in the current stream, as are the next two.")]
    n_lost: int
    n_duplicate: int
    loss_share: Annotated[float, Field(description="Lost, of all samples of the current stream: 0 to 1.")]
    problem: Annotated[str | None, Field(description="In words, why the stream cannot be classified.")]


class SensorList(Resource):
    """Every sensor."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [SENSOR_EXAMPLE]}]})

    items: list[Sensor]


class SignalWindow(Resource):
    """A stretch of a sensor's signal, thinned for drawing."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "sensor_id": "wrist",
                    "channels": ["ax", "ay", "az"],
                    "units": {"ax": "m/s^2", "ay": "m/s^2", "az": "m/s^2"},
                    "start_at": "2026-03-01T17:42:00.180000Z",
                    "offsets_s": [0.0, 0.02],
                    "samples": [[0.12, -0.4, 9.79], [0.15, -0.38, 9.8]],
                }
            ]
        }
    )

    sensor_id: str
    channels: tuple[Channel, ...]
    units: dict[Channel, str]
    start_at: Annotated[AwareDatetime | None, Field(description="Time of the first sample; null if there is none.")]
    offsets_s: Annotated[list[float], Field(description="Seconds from start_at, one per sample, rising.")]
    samples: Annotated[list[list[float]], Field(description="One row per sample, one value per channel.")]
