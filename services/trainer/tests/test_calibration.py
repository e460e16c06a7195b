import numpy as np
import pytest
from numpy.typing import NDArray

from repsense_trainer.calibration import (
    MAX_TEMPERATURE,
    MIN_TEMPERATURE,
    cross_fitted_temperatures,
    expected_calibration_error,
    fit_temperature,
    group_interval,
    reliability,
)


def draw(n_windows: int, temperature: float, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Logits that are `temperature` times too large, with labels drawn from the right probabilities."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 2, (n_windows, 4))
    labels = (logits + random.gumbel(size=logits.shape)).argmax(axis=1)
    return (logits * temperature).astype(np.float32), labels


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_temperature_that_the_logits_were_made_with_is_found(temperature: float) -> None:
    assert fit_temperature(*draw(20_000, temperature)) == pytest.approx(temperature, rel=0.03)


def test_a_label_that_the_network_did_not_know_changes_nothing() -> None:
    logits, labels = draw(2000, 2.0)
    unknown = np.full((len(logits), 1), -np.inf, dtype=np.float32)

    assert fit_temperature(np.hstack([unknown, logits]), labels + 1) == pytest.approx(fit_temperature(logits, labels))


def test_a_perfect_network_is_not_made_infinitely_sure() -> None:
    labels = np.arange(100) % 3
    logits = 4 * np.eye(3, dtype=np.float32)[labels]

    temperature = fit_temperature(logits, labels)

    # 1 - 1 / 102 is what a hundred right windows warrant: exp(4 / T) / (exp(4 / T) + 2) at T = 4 / log(202).
    assert temperature == pytest.approx(4 / np.log(202), rel=1e-3)


def test_the_temperature_stays_within_bounds() -> None:
    labels = np.zeros(50, dtype=np.int64)
    right = np.tile(np.array([[0.1, 0.0]], dtype=np.float32), (50, 1))

    assert fit_temperature(right, labels) == pytest.approx(MIN_TEMPERATURE, rel=1e-3)
    assert fit_temperature(100 * right[:, ::-1], labels) == pytest.approx(MAX_TEMPERATURE, rel=1e-3)
    assert fit_temperature(right[:0], labels[:0]) == 1


def test_a_group_has_the_temperature_of_the_others() -> None:
    sharp, sharp_labels = draw(5000, 3.0)
    flat, flat_labels = draw(5000, 0.5, seed=1)
    groups = np.repeat(["sharp", "flat"], 5000)

    temperatures = cross_fitted_temperatures(
        np.concatenate([sharp, flat]), np.concatenate([sharp_labels, flat_labels]), groups
    )

    assert temperatures[groups == "sharp"] == pytest.approx(0.5, rel=0.1)
    assert temperatures[groups == "flat"] == pytest.approx(3.0, rel=0.1)


def test_reliability_has_bins_of_equal_number() -> None:
    confidence = np.array([0.9, 0.5, 0.6, 0.8], dtype=np.float32)
    is_correct = np.array([True, False, True, True])

    low, high = reliability(confidence, is_correct, n_bins=2)

    assert (low.confidence, low.accuracy, low.n_windows) == pytest.approx((0.55, 0.5, 2))
    assert (high.confidence, high.accuracy, high.n_windows) == pytest.approx((0.85, 1.0, 2))
    assert expected_calibration_error(confidence, is_correct, n_bins=2) == pytest.approx((0.05 + 0.15) / 2)


def test_probabilities_that_keep_their_word_have_no_error() -> None:
    confidence = np.full(1000, 0.8, dtype=np.float32)
    # In this order, bins of neighbours would be all right or all wrong.
    is_correct = np.arange(1000) < 800

    assert expected_calibration_error(confidence, is_correct, n_bins=1) == pytest.approx(0, abs=1e-6)
    assert expected_calibration_error(confidence, is_correct) < 0.05
    assert expected_calibration_error(confidence, ~is_correct) == pytest.approx(0.6, abs=0.01)


def test_few_windows_make_few_bins() -> None:
    assert len(reliability(np.array([0.7], dtype=np.float32), np.array([True]))) == 1
    assert expected_calibration_error(np.empty(0, dtype=np.float32), np.empty(0, dtype=np.bool_)) == 0


def test_the_interval_is_as_wide_as_groups_differ_however_many_windows_they_have() -> None:
    groups = np.repeat([str(number) for number in range(10)], 1000)
    alike = np.tile(np.arange(1000) < 900, 10)
    unlike = np.concatenate([np.ones(9000, dtype=np.bool_), np.zeros(1000, dtype=np.bool_)])

    assert group_interval(alike, groups) == pytest.approx((0.9, 0.9))
    interval = group_interval(unlike, groups)
    assert interval is not None
    assert interval == pytest.approx((0.7, 1.0), abs=0.05)


def test_four_groups_have_no_interval() -> None:
    assert group_interval(np.ones(4, dtype=np.bool_), np.array(["1", "2", "3", "4"])) is None
