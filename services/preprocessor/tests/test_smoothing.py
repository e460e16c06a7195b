import numpy as np
import pytest

from repsense_preprocessor.smoothing import LabelSmoother

CLASSES = "ABC"


def labels(votes: str, min_windows: int = 2) -> str:
    """Feed one window per letter; "?" is a window without a sure label, "-" one that was not classified."""
    smoother = LabelSmoother(threshold=0.6, min_windows=min_windows)
    shown = []
    for vote in votes:
        probabilities = None
        if vote == "?":
            probabilities = np.full(3, 1 / 3, dtype=np.float32)
        elif vote != "-":
            probabilities = np.full(3, 0.1, dtype=np.float32)
            probabilities[CLASSES.index(vote)] = 0.8
        label = smoother.update(probabilities).label
        shown.append("?" if label is None else CLASSES[label])
    return "".join(shown)


@pytest.mark.parametrize(
    ("votes", "shown"),
    [
        ("AA", "?A"),
        ("AABAA", "?AAAA"),
        ("AABBAA", "?AABBA"),
        ("AABABAB", "?AAAAAA"),
        ("AA?A", "?AAA"),
        ("AA??A", "?AA??"),
        ("AA--", "?AA?"),
        ("ABCABC", "??????"),
    ],
)
def test_a_label_changes_only_when_two_windows_agree(votes: str, shown: str) -> None:
    assert labels(votes) == shown


def test_more_evidence_can_be_asked_for() -> None:
    assert labels("AAABBABBB", min_windows=3) == "??AAAAAAB"


def test_confidence_is_the_mean_probability_of_the_label_that_is_shown() -> None:
    smoother = LabelSmoother(threshold=0.6, min_windows=2)
    smoother.update(np.array([0.9, 0.1], np.float32))

    smoothed = smoother.update(np.array([0.7, 0.3], np.float32))

    assert smoothed.label == 0
    assert smoothed.confidence == pytest.approx(0.8)


def test_a_restored_window_takes_its_stored_label() -> None:
    smoother = LabelSmoother(threshold=0.6, min_windows=2)

    assert smoother.restore(1, np.array([0.2, 0.8], np.float32)).label == 1
    assert smoother.update(np.array([0.2, 0.8], np.float32)).label == 1
