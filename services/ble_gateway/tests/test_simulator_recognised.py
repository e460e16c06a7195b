"""The simulated person against the network that was trained on recordings of real ones."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from repsense.classifiers import Classifier, open_classifier
from repsense.errors import ManifestError
from repsense.labels import Label
from repsense.resampling import Resampler
from repsense.streams import Run
from repsense.timestamps import MICROSECONDS
from repsense.windows import SlidingWindower, Window
from repsense_ble_gateway.packets import Packet
from repsense_ble_gateway.packets.repsense import decode_packet, encode_packet
from repsense_ble_gateway.simulation.person import Person
from repsense_ble_gateway.sources.simulator import simulated_packets

_MODEL = Path(__file__).parents[3] / "models" / "bodyweight"
_RATE_HZ = 50.0
_SIMULATED_S = 600


@pytest.fixture(scope="module")
def classifier() -> Iterator[Classifier]:
    pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
    try:
        opened = open_classifier(f"onnx:{_MODEL}")
    except ManifestError as error:
        pytest.skip(str(error))
    yield opened
    opened.close()


def _simulate(seed: int) -> tuple[np.ndarray[tuple[int, int], np.dtype[np.float32]], list[Label | None]]:
    """Samples as a reader of the packets has them, and the truth for each."""
    samples: list[np.ndarray[tuple[int, int], np.dtype[np.float32]]] = []
    changes: list[tuple[int, Label | None]] = []
    n_samples = 0
    for item in simulated_packets(Person(seed, _RATE_HZ), _RATE_HZ):
        if isinstance(item, Packet):
            samples.append(decode_packet(encode_packet(item)).samples)
            n_samples += len(samples[-1])
            if n_samples >= _SIMULATED_S * _RATE_HZ:
                break
        else:
            changes.append((item.sequence, item.label))
    truth: list[Label | None] = [None] * n_samples
    for sequence, label in changes:
        truth[sequence:] = [label] * (n_samples - sequence)
    return np.concatenate(samples), truth


def _windows_within_sets(
    classifier: Classifier, seed: int
) -> tuple[np.ndarray[tuple[int, int, int], np.dtype[np.float32]], list[Label]]:
    manifest = classifier.manifest
    samples, truth = _simulate(seed)
    resampled = Resampler(_RATE_HZ, manifest.sample_rate_hz).push(Run(0, 0, samples))
    windower = SlidingWindower(manifest.window_size, manifest.stride, manifest.sample_rate_hz)

    def label(window: Window) -> Label | None:
        first = round(window.start_us / MICROSECONDS * _RATE_HZ)
        shown = set(truth[first : window.last_sequence + 1])
        return shown.pop() if len(shown) == 1 else None

    labelled = [(window.samples, label(window)) for window in windower.push(resampled)]
    inside = [(values, name) for values, name in labelled if values is not None and name is not None]
    return np.stack([values for values, _ in inside]), [name for _, name in inside]


def test_most_windows_of_simulated_sets_are_recognised(classifier: Classifier) -> None:
    hits: dict[Label, list[bool]] = {}
    for seed in range(4):
        windows, truth = _windows_within_sets(classifier, seed)
        best = classifier.classify(windows).argmax(axis=1)
        right = [classifier.manifest.labels[index] == label for index, label in zip(best, truth, strict=True)]
        assert np.mean(right) >= 0.9, f"seed {seed}"
        for label, hit in zip(truth, right, strict=True):
            hits.setdefault(label, []).append(hit)
    assert set(hits) == set(classifier.manifest.labels)
    recall = {str(label): round(float(np.mean(found)), 3) for label, found in hits.items()}
    print(recall)  # noqa: T201 - for those who run pytest -s
    assert min(recall.values()) >= 0.85, recall
