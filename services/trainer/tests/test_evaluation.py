from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from numpy.typing import NDArray

from repsense.channels import CHANNELS
from repsense.labels import Label
from repsense_trainer.dataset import Cut, Dataset, LabelledRecording
from repsense_trainer.errors import DatasetError
from repsense_trainer.evaluation import (
    Answer,
    Classify,
    HeldOutPredictions,
    area_under_roc,
    believable_threshold,
    confidence_threshold,
    evaluate,
    few_shot,
    leave_groups_out,
    leave_labels_out,
    method_name,
)
from repsense_trainer.trials import folds

SWAY, BOW, HOP, REST = LABELS = tuple(Label(exercise=name) for name in ("sway", "bow", "hop", "rest"))


def make_dataset(*recordings: tuple[str, int]) -> Dataset:
    """From (group, label index); every sample is the label's index, so that an oracle can read it off."""
    return Dataset(
        tuple(
            LabelledRecording(np.full((10, 1), label_index, dtype=np.float32), label_index, group)
            for group, label_index in recordings
        ),
        LABELS[: max(label_index for _, label_index in recordings) + 1],
        Cut(2.0, 3, 1, CHANNELS[:1]),
        "session",
    )


@dataclass
class Oracle:
    """Trains nothing: takes a window for the label that its samples name, or for the first if it was not trained."""

    whole: Dataset
    confidence: float = 0.9
    trained_on: list[tuple[tuple[str, ...], tuple[Label, ...]]] = field(default_factory=list)

    def train(self, dataset: Dataset) -> Classify:
        self.trained_on.append((dataset.groups, dataset.labels))

        def classify(windows: NDArray[np.float32]) -> Answer:
            logits = np.zeros((len(windows), len(dataset.labels)), dtype=np.float32)
            named = [self.whole.labels[round(float(window[0, 0]))] for window in windows]
            columns = [dataset.labels.index(label) if label in dataset.labels else 0 for label in named]
            logits[np.arange(len(windows)), columns] = 3
            return Answer(logits, np.full(len(windows), self.confidence, dtype=np.float32))

        return classify


def predict(
    probabilities: NDArray[np.float64], label_indices: list[int], groups: str | None = None, seconds: float = 2.5
) -> HeldOutPredictions:
    """Predictions that give these probabilities, (n_windows, n_classes), one recording per window."""
    n_windows = len(probabilities)
    with np.errstate(divide="ignore"):
        logits = np.log(probabilities).astype(np.float32)
    return HeldOutPredictions(
        logits,
        np.ones(n_windows, dtype=np.float32),
        np.array(label_indices),
        np.array(list(groups or "1" * n_windows)),
        np.arange(n_windows),
        np.full(n_windows, seconds),
    )


def ignore(*_: object) -> None:
    """Takes what it is told."""


def test_each_group_is_classified_once_by_a_network_that_has_not_seen_it(dataset: Dataset) -> None:
    trained_on: list[tuple[str, ...]] = []
    told: list[object] = []

    def train(training: Dataset) -> Classify:
        trained_on.append(training.groups)
        return lambda windows: Answer(
            np.tile(np.array([2, 0], np.float32), (len(windows), 1)), np.ones(len(windows), np.float32)
        )

    held_out = leave_groups_out(
        dataset, train, folds(dataset, 20), on_stage=told.append, on_group=lambda *group: told.append(group)
    )

    assert trained_on == [("2", "3"), ("1", "3"), ("1", "2")]
    assert told == [
        item for group in "123" for item in (f"leaving out session {group}", (group, 0.5))
    ]  # fmt: skip
    windows = dataset.windows()
    np.testing.assert_array_equal(held_out.groups, windows.groups)
    np.testing.assert_array_equal(held_out.label_indices, windows.label_indices)
    np.testing.assert_array_equal(held_out.recordings, windows.recordings)
    np.testing.assert_array_equal(held_out.seconds, windows.seconds)


