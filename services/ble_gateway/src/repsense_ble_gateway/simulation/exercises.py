"""The exercises of the simulated person: how the sensor lies, turns and is shaken in each.

The numbers were measured on the bodyweight dataset of the research prototype (7 exercises, 15 sessions, 2 Hz), by
fitting one rigid body to all of it. Session by session its magnetic vectors lie within 1 uT on a sphere of 45.4 uT;
taken together with the gyroscope they show that the magnetometer's axes are not the accelerometer's (see `imu`). In
each exercise the sensor turns about one axis that is fixed to it. Given that axis (principal direction of the angular
rate) and the angle about it (from the magnetic vector), the accelerometer's readings follow from a single direction
of gravity per exercise and one constant offset per session, all at one magnetic dip; the remaining differences, 1.5
to 2 m/s^2, are the body's own acceleration. Tempo is the ratio of angular rate to angle. Lift, wobble and roughness
were then set so that each channel spreads about as much as in the dataset.
"""

import math
from dataclasses import dataclass

import numpy as np

from repsense.labels import Label
from repsense_ble_gateway.simulation.rotations import Matrices

__all__ = ["EXERCISES", "MAGNETIC_DIP_RAD", "STANDING", "Exercise", "Pose"]

MAGNETIC_DIP_RAD = math.asin(0.935)
"""Angle of the earth's field below the horizon, as fitted to the dataset."""

_Vector = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Pose:
    """How the sensor is held, by two directions as seen from it; lengths do not matter.

    Attributes:
        up: Where up is: what the accelerometer reads at rest.
        field: Where the earth's magnetic field points, in the accelerometer's axes.
    """

    up: _Vector
    field: _Vector

    def orientation(self) -> Matrices:
        """The rotation from sensor to world axes (magnetic north, west, up), shape (1, 3, 3)."""
        up = np.array(self.up) / np.linalg.norm(self.up)
        north = np.array(self.field) - np.dot(self.field, up) * up
        north /= np.linalg.norm(north)
        orientation: Matrices = np.stack([north, np.cross(up, north), up])[np.newaxis]
        return orientation


@dataclass(frozen=True, slots=True)
class Exercise:
    """One exercise as the sensor experiences it.

    A repetition turns the sensor from the first angle to the second and back.

    Attributes:
        label: What it is called.
        pose: How the sensor is held at angle zero.
        axis: About what it turns, in sensor axes, unit length.
        angles_deg: The two angles at which the movement turns round.
        there_s: How long the way to the second angle takes.
        back_s: How long the way back takes.
        pauses_s: How long the body rests at the second and at the first angle.
        lift_m: How far the sensor is lifted on the way there; negative if it is lowered.
        wobble_deg: Amplitude of turning about the two other directions.
        flight_share: Part of the repetition that is spent in the air.
        roughness_m_s2: Standard deviation of the shaking that comes with it.
        posture_sd_deg: How much the angles differ between people.
    """

    label: Label
    pose: Pose
    axis: _Vector
    angles_deg: tuple[float, float]
    there_s: float
    back_s: float
    pauses_s: tuple[float, float]
    lift_m: float
    wobble_deg: float
    flight_share: float = 0.0
    roughness_m_s2: float = 1.2
    posture_sd_deg: float = 3.0


STANDING = Pose(up=(-0.61, 0.79, -0.10), field=(28.4, -33.1, -11.8))
"""Upright with hanging arms: between lunge and jump."""

EXERCISES: tuple[Exercise, ...] = (
    Exercise(
        label=Label(exercise="push-up", form="correct"),
        pose=Pose(up=(-0.91, 0.40, -0.11), field=(45.1, -2.1, 2.5)),
        axis=(0.203, 0.184, -0.962),
        angles_deg=(45.0, -58.0),
        there_s=1.0,
        back_s=0.85,
        pauses_s=(0.05, 0.1),
        lift_m=-0.15,
        wobble_deg=4.0,
    ),
    Exercise(
        label=Label(exercise="push-up", form="incorrect"),
        pose=Pose(up=(-0.58, 0.81, -0.04), field=(36.8, -24.9, -2.2)),
        axis=(0.243, 0.215, -0.946),
        angles_deg=(10.0, -10.0),
        there_s=0.36,
        back_s=0.36,
        pauses_s=(0.02, 0.04),
        lift_m=-0.03,
        wobble_deg=3.0,
        posture_sd_deg=4.0,
    ),
    Exercise(
        label=Label(exercise="squat"),
        pose=Pose(up=(-0.12, 0.90, -0.41), field=(20.2, -34.6, 20.8)),
        axis=(-0.485, -0.036, -0.874),
        angles_deg=(-38.0, 56.0),
        there_s=1.15,
        back_s=1.05,
        pauses_s=(0.05, 0.2),
        lift_m=-0.25,
        wobble_deg=5.0,
    ),
    Exercise(
        label=Label(exercise="sit-up", form="correct"),
        pose=Pose(up=(0.97, 0.23, -0.04), field=(-37.0, -24.4, 5.5)),
        axis=(0.062, 0.548, 0.834),
        angles_deg=(45.0, -80.0),
        there_s=1.6,
        back_s=1.15,
        pauses_s=(0.1, 0.2),
        lift_m=0.2,
        wobble_deg=4.0,
    ),
    Exercise(
        label=Label(exercise="sit-up", form="incorrect"),
        pose=Pose(up=(0.61, -0.61, 0.51), field=(-35.5, 13.8, -22.3)),
        axis=(0.074, 0.559, 0.826),
        angles_deg=(18.0, -18.0),
        there_s=0.58,
        back_s=0.35,
        pauses_s=(0.02, 0.08),
        lift_m=0.1,
        wobble_deg=3.0,
        roughness_m_s2=2.4,
        posture_sd_deg=6.0,
    ),
    Exercise(
        label=Label(exercise="jump"),
        pose=Pose(up=(-0.64, 0.76, -0.09), field=(29.2, -31.8, -12.1)),
        axis=(-0.288, 0.924, 0.252),
        angles_deg=(13.0, -13.0),
        there_s=0.55,
        back_s=0.55,
        pauses_s=(0.0, 0.05),
        lift_m=0.0,
        wobble_deg=9.0,
        flight_share=0.35,
        roughness_m_s2=2.0,
    ),
    Exercise(
        label=Label(exercise="lunge"),
        pose=Pose(up=(-0.60, 0.79, -0.11), field=(27.8, -34.4, -11.4)),
        axis=(-0.369, 0.924, 0.104),
        angles_deg=(9.0, -9.0),
        there_s=1.0,
        back_s=0.9,
        pauses_s=(0.1, 0.15),
        lift_m=-0.25,
        wobble_deg=4.5,
        roughness_m_s2=1.5,
    ),
)
"""Lengths of time give 0.5 push-ups, 1.3 shallow push-ups, 0.4 squats, 0.33 sit-ups, 1 half sit-up, 0.9 jumps and
0.46 lunges a second."""
