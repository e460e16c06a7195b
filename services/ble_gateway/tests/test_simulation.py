from itertools import islice

import numpy as np
import pytest

from repsense_ble_gateway.packets import STANDARD_GRAVITY_M_S2
from repsense_ble_gateway.simulation.exercises import EXERCISES, STANDING
from repsense_ble_gateway.simulation.person import Person, Stretch
from repsense_ble_gateway.simulation.rotations import rotation_matrices, rotation_vectors


def _workout(seed: int, rate_hz: float = 50.0, n_stretches: int = 40) -> list[Stretch]:
    return list(islice(Person(seed, rate_hz).workout(), n_stretches))


def test_the_seed_decides_everything() -> None:
    for one, other in zip(_workout(7, n_stretches=8), _workout(7, n_stretches=8), strict=True):
        np.testing.assert_array_equal(one.samples, other.samples)
        assert one.label == other.label
    assert not np.array_equal(_workout(7)[0].samples, _workout(8)[0].samples)


def test_every_exercise_is_done_within_a_round() -> None:
    labels = {stretch.label for stretch in _workout(3) if stretch.label}
    assert labels == {exercise.label for exercise in EXERCISES}


def test_the_first_set_begins_within_two_seconds() -> None:
    for seed in range(20):
        before = 0
        for stretch in Person(seed, 50.0).workout():
            if stretch.label:
                break
            before += len(stretch.samples)
        assert before <= 2 * 50


def test_sets_and_rests_have_believable_lengths() -> None:
    stretches = _workout(5)
    sets_s = [len(stretch.samples) / 50 for stretch in stretches if stretch.label]
    assert min(sets_s) > 19
    assert max(sets_s) < 40


def test_repetitions_are_counted_from_one_and_differ() -> None:
    stretch = next(stretch for stretch in _workout(2) if stretch.label)
    assert stretch.repetition[0] == 1
    assert set(np.diff(stretch.repetition)) == {0, 1}
    lengths = np.bincount(stretch.repetition)[1:-1]
    assert len(set(lengths)) > 1
    # Fatigue: the last ones take longer.
    assert lengths[-3:].mean() > lengths[:3].mean()


@pytest.mark.parametrize("seed", range(3))
def test_a_person_at_rest_feels_one_g_and_hardly_moves(seed: int) -> None:
    person = Person(seed, 50.0)
    stretches = list(islice(person.workout(), 40))
    # The rests are the longest stretches without a label; the others are moves from one pose to the next.
    rests = [stretch for stretch in stretches if stretch.label is None and len(stretch.samples) > 7 * 50]
    assert rests
    for rest in rests:
        force = np.linalg.norm(rest.samples[:, :3] - person._imu.acceleration_bias, axis=1)
        assert abs(force.mean() - STANDARD_GRAVITY_M_S2) < 0.05
        assert rest.samples[:, :3].std(axis=0).max() < 0.2
        assert rest.samples[:, 3:6].std(axis=0).max() < 0.05


def test_the_angular_rate_integrates_to_the_orientation() -> None:
    rate_hz = 400.0
    person = Person(11, rate_hz)
    for stretch in islice(person.workout(), 8):
        rates = stretch.samples[:, 3:6] - person._imu.angular_rate_bias
        steps = rotation_matrices((rates[1:] + rates[:-1]) / 2 / rate_hz)
        orientation = stretch.orientation[0]
        for number, step in enumerate(steps[: round(4 * rate_hz)], start=1):
            orientation = orientation @ step
            error = rotation_vectors((orientation.T @ stretch.orientation[number])[np.newaxis])
            assert np.linalg.norm(error) < np.radians(1.5)


def test_a_jump_is_weightless_in_flight_and_weighs_as_much_as_the_body_on_average() -> None:
    stretch = next(stretch for stretch in _workout(1) if stretch.label and stretch.label.exercise == "jump")
    force = np.linalg.norm(stretch.samples[:, :3], axis=1)
    assert np.percentile(force, 10) < 0.5 * STANDARD_GRAVITY_M_S2
    up = np.einsum("nij,nj->ni", stretch.orientation, stretch.samples[:, :3])[:, 2]
    assert abs(up.mean() - STANDARD_GRAVITY_M_S2) < 0.15 * STANDARD_GRAVITY_M_S2


def test_the_magnetometer_sees_one_field_from_every_side() -> None:
    samples = np.concatenate([stretch.samples for stretch in _workout(4)])
    strength = np.linalg.norm(samples[:, 6:] - np.array([-31.3, 4.1, -34.3]), axis=1)
    assert abs(np.median(strength) - 45.4) < 3
    assert strength.std() < 3


def test_nothing_exceeds_the_ranges_of_the_sensor() -> None:
    samples = np.concatenate([stretch.samples for stretch in _workout(6)])
    assert np.abs(samples[:, :3]).max() < 2 * STANDARD_GRAVITY_M_S2 + 0.5
    assert np.abs(samples[:, 3:6]).max() < np.radians(250) + 0.1


def test_a_pose_looks_as_it_was_given() -> None:
    orientation = STANDING.orientation()[0]
    up = np.array(STANDING.up) / np.linalg.norm(STANDING.up)
    np.testing.assert_allclose(orientation @ up, [0, 0, 1], atol=1e-9)
    assert np.linalg.det(orientation) == pytest.approx(1)


def test_rotation_vectors_invert_rotation_matrices() -> None:
    vectors = np.random.default_rng(0).normal(size=(100, 3))
    vectors *= 3 / np.maximum(np.linalg.norm(vectors, axis=1), 3)[:, np.newaxis]
    np.testing.assert_allclose(rotation_vectors(rotation_matrices(vectors)), vectors, atol=1e-9)
