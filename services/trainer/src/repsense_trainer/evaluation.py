"""Evaluation on groups that the network has not seen."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from repsense.labels import Label
from repsense.manifest import Evaluation, GroupAccuracy
from repsense_trainer.dataset import Dataset, WindowSet
from repsense_trainer.errors import DatasetError

__all__ = ["HeldOutPredictions", "confidence_threshold", "evaluate", "leave_one_group_out"]

_Classify = Callable[[NDArray[np.float32]], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class HeldOutPredictions:
    """What networks said of windows that they had not seen.

    Attributes:
        probabilities: (n_windows, n_classes) float32.
        label_indices: (n_windows,) int64, the truth.
        groups: (n_windows,) str.
    """

    probabilities: NDArray[np.float32]
    label_indices: NDArray[np.int64]
    groups: NDArray[np.str_]

    @property
    def is_correct(self) -> NDArray[np.bool_]:
        """Whether the most probable label is the true one: (n_windows,) bool."""
        return np.asarray(self.probabilities.argmax(axis=1) == self.label_indices, dtype=np.bool_)


def leave_one_group_out(
    dataset: Dataset,
    train: Callable[[WindowSet], _Classify],
    on_group: Callable[[str, float], None],
) -> HeldOutPredictions:
    """Classify each group by a network trained on all the others.

    Args:
        dataset: At least two groups.
        train: Trains a network on windows and returns what classifies with it.
        on_group: Told of each group and its accuracy as it is known.

    Raises:
        DatasetError: If there is only one group, or one cannot be left out because only it has some label.
    """
    column = dataset.description.group_column
    if len(dataset.groups) == 1:
        msg = (
            f"there is only one {column} ({dataset.groups[0]}), so nothing can be held out to test on: "
            f"record another {column}, or give --no-evaluate"
        )
        raise DatasetError(msg)
    predictions = []
    for group in dataset.groups:
        others, held_out = dataset.split({group})
        windows = held_out.windows()
        classify = train(others.windows())
        prediction = HeldOutPredictions(classify(windows.samples), windows.label_indices, windows.groups)
        on_group(group, float(prediction.is_correct.mean()))
        predictions.append(prediction)
    return HeldOutPredictions(
        np.concatenate([prediction.probabilities for prediction in predictions]),
        np.concatenate([prediction.label_indices for prediction in predictions]),
        np.concatenate([prediction.groups for prediction in predictions]),
    )


def evaluate(predictions: HeldOutPredictions, labels: Sequence[Label], method: str) -> Evaluation:
    """Figures of predictions; accuracy is over all windows, every group's is beside it.

    Args:
        predictions: Of held-out windows.
        labels: In the order of the network's outputs.
        method: How the windows were held out, in words.
    """
    n_classes = len(labels)
    confusion = np.zeros((n_classes, n_classes))
    np.add.at(confusion, (predictions.label_indices, predictions.probabilities.argmax(axis=1)), 1)
    hits, true, said = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
    recall = hits / np.maximum(true, 1)
    f1 = 2 * hits / np.maximum(true + said, 1)
    is_correct = predictions.is_correct
    return Evaluation(
        method=method,
        accuracy=float(is_correct.mean()),
        macro_f1=float(f1.mean()),
        recall={str(label): float(value) for label, value in zip(labels, recall, strict=True)},
        groups=tuple(
            GroupAccuracy(group=group, n_windows=int(of_group.sum()), accuracy=float(is_correct[of_group].mean()))
            for group, of_group in (
                (group, predictions.groups == group) for group in dict.fromkeys(predictions.groups.tolist())
            )
        ),
    )


def confidence_threshold(predictions: HeldOutPredictions, *, lost_share: float, low: float, high: float) -> float:
    """The probability below which a window counts as unknown.

    Args:
        predictions: Of held-out windows.
        lost_share: The share of correctly classified windows that may fall below it.
        low: The lowest threshold.
        high: The highest threshold.
    """
    confidences = predictions.probabilities.max(axis=1)[predictions.is_correct]
    if not len(confidences):
        return high
    return float(np.clip(np.quantile(confidences, lost_share), low, high))
