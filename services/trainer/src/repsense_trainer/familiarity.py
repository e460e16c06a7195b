"""Familiarity: how much a window looks like any window of the training, as a probability that it is one of the known.

    the first of the statistics     see `statistics`
      -> divided by their deviation within a label
      -> squared distance d^2 to every remembered training window
      -> distance = sqrt(-2 h^2 log mean exp(-d^2 / 2 h^2))      to the nearest ones, softly
      -> known = sigmoid(intercept + slope * distance)

A network is sure of itself where it has never been; the distance to what was trained is not. Intercept and slope are
found on groups left out, with each label in turn played as unknown; no network is needed for that. With a single group
they are guessed.

More statistics, such as the correlations between channels, recognise somewhat more of the unknown, but take another
person who does the same for unknown, too.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops
from numpy.typing import NDArray

__all__ = ["Familiarity", "fit_familiarity", "guess_familiarity"]

BANDWIDTH_SQUARED = 4.0
"""h^2: in squared deviations within a label, summed over all statistics."""
MAX_REMEMBERED = 2048
"""Windows; of more, some are chosen by chance. All 5,000 of ten sessions recognise some 1 % more of the unknown, but
would take most of the time that a window needs."""
N_FOLDS = 3
REACH = 2.0
"""How many times as far as usual a window may lie from the others before it is rather unknown than known, at most.

