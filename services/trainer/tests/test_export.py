import re
from pathlib import Path

import numpy as np
import onnx
import pytest
import tensorflow as tf

from repsense.classifiers.onnx import OnnxClassifier
from repsense.manifest import load_manifest, manifest_path, onnx_path
from repsense_trainer import export
from repsense_trainer.dataset import Dataset
from repsense_trainer.errors import ExportError
from repsense_trainer.network import Network, NetworkConfiguration
from repsense_trainer.training import TrainedModel, Trainer


@pytest.fixture(scope="module")
def trained(dataset: Dataset) -> TrainedModel:
    trainer = Trainer(dataset, NetworkConfiguration(units=4, epochs=1), seed=0)
    return trainer.train(1, None, lambda *_: None)


def test_both_forms_give_the_numbers_of_the_network(trained: TrainedModel, tmp_path: Path) -> None:
    export.write_version(trained, tmp_path / "1", replace=False)
    saved = tf.saved_model.load(str(tmp_path / "1"))
    classifier = OnnxClassifier.open(tmp_path)

    for n_windows in (1, 7):
        windows = np.random.default_rng(n_windows).normal(0, 10, (n_windows, 4, 9)).astype(np.float32)
        expected = trained.network.classify(windows)
        served = saved.signatures["serving_default"](samples=tf.constant(windows))["probabilities"].numpy()
        np.testing.assert_allclose(served, expected, atol=1e-5)
        np.testing.assert_allclose(classifier.classify(windows), expected, atol=1e-5)


def test_the_saved_model_needs_no_operation_that_a_plain_server_lacks(trained: TrainedModel, tmp_path: Path) -> None:
    export.write_version(trained, tmp_path / "1", replace=False)

    saved = tf.saved_model.load(str(tmp_path / "1"))

    # As text a graph shows the operations of the functions that it calls, too.
    graphs = [str(function.graph.as_graph_def()) for function in saved.signatures.values()]
    operations = {operation for graph in graphs for operation in re.findall(r'\bop: "(\w+)"', graph)}
    assert "MatMul" in operations
    assert not {operation for operation in operations if "cudnn" in operation.lower() or operation.startswith("Flex")}


def test_the_manifest_is_the_same_in_the_file_and_in_the_signature(trained: TrainedModel, tmp_path: Path) -> None:
    export.write_version(trained, tmp_path / "1", replace=False)
    saved = tf.saved_model.load(str(tmp_path / "1"))

    rows = saved.signatures["manifest"](rows=tf.zeros(3, tf.int32))["manifest"].numpy()

    assert [row.decode() for row in rows] == [manifest_path(tmp_path / "1").read_text(encoding="utf-8")] * 3
    assert load_manifest(tmp_path / "1") == trained.manifest


def test_a_version_that_appears_meanwhile_is_kept(trained: TrainedModel, tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()

    with pytest.raises(ExportError, match="appeared while the network was trained"):
        export.write_version(trained, tmp_path / "1", replace=False)

    assert [entry.name for entry in tmp_path.iterdir()] == ["1"]
    assert not list((tmp_path / "1").iterdir())


def test_half_a_version_never_shows(trained: TrainedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Network) -> onnx.ModelProto:
        assert [entry.name for entry in tmp_path.iterdir()] == [".1.partial"]
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(export, "build_onnx", fail)

    with pytest.raises(ExportError, match="No space left on device"):
        export.write_version(trained, tmp_path / "1", replace=False)
    assert not list(tmp_path.iterdir())


def test_what_an_interrupted_run_left_is_swept_away(trained: TrainedModel, tmp_path: Path) -> None:
    (tmp_path / ".1.partial" / "variables").mkdir(parents=True)

    export.write_version(trained, tmp_path / "1", replace=False)

    assert [entry.name for entry in tmp_path.iterdir()] == ["1"]
    assert onnx_path(tmp_path / "1").is_file()
