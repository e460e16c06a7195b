"""What an MPU-9250 as in the research prototype makes of a movement."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from repsense_ble_gateway.packets import STANDARD_GRAVITY_M_S2
from repsense_ble_gateway.simulation.exercises import MAGNETIC_DIP_RAD
from repsense_ble_gateway.simulation.rotations import Matrices, Vectors

__all__ = ["Imu"]

_FIELD_UT = 45.4
"""Strength of the earth's field, measured on the bodyweight dataset of the research prototype, as is the next."""
_HARD_IRON_UT = (-31.3, 4.1, -34.3)
"""The constant field of the prototype's own board."""
_REACTION_TO_GRAVITY = np.array([0.0, 0.0, STANDARD_GRAVITY_M_S2])
"""In world axes: an accelerometer at rest reads one g upwards."""
_MAGNETOMETER_AXES = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, -1.0]])
"""From the accelerometer's axes to the magnetometer's: x and y change places and z points the other way (MPU-9250
product specification, section 9.1). The prototype's firmware left it at that, so the network was trained so."""
_ACCELERATION_LIMIT = 2 * STANDARD_GRAVITY_M_S2
_ANGULAR_RATE_LIMIT = float(np.radians(250))
"""The ranges that the prototype's firmware set: +-2 g and +-250 deg/s."""


@dataclass(frozen=True, slots=True)
class Imu:
    """One sensor with its own small faults.

    Attributes:
        acceleration_bias: (3,) m/s^2
        angular_rate_bias: (3,) rad/s
        magnetic_bias: (3,) uT, beside the board's own field
        acceleration_noise: Standard deviation, m/s^2.
        angular_rate_noise: Standard deviation, rad/s.
        magnetic_noise: Standard deviation, uT.
    """

    acceleration_bias: NDArray[np.float64]
    angular_rate_bias: NDArray[np.float64]
    magnetic_bias: NDArray[np.float64]
    acceleration_noise: float = 0.04
    angular_rate_noise: float = 0.004
    magnetic_noise: float = 0.9

    @classmethod
    def draw(cls, generator: np.random.Generator) -> Self:
        """A sensor with random biases: calibrated once, then worn for a while."""
        return cls(
            acceleration_bias=generator.normal(0, 0.3, 3),
            angular_rate_bias=generator.normal(0, 0.03, 3),
            magnetic_bias=generator.normal(0, 1.0, 3),
        )

    def measure(
        self, orientation: Matrices, acceleration: Vectors, angular_rate: Vectors, generator: np.random.Generator
    ) -> NDArray[np.float32]:
        """All nine channels.

        Args:
            orientation: (n, 3, 3) rotations from sensor to world axes (magnetic north, west, up).
            acceleration: (n, 3) in world axes, without gravity, m/s^2.
            angular_rate: (n, 3) in sensor axes, rad/s.
            generator: Where the noise comes from.

        Returns:
            (n, 9) float32, channels in canonical order, SI units.
        """
        to_sensor = orientation.transpose(0, 2, 1)
        force = np.einsum("nij,nj->ni", to_sensor, acceleration + _REACTION_TO_GRAVITY)
        world_field = _FIELD_UT * np.array([np.cos(MAGNETIC_DIP_RAD), 0, -np.sin(MAGNETIC_DIP_RAD)])
        field = (to_sensor @ world_field) @ _MAGNETOMETER_AXES.T + _HARD_IRON_UT
        measured = np.concatenate(
            [
                np.clip(force + self.acceleration_bias, -_ACCELERATION_LIMIT, _ACCELERATION_LIMIT),
                np.clip(angular_rate + self.angular_rate_bias, -_ANGULAR_RATE_LIMIT, _ANGULAR_RATE_LIMIT),
                field + self.magnetic_bias,
            ],
            axis=1,
        )
        noise = np.repeat([self.acceleration_noise, self.angular_rate_noise, self.magnetic_noise], 3)
        noisy: NDArray[np.float32] = (measured + generator.normal(size=measured.shape) * noise).astype(np.float32)
        return noisy
