"""Calibration: whether a probability of 0.9 is right nine times out of ten, and the temperature that makes it so."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "ReliabilityPoint",
    "cross_fitted_temperatures",
    "expected_calibration_error",
    "fit_temperature",
    "group_interval",
    "reliability",
]

MIN_TEMPERATURE, MAX_TEMPERATURE = 0.2, 5.0
"""Beyond these the held-out windows are too few, or too much alike, to be believed."""
N_HALVINGS = 24
"""Of the range of temperatures: to better than one in a million."""
N_BOOTSTRAPS = 2000
MIN_GROUPS_FOR_INTERVAL = 5
"""With fewer there are too few ways to draw them anew for the ends of an interval to mean anything."""


@dataclass(frozen=True, slots=True)
class ReliabilityPoint:
    """Windows of about the same confidence.

    Attributes:
        confidence: Their mean confidence.
        accuracy: The share of them that is right.
        n_windows: How many they are.
    """

    confidence: float
    accuracy: float
    n_windows: int


def fit_temperature(logits: NDArray[np.float32], label_indices: NDArray[np.int64]) -> float:
    """The temperature at which the truth is most likely: softmax(logits / temperature).

    Where everything is right, the likelihood grows as the temperature falls to 0, and every probability would become
    1. So the truth counts as 1 - 1 / (n_windows + 2) and the rest belongs to the other labels, as in Platt's scaling.

    Args:
        logits: (n_windows, n_classes) float32, of held-out windows; -inf where the network did not know the label.
        label_indices: (n_windows,) int64, the truth; never a label with -inf.

    Returns:
        It, within bounds; 1 without windows.
    """
    if not len(logits):
        return 1.0
    is_known = np.isfinite(logits)
    scores = np.where(is_known, logits, 0).astype(np.float64)
    doubt = 1 / (len(logits) + 2)
    target = is_known * (doubt / np.maximum(is_known.sum(axis=1, keepdims=True) - 1, 1))
    np.put_along_axis(target, label_indices[:, np.newaxis], 1 - doubt, axis=1)
    target_score = float((target * scores).sum())

    # The negative log-likelihood is convex in 1 / temperature: its slope there changes sign once.
    low, high = MIN_TEMPERATURE, MAX_TEMPERATURE
    for _ in range(N_HALVINGS):
        middle = math.sqrt(low * high)
        exponential = np.exp((scores - scores.max(axis=1, keepdims=True, where=is_known, initial=-np.inf)) / middle)
        weight = exponential * is_known
        expected_score = float(((weight * scores).sum(axis=1) / weight.sum(axis=1)).sum())
        low, high = (middle, high) if expected_score > target_score else (low, middle)
    return math.sqrt(low * high)


def cross_fitted_temperatures(
    logits: NDArray[np.float32], label_indices: NDArray[np.int64], groups: NDArray[np.str_]
) -> NDArray[np.float64]:
    """For each window the temperature fitted to the other groups' windows: (n_windows,) float64.

    What a fitted temperature is worth is only seen on windows that it was not fitted to.
    """
    temperatures = np.ones(len(logits))
    for group in np.unique(groups):
        of_group = groups == group
        temperatures[of_group] = fit_temperature(logits[~of_group], label_indices[~of_group])
    return temperatures


def reliability(
    confidence: NDArray[np.float32], is_correct: NDArray[np.bool_], n_bins: int = 15
) -> tuple[ReliabilityPoint, ...]:
    """Windows in bins of equal number by their confidence, from the least confident on.

    Of equal number, not of equal width: most windows are nearly certain, and bins of equal width would leave the
    others with a handful each. Neighbouring windows share samples, so a bin says less than its number of windows.

    Args:
        confidence: (n_windows,) float32.
        is_correct: (n_windows,) bool.
        n_bins: At most; with fewer windows there are fewer.
    """
    # Equally confident windows in the order of their correctness would make the bins depend on the order of recordings.
    order = np.lexsort((np.random.default_rng(0).permutation(len(confidence)), confidence))
    return tuple(
        ReliabilityPoint(float(confidence[rows].mean(dtype=np.float64)), float(is_correct[rows].mean()), len(rows))
        for rows in np.array_split(order, n_bins)
        if len(rows)
    )


def expected_calibration_error(
    confidence: NDArray[np.float32], is_correct: NDArray[np.bool_], n_bins: int = 15
) -> float:
    """Mean distance between confidence and accuracy over the bins of `reliability`, by their number of windows."""
    points = reliability(confidence, is_correct, n_bins)
    return sum(abs(p.confidence - p.accuracy) * p.n_windows for p in points) / max(1, len(confidence))


def group_interval(is_correct: NDArray[np.bool_], groups: NDArray[np.str_]) -> tuple[float, float] | None:
    """In which the accuracy of 95 of 100 such sets of groups would lie.

    It draws groups, not windows, anew (the bootstrap): windows of one group are alike, and those of one recording even
    share samples, so that windows drawn anew would promise a far narrower interval than the next person keeps to.

    Args:
        is_correct: (n_windows,) bool.
        groups: (n_windows,) str.

    Returns:
        Its two ends; None with fewer than five groups.
    """
    names, group_indices = np.unique(groups, return_inverse=True)
    if len(names) < MIN_GROUPS_FOR_INTERVAL:
        return None
    n_windows = np.bincount(group_indices)
    n_correct = np.bincount(group_indices, weights=is_correct)
    drawn = np.random.default_rng(0).integers(len(names), size=(N_BOOTSTRAPS, len(names)))
    accuracies = n_correct[drawn].sum(axis=1) / n_windows[drawn].sum(axis=1)
    low, high = np.quantile(accuracies, [0.025, 0.975])
    return float(low), float(high)