def test_groups_of_a_fold_are_left_out_together_and_told_one_by_one() -> None:
    dataset = make_dataset(*((group, label) for group in "ABCDE" for label in (0, 1)))
    stages: list[str] = []
    groups: list[str] = []

    leave_groups_out(
        dataset,
        Oracle(dataset).train,
        folds(dataset, 2),
        on_stage=stages.append,
        on_group=lambda group, _: groups.append(group),
    )

    assert stages == ["leaving out sessions A, C and E", "leaving out sessions B and D"]
    assert groups == ["A", "C", "E", "B", "D"]
    assert method_name(dataset, folds(dataset, 2)) == "leave up to 3 sessions out"
    assert method_name(dataset, folds(dataset, 20)) == "leave one session out"


def test_a_label_that_a_network_was_not_trained_on_is_impossible_and_its_windows_are_counted_as_untested() -> None:
    dataset = make_dataset(("A", 0), ("A", 1), ("B", 0), ("B", 1), ("B", 2))

    held_out = leave_groups_out(dataset, Oracle(dataset).train, folds(dataset, 20), on_stage=ignore, on_group=ignore)
    figures = evaluate(dataset, held_out, "by hand", temperature=1, threshold=0.5)

    assert np.isneginf(held_out.logits[held_out.groups == "B", 2]).all()
    assert np.isfinite(held_out.logits[held_out.groups == "A"]).all()
    assert (held_out.probabilities()[held_out.groups == "B", 2] == 0).all()
    assert figures.untested == {"hop": 8}
    assert figures.recall == {"sway": 1.0, "bow": 1.0}
    assert figures.macro_f1 == 1
    assert [(group.group, group.n_windows) for group in figures.groups] == [("A", 16), ("B", 16)]


@pytest.mark.parametrize(
    ("recordings", "expected"),
    [
        ([("A", 0), ("A", 1)], r"only one session \(A\).*record another session, or train without evaluation"),
        ([("A", 0), ("B", 1)], "that is so for none: record the same activities in another session"),
        ([("A", 0), ("A", 1), ("B", 0)], "that is so for sway: record the same activities in another session"),
    ],
)
def test_what_cannot_be_tested_is_refused_before_anything_is_trained(
    recordings: list[tuple[str, int]], expected: str
) -> None:
    dataset = make_dataset(*recordings)
    oracle = Oracle(dataset)

    with pytest.raises(DatasetError, match=expected):
        leave_groups_out(dataset, oracle.train, folds(dataset, 20), on_stage=ignore, on_group=ignore)
    assert oracle.trained_on == []


def test_a_callback_can_end_the_evaluation() -> None:
    class CancelledError(Exception):
        pass

    def cancel(_: str) -> None:
        raise CancelledError

    three_labels = make_dataset(*((group, label) for group in "AB" for label in range(3)))
    oracle = Oracle(three_labels)
    with pytest.raises(CancelledError):
        leave_labels_out(three_labels, oracle.train, (), on_stage=cancel)
    with pytest.raises(CancelledError):
        few_shot(three_labels, oracle.train, on_stage=cancel)
    assert oracle.trained_on == []


def test_a_left_out_label_is_trained_in_no_network_that_it_is_tested_on() -> None:
    dataset = make_dataset(*((group, label) for group in "ABC" for label in range(4)))
    oracle = Oracle(dataset)
    stages: list[str] = []

    predictions = leave_labels_out(dataset, oracle.train, (REST,), on_stage=stages.append)

    assert list(predictions) == [SWAY, BOW, HOP]
    assert oracle.trained_on == [
        (("B", "C"), (BOW, HOP, REST)),
        (("A", "C"), (SWAY, HOP, REST)),
        (("A", "B"), (SWAY, BOW, REST)),
    ]
    assert stages[1] == "leaving out bow, to see whether it comes out as unknown"
    of_bow = predictions[BOW]
    assert {*of_bow.groups.tolist()} == {"B"}
    assert sorted({*of_bow.label_indices.tolist()}) == [-1, 0, 2, 3]
    assert np.isneginf(of_bow.logits[:, 1]).all()