In the 15 sessions of the bodyweight dataset 98 % of the windows of another session lie within 1.7 to 1.9 times the
usual distance within one, on the barbell recordings of another person within 1.4 times. Unknown exercises of the same
person begin at 1.2 times, so many of them pass; what is altogether different does not.
"""
_USUAL_SHARE = 0.95
_STEEPNESS = 7.0
"""So that at 1.7 times the usual distance a window is known by nine to one."""
_LEAST_DISTANCE = 1.0
_RIDGE = 1e-3
_STEEPEST = 60.0
"""Beyond this a sigmoid is 0 or 1 in float32."""


@dataclass(frozen=True, slots=True)
class Familiarity:
    """What is remembered of the training, and how far from it is too far.

    Attributes:
        weights: (n_statistics,) float32, 1 / deviation within a label.
        memory: (n_remembered, n_statistics) float32, the statistics of training windows times the weights.
        slope: Negative.
        intercept: At -intercept / slope lies the distance at which known is a half.
    """

    weights: NDArray[np.float32]
    memory: NDArray[np.float32]
    slope: float
    intercept: float

    def known(self, statistics: Any) -> Any:  # noqa: ANN401 - an array or a Keras tensor
        """The probability that windows are one of the known, in the graph of a network or at once.

        Args:
            statistics: (n_windows, n_statistics) float32.

        Returns:
            (n_windows, 1) float32, a tensor.
        """
        distance = _distance(_log_kernel_sum(statistics * self.weights, self.memory), len(self.memory))
        return ops.sigmoid(ops.clip(self.intercept + self.slope * distance, -_STEEPEST, _STEEPEST))


def fit_familiarity(
    statistics: NDArray[np.float32],
    label_indices: NDArray[np.int64],
    groups: NDArray[np.str_],
    level_tolerances: NDArray[np.float32],
    seed: int,
) -> Familiarity | None:
    """Remember the training windows, and find out how far from them a known window may be.

    Args:
        statistics: (n_windows, n_statistics) float32.
        label_indices: (n_windows,) int64.
        groups: (n_windows,) str.
        level_tolerances: (n_levels,) float32, added to the deviations of the first statistics, which are the levels.
        seed: Chooses what is remembered if there is too much.

    Returns:
        None with a single group, or where no two have a label in common: nothing tells how another one would differ.
    """
    fold_of = {group: fold for fold, of_fold in enumerate(_folds(groups)) for group in of_fold}
    folds = np.array([fold_of[group] for group in groups.tolist()])
    known, unknown = _held_out_distances(statistics, label_indices, folds, level_tolerances)
    if not len(unknown):
        return None
    slope, intercept = _logistic(known, unknown)
    reaching = _reaching(known)
    if slope >= 0 or intercept / slope < reaching[1] / reaching[0]:
        # Labels that lie far apart leave much room between them, but nobody has been there.
        slope, intercept = reaching
    weights = _weights(statistics, label_indices, level_tolerances)
    return Familiarity(weights, _remembered(statistics, seed) * weights, slope, intercept)


def guess_familiarity(
    statistics: NDArray[np.float32],
    label_indices: NDArray[np.int64],
    recordings: NDArray[np.int64],
    level_tolerances: NDArray[np.float32],
    seed: int,
) -> Familiarity | None:
    """Remember the training windows of a single group, and guess how far from them another one's may be.

    Takes of one session differ less from each other than the next session from all of them, and nothing in the data
    says by how much. So only what is very far from everything is unknown, see `REACH`.

    Args:
        statistics: (n_windows, n_statistics) float32.
        label_indices: (n_windows,) int64.
        recordings: (n_windows,) int64, the take that each window was cut from.
        level_tolerances: As for `fit_familiarity`.
        seed: As for `fit_familiarity`.

    Returns:
        None if no label has two windows.
    """
    known, _ = _held_out_distances(statistics, label_indices, _takes(label_indices, recordings), level_tolerances)
    if not len(known):
        return None
    slope, intercept = _reaching(known)
    weights = _weights(statistics, label_indices, level_tolerances)
    return Familiarity(weights, _remembered(statistics, seed) * weights, slope, intercept)


def _reaching(known: NDArray[np.float64]) -> tuple[float, float]:
    """Slope and intercept for a reach of so many times the usual distance; see `REACH`."""
    usual = max(_LEAST_DISTANCE, float(np.quantile(known, _USUAL_SHARE)))
    slope = -_STEEPNESS / usual
    return slope, -slope * REACH * usual


def _held_out_distances(
    statistics: NDArray[np.float32],
    label_indices: NDArray[np.int64],
    folds: NDArray[np.int64],
    level_tolerances: NDArray[np.float32],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The distances of each fold's windows to all windows of the others, and to those of other labels only."""
    known, unknown = [np.empty(0)], [np.empty(0)]
    for fold in np.unique(folds):
        trained, tested = folds != fold, folds == fold
        labels = np.unique(label_indices[trained])
        tested &= np.isin(label_indices, labels)
        if not trained.any() or not tested.any():
            continue
        weights = _weights(statistics[trained], label_indices[trained], level_tolerances)
        of_label = [trained & (label_indices == label) for label in labels]
        counts = np.array([np.count_nonzero(rows) for rows in of_label])
        sums = np.column_stack(
            [_log_kernel_sums(statistics[tested] * weights, statistics[rows] * weights) for rows in of_label]
        )
        is_own = label_indices[tested][:, np.newaxis] == labels
        known.append(_distance_of_sums(np.logaddexp.reduce(sums, axis=1), np.full(len(sums), counts.sum())))
        if len(labels) > 1:
            others = np.logaddexp.reduce(np.where(is_own, -np.inf, sums), axis=1)
            unknown.append(_distance_of_sums(others, counts.sum() - is_own @ counts))
    return np.concatenate(known), np.concatenate(unknown)


