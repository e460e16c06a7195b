from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from repsense_trainer.dataset import Dataset, WindowSet
from repsense_trainer.errors import DatasetError
from repsense_trainer.evaluation import HeldOutPredictions, confidence_threshold, evaluate, leave_one_group_out


def test_each_group_is_classified_once_by_a_network_that_has_not_seen_it(dataset: Dataset) -> None:
    trained_on: list[set[str]] = []
    seen: list[tuple[str, float]] = []

    def train(windows: WindowSet) -> "Recorder":
        trained_on.append(set(windows.groups.tolist()))
        return Recorder()

    predictions = leave_one_group_out(dataset, train, lambda group, accuracy: seen.append((group, accuracy)))

    assert trained_on == [{"2", "3"}, {"1", "3"}, {"1", "2"}]
    assert seen == [("1", 0.5), ("2", 0.5), ("3", 0.5)]
    np.testing.assert_array_equal(predictions.groups, dataset.windows().groups)
    np.testing.assert_array_equal(predictions.label_indices, dataset.windows().label_indices)


class Recorder:
    """Takes everything for the first label."""

    def __call__(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.tile(np.array([0.8, 0.2], dtype=np.float32), (len(windows), 1))


def test_one_group_cannot_be_left_out(dataset: Dataset) -> None:
    single = replace(dataset, recordings=tuple(r for r in dataset.recordings if r.group == "2"))

    with pytest.raises(DatasetError, match=r"only one session \(2\).*record another session, or give --no-evaluate"):
        leave_one_group_out(single, lambda _: Recorder(), lambda *_: None)


def test_figures_are_those_of_the_confusion_matrix(dataset: Dataset) -> None:
    #          said  sway  bow
    # sway            3     1      recall 3/4, precision 3/5
    # bow             2     2      recall 2/4, precision 2/3
    said = np.array([0, 0, 0, 1, 0, 0, 1, 1])
    predictions = HeldOutPredictions(
        np.eye(2, dtype=np.float32)[said],
        np.array([0, 0, 0, 0, 1, 1, 1, 1]),
        np.array(["1", "1", "2", "2", "1", "1", "2", "2"]),
    )

    figures = evaluate(predictions, dataset.labels, "by hand")

    assert figures.accuracy == pytest.approx(5 / 8)
    assert figures.recall == pytest.approx({"sway": 3 / 4, "bow (deep)": 2 / 4})
    assert figures.macro_f1 == pytest.approx((2 * 3 / (4 + 5) + 2 * 2 / (4 + 3)) / 2)
    assert [(g.group, g.n_windows, g.accuracy) for g in figures.groups] == [("1", 4, 0.5), ("2", 4, 0.75)]


def test_the_threshold_loses_no_more_correct_windows_than_allowed() -> None:
    confidences = np.linspace(0.51, 0.99, 1000, dtype=np.float32)
    predictions = HeldOutPredictions(
        np.stack([confidences, 1 - confidences], axis=1), np.zeros(1000, dtype=np.int64), np.full(1000, "1")
    )

    threshold = confidence_threshold(predictions, lost_share=0.1, low=0.5, high=0.9)

    assert (confidences < threshold).mean() == pytest.approx(0.1)
    assert confidence_threshold(predictions, lost_share=0.1, low=0.7, high=0.9) == pytest.approx(0.7)
    assert confidence_threshold(predictions, lost_share=0.99, low=0.5, high=0.9) == pytest.approx(0.9)
