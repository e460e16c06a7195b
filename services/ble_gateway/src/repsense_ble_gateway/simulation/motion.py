"""Movements: the sensor's orientation and acceleration as functions of time.

Everything that a sensor measures follows from these two functions, so what the simulated accelerometer, gyroscope
and magnetometer show always fits together.
"""

from dataclasses import dataclass, field
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from repsense_ble_gateway.packets import STANDARD_GRAVITY_M_S2
from repsense_ble_gateway.simulation.exercises import Exercise
from repsense_ble_gateway.simulation.rotations import Matrices, Vectors, rotation_matrices, rotation_vectors

__all__ = ["Hold", "Motion", "SetOfRepetitions", "Tremor", "Turn"]

_Times = NDArray[np.float64]
"""(n,), seconds from the beginning of the motion."""


class Motion(Protocol):
    """A movement of a certain length."""

    @property
    def duration_s(self) -> float:
        """How long it lasts."""
        ...

    def orientation(self, times_s: _Times) -> Matrices:
        """The rotation from sensor to world axes (magnetic north, west, up) at each time."""
        ...

    def acceleration(self, times_s: _Times) -> Vectors:
        """The sensor's acceleration in world axes, without gravity, m/s^2."""
        ...


@dataclass(frozen=True, slots=True)
class Hold:
    """Staying in a pose."""

    pose: Matrices
    duration_s: float

    def orientation(self, times_s: _Times) -> Matrices:
        """See `Motion`."""
        return np.broadcast_to(self.pose, (len(times_s), 3, 3))

    def acceleration(self, times_s: _Times) -> Vectors:
        """See `Motion`."""
        return np.zeros((len(times_s), 3))


@dataclass(frozen=True, slots=True)
class Turn:
    """Going from one pose to another on the shortest way, smoothly."""

    start: Matrices
    stop: Matrices
    duration_s: float

    def orientation(self, times_s: _Times) -> Matrices:
        """See `Motion`."""
        whole = rotation_vectors(self.start.transpose(0, 2, 1) @ self.stop)
        share, _ = _minimum_jerk(np.clip(times_s / self.duration_s, 0, 1))
        turned: Matrices = self.start @ rotation_matrices(share[:, np.newaxis] * whole)
        return turned

    def acceleration(self, times_s: _Times) -> Vectors:
        """See `Motion`."""
        return np.zeros((len(times_s), 3))


