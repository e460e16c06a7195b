import numpy as np
import pytest

from repsense.channels import CHANNELS, Channel
from repsense_trainer.statistics import level_tolerances, n_compared, window_statistics

FIELD = (6, 7, 8)


def test_only_the_level_channels_feel_an_offset() -> None:
    windows = np.random.default_rng(0).normal(size=(10, 5, 9)).astype(np.float32)
    offsets = np.array([9, -5, 3, 2.6, -1, 0.5, 20, 0, 0], dtype=np.float32)

    before, after = (np.asarray(window_statistics(one, CHANNELS, FIELD)) for one in (windows, windows + offsets))

    moved = ~np.isclose(before, after, atol=1e-3).all(axis=0)
    # Mean, least and largest value of mx.
    assert moved.sum() == 3
    np.testing.assert_allclose((after - before)[:, moved], 20, atol=1e-3)


def test_the_order_of_samples_matters_to_the_steps_alone() -> None:
    windows = np.random.default_rng(0).normal(size=(10, 5, 9)).astype(np.float32)
    shuffled = windows[:, [3, 0, 4, 1, 2]]

    before, after = (np.asarray(window_statistics(one, CHANNELS, FIELD)) for one in (windows, shuffled))

    changed = ~np.isclose(before, after, atol=1e-4).all(axis=0)
    assert np.flatnonzero(changed).tolist() == list(range(before.shape[1] - 9, before.shape[1]))


@pytest.mark.parametrize("value", [0.0, 50.0])
def test_a_window_in_which_nothing_changes_has_finite_statistics(value: float) -> None:
    still = np.full((1, 5, 9), value, dtype=np.float32)

    assert np.isfinite(np.asarray(window_statistics(still, CHANNELS, FIELD))).all()


def test_those_that_are_compared_come_first_whatever_the_sensor_has() -> None:
    acceleration = tuple(Channel)[:3]
    windows = np.random.default_rng(0).normal(size=(4, 5, 3)).astype(np.float32)

    statistics = np.asarray(window_statistics(windows, acceleration, (0, 1, 2)))

    assert n_compared(acceleration, (0, 1, 2)) == 3 + 3 + 2
    assert n_compared(CHANNELS, FIELD) == 3 + 9 + 6
    np.testing.assert_allclose(statistics[:, :3], windows.mean(axis=1), atol=1e-5)
    np.testing.assert_allclose(statistics[:, 3:6], np.log(windows.std(axis=1) + 0.3), atol=1e-5)
    assert level_tolerances(CHANNELS, FIELD).tolist() == [8.0, 8.0, 8.0]
