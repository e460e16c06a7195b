"""The committed model: both its forms, and its labels, against random and real windows."""

from pathlib import Path
from typing import TypeAlias

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from repsense.classifiers.onnx import OnnxClassifier
from repsense.manifest import ModelManifest, latest_version, load_manifest, manifest_path, report_path
from repsense_trainer.configuration import ConfigurationFile
from repsense_trainer.dataset import WindowSet, make_dataset
from repsense_trainer.sources import read_source

SavedModel: TypeAlias = "tf.train.Checkpoint"
REPOSITORY = Path(__file__).parents[3]
MODEL = REPOSITORY / "models" / "bodyweight"
VERSION = latest_version(MODEL)
DATA = REPOSITORY.parent / "shared" / "data" / "bodyweight"
CONFIGURATION = REPOSITORY / "services" / "trainer" / "configurations" / "bodyweight.toml"


@pytest.fixture(scope="module")
def saved_model() -> SavedModel:
    return tf.saved_model.load(str(VERSION))


@pytest.fixture(scope="module")
def manifest() -> ModelManifest:
    return load_manifest(VERSION)


@pytest.fixture(scope="module")
def real_windows() -> WindowSet:
    if not DATA.is_dir():
        pytest.skip(f"the real recordings are not at {DATA}: they may not be distributed with the code")
    file = ConfigurationFile.load(CONFIGURATION)
    return make_dataset(read_source(str(DATA), file.data), file.windows).windows()


def assert_forms_agree(saved_model: SavedModel, windows: NDArray[np.float32]) -> None:
    served = saved_model.signatures["serving_default"](samples=tf.constant(windows))["probabilities"].numpy()
    in_process = OnnxClassifier.open(MODEL).classify(windows)
    np.testing.assert_allclose(in_process, served, atol=1e-5)
    assert (served >= 0).all()
    assert (served.sum(axis=1) <= 1 + 1e-5).all()


@pytest.mark.parametrize("n_windows", [1, 3, 1000])
def test_forms_agree_on_random_windows(saved_model: SavedModel, manifest: ModelManifest, n_windows: int) -> None:
    shape = (n_windows, manifest.window_size, len(manifest.channels))
    # About the spread of real values: m/s^2, rad/s and uT.
    spread = np.array([8] * 3 + [2] * 3 + [40] * 3, dtype=np.float32)
    windows = np.random.default_rng(0).normal(0, spread, shape).astype(np.float32)
    assert_forms_agree(saved_model, windows)


def test_forms_agree_on_real_windows(saved_model: SavedModel, real_windows: WindowSet) -> None:
    assert_forms_agree(saved_model, real_windows.samples)


def test_the_manifest_signature_returns_the_file(saved_model: SavedModel) -> None:
    rows = saved_model.signatures["manifest"](rows=tf.zeros(2, tf.int32))["manifest"].numpy()

    assert [row.decode() for row in rows] == [manifest_path(VERSION).read_text(encoding="utf-8")] * 2


def test_the_labels_are_in_the_order_of_the_outputs(manifest: ModelManifest, real_windows: WindowSet) -> None:
    probabilities = OnnxClassifier.open(MODEL).classify(real_windows.samples)

    assert list(map(str, manifest.labels)) == sorted(map(str, manifest.labels))
    assert (probabilities.argmax(axis=1) == real_windows.label_indices).mean() > 0.99


def test_what_moves_like_no_exercise_comes_out_as_unknown(manifest: ModelManifest) -> None:
    random = np.random.default_rng(0)
    noise = random.normal(0, [8] * 3 + [2] * 3 + [40] * 3, (200, manifest.window_size, 9)).astype(np.float32)

    confidences = OnnxClassifier.open(MODEL).classify(noise).max(axis=1)

    assert (confidences < manifest.confidence_threshold).mean() > 0.95


def test_the_held_out_figures_are_good_on_every_session_and_reported(manifest: ModelManifest) -> None:
    evaluation = manifest.evaluation
    assert evaluation is not None
    assert evaluation.accuracy >= 0.995
    assert min(group.accuracy for group in evaluation.groups) >= 0.98
    assert len(evaluation.groups) == 15
    assert evaluation.unknown is not None
    assert evaluation.unknown.auroc >= 0.95
    assert evaluation.unknown.lost_share <= 0.03
    assert f"{evaluation.accuracy:.1%}".replace("%", "") in report_path(VERSION).read_text(encoding="utf-8")
