from itertools import count

import numpy as np
import pytest
from numpy.typing import NDArray
from support.models import MEAN_LABELS, mean_manifest

from repsense.channels import CHANNELS
from repsense.labels import Label
from repsense.manifest import ModelManifest, Training
from repsense.recordings import Recording
from repsense_trainer.comparison import compare_versions, unseen_recordings
from repsense_trainer.errors import DatasetError


class Fixed:
    """Says the same of every window."""

    def __init__(self, manifest: ModelManifest, probabilities: list[float]) -> None:
        self.manifest = manifest
        self._probabilities = np.array(probabilities, dtype=np.float32)

    def classify(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.tile(self._probabilities, (len(windows), 1))

    def close(self) -> None:
        pass


def manifest(version: int, *groups: str, **changes: object) -> ModelManifest:
    training = mean_manifest().training.model_dump() | {"groups": groups}
    return mean_manifest(version=version, training=Training.model_validate(training), **changes)


_NUMBERS = count()
"""No two recordings are alike, or one would be taken for a copy of the other."""


def recording(label: Label, session: str | None, subject: str | None = None, n_samples: int = 10) -> Recording:
    samples = np.full((n_samples, len(CHANNELS)), next(_NUMBERS), np.float32)
    return Recording(samples, CHANNELS, 2.0, label=label, session=session, subject=subject)


RECORDINGS = [recording(label, session) for session in ("1", "2", "3") for label in MEAN_LABELS]


def test_versions_are_compared_on_what_neither_has_seen() -> None:
    sure = Fixed(manifest(1, "1"), [0.9, 0.05, 0.05])
    unsure = Fixed(manifest(2, "2"), [0.1, 0.1, 0.3])

    comparison = compare_versions(RECORDINGS, [sure, unsure])

    assert comparison.groups == ("3",)
    assert comparison.n_recordings == 3
    first, second = comparison.versions
    assert first.n_windows == second.n_windows == 3 * 6
    assert first.recall == {"push-up (correct)": 1.0, "push-up (incorrect)": 0.0, "squat": 0.0}
    assert first.accuracy == first.shown_accuracy == pytest.approx(1 / 3)
    assert second.recall["squat"] == 1.0
    assert (second.unknown_share, second.shown_accuracy) == (1.0, 0.0)


def test_each_version_cuts_its_own_windows_and_is_asked_only_what_both_know() -> None:
    short = Fixed(manifest(1), [1, 0, 0])
    fewer = Fixed(manifest(2, window_size=10, labels=(*MEAN_LABELS[1:], Label(exercise="sway"))), [1, 0, 0])

    comparison = compare_versions([*RECORDINGS, recording(Label(exercise="sway"), "3")], [short, fewer])

    assert comparison.labels == ("push-up (incorrect)", "squat")
    assert [figures.n_windows for figures in comparison.versions] == [6 * 6, 6]
    assert [figures.accuracy for figures in comparison.versions] == [0, 0.5]


def test_a_recording_is_seen_by_its_subject_or_its_session_or_both() -> None:
    recordings = [recording(MEAN_LABELS[0], session, subject) for subject in ("ann", "bob") for session in ("1", "2")]

    def unseen(*groups: str) -> list[tuple[str | None, str | None]]:
        return [(r.subject, r.session) for r in unseen_recordings(recordings, [manifest(1, *groups)])]

    assert unseen("ann") == [("bob", "1"), ("bob", "2")]
    assert unseen("ann/1") == [("ann", "2"), ("bob", "1"), ("bob", "2")]
    assert unseen("1") == [("ann", "2"), ("bob", "2")]
    with pytest.raises(DatasetError, match="would look better than it is: give recordings of another one"):
        unseen("ann", "bob")


def test_what_does_not_say_where_it_belongs_may_have_been_seen() -> None:
    named, nobodys = recording(MEAN_LABELS[0], "2"), recording(MEAN_LABELS[0], None)

    assert unseen_recordings([named, nobodys], [manifest(1, "1")]) == [named]
    with pytest.raises(DatasetError, match="is, or may be, of a session or subject that a version was trained on"):
        unseen_recordings([nobodys], [manifest(1, "1")])
    with pytest.raises(DatasetError, match="nobody knows what it has not seen: name the sessions"):
        unseen_recordings([named], [manifest(1, "1"), manifest(2, "everything")])
