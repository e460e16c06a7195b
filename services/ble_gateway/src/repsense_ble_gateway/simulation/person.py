"""A simulated person: one set after another, with rests and the moves from one pose to the next."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from repsense.labels import Label
from repsense_ble_gateway.simulation.exercises import EXERCISES, STANDING, Exercise
from repsense_ble_gateway.simulation.imu import Imu
from repsense_ble_gateway.simulation.motion import Hold, Motion, SetOfRepetitions, Tremor, Turn
from repsense_ble_gateway.simulation.rotations import Matrices, Vectors, rotation_matrices, rotation_vectors

__all__ = ["USUAL_REST_S", "Person", "Stretch"]

_FIRST_REST_S = 0.4
"""Short, so that somebody who looks at a new installation soon sees something."""
_SET_S = (20.0, 35.0)
USUAL_REST_S = (8.0, 15.0)
_TURN_S = (1.0, 1.6)
_REST_STANDING_SHARE = 0.6
"""How often a rest is spent upright; otherwise in the pose of the exercise."""
_SWAY_DEG = 0.3
_SWAY_BAND_HZ = (0.1, 0.5)
"""Postural sway of a body that stands still is of this size and slowness."""
_SHAKE_BAND_HZ = (3.0, 8.0)
_ONSET_S = 0.3
"""How quickly a set's shaking begins and ends."""
_DERIVATIVE_STEP_S = 1e-3


@dataclass(frozen=True, slots=True)
class Stretch:
    """Consecutive samples of one kind of movement.

    Attributes:
        label: The exercise; None at rest and between exercises.
        repetition: (n,) int64, for each sample the number of the repetition, from 1; 0 where there is no exercise.
        samples: (n, 9) float32, SI units, channels in canonical order.
        orientation: (n, 3, 3), what no sensor knows: the rotation from sensor to world axes.
    """

    label: Label | None
    repetition: NDArray[np.int64]
    samples: NDArray[np.float32]
    orientation: Matrices


