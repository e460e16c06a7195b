"""The network in this process, by ONNX Runtime: 53 MB where TensorFlow takes 628."""

from pathlib import Path
from typing import Any, Self

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi.onnxruntime_pybind11_state import (
    Fail,
    InvalidArgument,
    InvalidGraph,
    InvalidProtobuf,
    NoSuchFile,
    NotImplemented,  # noqa: A004 - ONNX Runtime's own
    RuntimeException,
)

from repsense.classifiers import NewestVersion, check_probabilities, check_windows
from repsense.errors import ClassifierError, ManifestError
from repsense.manifest import ModelManifest, latest_version, load_manifest, manifest_path, onnx_path

__all__ = ["OnnxClassifier", "OnnxVersions"]

_CANNOT_LOAD = (Fail, InvalidArgument, InvalidGraph, InvalidProtobuf, NoSuchFile, NotImplemented, RuntimeException)
_CANNOT_RUN = (Fail, InvalidArgument, RuntimeException)


class OnnxClassifier:
    """A classifier on the ONNX form of a model version."""

    def __init__(self, session: onnxruntime.InferenceSession, manifest: ModelManifest) -> None:
        """Wrap a session whose single input and output are the manifest's windows and probabilities."""
        self._session = session
        self._input = session.get_inputs()[0].name
        self.manifest = manifest

    @classmethod
    def open(cls, model_directory: Path) -> Self:
        """Load the newest version in a model's directory.

        Raises:
            ManifestError: If there is no version, or its manifest or network cannot be used.
        """
        return cls.open_version(latest_version(model_directory))

    @classmethod
    def open_version(cls, version_directory: Path) -> Self:
        """Load the version in a directory that is named by its number.

        Raises:
            ManifestError: If its manifest or network cannot be read, or they do not fit together or the directory.
        """
        manifest = load_manifest(version_directory)
        if str(manifest.version) != version_directory.name:
            msg = (
                f"{manifest_path(version_directory)} speaks of version {manifest.version}: "
                "the model was copied to a wrong place"
            )
            raise ManifestError(msg)
        options = onnxruntime.SessionOptions()
        # A window takes 0.1 ms on one thread; more threads would only spin and steal from the other services.
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        path = onnx_path(version_directory)
        try:
            session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except _CANNOT_LOAD as error:
            msg = f"cannot load the network {path}: {error}"
            raise ManifestError(msg) from error
        _check_shapes(session, manifest, path)
        return cls(session, manifest)

    def classify(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Classify a batch; see `Classifier.classify`."""
        check_windows(windows, self.manifest)
        if not len(windows):
            return np.empty((0, len(self.manifest.labels)), dtype=np.float32)
        try:
            (probabilities,) = self._session.run(None, {self._input: windows})
        except _CANNOT_RUN as error:
            msg = f"{self.manifest.name} version {self.manifest.version} cannot classify: {error}"
            raise ClassifierError(msg) from error
        answer = np.asarray(probabilities, dtype=np.float32)
        check_probabilities(answer, len(windows), self.manifest)
        return answer

    def close(self) -> None:
        """Release the session's memory."""
        del self._session


class OnnxVersions:
    """The versions in a model's directory; see `ModelVersions`."""

    def __init__(self, model_directory: Path) -> None:
        self._directory = model_directory

    def newest(self) -> NewestVersion:
        """See `ModelVersions.newest`."""
        directory = latest_version(self._directory)
        files = (manifest_path(directory), onnx_path(directory))
        return NewestVersion(int(directory.name), tuple(map(_change_mark, files)))

    def open(self, version: int) -> OnnxClassifier:
        """See `ModelVersions.open`."""
        return OnnxClassifier.open_version(self._directory / str(version))

    def close(self) -> None:
        """Nothing is held."""


def _check_shapes(session: onnxruntime.InferenceSession, manifest: ModelManifest, path: Path) -> None:
    """Refuse a network whose declared input or output is not the manifest's.

    Raises:
        ManifestError: If it is not (n, window_size, n_channels) in and (n, n_classes) out.
    """
    for what, ends, expected in (
        ("input", session.get_inputs(), (manifest.window_size, len(manifest.channels))),
        ("output", session.get_outputs(), (len(manifest.labels),)),
    ):
        if len(ends) != 1 or not _fits(ends[0].shape, expected):
            shapes = ", ".join(str(end.shape) for end in ends)
            msg = (
                f"the network {path} has the {what} {shapes}, its manifest speaks of one of shape "
                f"[n, {', '.join(map(str, expected))}]: export the model again"
            )
            raise ManifestError(msg)


def _fits(shape: list[Any], expected: tuple[int, ...]) -> bool:
    """Whether a declared shape leaves the number of windows open and can be the expected one after it."""
    if len(shape) != 1 + len(expected) or isinstance(shape[0], int):
        return False
    return all(not isinstance(size, int) or size == wanted for size, wanted in zip(shape[1:], expected, strict=True))


def _change_mark(path: Path) -> tuple[int, int, int] | None:
    """Differs once a file was written anew; None while there is none."""
    try:
        state = path.stat()
    except OSError:
        return None
    return state.st_ino, state.st_size, state.st_mtime_ns
