import re
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray
from support.models import mean_manifest

from repsense.channels import CHANNELS, UNITS
from repsense.classifiers.onnx import OnnxClassifier
from repsense.manifest import ModelManifest, load_manifest, manifest_path
from repsense.training import NetworkConfiguration, TrainingConfiguration
from repsense_trainer.dataset import Dataset
from repsense_trainer.evaluation import Answer
from repsense_trainer.export import write_network
from repsense_trainer.network import Network, train_network

TEMPERATURE = 1.7


@pytest.fixture(scope="module")
def network(dataset: Dataset) -> Network:
    configuration = TrainingConfiguration(network=NetworkConfiguration(units=4, epochs=1))
    return train_network(dataset, configuration, lambda *_: None)


@pytest.fixture(scope="module")
def manifest(dataset: Dataset) -> ModelManifest:
    return mean_manifest(
        name="tiny",
        labels=dataset.labels,
        channels=CHANNELS,
        units={channel: UNITS[channel] for channel in CHANNELS},
        window_size=dataset.cut.window_size,
    )


@pytest.fixture(scope="module")
def version(network: Network, manifest: ModelManifest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("tiny") / "1"
    directory.mkdir()
    write_network(network, TEMPERATURE, manifest, directory)
    return directory


def probabilities_of(answer: Answer) -> NDArray[np.float32]:
    exponential = np.exp(answer.logits / TEMPERATURE)
    probabilities: NDArray[np.float32] = exponential / exponential.sum(axis=1, keepdims=True)
    return probabilities * answer.known[:, np.newaxis]


@pytest.mark.parametrize("spread", [0.0, 1.0, 10.0, 1000.0])
def test_both_forms_give_the_numbers_of_the_network(network: Network, version: Path, spread: float) -> None:
    saved = tf.saved_model.load(str(version))
    classifier = OnnxClassifier.open_version(version)

    for n_windows in (1, 7):
        windows = np.random.default_rng(n_windows).normal(0, spread, (n_windows, 4, 9)).astype(np.float32)
        expected = probabilities_of(network.answer(windows))
        served = saved.signatures["serving_default"](samples=tf.constant(windows))["probabilities"].numpy()
        np.testing.assert_allclose(served, expected, atol=1e-5)
        np.testing.assert_allclose(classifier.classify(windows), expected, atol=1e-5)


def test_the_saved_model_needs_no_operation_that_a_plain_server_lacks(version: Path) -> None:
    saved = tf.saved_model.load(str(version))

    # As text a graph shows the operations of the functions that it calls, too.
    graphs = [str(function.graph.as_graph_def()) for function in saved.signatures.values()]
    operations = {operation for graph in graphs for operation in re.findall(r'\bop: "(\w+)"', graph)}
    assert "MatMul" in operations
    assert not {operation for operation in operations if "cudnn" in operation.lower() or operation.startswith("Flex")}


def test_the_manifest_is_the_same_in_the_file_and_in_the_signature(manifest: ModelManifest, version: Path) -> None:
    saved = tf.saved_model.load(str(version))

    rows = saved.signatures["manifest"](rows=tf.zeros(3, tf.int32))["manifest"].numpy()

    assert [row.decode() for row in rows] == [manifest_path(version).read_text(encoding="utf-8")] * 3
    assert load_manifest(version) == manifest
