"""Trials: what a network is trained on to be judged, and what it is then tested on.

Nothing is trained here. A group (a subject or a session) lies on one side of a trial only, before anything is cut
into windows.
"""

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from repsense.labels import Label
from repsense.training import EvaluationConfiguration
from repsense_trainer.dataset import MIN_LABELS, Dataset

__all__ = ["Trial", "few_shot_trials", "folds", "group_trials", "label_trials", "n_trainings"]

N_LABEL_FOLDS = 3
"""A left-out label is tested on a third of the groups: one training per label, and two thirds are left to train on."""
MAX_SINGLE_GROUP_TRIALS = 20
MAX_TRIALS = 5
"""Of the same number of groups; what differs is which groups, and with more of them it differs less."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One training, and what the network that comes out of it is tested on.

    Attributes:
        training: What it is trained on; its labels are those that it has, two or more.
        test: What it is tested on: other groups. Its labels are those of the whole dataset.
        recordings: (n_recordings,) int64, which of the whole dataset's recordings those of `test` are.
        left_out: A label that is in `test` but not in `training`.
    """

    training: Dataset
    test: Dataset
    recordings: NDArray[np.int64]
    left_out: Label | None = None


def folds(dataset: Dataset, max_folds: int) -> list[tuple[str, ...]]:
    """Which groups are left out together: each by itself, or several if there are more than `max_folds`.

    The number of groups in two folds differs by at most one. A group without a single window is in none.
    """
    groups = tuple(dict.fromkeys(dataset.recordings[index].group for index in _usable(dataset)))
    return [groups[start::max_folds] for start in range(min(max_folds, len(groups)))]


def group_trials(dataset: Dataset, folds: Sequence[Collection[str]]) -> list[Trial]:
    """Each fold tested by a network trained on the other groups.

    Windows of a label that the other groups lack are not tested: the network could not know it. A fold is left out if
    nothing in it can be tested, or if the other groups have fewer than two labels.
    """
    return [trial for fold in folds if (trial := _trial(dataset, fold)) is not None]


def label_trials(dataset: Dataset, background: Collection[Label]) -> list[Trial]:
    """Each label left out of the training once, and tested, with the known ones, on a third of the groups.

    The thirds take turns, so that over the labels all groups are tested on; a label that a third lacks takes the next
    one. With two groups it is one of the two. Background is never left out: it is there to be trained.

    Returns:
        At most one trial per label; none if there are fewer than three labels or two groups.
    """
    thirds = folds(dataset, N_LABEL_FOLDS)
    trials = []
    for turn, label in enumerate(label for label in dataset.labels if label not in background):
        in_turn = (thirds[(turn + step) % len(thirds)] for step in range(len(thirds)))
        possible = (trial for third in in_turn if (trial := _trial(dataset, third, label)) is not None)
        trials += [trial for trial in possible if _tests_unknown_and_known(trial, background)][:1]
    return trials


def few_shot_trials(dataset: Dataset) -> dict[int, list[Trial]]:
    """Trained on 1, 2, 4, ... groups and tested on all the others, by the number of groups.

    Each group by itself, if there are not too many; of larger numbers a few sets of groups, chosen by a fixed chance.
    """
    (*groups,) = (group for fold in folds(dataset, len(dataset.recordings)) for group in fold)
    trials = {}
    size = 1
    while size < len(groups):
        chosen = _sets(groups, size, MAX_SINGLE_GROUP_TRIALS if size == 1 else MAX_TRIALS)
        of_size = [_trial(dataset, [group for group in groups if group not in trained]) for trained in chosen]
        if possible := [trial for trial in of_size if trial is not None]:
            trials[size] = possible
        size *= 2
    return trials


def n_trainings(dataset: Dataset, configuration: EvaluationConfiguration, background: Collection[Label]) -> int:
    """How many networks an evaluation trains: none unless groups are left out, for all else builds on that."""
    if not configuration.leave_one_group_out:
        return 0
    n_groups = len(group_trials(dataset, folds(dataset, configuration.max_folds)))
    n_labels = len(label_trials(dataset, background))
    n_few_shot = sum(map(len, few_shot_trials(dataset).values()))
    return n_groups + configuration.unknown * n_labels + configuration.few_shot * n_few_shot


def _usable(dataset: Dataset) -> Iterator[int]:
    """Indices of the recordings that have a window: the others must not decide which labels or groups there are."""
    return (i for i, recording in enumerate(dataset.recordings) if len(recording.samples) >= dataset.cut.window_size)


def _trial(dataset: Dataset, tested_groups: Collection[str], left_out: Label | None = None) -> Trial | None:
    """None if it would train on fewer than two labels or test nothing."""
    tested, trained = [], []
    for index in _usable(dataset):
        recording = dataset.recordings[index]
        if recording.group in tested_groups:
            tested.append(index)
        elif dataset.labels[recording.label_index] != left_out:
            trained.append(index)
    rest = replace(dataset, recordings=tuple(dataset.recordings[index] for index in trained))
    training = rest.only(rest.present_labels)
    answerable = {*training.labels, left_out}
    tested = [index for index in tested if dataset.labels[dataset.recordings[index].label_index] in answerable]
    if len(training.labels) < MIN_LABELS or not tested:
        return None
    test = replace(dataset, recordings=tuple(dataset.recordings[index] for index in tested))
    return Trial(training, test, np.array(tested, dtype=np.int64), left_out)


def _tests_unknown_and_known(trial: Trial, background: Collection[Label]) -> bool:
    tested = set(trial.test.present_labels)
    return trial.left_out in tested and bool(tested - {trial.left_out, *background})


def _sets(groups: Sequence[str], size: int, limit: int) -> list[tuple[str, ...]]:
    """Different sets of groups: all that there are, or `limit` of them that share as few groups as possible."""
    if math.comb(len(groups), size) <= limit:
        return list(combinations(groups, size))
    random = np.random.default_rng(size)
    sets: dict[frozenset[str], tuple[str, ...]] = {}
    while True:
        order = [groups[index] for index in random.permutation(len(groups))]
        for start in range(0, len(groups) - size + 1, size):
            chosen = tuple(order[start : start + size])
            sets.setdefault(frozenset(chosen), chosen)
            if len(sets) == limit:
                return list(sets.values())
