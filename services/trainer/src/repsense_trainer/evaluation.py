"""Evaluation: networks trained on some groups judged on others, and the figures of that.

The trainings and what each is tested on are in `trials`; whether probabilities mean what they say is in `calibration`.
"""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from repsense.labels import Label
from repsense.manifest import (
    Calibration,
    Evaluation,
    FewShotPoint,
    GroupAccuracy,
    LeftOutLabel,
    SecondAccuracy,
    UnknownEvaluation,
)
from repsense_trainer.calibration import cross_fitted_temperatures, expected_calibration_error, group_interval
from repsense_trainer.dataset import MIN_LABELS, Dataset
from repsense_trainer.errors import DatasetError
from repsense_trainer.trials import Trial, few_shot_trials, group_trials, label_trials

__all__ = [
    "Answer",
    "Classify",
    "HeldOutPredictions",
    "Train",
    "area_under_roc",
    "believable_threshold",
    "confidence_threshold",
    "evaluate",
    "few_shot",
    "leave_groups_out",
    "leave_labels_out",
    "method_name",
    "why_untestable",
]

LOST_SHARE = 0.02
"""Share of windows that the threshold may turn into "unknown": 3 % are acceptable, and a new person needs some room."""
DOUBTFUL = 0.5
"""An answer less likely than this should be wrong more often than right, so that "unknown" is the better one."""
HIGHEST_THRESHOLD = 0.99
"""Nearer to 1 it would hang on the last digits of few windows, and a new person is recognised a little less surely."""
LAST_SECOND = 30
"""Of an activity: whoever is not recognised by then is not helped by a figure."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a network says of windows before temperature and threshold.

    Attributes:
        logits: (n_windows, n_classes) float32; their softmax is the probability of each label, given that it is one of
            them.
        known: (n_windows,) float32, the probability that it is one of them at all.
    """

    logits: NDArray[np.float32]
    known: NDArray[np.float32]


Classify = Callable[[NDArray[np.float32]], Answer]
"""From windows, (n_windows, window_size, n_channels) float32, to the network's answer."""
Train = Callable[[Dataset], Classify]
"""Trains a network on a dataset; its outputs are the dataset's labels."""


@dataclass(frozen=True, slots=True)
class HeldOutPredictions:
    """What networks said of windows that they had not seen.

    Attributes:
        logits: (n_windows, n_classes) float32; -inf for a label that the network had not been trained on.
        known: (n_windows,) float32, as in `Answer`.
        label_indices: (n_windows,) int64, the truth; -1 for a label that none of the classes stands for.
        groups: (n_windows,) str.
        recordings: (n_windows,) int64, which recording of the dataset each was cut from.
        seconds: (n_windows,) float64, from the beginning of the activity to the end of the window.
    """

    logits: NDArray[np.float32]
    known: NDArray[np.float32]
    label_indices: NDArray[np.int64]
    groups: NDArray[np.str_]
    recordings: NDArray[np.int64]
    seconds: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.logits)

    @property
    def is_correct(self) -> NDArray[np.bool_]:
        """Whether the most probable label is the true one: (n_windows,) bool."""
        return np.asarray(self.logits.argmax(axis=1) == self.label_indices, dtype=np.bool_)

    def probabilities(self, temperature: float | NDArray[np.float64] = 1.0) -> NDArray[np.float32]:
        """(n_windows, n_classes) float32, as the model gives them: softmax(logits / temperature) * known.

        Args:
            temperature: One for all windows, or one for each: (n_windows,) float64.
        """
        scaled = self.logits / np.asarray(temperature)[..., np.newaxis]
        exponential = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        softmax = exponential / exponential.sum(axis=1, keepdims=True)
        return np.asarray(softmax * self.known[:, np.newaxis], dtype=np.float32)

    def confidences(
        self, labels: Sequence[Label], background: Collection[Label], temperature: float = 1.0
    ) -> NDArray[np.float32]:
        """How sure the network is that a window is an exercise that it knows: (n_windows,) float32.

        It is the largest probability of an exercise, and 0 where background is more probable: that comes out as unknown
        whatever the threshold.

        Args:
            labels: What the classes are.
            background: Those among them that are no exercise.
            temperature: By which the logits are divided.
        """
        probabilities = self.probabilities(temperature)
        is_background = np.array([label in background for label in labels])[probabilities.argmax(axis=1)]
        return np.where(is_background, np.float32(0), probabilities.max(axis=1))


