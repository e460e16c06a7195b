"""What a person says of their sensors. `sensors_file` reads it from a file."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from repsense.topics import SensorId
from repsense_ble_gateway.mounting import Mounting, rotation

__all__ = ["GatewayConfiguration", "SensorConfiguration"]


class SensorConfiguration(BaseModel):
    """One sensor."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: SensorId
    """Its id in topics."""
    name: Annotated[str, Field(min_length=1, max_length=60)] | None = None
    """What to call it on a screen; the id by default."""
    address: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    """As the system writes it: six bytes in hexadecimal, or a UUID on macOS."""
    ble_name: Annotated[str, Field(min_length=1, max_length=248)] | None = None
    """The name that it advertises, in place of the address."""
    profile: str | None = None
    """The kind of sensor; recognised by its characteristics by default."""
    rate_hz: Annotated[float, Field(gt=0, le=10_000)] | None = None
    """Samples per second to ask for; the profile's own by default."""
    acceleration_range_g: Annotated[float, Field(gt=0)] | None = None
    """Full scale to ask for, or to reckon with where it cannot be set; the profile's own by default."""
    angular_rate_range_deg_s: Annotated[float, Field(gt=0)] | None = None
    """Likewise."""
    magnetometer: bool = True
    """Whether to read the magnetic field of a sensor that has a magnetometer."""
    mounting: Mounting | None = None
    """Which of the sensor's axes lies along x, y and z of the body, such as -y, x, z."""
    magnetometer_mounting: Mounting | None = None
    """Likewise for a magnetometer whose axes are not those of the accelerometer; `mounting` by default."""

    @field_validator("mounting", "magnetometer_mounting")
    @classmethod
    def _turns(cls, mounting: Mounting | None) -> Mounting | None:
        if mounting is not None:
            rotation(mounting)
        return mounting

    @model_validator(mode="after")
    def _one_way_to_find_it(self) -> Self:
        if (self.address is None) == (self.ble_name is None):
            msg = "give either address or ble_name"
            raise ValueError(msg)
        return self

    @property
    def title(self) -> str:
        """What to call it on a screen."""
        return self.name or self.id

    @property
    def place(self) -> str:
        """How to find it, for people."""
        return self.address or f'a sensor named "{self.ble_name}"'


class GatewayConfiguration(BaseModel):
    """The sensors of one gateway."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sensors: tuple[SensorConfiguration, ...] = ()