@dataclass(frozen=True, slots=True)
class SetOfRepetitions:
    """Repetitions of one exercise, each with its own tempo and depth.

    Attributes:
        exercise: Which one.
        pose: Orientation at angle zero, shape (1, 3, 3).
        knot_times_s: (n_repetitions * 4 + 1,) when each part of each repetition begins: there, pause, back, pause.
        knot_angles_rad: The angle at each of these times.
        wobble_phase_rad: Where the turning about the other directions begins in each repetition.
    """

    exercise: Exercise
    pose: Matrices
    knot_times_s: _Times
    knot_angles_rad: NDArray[np.float64]
    wobble_phase_rad: float = 0.0

    _PARTS = 4

    @property
    def duration_s(self) -> float:
        """How long it lasts."""
        return float(self.knot_times_s[-1])

    @property
    def n_repetitions(self) -> int:
        """How many repetitions there are."""
        return (len(self.knot_times_s) - 1) // self._PARTS

    def repetition(self, times_s: _Times) -> NDArray[np.int64]:
        """The number of the repetition at each time, from 1."""
        numbers = np.searchsorted(self.knot_times_s[:: self._PARTS], times_s, side="right")
        return np.clip(numbers, 1, self.n_repetitions).astype(np.int64)

    def orientation(self, times_s: _Times) -> Matrices:
        """See `Motion`."""
        angles, _ = self._interpolate(times_s)
        axis = np.array(self.exercise.axis) / np.linalg.norm(self.exercise.axis)
        # Of the two other directions the one that was seen to turn more: near the sensor axis that the first is not.
        across = np.eye(3)[np.argmin(np.abs(axis))]
        across = across - np.dot(across, axis) * axis
        across /= np.linalg.norm(across)
        phase = 2 * np.pi * self._phase(times_s)
        # Begins and ends each repetition at zero, so that sets join the poses before and after them.
        swing = np.sin(phase + self.wobble_phase_rad) - np.sin(self.wobble_phase_rad)
        wobble = np.radians(self.exercise.wobble_deg) * (
            swing[:, np.newaxis] * across + np.sin(2 * phase)[:, np.newaxis] * np.cross(axis, across) / 3
        )
        # The angle is that of the world as seen from the sensor, hence the sign.
        turned: Matrices = self.pose @ rotation_matrices(-angles[:, np.newaxis] * axis) @ rotation_matrices(wobble)
        return turned

    def acceleration(self, times_s: _Times) -> Vectors:
        """See `Motion`."""
        vertical = (
            self._jumping(times_s)
            if self.exercise.flight_share
            else self.exercise.lift_m * self._interpolate(times_s)[1]
        )
        return np.asarray(np.outer(vertical, (0.0, 0.0, 1.0)), dtype=np.float64)

    def _phase(self, times_s: _Times) -> NDArray[np.float64]:
        starts = self.knot_times_s[:: self._PARTS]
        return np.asarray(np.interp(times_s, starts, np.arange(len(starts))) % 1, dtype=np.float64)

    def _jumping(self, times_s: _Times) -> NDArray[np.float64]:
        """Free fall in flight; on the ground a push whose mean over the repetition carries the body's weight."""
        flight = self.exercise.flight_share
        ground = np.clip(self._phase(times_s) / (1 - flight), 0, 1)
        push = STANDARD_GRAVITY_M_S2 / (1 - flight) * np.pi / 2 * np.sin(np.pi * ground)
        return push - STANDARD_GRAVITY_M_S2

    def _interpolate(self, times_s: _Times) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The angle in radians, and the second derivative of the progress from first to second angle, 1/s^2."""
        part = np.clip(np.searchsorted(self.knot_times_s, times_s, side="right") - 1, 0, len(self.knot_times_s) - 2)
        length_s = np.diff(self.knot_times_s)[part]
        change = np.diff(self.knot_angles_rad)[part]
        share, curvature = _minimum_jerk(np.clip((times_s - self.knot_times_s[part]) / length_s, 0, 1))
        first, second = np.radians(self.exercise.angles_deg)
        return self.knot_angles_rad[part] + share * change, curvature / length_s**2 * change / (second - first)


@dataclass(frozen=True, slots=True)
class Tremor:
    """Small irregular movement that no body is without: a sum of sinusoids.

    Attributes:
        frequencies_hz: (k,)
        amplitudes: (k, 3) in the unit of the result.
        phases_rad: (k, 3)
    """

    frequencies_hz: NDArray[np.float64]
    amplitudes: NDArray[np.float64]
    phases_rad: NDArray[np.float64] = field(repr=False)

    @classmethod
    def draw(cls, generator: np.random.Generator, band_hz: tuple[float, float], standard_deviation: float) -> Self:
        """A random tremor within a band, with a standard deviation per axis."""
        n_sinusoids = 8
        return cls(
            generator.uniform(*band_hz, n_sinusoids),
            np.full((n_sinusoids, 3), standard_deviation * np.sqrt(2 / n_sinusoids)),
            generator.uniform(0, 2 * np.pi, (n_sinusoids, 3)),
        )

    def at(self, times_s: _Times) -> Vectors:
        """The tremor at each time, shape (n, 3)."""
        turns = 2 * np.pi * times_s[:, np.newaxis, np.newaxis] * self.frequencies_hz[:, np.newaxis]
        vectors: Vectors = (self.amplitudes * np.sin(turns + self.phases_rad)).sum(axis=1)
        return vectors


def _minimum_jerk(share: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The smoothest way from 0 to 1 and its second derivative.

    T. Flash, N. Hogan, The coordination of arm movements, J. Neurosci. 5 (1985) 1688-1703.
    """
    return share**3 * (10 - 15 * share + 6 * share**2), share * (60 - 180 * share + 120 * share**2)