def test_few_shot_gives_the_mean_and_the_range_of_its_trials() -> None:
    dataset = make_dataset(("A", 0), ("A", 1), ("B", 0), ("B", 1), ("C", 0), ("C", 1))
    accuracies = iter([0, 1, 1, 1, 1, 1])

    def train(training: Dataset) -> Classify:
        is_right = next(accuracies)

        def classify(windows: NDArray[np.float32]) -> Answer:
            truth = windows[:, 0, 0].astype(int)
            logits = np.eye(2, dtype=np.float32)[truth if is_right else 1 - truth]
            return Answer(logits, np.ones(len(windows), dtype=np.float32))

        assert training.labels == (SWAY, BOW)
        return classify

    stages: list[str] = []
    one, two = few_shot(dataset, train, on_stage=stages.append)

    assert (one.n_groups, one.n_trials, one.lowest, one.highest) == (1, 3, 0, 1)
    assert one.accuracy == pytest.approx(2 / 3)
    assert (two.n_groups, two.n_trials, two.accuracy) == (2, 3, 1)
    assert stages[2:4] == ["training on session C only", "training on sessions A and B only"]


def test_figures_are_those_of_the_confusion_matrix() -> None:
    #          said  sway  bow
    # sway            3     1      recall 3/4, precision 3/5
    # bow             2     2      recall 2/4, precision 2/3
    said = np.array([0, 0, 0, 1, 0, 0, 1, 1])
    held_out = predict(np.where(np.eye(2)[said] == 1, 0.8, 0.2), [0, 0, 0, 0, 1, 1, 1, 1], groups="11221122")

    figures = evaluate(make_dataset(("1", 0), ("1", 1)), held_out, "by hand", temperature=1, threshold=0.5)

    assert figures.accuracy == pytest.approx(5 / 8)
    assert figures.accuracy_interval is None
    assert figures.recall == pytest.approx({"sway": 3 / 4, "bow": 2 / 4})
    assert figures.macro_f1 == pytest.approx((2 * 3 / (4 + 5) + 2 * 2 / (4 + 3)) / 2)
    assert figures.confusion == ((3, 1), (2, 2))
    assert [(g.group, g.n_windows, g.accuracy) for g in figures.groups] == [("1", 4, 0.5), ("2", 4, 0.75)]
    assert figures.lost_share == 0
    assert figures.calibration is not None
    assert figures.calibration.error_before > 0


def test_accuracy_by_the_second_and_of_everything_so_far() -> None:
    # One recording of sway. Its first window is sure and right, its second unsure and wrong, and so is a third.
    predictions = replace(
        predict(np.array([[0.45, 0.55], [0.9, 0.1], [0.3, 0.7], [0.2, 0.8]]), [0, 0, 0, 0]),
        recordings=np.zeros(4, dtype=np.int64),
        seconds=np.array([3.0 + 1e-9, 2.5, 3.5, 31.0]),
    )

    figures = evaluate(make_dataset(("1", 0), ("1", 1)), predictions, "by hand", temperature=1, threshold=0.5)

    assert [(p.seconds, p.n_windows, p.accuracy, p.accuracy_so_far) for p in figures.by_second] == [
        (3, 2, 0.5, 1),
        (4, 1, 0, 1),
    ]


def test_unknown_is_judged_per_label_and_rest_is_no_exercise() -> None:
    #                sway  hop   rest
    columns = np.array(
        [
            [0.9, 0.1, 0.0],  # sway, known
            [0.4, 0.6, 0.0],  # hop, known, below the threshold
            [0.1, 0.0, 0.9],  # rest: neither known nor unknown
            [0.3, 0.0, 0.7],  # bow, taken for rest: that is unknown
            [0.2, 0.8, 0.0],  # bow, taken for hop
        ]
    )
    of_bow = predict(np.insert(columns, 1, 0, axis=1), [0, 2, 3, -1, -1])
    dataset = make_dataset(*((group, label) for group in "12" for label in range(4)))

    figures = evaluate(
        dataset,
        predict(np.eye(4), [0, 1, 2, 3]),
        "by hand",
        background=(REST,),
        temperature=1,
        threshold=0.7,
        left_out_labels={BOW: of_bow},
    )

    assert figures.unknown is not None
    (bow,) = figures.unknown.labels
    assert bow.label == "bow"
    assert bow.rejected_share == figures.unknown.rejected_share == 0.5
    # 0.9 and 0.6 against 0.3 and 0.8: three of four pairs are in order.
    assert bow.auroc == figures.unknown.auroc == 0.75
    assert figures.unknown.lost_share == 0.5


