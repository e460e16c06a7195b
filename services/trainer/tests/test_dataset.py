from dataclasses import replace
from datetime import UTC, datetime
from itertools import count

import numpy as np
import pytest

from repsense.channels import CHANNELS, Channel
from repsense.errors import RepSenseError
from repsense.labels import Label
from repsense.recordings import Recording
from repsense.training import WindowConfiguration
from repsense_trainer.dataset import Dataset, LabelledRecording, make_dataset
from repsense_trainer.errors import DatasetError

SWAY, BOW = Label(exercise="sway"), Label(exercise="bow", form="deep")
WINDOWS = WindowConfiguration(window_s=2.0, stride_s=0.5)


_SEEDS = count()


def recording(label: Label | None = SWAY, *, n_samples: int = 20, rate_hz: float = 2.0, **fields: object) -> Recording:
    samples = np.random.default_rng(next(_SEEDS)).normal(size=(n_samples, len(CHANNELS))).astype(np.float32)
    about: dict[str, object] = {"channels": CHANNELS, "session": "1", "label": label, "started_at": datetime.now(UTC)}
    return Recording(samples=samples, sample_rate_hz=rate_hz, **(about | fields))  # type: ignore[arg-type]


def test_recordings_become_windows_of_the_wanted_rate_and_channels() -> None:
    acceleration = (Channel.AX, Channel.AY, Channel.AZ)
    slow, fast = recording(rate_hz=10.0), recording(BOW, rate_hz=50.0, n_samples=200, activity_s=30.0)

    dataset = make_dataset([slow, fast], WindowConfiguration(window_s=1.0, stride_s=0.5, channels=acceleration))

    assert dataset.labels == (BOW, SWAY)
    assert (dataset.cut.sample_rate_hz, dataset.cut.window_size, dataset.cut.stride) == (10.0, 10, 5)
    windows = dataset.windows()
    np.testing.assert_array_equal(windows.samples[0], slow.samples[:10, :3])
    np.testing.assert_array_equal(windows.samples[3], fast.samples[:50:5, :3])
    np.testing.assert_array_equal(windows.recordings, [0] * 3 + [1] * 7)
    np.testing.assert_allclose(windows.seconds[:4], [1.0, 1.5, 2.0, 31.0])


def test_without_a_wish_the_rate_is_the_slowest_but_no_more_than_needed_and_the_channels_what_all_have() -> None:
    without_field = recording(BOW, rate_hz=60.0, n_samples=200)
    without_field = replace(without_field, samples=without_field.samples[:, :6], channels=CHANNELS[:6])

    fast = make_dataset([recording(rate_hz=50.0), without_field], WindowConfiguration())
    slow = make_dataset([recording(rate_hz=2.0), without_field], WindowConfiguration())

    assert (fast.cut.sample_rate_hz, slow.cut.sample_rate_hz) == (12.5, 2.0)
    assert fast.cut.channels == CHANNELS[:6]


def test_groups_are_subjects_or_failing_that_sessions() -> None:
    people = [recording(label, subject=subject) for label in (SWAY, BOW) for subject in ("ann", "bob")]
    alone = [recording(label, subject="ann", session=session) for label in (SWAY, BOW) for session in ("1", "2")]
    nobody = [recording(label, session=session) for label in (SWAY, BOW) for session in ("1", "2")]

    assert make_dataset(people, WINDOWS).groups == ("ann", "bob")
    assert make_dataset(people, WINDOWS, "session").groups == ("ann/1", "bob/1")
    assert make_dataset(alone, WINDOWS).groups == ("ann/1", "ann/2")
    assert make_dataset(nobody, WINDOWS).groups == ("1", "2")


def test_of_copies_under_different_names_one_is_used(caplog: pytest.LogCaptureFixture) -> None:
    nameless = [recording(label, session=None) for label in (SWAY, BOW)]
    named = [replace(one, session="1") for one in nameless]
    others = [recording(label, session="2") for label in (SWAY, BOW)]

    dataset = make_dataset([*nameless, *named, *others], WINDOWS)

    assert [one.group for one in dataset.recordings] == ["1", "1", "2", "2"]
    assert caplog.messages == ["2 of 6 recordings are copies of others, under whatever name, and not used"]


def test_a_session_of_nobody_known_may_be_the_one_of_that_name() -> None:
    of_ann = [recording(label, subject="ann", session=session) for label in (SWAY, BOW) for session in ("1", "2")]

    assert make_dataset([*of_ann, recording(session="2")], WINDOWS).groups == ("ann/1", "2")
    assert make_dataset([*of_ann, recording(session="3")], WINDOWS).groups == ("ann/1", "ann/2", "3")


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
    size = dataset.cut.window_size
    numbered = replace(
        dataset,
        recordings=tuple(
            LabelledRecording(np.full((size + 2, 9), k, dtype=np.float32), k % 2, str(k)) for k in range(4)
        ),
    )

    windows = numbered.windows()

    assert len(windows) == 4 * 3
    assert (windows.samples == windows.groups.astype(np.float32)[:, np.newaxis, np.newaxis]).all()


