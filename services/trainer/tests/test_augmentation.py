import numpy as np
from numpy.typing import NDArray

from repsense.channels import CHANNELS
from repsense.training import Augmentation
from repsense_trainer.augmentation import augment, weakened

NOTHING = Augmentation(
    magnetic_field_offset_ut=0,
    magnetic_swing=0,
    rotation_rad=0,
    gain=0,
    acceleration_noise_m_s2=0,
    angular_rate_noise_rad_s=0,
    magnetic_field_noise_ut=0,
    duplicated_share=0,
    interpolated_share=0,
)


def some_windows() -> NDArray[np.float32]:
    return np.random.default_rng(1).normal(0, 10, (50, 5, 9)).astype(np.float32)


def augmented(windows: NDArray[np.float32], **changes: float) -> NDArray[np.float32]:
    return augment(windows, CHANNELS, NOTHING.model_copy(update=changes), np.random.default_rng(2))


def test_nothing_is_changed_at_strength_zero() -> None:
    np.testing.assert_allclose(augmented(some_windows()), some_windows(), atol=1e-5)


def test_the_windows_given_stay_as_they_are_and_chance_comes_from_the_generator_alone() -> None:
    windows = some_windows()

    first, second = (augment(windows, CHANNELS, Augmentation(), np.random.default_rng(3)) for _ in range(2))

    np.testing.assert_array_equal(windows, some_windows())
    np.testing.assert_array_equal(first, second)
    assert first.dtype == np.float32
    assert not np.array_equal(first, windows)


def test_an_offset_is_constant_over_a_window_and_only_in_its_sensor() -> None:
    difference = augmented(some_windows(), magnetic_field_offset_ut=12.0) - some_windows()

    assert not difference[:, :, :6].any()
    np.testing.assert_allclose(difference, np.broadcast_to(difference[:, :1], difference.shape), atol=1e-4)
    assert 10 < difference[:, 0, 6:].std() < 14


def test_noise_is_each_sensors_own() -> None:
    difference = augmented(some_windows(), angular_rate_noise_rad_s=0.1) - some_windows()

    assert not difference[:, :, :3].any()
    np.testing.assert_allclose(difference[:, :, 6:], 0, atol=1e-5)
    assert 0.08 < difference[:, :, 3:6].std() < 0.12


def test_a_duplicated_sample_repeats_the_one_before() -> None:
    windows = augmented(some_windows(), duplicated_share=1.0)

    repeats = (np.diff(windows, axis=1) == 0).all(axis=2)
    assert (repeats.sum(axis=1) == 1).all()


def test_a_lost_sample_is_interpolated_between_its_neighbours() -> None:
    windows = augmented(some_windows(), interpolated_share=1.0)

    middle = (windows[:, :-2] + windows[:, 2:]) / 2
    assert (np.isclose(windows[:, 1:-1], middle, atol=1e-5).all(axis=2).sum(axis=1) == 1).all()


def test_the_fields_swing_changes_about_its_mean_by_one_factor_for_its_three_axes() -> None:
    windows, before = augmented(some_windows(), magnetic_swing=0.5), some_windows()

    np.testing.assert_array_equal(windows[:, :, :6], before[:, :, :6])
    np.testing.assert_allclose(windows.mean(axis=1), before.mean(axis=1), atol=1e-4)
    factors = windows[:, :, 6:].std(axis=1) / before[:, :, 6:].std(axis=1)
    np.testing.assert_allclose(factors, np.broadcast_to(factors[:, :1], factors.shape), rtol=1e-3)
    assert factors.std() > 0.1


def test_a_rotation_turns_all_sensors_of_a_window_alike() -> None:
    windows, before = augmented(some_windows(), rotation_rad=0.3), some_windows()

    for first in (0, 3, 6):
        axes = slice(first, first + 3)
        np.testing.assert_allclose(
            np.linalg.norm(windows[:, :, axes], axis=2), np.linalg.norm(before[:, :, axes], axis=2), rtol=1e-4
        )
        # One matrix per window takes every sensor's samples to where they are now.
        turn, *_ = np.linalg.lstsq(before[0, :, :3], windows[0, :, :3], rcond=None)
        np.testing.assert_allclose(before[0, :, axes] @ turn, windows[0, :, axes], atol=1e-3)
    assert not np.allclose(windows, before, atol=0.1)


def test_a_sensor_that_lacks_an_axis_is_not_turned() -> None:
    before = some_windows()[:, :, :2]

    turned = augment(before, CHANNELS[:2], NOTHING.model_copy(update={"rotation_rad": 1.0}), np.random.default_rng(2))

    np.testing.assert_array_equal(turned, before)


def test_weakened_is_less_of_what_offsets_and_noise_there_is() -> None:
    weak = weakened(Augmentation(magnetic_field_offset_ut=8, gain=0.1), 0.25)

    assert (weak.magnetic_field_offset_ut, weak.gain) == (2, 0.1)
