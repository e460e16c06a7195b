from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from repsense.errors import RepSenseError
from repsense_trainer.dataset import Dataset, DatasetDescription, LabelledRecording, load_dataset
from repsense_trainer.errors import DatasetError


def test_recordings_carry_label_and_group(write_dataset: Callable[..., Path]) -> None:
    path = write_dataset()

    dataset = load_dataset(path.parent, DatasetDescription.load(path))

    assert [str(label) for label in dataset.labels] == ["sway", "bow (deep)"]
    assert [(r.group, r.label_index) for r in dataset.recordings] == [(g, i) for g in "123" for i in (0, 1)]


def test_no_window_of_a_group_lies_on_both_sides_of_a_split(dataset: Dataset) -> None:
    for group in dataset.groups:
        rest, out = (side.windows() for side in dataset.split({group}))

        assert set(out.groups) == {group}
        assert group not in rest.groups
        assert len(rest) + len(out) == len(dataset.windows())
        # Not even one sample is shared, whatever the groups' names say.
        assert not {s.tobytes() for s in np.concatenate(rest.samples)} & {
            s.tobytes() for s in np.concatenate(out.samples)
        }


def test_no_window_spans_two_recordings(dataset: Dataset) -> None:
    # Recording number k holds the value k in every sample.
    numbered = Dataset(
        dataset.description,
        tuple(LabelledRecording(np.full((6, 9), k, dtype=np.float32), k % 2, str(k)) for k in range(4)),
    )

    windows = numbered.windows()

    assert len(windows) == 4 * 3
    assert (windows.samples == windows.groups.astype(np.float32)[:, np.newaxis, np.newaxis]).all()


def test_the_fingerprint_follows_the_data(dataset: Dataset) -> None:
    rest, _ = dataset.split({"3"})
    first = dataset.recordings[0]
    changed = LabelledRecording(first.samples + np.float32(1e-3), first.label_index, first.group)

    assert dataset.fingerprint() == Dataset(dataset.description, dataset.recordings).fingerprint()
    assert rest.fingerprint() != dataset.fingerprint()
    assert Dataset(dataset.description, (changed, *dataset.recordings[1:])).fingerprint() != dataset.fingerprint()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"without_column": "mz"}, "has no column 'mz'"),
        ({"without_column": "session"}, "has no column 'session'"),
        ({"activities": ("Sway", "Bow", "Hop")}, "recordings of 'Hop', which has no label: give it one"),
        ({"activities": ("Sway",)}, "no recording of 'Bow': record it or take it out"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_in_words(
    write_dataset: Callable[..., Path], changes: dict[str, object], expected: str
) -> None:
    path = write_dataset(**changes)

    with pytest.raises(RepSenseError, match=expected):
        load_dataset(path.parent, DatasetDescription.load(path))


def test_recordings_shorter_than_a_window_are_refused_in_words(write_dataset: Callable[..., Path]) -> None:
    path = write_dataset(n_samples=3)

    with pytest.raises(DatasetError, match="as long as a window of 4 samples: record for longer"):
        load_dataset(path.parent, DatasetDescription.load(path)).windows()


@pytest.mark.parametrize(
    ("left_out", "expected"),
    [
        ({"9"}, "no session '9' to leave out; there are 1, 2, 3"),
        ({"1", "2", "3"}, "every session is left out"),
    ],
)
def test_an_impossible_split_is_refused_in_words(dataset: Dataset, left_out: set[str], expected: str) -> None:
    with pytest.raises(DatasetError, match=expected):
        dataset.split(left_out)


def test_a_split_that_leaves_a_label_without_recordings_is_refused(dataset: Dataset) -> None:
    only_first_bows = Dataset(
        dataset.description, tuple(r for r in dataset.recordings if r.group == "1" or r.label_index == 0)
    )

    with pytest.raises(DatasetError, match=r"only session 1 has bow \(deep\)"):
        only_first_bows.split({"1"})


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("window_size = 4", "window_size = ", "is not TOML"),
        ("window_size = 4", "window = 4", "window_size: Field required"),
        ('level_channels = ["mx"', 'channels2 = ["mx"', "level_channels: Field required"),
        ("window_size = 4", "window_size = 4\nstride = 5", "stride: larger than window_size"),
        ('"sway"', '"bow", form = "deep"', "two activities have the same label"),
        ('"gz", "mx", "my", "mz"]', '"gz"]', "level_channels: each must be one of channels"),
    ],
)
def test_a_description_that_does_not_fit_is_refused_in_words(
    write_dataset: Callable[..., Path], old: str, new: str, expected: str
) -> None:
    path = write_dataset()
    path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")

    with pytest.raises(DatasetError, match=expected):
        DatasetDescription.load(path)