class Person:
    """One person with a sensor on; what they do is decided by the seed."""

    def __init__(
        self,
        seed: int,
        sample_rate_hz: float,
        exercises: Sequence[Exercise] = EXERCISES,
        rest_s: tuple[float, float] = USUAL_REST_S,
    ) -> None:
        """Draw a person.

        Args:
            seed: Decides who they are and everything that they do.
            sample_rate_hz: Rate of the sensor.
            exercises: What their workout consists of; at least one.
            rest_s: How long they rest between two sets, at least and at most.
        """
        self._rest_s = rest_s
        self._exercises = exercises
        self._generator = np.random.default_rng(seed)
        self._rate_hz = sample_rate_hz
        self._imu = Imu.draw(self._generator)
        # Nobody puts a sensor on in the same place twice.
        self._mounting = rotation_matrices(np.radians(self._generator.normal(0, 2.5, (1, 3))))
        self._tempo = float(np.exp(self._generator.normal(0, 0.08)))
        self._depth = float(np.exp(self._generator.normal(0, 0.06)))
        self._posture = {
            exercise.label: float(np.radians(self._generator.normal(0, exercise.posture_sd_deg)))
            for exercise in EXERCISES
        }
        self._sway = Tremor.draw(self._generator, _SWAY_BAND_HZ, np.radians(_SWAY_DEG))
        self._shaking = Tremor.draw(self._generator, _SHAKE_BAND_HZ, 1.0)
        self._begun_s = 0.0
        self._n_samples = 0

    def workout(self) -> Iterator[Stretch]:
        """Sets of the exercises in changing order, without end."""
        pose = self._worn(STANDING.orientation())
        yield self._measured(Hold(pose, _FIRST_REST_S))
        last: Exercise | None = None
        while True:
            order = [self._exercises[index] for index in self._generator.permutation(len(self._exercises))]
            if order[0] is last:
                order.append(order.pop(0))
            for exercise in order:
                repetitions = self.draw_set(exercise)
                start = repetitions.orientation(np.zeros(1))
                yield self._measured(self._turn(pose, start))
                yield self._measured(repetitions, exercise)
                stop = repetitions.orientation(np.array([repetitions.duration_s]))
                standing = self._generator.random() < _REST_STANDING_SHARE
                pose = self._worn(STANDING.orientation()) if standing else stop
                if standing:
                    yield self._measured(self._turn(stop, pose))
                yield self._measured(Hold(pose, self._generator.uniform(*self._rest_s)))
            last = order[-1]

    def draw_set(self, exercise: Exercise) -> SetOfRepetitions:
        """A set of one exercise, no repetition like another, slower and shallower towards its end."""
        length_s = self._generator.uniform(*_SET_S)
        first, second = np.radians(exercise.angles_deg) + self._posture[exercise.label]
        middle, half = (first + second) / 2, (second - first) / 2
        times_s, angles = [0.0], [middle - half * self._depth]
        while times_s[-1] < length_s:
            fatigue = times_s[-1] / length_s
            tempo = self._tempo * float(np.exp(self._generator.normal(0, 0.07))) * (1 + 0.2 * fatigue**2)
            depth = self._depth * (1 - 0.08 * fatigue**2)
            turning = middle + half * (depth + self._generator.normal(0, 0.06))
            returned = middle - half * (depth + self._generator.normal(0, 0.06))
            parts_s = np.array([exercise.there_s, exercise.pauses_s[0], exercise.back_s, exercise.pauses_s[1]])
            parts_s = np.maximum(parts_s * tempo, 1e-3)
            times_s.extend(times_s[-1] + np.cumsum(parts_s))
            angles.extend([turning, turning, returned, returned])
        return SetOfRepetitions(
            exercise=exercise,
            pose=self._worn(exercise.pose.orientation()),
            knot_times_s=np.array(times_s),
            knot_angles_rad=np.array(angles),
            wobble_phase_rad=float(self._generator.uniform(0, 2 * np.pi)),
        )

    def _worn(self, pose: Matrices) -> Matrices:
        worn: Matrices = pose @ self._mounting
        return worn

    def _turn(self, start: Matrices, stop: Matrices) -> Turn:
        return Turn(start, stop, self._generator.uniform(*_TURN_S))

    def _measured(self, motion: Motion, exercise: Exercise | None = None) -> Stretch:
        stop = int(np.ceil((self._begun_s + motion.duration_s) * self._rate_hz))
        now_s = np.arange(self._n_samples, stop) / self._rate_hz
        times_s = now_s - self._begun_s
        orientation = self._orientation(motion, times_s)
        step = _DERIVATIVE_STEP_S
        turned = self._orientation(motion, times_s - step).transpose(0, 2, 1) @ self._orientation(
            motion, times_s + step
        )
        acceleration = motion.acceleration(times_s)
        repetition = np.zeros(len(times_s), dtype=np.int64)
        if exercise is not None and isinstance(motion, SetOfRepetitions):
            repetition = motion.repetition(times_s)
            acceleration = acceleration + self._shake(exercise, motion.duration_s, times_s)
        samples = self._imu.measure(orientation, acceleration, rotation_vectors(turned) / (2 * step), self._generator)
        self._begun_s += motion.duration_s
        self._n_samples = stop
        return Stretch(exercise.label if exercise else None, repetition, samples, orientation)

    def _orientation(self, motion: Motion, times_s: NDArray[np.float64]) -> Matrices:
        turned: Matrices = motion.orientation(times_s) @ rotation_matrices(self._sway.at(self._begun_s + times_s))
        return turned

    def _shake(self, exercise: Exercise, duration_s: float, times_s: NDArray[np.float64]) -> Vectors:
        onset = np.clip(np.minimum(times_s, duration_s - times_s) / _ONSET_S, 0, 1)
        shaking: Vectors = exercise.roughness_m_s2 * onset[:, np.newaxis] * self._shaking.at(self._begun_s + times_s)
        return shaking