def _remembered(statistics: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    if len(statistics) <= MAX_REMEMBERED:
        return statistics
    chosen = np.random.default_rng(seed).choice(len(statistics), MAX_REMEMBERED, replace=False)
    return statistics[np.sort(chosen)]


def _takes(label_indices: NDArray[np.int64], recordings: NDArray[np.int64]) -> NDArray[np.int64]:
    """Folds of takes, by turns within each label; a single take of a label counts as two, its halves."""
    folds = np.zeros(len(recordings), dtype=np.int64)
    for label in np.unique(label_indices):
        rows = np.flatnonzero(label_indices == label)
        _, take = np.unique(recordings[rows], return_inverse=True)
        folds[rows] = take % N_FOLDS if take.any() else np.arange(len(rows)) * 2 // len(rows)
    return folds


def _folds(groups: NDArray[np.str_]) -> list[list[str]]:
    distinct = list(dict.fromkeys(groups.tolist()))
    n_folds = min(N_FOLDS, len(distinct))
    return [distinct[start::n_folds] for start in range(n_folds)]


def _weights(
    statistics: NDArray[np.float32], label_indices: NDArray[np.int64], level_tolerances: NDArray[np.float32]
) -> NDArray[np.float32]:
    """1 / deviation of each statistic within a label: (n_statistics,) float32."""
    labels = np.unique(label_indices)
    variance = np.mean([statistics[label_indices == label].var(axis=0) for label in labels], axis=0)
    variance[: len(level_tolerances)] += level_tolerances**2
    smallest = 1e-8
    return np.asarray(1 / np.sqrt(np.maximum(variance, smallest)), dtype=np.float32)


def _log_kernel_sum(weighted: Any, memory: NDArray[np.float32]) -> Any:  # noqa: ANN401
    """Log of the sum of exp(-d^2 / 2 h^2) over what is remembered: (n_windows, 1), a tensor."""
    squares = ops.sum(ops.square(weighted), axis=1, keepdims=True)
    squared = squares + np.sum(np.square(memory), axis=1) - 2 * ops.matmul(weighted, memory.T)
    exponents = ops.maximum(squared, 0) * (-0.5 / BANDWIDTH_SQUARED)
    largest = ops.max(exponents, axis=1, keepdims=True)
    return ops.log(ops.sum(ops.exp(exponents - largest), axis=1, keepdims=True)) + largest


def _log_kernel_sums(weighted: NDArray[np.float32], memory: NDArray[np.float32]) -> NDArray[np.float64]:
    """The same at once, in parts that fit into memory: (n_windows,) float64."""
    parts = np.array_split(weighted, len(weighted) // 1024 + 1)
    return np.concatenate([np.asarray(_log_kernel_sum(part, memory), dtype=np.float64)[:, 0] for part in parts])


def _distance(log_sum: Any, n_remembered: int) -> Any:  # noqa: ANN401
    return ops.sqrt(ops.maximum(2 * BANDWIDTH_SQUARED * (math.log(n_remembered) - log_sum), 0))


def _distance_of_sums(log_sums: NDArray[np.float64], counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """As `_distance`, for sums over different numbers of windows."""
    return np.asarray(np.sqrt(np.maximum(2 * BANDWIDTH_SQUARED * (np.log(counts) - log_sums), 0)))


def _logistic(known: NDArray[np.float64], unknown: NDArray[np.float64]) -> tuple[float, float]:
    """Slope and intercept of a logistic regression of "is known" on the distance, by Newton's method.

    A little ridge on the slope keeps it finite where no distance is both known and unknown.
    """
    distances = np.concatenate([known, unknown])
    truth = np.concatenate([np.ones(len(known)), np.zeros(len(unknown))])
    centre, spread = distances.mean(), distances.std() + 1e-12
    inputs = np.column_stack([np.ones_like(distances), (distances - centre) / spread])
    ridge = np.array([0.0, _RIDGE * len(distances)])
    weights = np.zeros(2)
    max_steps, small = 100, 1e-8
    for _ in range(max_steps):
        probability = 1 / (1 + np.exp(-inputs @ weights))
        gradient = inputs.T @ (truth - probability) - ridge * weights
        curvature = (inputs * (probability * (1 - probability))[:, np.newaxis]).T @ inputs + np.diag(ridge + small)
        step = np.clip(np.linalg.solve(curvature, gradient), -2, 2)
        weights += step
        if np.abs(step).max() < small:
            break
    slope = weights[1] / spread
    return float(slope), float(weights[0] - slope * centre)
