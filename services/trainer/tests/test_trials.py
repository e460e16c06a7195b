import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from repsense.channels import CHANNELS
from repsense.labels import Label
from repsense.training import EvaluationConfiguration
from repsense_trainer.dataset import Cut, Dataset, LabelledRecording
from repsense_trainer.trials import Trial, few_shot_trials, folds, group_trials, label_trials, n_trainings

LABELS = tuple(Label(exercise=name) for name in ("bow", "hop", "rest", "sway"))
REST = LABELS[2]
WINDOW_SIZE = 3


def make_dataset(*recordings: tuple[str, int] | tuple[str, int, int]) -> Dataset:
    """From (group, label index, samples or else ten); every sample is the number of its group's recording."""
    groups = list(dict.fromkeys(group for group, *_ in recordings))
    return Dataset(
        tuple(
            LabelledRecording(
                np.full((n_samples[0] if n_samples else 10, 1), groups.index(group), dtype=np.float32), label, group
            )
            for group, label, *n_samples in recordings
        ),
        LABELS,
        Cut(2.0, WINDOW_SIZE, 1, CHANNELS[:1]),
        "session",
    )


@st.composite
def datasets(draw: st.DrawFn) -> Dataset:
    """Up to nine groups, each with some of the labels; some recordings are shorter than a window."""
    recording = st.tuples(
        st.sampled_from("ABCDEFGHI"), st.integers(0, len(LABELS) - 1), st.integers(1, 3 * WINDOW_SIZE)
    )
    return make_dataset(*draw(st.lists(recording, min_size=1, max_size=40)))


def all_trials(dataset: Dataset, max_folds: int) -> list[Trial]:
    few_shot = [trial for trials in few_shot_trials(dataset).values() for trial in trials]
    return group_trials(dataset, folds(dataset, max_folds)) + label_trials(dataset, (REST,)) + few_shot


@given(datasets(), st.integers(2, 9))
def test_no_window_of_a_group_ever_lies_on_both_sides(dataset: Dataset, max_folds: int) -> None:
    for trial in all_trials(dataset, max_folds):
        trained, tested = trial.training.windows(), trial.test.windows()
        assert not {*trained.groups.tolist()} & {*tested.groups.tolist()}
        # The samples themselves, whatever the groups are called: each is its group's number.
        assert not {*trained.samples.ravel().tolist()} & {*tested.samples.ravel().tolist()}


@given(datasets(), st.integers(2, 9))
def test_what_is_tested_was_trained_or_left_out_on_purpose(dataset: Dataset, max_folds: int) -> None:
    for trial in all_trials(dataset, max_folds):
        trained = {trial.training.labels[index] for index in trial.training.windows().label_indices}
        tested = {trial.test.labels[index] for index in trial.test.windows().label_indices}
        assert trained == set(trial.training.labels)
        assert len(trained) >= 2
        assert trial.left_out not in trained
        assert trial.left_out is None or trial.left_out in tested
        assert tested <= trained | {trial.left_out}
        assert all(
            dataset.recordings[index] is recording
            for index, recording in zip(trial.recordings, trial.test.recordings, strict=True)
        )


@given(datasets(), st.integers(2, 9))
def test_each_group_is_in_one_fold_and_folds_are_of_a_size(dataset: Dataset, max_folds: int) -> None:
    made = folds(dataset, max_folds)

    with_windows = {recording.group for recording in dataset.recordings if len(recording.samples) >= WINDOW_SIZE}
    assert sorted(group for fold in made for group in fold) == sorted(with_windows)
    assert len(made) == min(max_folds, len(with_windows))
    assert not made or max(map(len, made)) - min(map(len, made)) <= 1
    assert made == folds(dataset, max_folds)


@given(datasets(), st.tuples(st.booleans(), st.booleans(), st.booleans()))
def test_the_number_of_trainings_is_known_beforehand(dataset: Dataset, parts: tuple[bool, bool, bool]) -> None:
    leave_one_group_out, unknown, few_shot = parts
    configuration = EvaluationConfiguration(
        leave_one_group_out=leave_one_group_out, unknown=unknown, few_shot=few_shot, max_folds=3
    )

    assert n_trainings(dataset, configuration, (REST,)) == leave_one_group_out * (
        len(group_trials(dataset, folds(dataset, 3)))
        + unknown * len(label_trials(dataset, (REST,)))
        + few_shot * sum(map(len, few_shot_trials(dataset).values()))
    )


def test_a_label_that_only_one_group_has_is_not_tested() -> None:
    dataset = make_dataset(("A", 0), ("A", 1), ("A", 3), ("B", 0), ("B", 1))

    without_a, without_b = group_trials(dataset, folds(dataset, 20))

    assert without_a.training.labels == LABELS[:2]
    assert without_a.test.present_labels == LABELS[:2]
    assert without_b.training.labels == (LABELS[0], LABELS[1], LABELS[3])


def test_a_fold_is_left_out_where_a_single_label_would_be_left_to_train_on() -> None:
    dataset = make_dataset(("A", 0), ("A", 1), ("B", 0))

    (trial,) = group_trials(dataset, folds(dataset, 20))

    assert trial.test.groups == ("B",)


def test_over_the_labels_every_third_of_the_groups_is_tested() -> None:
    dataset = make_dataset(*((group, label) for group in "ABCDEF" for label in range(4)))

    trials = label_trials(dataset, background=(REST,))

    assert [trial.left_out for trial in trials] == [LABELS[0], LABELS[1], LABELS[3]]
    assert [trial.test.groups for trial in trials] == [("A", "D"), ("B", "E"), ("C", "F")]
    assert all(REST in trial.training.labels for trial in trials)


def test_a_label_left_out_is_tested_in_a_third_that_has_it() -> None:
    dataset = make_dataset(*((group, label) for group in "ABC" for label in (0, 1)), ("C", 3))

    sway = next(trial for trial in label_trials(dataset, ()) if trial.left_out == LABELS[3])

    assert sway.test.groups == ("C",)


@pytest.mark.parametrize(
    "dataset",
    [
        make_dataset(("A", 0), ("A", 1), ("B", 0), ("B", 1)),
        make_dataset(("A", 0), ("A", 1), ("A", 3)),
    ],
    ids=["two labels", "one group"],
)
def test_no_label_can_be_left_out_of_too_little(dataset: Dataset) -> None:
    assert label_trials(dataset, ()) == []


def test_few_shot_trains_on_powers_of_two_and_on_each_group_alone() -> None:
    groups = "ABCDEFGHI"
    dataset = make_dataset(*((group, label) for group in groups for label in (0, 1)))

    trials = few_shot_trials(dataset)

    assert {size: len(of_size) for size, of_size in trials.items()} == {1: 9, 2: 5, 4: 5, 8: 5}
    assert [trial.training.groups for trial in trials[1]] == [(group,) for group in groups]
    for size, of_size in trials.items():
        trained = {frozenset(trial.training.groups) for trial in of_size}
        assert len(trained) == len(of_size)
        assert all(len(of_trial) == size for of_trial in trained)
        assert all({*trial.training.groups, *trial.test.groups} == {*groups} for trial in of_size)
