"""The network in this process, by ONNX Runtime: 53 MB where TensorFlow takes 628."""

from pathlib import Path
from typing import Self

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidArgument, InvalidProtobuf, NoSuchFile

from repsense.classifiers import check_probabilities, check_windows
from repsense.errors import ClassifierError, ManifestError
from repsense.manifest import ModelManifest, latest_version, load_manifest, onnx_path

__all__ = ["OnnxClassifier"]


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
            ManifestError: If there is no version, or its manifest or network cannot be read.
        """
        version_directory = latest_version(model_directory)
        manifest = load_manifest(version_directory)
        options = onnxruntime.SessionOptions()
        # A window takes 0.1 ms on one thread; more threads would only spin and steal from the other services.
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        path = onnx_path(version_directory)
        try:
            session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except (Fail, InvalidArgument, InvalidProtobuf, NoSuchFile) as error:
            msg = f"cannot load the network {path}: {error}"
            raise ManifestError(msg) from error
        return cls(session, manifest)

    def classify(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Classify a batch; see `Classifier.classify`."""
        check_windows(windows, self.manifest)
        if not len(windows):
            return np.empty((0, len(self.manifest.labels)), dtype=np.float32)
        try:
            (probabilities,) = self._session.run(None, {self._input: windows})
        except (Fail, InvalidArgument) as error:
            msg = f"{self.manifest.name} version {self.manifest.version} cannot classify: {error}"
            raise ClassifierError(msg) from error
        answer = np.asarray(probabilities, dtype=np.float32)
        check_probabilities(answer, len(windows), self.manifest)
        return answer

    def close(self) -> None:
        """Release the session's memory."""
        del self._session
