import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from support.models import MEAN_LABELS, mean_manifest

from repsense.manifest import ModelManifest
from repsense_inference.classification import classify_recording
from repsense_inference.errors import UnusableSamplesError

_CHANNELS = ["ax", "ay", "az", "gx", "gy", "gz"]


class _LargestAxis:
    """Is sure of the label whose axis is largest on average."""

    def __init__(self, **changes: object) -> None:
        self.manifest: ModelManifest = mean_manifest(**changes)
        self.batch_sizes: list[int] = []

    def classify(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        self.batch_sizes.append(len(windows))
        scores = np.exp(windows.mean(axis=1)[:, : len(self.manifest.labels)])
        probabilities: NDArray[np.float32] = scores / scores.sum(axis=1, keepdims=True)
        return probabilities

    def close(self) -> None:
        """Nothing is held."""


def _moving(n_samples: int, axis: int = 0, n_channels: int = 6) -> list[list[float]]:
    """Samples with a large value on one axis and some movement on all."""
    values = np.zeros((n_samples, n_channels))
    values[:, axis] = 9.8
    values[::2] += 0.5
    return [[float(value) for value in row] for row in values]


def test_every_window_has_its_span_its_label_and_all_probabilities() -> None:
    """Windows of 5 samples at 2 Hz, stride 1.

    samples  0 1 2 3 4 5 6      3.5 s
    windows  |_ _ _ _ _|        0 to 2.5 s
               |_ _ _ _ _|      0.5 to 3 s
                 |_ _ _ _ _|    1 to 3.5 s
    """
    results = classify_recording(_moving(7, axis=2), _CHANNELS, 2.0, _LargestAxis())

    assert [(one.start_s, one.end_s) for one in results] == [(0.0, 2.5), (0.5, 3.0), (1.0, 3.5)]
    for one in results:
        assert one.label == MEAN_LABELS[2]
        assert len(one.probabilities) == len(MEAN_LABELS)
        assert one.confidence == max(one.probabilities)
        assert one.unclassified_reason is None


def test_a_faster_recording_is_brought_to_the_rate_of_the_model() -> None:
    slow = _moving(6, axis=1)
    fast = np.repeat(np.array(slow), 25, axis=0)[: 5 * 25 + 1].tolist()

    results = classify_recording(fast, _CHANNELS, 50.0, _LargestAxis())

    assert [(one.start_s, one.label) for one in results] == [(0.0, MEAN_LABELS[1]), (0.5, MEAN_LABELS[1])]
    assert results == classify_recording(slow, _CHANNELS, 2.0, _LargestAxis())


def test_channels_are_picked_by_name_and_others_ignored() -> None:
    samples = _moving(5, axis=0)
    shuffled = [[7.0, *reversed(sample)] for sample in samples]

    results = classify_recording(shuffled, ["temperature", *reversed(_CHANNELS)], 2.0, _LargestAxis())

    assert results == classify_recording(samples, _CHANNELS, 2.0, _LargestAxis())


def test_a_window_without_confidence_has_no_label_but_its_probabilities() -> None:
    samples = [[value] * 6 for value in (0.0, 1.0, 0.0, 1.0, 0.0)]

    (result,) = classify_recording(samples, _CHANNELS, 2.0, _LargestAxis())

    assert result.label is None
    assert result.confidence == pytest.approx(1 / 3)
    assert result.probabilities == pytest.approx([1 / 3] * 3)
    assert result.unclassified_reason is None


def test_a_window_that_is_no_exercise_has_no_label_but_its_probabilities() -> None:
    (result,) = classify_recording(_moving(5, axis=2), _CHANNELS, 2.0, _LargestAxis(background=(MEAN_LABELS[2],)))

    assert result.label is None
    assert result.confidence == result.probabilities[2]
    assert result.confidence > 0.9


def test_a_still_window_is_not_given_to_the_network() -> None:
    classifier = _LargestAxis()
    still, moving = [[9.8, 0.0, 0.0, 0.0, 0.0, 0.0]] * 5, _moving(5)

    results = classify_recording(still + moving, _CHANNELS, 2.0, classifier)

    assert results[0].unclassified_reason == "still"
    assert (results[0].label, results[0].confidence, results[0].probabilities) == (None, 0.0, ())
    assert results[-1].unclassified_reason is None
    assert sum(classifier.batch_sizes) == len(results) - 1


def test_a_recording_that_only_turns_is_not_still() -> None:
    turning = [[9.8, 0.0, 0.0, value, 0.0, 0.0] for value in (0.0, 1.0, 0.0, 1.0, 0.0)]

    (result,) = classify_recording(turning, _CHANNELS, 2.0, _LargestAxis())

    assert result.label == MEAN_LABELS[0]


def test_a_long_recording_is_classified_in_batches_of_bounded_size() -> None:
    classifier = _LargestAxis()

    results = classify_recording(_moving(1_200), _CHANNELS, 2.0, classifier)

    assert len(results) == 1_196
    assert len(classifier.batch_sizes) > 1
    assert max(classifier.batch_sizes) <= 256


@pytest.mark.parametrize(
    ("samples", "channels", "rate_hz", "complaint"),
    [
        (_moving(4), _CHANNELS, 2.0, r"4 samples at 2 Hz are 2 s, but a window of mean is 2.5 s long: .* 5 samples"),
        (_moving(100), _CHANNELS, 50.0, r"send at least 101 samples"),
        (_moving(1_201), _CHANNELS, 2.0, r"1201 samples at 2 Hz are 600.5 s; send at most 600 s"),
        (_moving(9), _CHANNELS, 1.0, r"1 Hz is too slow, mean needs at least 2 Hz"),
        (_moving(9, n_channels=5), _CHANNELS[:5], 2.0, r"gz is missing"),
        (_moving(9, n_channels=1), ["ax"], 2.0, r"needs ax, ay, az, gx, gy, gz, and ay, az, gx, gy, gz are missing"),
        ([*_moving(9), [1.0] * 5], _CHANNELS, 2.0, r"sample 9 has 5 values; every sample needs 6"),
        (_moving(9), [*_CHANNELS[:5], "ax"], 2.0, r"may be named once"),
    ],
)
def test_samples_that_do_not_fit_are_refused_with_what_to_send(
    samples: list[list[float]], channels: list[str], rate_hz: float, complaint: str
) -> None:
    with pytest.raises(UnusableSamplesError, match=complaint):
        classify_recording(samples, channels, rate_hz, _LargestAxis())


@settings(deadline=None)
@given(rate_hz=st.floats(2.1, 400.0), window_size=st.integers(2, 30))
def test_the_number_of_samples_asked_for_is_enough_and_one_less_is_not(rate_hz: float, window_size: int) -> None:
    classifier = _LargestAxis(window_size=window_size, stride=1)
    with pytest.raises(UnusableSamplesError) as refused:
        classify_recording(_moving(1), _CHANNELS, rate_hz, classifier)
    n_needed = int(str(refused.value).split()[-2])

    assert len(classify_recording(_moving(n_needed), _CHANNELS, rate_hz, classifier)) == 1
    with pytest.raises(UnusableSamplesError):
        classify_recording(_moving(n_needed - 1), _CHANNELS, rate_hz, classifier)
