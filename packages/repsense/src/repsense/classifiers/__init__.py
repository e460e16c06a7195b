"""Classifiers: the network behind one small protocol, wherever it runs.

onnx:<model directory>            in this process, by ONNX Runtime
grpc://<host>:<port>/<model>      on TensorFlow Serving

`following` takes up new versions of the model while a classifier is in use.
"""

import contextlib
from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from repsense.errors import ClassifierError, ClassifierUnavailableError, ModelVersionGoneError
from repsense.manifest import ModelManifest

__all__ = ["Classifier", "ModelVersions", "NewestVersion", "find_versions", "open_classifier", "open_version", "probe"]

_FORMS = "onnx:models/bodyweight or grpc://tensorflow-serving:8500/bodyweight"
_GRAVITY_M_S2 = 9.81
_SUM_TOLERANCE = 1e-3
"""For float32 and many labels."""


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
            ModelVersionGoneError: If the model server has unloaded the version; open another one.
            ClassifierError: If the answer makes no sense or the windows have another shape.
        """
        ...

    def close(self) -> None:
        """Release what the classifier holds; it is not used afterwards."""
        ...


@dataclass(frozen=True, slots=True)
class NewestVersion:
    """The version of a model that should be used now.

    Attributes:
        version: Its number.
        files: Equal to an earlier one as long as the version's files have not changed, where these can be seen.
    """

    version: int
    files: Hashable


class ModelVersions(Protocol):
    """The versions of one model, in a directory or on a model server."""

    def newest(self) -> NewestVersion:
        """Find the highest version that is there; cheap enough to be asked once a second.

        Raises:
            ManifestError: If there is none.
            ClassifierUnavailableError: If the model server does not answer, or has none ready.
            ClassifierError: If the model server does not know the model.
        """
        ...

    def open(self, version: int) -> Classifier:
        """Open a version.

        Raises:
            ManifestError: If its manifest or network cannot be used.
            ClassifierUnavailableError: If the model server does not answer, or has unloaded the version meanwhile.
            ClassifierError: If the model server refuses.
        """
        ...

    def close(self) -> None:
        """Release what is held; classifiers that were opened stay usable."""
        ...


def find_versions(url: str) -> ModelVersions:
    """The versions of the model that a URL names; nothing is looked up yet.

    Raises:
        ClassifierError: If the URL cannot be used.
    """
    parts = urlsplit(url)
    try:
        if parts.scheme == "onnx" and parts.path:
            from repsense.classifiers.onnx import OnnxVersions  # noqa: PLC0415 - an optional dependency

            return OnnxVersions(Path(parts.path))
        if parts.scheme == "grpc" and parts.netloc and parts.path.strip("/"):
            from repsense.classifiers.tensorflow_serving import ServedVersions  # noqa: PLC0415 - an optional dependency

            return ServedVersions(parts.netloc, parts.path.strip("/"))
    except ModuleNotFoundError as error:
        extra = {"onnx": "onnx", "grpc": "tensorflow-serving"}[parts.scheme]
        msg = f"{url} needs {error.name}, which is not installed: pip install 'repsense[{extra}]'"
        raise ClassifierError(msg) from error
    msg = f"{url!r} names no classifier; it must look like {_FORMS}"
    raise ClassifierError(msg)


def open_classifier(url: str) -> Classifier:
    """Open the newest version of the model that a URL names, and try it.

    Raises:
        ManifestError: If there is no usable model at that place.
        ClassifierUnavailableError: If the model server does not answer.
        ClassifierError: If the URL or the model cannot be used.
    """
    with contextlib.closing(find_versions(url)) as versions:
        return open_version(versions, versions.newest().version)


def open_version(versions: ModelVersions, version: int) -> Classifier:
    """Open a version and try it.

    Raises:
        ManifestError: If its manifest or network cannot be used.
        ClassifierUnavailableError: If the model server does not answer, or has unloaded the version meanwhile.
        ClassifierError: If the network does not fit its manifest.
    """
    classifier = versions.open(version)
    try:
        probe(classifier)
    except ModelVersionGoneError as error:
        classifier.close()
        raise ClassifierUnavailableError(str(error)) from error
    except ClassifierError:
        classifier.close()
        raise
    return classifier


def probe(classifier: Classifier) -> None:
    """Have a classifier answer for two made-up windows, so that a network that does not fit its manifest is found out.

    Raises:
        ClassifierUnavailableError: If the model server is away.
        ModelVersionGoneError: If it has unloaded the version meanwhile.
        ClassifierError: If the network does not take the manifest's windows, or its answer cannot be probabilities of
            the manifest's labels.
    """
    manifest = classifier.manifest
    # Two, as a network that takes one at a time would be of no use; at rest and falling, so that no value is special.
    windows = np.zeros((2, manifest.window_size, len(manifest.channels)), dtype=np.float32)
    windows[0] = _GRAVITY_M_S2
    probabilities = classifier.classify(windows)
    if probabilities.min() < 0 or probabilities.sum(axis=1).max() > 1 + _SUM_TOLERANCE:
        msg = (
            f"{manifest.name} version {manifest.version} answered with numbers that are no probabilities: "
            "each must be at least 0, and those of a window must add up to at most 1"
        )
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