def leave_groups_out(
    dataset: Dataset,
    train: Train,
    folds: Sequence[Collection[str]],
    *,
    on_stage: Callable[[str], None],
    on_group: Callable[[str, float], None],
) -> HeldOutPredictions:
    """Classify each group's windows by a network trained on other groups.

    Windows whose label the other groups lack are not among the predictions; see `trials.group_trials`.

    Args:
        dataset: Everything.
        train: Trains one network.
        folds: Which groups are left out together; see `trials.folds`.
        on_stage: Told, before each training, what it is for; it may raise to end the evaluation.
        on_group: Told of each group and its accuracy as it is known; it may raise, too.

    Raises:
        DatasetError: If there is only one group, or fewer than two labels could be tested.
    """
    reason = why_untestable(dataset, folds)
    if reason is not None:
        msg = f"{reason}, or train without evaluation"
        raise DatasetError(msg)
    trials = group_trials(dataset, folds)
    predictions = []
    for trial in trials:
        groups = trial.test.groups
        on_stage(f"leaving out {_named(dataset.group_by, groups)}")
        prediction = _run(dataset, trial, train)
        for group in groups:
            on_group(group, float(prediction.is_correct[prediction.groups == group].mean()))
        predictions.append(prediction)
    return HeldOutPredictions(
        np.concatenate([prediction.logits for prediction in predictions]),
        np.concatenate([prediction.known for prediction in predictions]),
        np.concatenate([prediction.label_indices for prediction in predictions]),
        np.concatenate([prediction.groups for prediction in predictions]),
        np.concatenate([prediction.recordings for prediction in predictions]),
        np.concatenate([prediction.seconds for prediction in predictions]),
    )


def why_untestable(dataset: Dataset, folds: Sequence[Collection[str]]) -> str | None:
    """What would have to be recorded before networks can be judged by leaving groups out; None if they can.

    Args:
        dataset: Everything.
        folds: Which groups are left out together; see `trials.folds`.
    """
    group = dataset.group_by
    if len(dataset.groups) == 1:
        return (
            f"there is only one {group} ({dataset.groups[0]}), so nothing can be held out to test on: "
            f"record another {group}"
        )
    tested = {label for trial in group_trials(dataset, folds) for label in trial.test.present_labels}
    if len(tested) < MIN_LABELS:
        return (
            f"a label can only be tested if another {group} has it too, together with a second label, and that is so "
            f"for {' and '.join(map(str, tested)) or 'none'}: record the same activities in another {group}"
        )
    return None


def leave_labels_out(
    dataset: Dataset, train: Train, background: Collection[Label], *, on_stage: Callable[[str], None]
) -> dict[Label, HeldOutPredictions]:
    """Classify windows of each label by a network that was trained neither on the label nor on the groups tested.

    Args:
        dataset: Everything.
        train: Trains one network.
        background: Labels that are no exercise; they are always trained.
        on_stage: Told, before each training, what it is for; it may raise to end the evaluation.

    Returns:
        Per left-out label, windows of it (their label index is -1) and of the known labels. Empty if there are fewer
        than three labels or two groups, for then nothing can be left out.
    """
    predictions = {}
    for trial in label_trials(dataset, background):
        if trial.left_out is not None:
            on_stage(f"leaving out {trial.left_out}, to see whether it comes out as unknown")
            predictions[trial.left_out] = _run(dataset, trial, train)
    return predictions


def few_shot(dataset: Dataset, train: Train, *, on_stage: Callable[[str], None]) -> tuple[FewShotPoint, ...]:
    """Accuracy on all other groups after training on 1, 2, 4, ... of them.

    Args:
        dataset: Everything.
        train: Trains one network.
        on_stage: Told, before each training, what it is for; it may raise to end the evaluation.
    """
    points = []
    for n_groups, trials in few_shot_trials(dataset).items():
        accuracies = []
        for trial in trials:
            on_stage(f"training on {_named(dataset.group_by, trial.training.groups)} only")
            accuracies.append(float(_run(dataset, trial, train).is_correct.mean()))
        points.append(
            FewShotPoint(
                n_groups=n_groups,
                n_trials=len(trials),
                accuracy=float(np.mean(accuracies)),
                lowest=min(accuracies),
                highest=max(accuracies),
            )
        )
    return tuple(points)


