import sys
from pathlib import Path

import numpy as np
import pytest
from support.models import mean_manifest, write_mean_model

from repsense.classifiers import open_classifier
from repsense.errors import ClassifierError, ManifestError
from repsense.manifest import latest_version, load_manifest, onnx_path


def test_windows_become_probabilities(tmp_path: Path) -> None:
    write_mean_model(tmp_path / "mean")
    classifier = open_classifier(f"onnx:{tmp_path / 'mean'}")
    windows = np.zeros((2, 5, 6), dtype=np.float32)
    windows[0, :, 0] = 9.8
    windows[1, :, 2] = 9.8

    probabilities = classifier.classify(windows)

    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)
    assert probabilities.argmax(axis=1).tolist() == [0, 2]


def test_no_windows_are_no_probabilities(tmp_path: Path) -> None:
    write_mean_model(tmp_path / "mean")

    assert open_classifier(f"onnx:{tmp_path / 'mean'}").classify(np.empty((0, 5, 6), np.float32)).shape == (0, 3)


def test_windows_of_another_shape_are_refused(tmp_path: Path) -> None:
    write_mean_model(tmp_path / "mean")

    with pytest.raises(ClassifierError, match=r"needs \(n_windows, 5, 6\)"):
        open_classifier(f"onnx:{tmp_path / 'mean'}").classify(np.zeros((1, 4, 6), np.float32))


def test_the_newest_version_is_opened_by_number_not_by_name(tmp_path: Path) -> None:
    for version in (2, 10, 9):
        write_mean_model(tmp_path / "mean", mean_manifest(version=version))

    assert open_classifier(f"onnx:{tmp_path / 'mean'}").manifest.version == 10


@pytest.mark.parametrize("url", ["", "models/bodyweight", "onnx:", "grpc://", "grpc://host:8500", "http://host/model"])
def test_a_url_that_names_no_classifier_is_refused_with_an_example(url: str) -> None:
    with pytest.raises(ClassifierError, match="must look like onnx:models/bodyweight"):
        open_classifier(url)


def test_a_runtime_that_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.delitem(sys.modules, "repsense.classifiers.onnx")

    with pytest.raises(ClassifierError, match=r"needs onnxruntime.*pip install 'repsense\[onnx\]'"):
        open_classifier(f"onnx:{tmp_path}")


def test_a_directory_without_a_version_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="no model in"):
        open_classifier(f"onnx:{tmp_path}")


def test_a_directory_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"cannot read .*: File name too long"):
        open_classifier(f"onnx:{tmp_path / ('x' * 300)}")
    (tmp_path / "file").write_text("")
    with pytest.raises(ManifestError, match="no model in"):
        open_classifier(f"onnx:{tmp_path / 'file'}")


def test_a_broken_network_or_manifest_is_refused(tmp_path: Path) -> None:
    write_mean_model(tmp_path / "mean")
    version_directory = latest_version(tmp_path / "mean")
    onnx_path(version_directory).write_bytes(b"not a network")

    with pytest.raises(ManifestError, match="cannot load the network"):
        open_classifier(f"onnx:{tmp_path / 'mean'}")

    (version_directory / "assets.extra" / "model.json").write_text('{"schema_version": 1, "name": "mean"}')
    with pytest.raises(ManifestError, match="version: Field required"):
        load_manifest(version_directory)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"units": {}}, "units"),
        ({"stride": 6}, "stride"),
        ({"labels": (mean_manifest().labels[0],) * 2}, "labels"),
        ({"confidence_threshold": 1.1}, "confidence_threshold"),
        ({"channels": ("ax", "ay", "az"), "units": {"ax": "m/s^2", "ay": "m/s^2", "az": "m/s^2"}}, "stillness"),
    ],
)
def test_a_manifest_that_contradicts_itself_is_refused(changes: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        mean_manifest(**changes)
