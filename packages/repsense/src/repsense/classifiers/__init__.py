"""Classifiers: the network behind one small protocol, wherever it runs.

onnx:<model directory>            in this process, by ONNX Runtime
grpc://<host>:<port>/<model>      on TensorFlow Serving
"""

from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from repsense.errors import ClassifierError
from repsense.manifest import ModelManifest

__all__ = ["Classifier", "open_classifier"]

_FORMS = "onnx:models/bodyweight or grpc://tensorflow-serving:8500/bodyweight"


class Classifier(Protocol):
    """Turns windows into probabilities."""

    @property
    def manifest(self) -> ModelManifest:
        """The manifest of the model version that answers."""
        ...

    def classify(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Classify a batch.

        Args:
            windows: (n_windows, window_size, n_channels) float32 in SI units, channels as in the manifest.

        Returns:
            (n_windows, n_classes) float32 probabilities, labels as in the manifest.

        Raises:
            ClassifierUnavailableError: If the model server is away; try again later.
            ClassifierError: If the answer makes no sense or the windows have another shape.
        """
        ...

    def close(self) -> None:
        """Release what the classifier holds; it is not used afterwards."""
        ...


def open_classifier(url: str) -> Classifier:
    """Open the classifier that a URL names.

    Raises:
        ManifestError: If there is no usable model at that place.
        ClassifierUnavailableError: If the model server does not answer.
        ClassifierError: If the URL or the model cannot be used.
    """
    parts = urlsplit(url)
    try:
        if parts.scheme == "onnx" and parts.path:
            from repsense.classifiers.onnx import OnnxClassifier  # noqa: PLC0415 - an optional dependency

            return OnnxClassifier.open(Path(parts.path))
        if parts.scheme == "grpc" and parts.netloc and parts.path.strip("/"):
            from repsense.classifiers.tensorflow_serving import (  # noqa: PLC0415 - an optional dependency
                TensorFlowServingClassifier,
            )

            return TensorFlowServingClassifier.connect(parts.netloc, parts.path.strip("/"))
    except ModuleNotFoundError as error:
        extra = {"onnx": "onnx", "grpc": "tensorflow-serving"}[parts.scheme]
        msg = f"{url} needs {error.name}, which is not installed: pip install 'repsense[{extra}]'"
        raise ClassifierError(msg) from error
    msg = f"{url!r} names no classifier; it must look like {_FORMS}"
    raise ClassifierError(msg)


def check_windows(windows: NDArray[np.float32], manifest: ModelManifest) -> None:
    """Refuse windows that the network was not made for.

    Raises:
        ClassifierError: If the shape is not (n_windows, window_size, n_channels).
    """
    expected = (manifest.window_size, len(manifest.channels))
    if windows.ndim != 1 + len(expected) or windows.shape[1:] != expected:
        msg = f"windows of shape {windows.shape} given; {manifest.name} needs (n_windows, {expected[0]}, {expected[1]})"
        raise ClassifierError(msg)


def check_probabilities(probabilities: NDArray[np.float32], n_windows: int, manifest: ModelManifest) -> None:
    """Refuse an answer that cannot be read by the manifest's labels.

    Raises:
        ClassifierError: If the shape is not (n_windows, n_classes) or a value is not finite.
    """
    expected = (n_windows, len(manifest.labels))
    if probabilities.shape != expected or not np.isfinite(probabilities).all():
        msg = (
            f"{manifest.name} version {manifest.version} answered with shape {probabilities.shape}, "
            f"not {expected}, or with values that are not numbers"
        )
        raise ClassifierError(msg)