def evaluate(
    dataset: Dataset,
    held_out: HeldOutPredictions,
    method: str,
    *,
    background: Collection[Label] = (),
    temperature: float,
    threshold: float,
    left_out_labels: Mapping[Label, HeldOutPredictions] | None = None,
    few_shot: Sequence[FewShotPoint] = (),
) -> Evaluation:
    """The figures; accuracy is over all windows, every group's is beside it.

    Args:
        dataset: Everything.
        held_out: From `leave_groups_out`.
        method: How the windows were held out, in words.
        background: Labels that are no exercise.
        temperature: The model's.
        threshold: The model's confidence threshold.
        left_out_labels: From `leave_labels_out`.
        few_shot: From `few_shot`.
    """
    confusion = _confusion(held_out, len(dataset.labels))
    hits, true, said = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
    is_correct = held_out.is_correct
    untested = np.bincount(dataset.windows().label_indices, minlength=len(dataset.labels)) - true
    is_known_exercise = _is_exercise(held_out, dataset.labels, background)
    confidences = held_out.confidences(dataset.labels, background, temperature)
    return Evaluation(
        method=method,
        group_by=dataset.group_by,
        accuracy=float(is_correct.mean()),
        accuracy_interval=group_interval(is_correct, held_out.groups),
        macro_f1=float((2 * hits / np.maximum(true + said, 1))[true > 0].mean()),
        recall={str(dataset.labels[index]): float(hits[index] / true[index]) for index in np.flatnonzero(true)},
        untested={str(dataset.labels[index]): int(untested[index]) for index in np.flatnonzero(untested)},
        groups=tuple(
            GroupAccuracy(group=group, n_windows=int(of_group.sum()), accuracy=float(is_correct[of_group].mean()))
            for group in dict.fromkeys(held_out.groups.tolist())
            for of_group in [held_out.groups == group]
        ),
        confusion=tuple(tuple(row) for row in confusion.tolist()),
        lost_share=float((confidences[is_known_exercise] < threshold).mean()) if is_known_exercise.any() else None,
        by_second=_by_second(held_out, temperature),
        calibration=_calibration(held_out, temperature),
        unknown=_unknown(left_out_labels or {}, dataset.labels, background, temperature, threshold),
        few_shot=tuple(few_shot),
    )


def confidence_threshold(
    held_out: HeldOutPredictions,
    labels: Sequence[Label],
    background: Collection[Label] = (),
    temperature: float = 1.0,
    *,
    lost_share: float = LOST_SHARE,
    highest: float = HIGHEST_THRESHOLD,
) -> float:
    """The probability below which a window counts as unknown.

    It is as high as it can be while no more than a given share of all held-out windows of exercises fall below it. The
    wrong ones among them count like the others: what is promised is how often somebody who does a known exercise is
    told nothing, and that is what they notice. Wrong windows are the least confident ones and fall first anyway.

    A poor network may lose more: answers below `DOUBTFUL` are not given if, on the held-out windows, more of them were
    wrong than right.

    Args:
        held_out: From `leave_groups_out`.
        labels: What the classes are.
        background: Those among them that are no exercise.
        temperature: The model's.
        lost_share: The share.
        highest: What it is at most; see `believable_threshold`.

    Returns:
        It, rounded down to three decimals.
    """
    is_exercise = _is_exercise(held_out, labels, background)
    if not is_exercise.any():
        return highest
    confidences = held_out.confidences(labels, background, temperature)[is_exercise]
    threshold = float(np.quantile(confidences, lost_share, method="lower"))
    # Wrong more often than right: the longest run of the least confident windows in which that is so.
    order = np.argsort(confidences, kind="stable")
    balance = np.where(held_out.is_correct[is_exercise][order], 1, -1).cumsum()
    n_doubtful = int(np.flatnonzero(balance < 0).max(initial=-1)) + 1
    if n_doubtful:
        threshold = max(threshold, min(DOUBTFUL, float(confidences[order[n_doubtful - 1]])))
    return math.floor(min(threshold, highest) * 1000) / 1000


def believable_threshold(n_groups: int) -> float:
    """The highest threshold that so many groups can tell: n / (n + 2), as in the rule of succession.

    Two sessions of one person, recorded one after the other, may be recognised with a confidence of 0.98 throughout;
    on the next day it will be less.
    """
    return min(HIGHEST_THRESHOLD, n_groups / (n_groups + 2))


def area_under_roc(known: NDArray[np.float32], unknown: NDArray[np.float32]) -> float:
    """How probably a known window is more confident than an unknown one; equally confident ones count half.

    Args:
        known: (n_known,) float32, confidences; at least one.
        unknown: (n_unknown,) float32, confidences; at least one.
    """
    ordered = np.sort(unknown)
    n_below, n_not_above = (np.searchsorted(ordered, known, side) for side in ("left", "right"))
    return float((n_below + n_not_above).mean() / (2 * len(unknown)))


