"""What somebody gets who records a first session, presses train, and goes on: the simulated person, all defaults."""

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from repsense.channels import CHANNELS
from repsense.classifiers import Classifier, open_classifier
from repsense.labels import Label
from repsense.recordings import Recording
from repsense.registry import ModelRegistry
from repsense.resampling import resample
from repsense.training import TrainingConfiguration
from repsense.windows import sliding_windows
from repsense_ble_gateway.simulation.person import Person
from repsense_trainer.training import train_model

RATE_HZ = 50.0
TAKE_S = 10
PUSH_UP, SQUAT = Label(exercise="push-up", form="correct"), Label(exercise="squat")
UNKNOWN = -1


class Unheard:
    """Nobody watches."""

    def begin(self, n_steps: int) -> None: ...
    def stage(self, step: int, text: str, n_epochs: int) -> None: ...
    def epoch(self, epoch: int, loss: float) -> None: ...
    def group(self, group: str, accuracy: float) -> None: ...


def sets(seed: int, label: Label, first: int, n: int) -> list[NDArray[np.float32]]:
    """Some of the sets that a person does of an exercise, whole: each 20 to 35 s."""
    of_label = (stretch.samples for stretch in Person(seed, RATE_HZ).workout() if stretch.label == label)
    return list(islice(of_label, first, first + n))


def said(classifier: Classifier, samples: NDArray[np.float32]) -> NDArray[np.int64]:
    """The label of each window, or `UNKNOWN`."""
    manifest = classifier.manifest
    at_rate = resample(samples, RATE_HZ, manifest.sample_rate_hz)
    probabilities = classifier.classify(sliding_windows(at_rate, manifest.window_size, manifest.stride))
    labels = np.where(probabilities.max(axis=1) < manifest.confidence_threshold, UNKNOWN, probabilities.argmax(axis=1))
    return np.asarray(labels, dtype=np.int64)


@pytest.mark.timeout(500)
def test_a_first_session_of_a_minute_gives_a_model_that_can_be_lived_with(tmp_path: Path) -> None:
    recordings = [
        Recording(take[: round(TAKE_S * RATE_HZ)], CHANNELS, RATE_HZ, label=label, subject="ann", session="1")
        for label in (PUSH_UP, SQUAT)
        for take in sets(1, label, 0, 3)
    ]
    registry = ModelRegistry(tmp_path)

    manifest = train_model(recordings, "mine", TrainingConfiguration(), registry, Unheard())

    assert manifest.evaluation is None
    registry.promote("mine", 1)
    classifier = open_classifier(f"onnx:{tmp_path / 'mine'}")
    for index, label in enumerate(manifest.labels):
        # The same person goes on; others do the same exercise.
        for seed, first in ((1, 3), (11, 0), (12, 0), (13, 0)):
            answers = np.concatenate([said(classifier, one) for one in sets(seed, label, first, 2)])
            assert np.mean(answers == index) > 0.95
    # What was never recorded is not taken for what was.
    for other in (Label(exercise="sit-up", form="incorrect"), Label(exercise="jump"), Label(exercise="lunge")):
        answers = np.concatenate([said(classifier, one) for one in sets(11, other, 0, 2)])
        assert np.mean(answers == UNKNOWN) > 0.8
    classifier.close()