def test_some_of_the_labels_become_all_that_there_are(dataset: Dataset) -> None:
    first, second = dataset.labels[:2]

    only = dataset.only([second, first])

    assert only.labels == (second, first)
    assert len(only.recordings) == sum(recording.label_index < 2 for recording in dataset.recordings)
    for before, after in zip((r for r in dataset.recordings if r.label_index < 2), only.recordings, strict=True):
        assert dataset.labels[before.label_index] == only.labels[after.label_index]


def test_the_fingerprint_follows_the_data(dataset: Dataset) -> None:
    rest, _ = dataset.split({dataset.groups[0]})
    first = dataset.recordings[0]
    changed = replace(first, samples=first.samples + np.float32(1e-3))

    assert dataset.fingerprint() == replace(dataset).fingerprint()
    assert rest.fingerprint() != dataset.fingerprint()
    assert replace(dataset, recordings=(changed, *dataset.recordings[1:])).fingerprint() != dataset.fingerprint()


@pytest.mark.parametrize(
    ("recordings", "windows", "expected"),
    [
        ([], WINDOWS, "there are no recordings: record at least two activities"),
        ([recording(), recording()], WINDOWS, "all are sway: record at least two activities"),
        ([recording(), recording(None)], WINDOWS, "1 of 2 recordings have no label"),
        ([recording(), recording(BOW)], WindowConfiguration(sample_rate_hz=50), "2 Hz but the model needs 50 Hz"),
        ([recording(), recording(BOW)], WindowConfiguration(window_s=0.6), "fewer than two samples at 2 Hz"),
        (
            [recording(), replace(recording(BOW), samples=np.zeros((9, 1), np.float32), channels=(Channel.AX,))],
            WindowConfiguration(channels=(Channel.AX, Channel.MZ)),
            "1 of 2 recordings have no mz",
        ),
    ],
)
def test_what_cannot_be_trained_on_is_refused_in_words(
    recordings: list[Recording], windows: WindowConfiguration, expected: str
) -> None:
    with pytest.raises(RepSenseError, match=expected):
        make_dataset(recordings, windows)


def test_recordings_that_name_no_session_are_one_group(caplog: pytest.LogCaptureFixture) -> None:
    named, unnamed, of_ann = recording(), recording(BOW, session=None), recording(BOW, session=None, subject="ann")

    assert make_dataset([named, unnamed], WINDOWS).groups == ("everything",)
    assert caplog.messages == [
        "1 of 2 recordings name no session, so none can be held out: say on which occasion each was taken"
    ]
    assert make_dataset([of_ann, replace(of_ann, label=SWAY)], WINDOWS).groups == ("ann",)
    assert make_dataset([of_ann, replace(of_ann, label=SWAY, subject="bob")], WINDOWS).groups == ("ann", "bob")
    with pytest.raises(DatasetError, match="name no session: say on which occasion each was taken"):
        make_dataset([named, unnamed], WINDOWS, "session")
    with pytest.raises(DatasetError, match="name no subject: say who it was"):
        make_dataset([named, of_ann], WINDOWS, "subject")


def test_a_label_whose_recordings_are_all_too_short_is_named(caplog: pytest.LogCaptureFixture) -> None:
    long, short, other = recording(), recording(BOW, n_samples=3), recording(BOW)

    make_dataset([long, other], WINDOWS).check_lengths()
    assert caplog.messages == []
    make_dataset([long, short, other], WINDOWS).check_lengths()
    assert caplog.messages == ["1 of 3 recordings are shorter than a window of 2 s and not used"]
    with pytest.raises(DatasetError, match=r"^no recording of bow \(deep\) is as long as a window of 2 s: record for"):
        make_dataset([long, short], WINDOWS).check_lengths()
    with pytest.raises(DatasetError, match=r"^no recording is as long as a window of 2 s: record for longer"):
        make_dataset([short, replace(short, label=SWAY)], WINDOWS).check_lengths()


def test_recordings_shorter_than_a_window_are_refused_in_words() -> None:
    dataset = make_dataset([recording(n_samples=3), recording(BOW, n_samples=3)], WINDOWS)

    with pytest.raises(DatasetError, match=r"as long as a window of 2 s: record for longer"):
        dataset.windows()


def test_an_impossible_split_is_refused_in_words(dataset: Dataset) -> None:
    there_are = ", ".join(dataset.groups)
    with pytest.raises(DatasetError, match=f"no {dataset.group_by} 'nine' to leave out; there are {there_are}"):
        dataset.split({"nine"})
    with pytest.raises(DatasetError, match=f"every {dataset.group_by} is left out"):
        dataset.split(set(dataset.groups))