def method_name(dataset: Dataset, folds: Sequence[Collection[str]]) -> str:
    """How groups are held out, in words: "leave one session out"."""
    largest = max(map(len, folds), default=1)
    return f"leave one {dataset.group_by} out" if largest == 1 else f"leave up to {largest} {dataset.group_by}s out"


def _run(dataset: Dataset, trial: Trial, train: Train) -> HeldOutPredictions:
    """Train one network, and classify what it is tested on."""
    answer_of = train(trial.training)
    windows = trial.test.windows()
    answer = answer_of(windows.samples)
    logits = np.full((len(windows), len(dataset.labels)), -np.inf, dtype=np.float32)
    logits[:, [dataset.labels.index(label) for label in trial.training.labels]] = answer.logits
    label_indices = windows.label_indices
    if trial.left_out is not None:
        label_indices = np.where(label_indices == dataset.labels.index(trial.left_out), -1, label_indices)
    return HeldOutPredictions(
        logits, answer.known, label_indices, windows.groups, trial.recordings[windows.recordings], windows.seconds
    )


def _named(group_by: str, groups: Sequence[str]) -> str:
    """Groups in words, such as "session 3" or "sessions 3, 4 and 5"."""
    if len(groups) == 1:
        return f"{group_by} {groups[0]}"
    return f"{group_by}s {', '.join(groups[:-1])} and {groups[-1]}"


def _is_exercise(
    predictions: HeldOutPredictions, labels: Sequence[Label], background: Collection[Label]
) -> NDArray[np.bool_]:
    """Whether the true label is a known one and no background: (n_windows,) bool."""
    exercises = [index for index, label in enumerate(labels) if label not in background]
    return np.isin(predictions.label_indices, exercises)


def _confusion(predictions: HeldOutPredictions, n_classes: int) -> NDArray[np.int64]:
    confusion = np.zeros((n_classes, n_classes), dtype=np.int64)
    np.add.at(confusion, (predictions.label_indices, predictions.logits.argmax(axis=1)), 1)
    return confusion


def _by_second(predictions: HeldOutPredictions, temperature: float) -> tuple[SecondAccuracy, ...]:
    """A window counts for the second in which it ended; the one that ends on the second is the last of it."""
    probabilities = predictions.probabilities(temperature)
    so_far = np.empty_like(probabilities)
    for recording in np.unique(predictions.recordings):
        rows = np.flatnonzero(predictions.recordings == recording)
        rows = rows[np.argsort(predictions.seconds[rows], kind="stable")]
        so_far[rows] = probabilities[rows].cumsum(axis=0)
    is_correct = predictions.is_correct
    is_correct_so_far = so_far.argmax(axis=1) == predictions.label_indices
    # Rounded first: 3.0000000001 s are 3 s.
    seconds = np.ceil(predictions.seconds.round(6)).astype(np.int64)
    return tuple(
        SecondAccuracy(
            seconds=float(second),
            n_windows=int(rows.sum()),
            accuracy=float(is_correct[rows].mean()),
            accuracy_so_far=float(is_correct_so_far[rows].mean()),
        )
        for second in range(1, LAST_SECOND + 1)
        if (rows := seconds == second).any()
    )


def _calibration(predictions: HeldOutPredictions, temperature: float) -> Calibration:
    cross_fitted = cross_fitted_temperatures(predictions.logits, predictions.label_indices, predictions.groups)
    error, error_before = (
        expected_calibration_error(predictions.probabilities(by).max(axis=1), predictions.is_correct)
        for by in (cross_fitted, 1.0)
    )
    return Calibration(temperature=temperature, error=error, error_before=error_before)


def _unknown(
    left_out_labels: Mapping[Label, HeldOutPredictions],
    labels: Sequence[Label],
    background: Collection[Label],
    temperature: float,
    threshold: float,
) -> UnknownEvaluation | None:
    if not left_out_labels:
        return None
    per_label, lost = [], []
    for label, predictions in left_out_labels.items():
        confidences = predictions.confidences(labels, background, temperature)
        known = confidences[_is_exercise(predictions, labels, background)]
        unknown = confidences[predictions.label_indices < 0]
        lost.append(known < threshold)
        per_label.append(
            LeftOutLabel(
                label=str(label),
                auroc=area_under_roc(known, unknown),
                rejected_share=float((unknown < threshold).mean()),
            )
        )
    return UnknownEvaluation(
        auroc=float(np.mean([label.auroc for label in per_label])),
        lost_share=float(np.concatenate(lost).mean()),
        rejected_share=float(np.mean([label.rejected_share for label in per_label])),
        labels=tuple(per_label),
    )