@pytest.mark.parametrize(
    ("known", "unknown", "expected"),
    [([0.9, 0.8], [0.1, 0.2], 1), ([0.1], [0.9, 0.8], 0), ([0.5, 0.5], [0.5], 0.5), ([0.9, 0.5], [0.5, 0.1], 0.875)],
)
def test_area_under_roc(known: list[float], unknown: list[float], expected: float) -> None:
    assert area_under_roc(np.array(known, np.float32), np.array(unknown, np.float32)) == pytest.approx(expected)


def test_the_threshold_loses_no_more_windows_of_exercises_than_allowed() -> None:
    confidences = np.linspace(0.51, 0.99, 1000)
    held_out = predict(np.stack([confidences, 1 - confidences, 0 * confidences], axis=1), [0] * 500 + [1] * 500)
    labels = (SWAY, BOW, REST)

    for lost_share in (0.01, 0.1, 0.5):
        threshold = confidence_threshold(held_out, labels, (REST,), lost_share=lost_share)
        assert lost_share - 0.003 < (confidences < threshold).mean() <= lost_share
    assert confidence_threshold(held_out, labels, lost_share=0) == pytest.approx(0.51, abs=2e-3)
    assert confidence_threshold(predict(np.tile([0.999, 0.001], (9, 1)), [0] * 9), labels[:2]) == 0.99


def test_a_poor_network_does_not_say_what_is_wrong_more_often_than_right() -> None:
    #                        sure         doubtful: right, wrong, wrong, right
    confidences = np.array([0.9, 0.8, 0.7, 0.49, 0.42, 0.41, 0.40])
    probabilities = np.stack([confidences, *((1 - confidences) / 2,) * 2], axis=1)

    held_out = predict(probabilities, [0, 0, 0, 0, 1, 1, 0])

    # Below 0.42, two of three are wrong; it is not given up itself, so that what is right half of the time is said.
    assert confidence_threshold(held_out, (SWAY, BOW, HOP), lost_share=0) == pytest.approx(0.42, abs=2e-3)
    everything_right = replace(held_out, label_indices=np.zeros(7, dtype=np.int64))
    assert confidence_threshold(everything_right, (SWAY, BOW, HOP), lost_share=0) == pytest.approx(0.4, abs=2e-3)


def test_few_groups_do_not_make_a_high_threshold() -> None:
    sure = predict(np.tile([0.98, 0.02], (9, 1)), [0] * 9)

    assert confidence_threshold(sure, (SWAY, BOW), highest=believable_threshold(2)) == 0.5
    assert confidence_threshold(sure, (SWAY, BOW), highest=believable_threshold(15)) == 0.882
    assert believable_threshold(10_000) == 0.99


def test_windows_of_rest_may_be_lost() -> None:
    held_out = predict(np.array([[0.9, 0.1], [0.4, 0.6], [0.1, 0.9]]), [0, 1, 1])

    assert confidence_threshold(held_out, (SWAY, REST), (REST,)) == pytest.approx(0.9, abs=2e-3)
    assert confidence_threshold(held_out, (SWAY, BOW)) == pytest.approx(0.6, abs=2e-3)


def test_probabilities_leave_room_for_none_of_these() -> None:
    predictions = replace(predict(np.array([[0.8, 0.2]]), [0]), known=np.array([0.5], np.float32))

    assert predictions.probabilities() == pytest.approx(np.array([[0.4, 0.1]]))
    assert predictions.probabilities(np.array([0.5])) == pytest.approx(0.5 * np.array([[0.64, 0.04]]) / 0.68)
