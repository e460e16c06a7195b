"""Small models with real files, for tests that need a network but not a good one."""

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from repsense.channels import UNITS, Channel
from repsense.labels import Label
from repsense.manifest import ModelManifest, Stillness, Training, manifest_path, onnx_path

__all__ = ["MEAN_LABELS", "mean_manifest", "write_mean_model", "write_mean_version"]

MEAN_LABELS = (
    Label(exercise="push-up", form="correct"),
    Label(exercise="push-up", form="incorrect"),
    Label(exercise="squat"),
)
"""What the mean model tells apart: by which of ax, ay, az is the largest on average."""


def mean_manifest(**changes: object) -> ModelManifest:
    """The manifest of a model on acceleration and angular rate at 2 Hz with windows of 5."""
    channels = tuple(Channel)[:6]
    fields: dict[str, object] = {
        "name": "mean",
        "version": 1,
        "created_at": datetime(2026, 1, 1, tzinfo=UTC),
        "labels": MEAN_LABELS,
        "channels": channels,
        "units": {channel: UNITS[channel] for channel in channels},
        "sample_rate_hz": 2.0,
        "window_size": 5,
        "stride": 1,
        "confidence_threshold": 0.6,
        "stillness": Stillness(acceleration_m_s2=0.2, angular_rate_rad_s=0.1),
        "training": Training(
            dataset="none",
            dataset_fingerprint="0" * 64,
            groups=(),
            n_windows=0,
            seed=0,
            duration_s=0.0,
            configuration={},
            libraries={},
        ),
    }
    return ModelManifest.model_validate(fields | changes)


def write_mean_model(model_directory: Path, manifest: ModelManifest | None = None) -> ModelManifest:
    """Write a version directory into a model's; see `write_mean_version`."""
    manifest = manifest or mean_manifest()
    write_mean_version(model_directory / str(manifest.version), manifest)
    return manifest


def write_mean_version(version_directory: Path, manifest: ModelManifest, network: ModelManifest | None = None) -> None:
    """Fill a version directory; the network is softmax(mean over the window of its first channels).

    Args:
        version_directory: Where to.
        manifest: What is written as the manifest.
        network: What the network is made for, if not for the manifest.
    """
    _write_network(onnx_path(version_directory), network or manifest)
    manifest_path(version_directory).write_text(json.dumps(manifest.model_dump(mode="json")))


def _write_network(path: Path, manifest: ModelManifest) -> None:
    n_channels, n_classes = len(manifest.channels), len(manifest.labels)
    pick: NDArray[np.float32] = np.eye(n_channels, n_classes, dtype=np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("ReduceMean", ["samples", "time"], ["mean"], keepdims=0),
            helper.make_node("MatMul", ["mean", "pick"], ["scores"]),
            helper.make_node("Softmax", ["scores"], ["probabilities"], axis=-1),
        ],
        "mean",
        [helper.make_tensor_value_info("samples", TensorProto.FLOAT, ["n", manifest.window_size, n_channels])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", n_classes])],
        [numpy_helper.from_array(pick, "pick"), numpy_helper.from_array(np.array([1]), "time")],
    )
    path.parent.mkdir(parents=True)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(model, path)
