"""The network on TensorFlow Serving, over gRPC, without importing TensorFlow."""

import contextlib
import importlib.util
import json
import sys
import types
from collections.abc import Iterator
from typing import Any, Self

import grpc
import numpy as np
from numpy.typing import NDArray

from repsense.classifiers import check_probabilities, check_windows
from repsense.errors import ClassifierError, ClassifierUnavailableError, ManifestError
from repsense.manifest import ModelManifest


@contextlib.contextmanager
def _tensorflow_messages_only() -> Iterator[None]:
    """Make `import tensorflow.core.…` load the protobuf messages and nothing else.

    The messages of tensorflow-serving-api import `tensorflow.core.framework`, and importing that runs all of
    TensorFlow's start-up: 2.9 s and 615 MB. A bare module with the package's path gives 0.06 s and 32 MB.
    """
    if "tensorflow" in sys.modules:
        yield
        return
    spec = importlib.util.find_spec("tensorflow")
    if spec is None or spec.submodule_search_locations is None:
        msg = "the messages of TensorFlow Serving are not installed: pip install 'repsense[tensorflow-serving]'"
        raise ClassifierError(msg)
    bare = types.ModuleType("tensorflow")
    bare.__path__ = list(spec.submodule_search_locations)
    sys.modules["tensorflow"] = bare
    try:
        yield
    finally:
        del sys.modules["tensorflow"]


with _tensorflow_messages_only():
    from tensorflow.core.framework.types_pb2 import DT_FLOAT, DT_INT32
    from tensorflow_serving.apis import get_model_status_pb2 as status_pb2
    from tensorflow_serving.apis.model_service_pb2_grpc import ModelServiceStub
    from tensorflow_serving.apis.predict_pb2 import PredictRequest, PredictResponse
    from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub

__all__ = ["TensorFlowServingClassifier"]

DEADLINE_S = 2.0
"""A batch takes some 20 ms; a server that needs this long is in trouble."""

_SERVICE_CONFIG = json.dumps(
    {
        "methodConfig": [
            {
                "name": [{}],
                "retryPolicy": {
                    "maxAttempts": 5,
                    "initialBackoff": "0.05s",
                    "maxBackoff": "0.5s",
                    "backoffMultiplier": 2,
                    "retryableStatusCodes": ["UNAVAILABLE"],
                },
            }
        ]
    }
)
"""gRPC retries by itself, with jitter, within the deadline."""


class TensorFlowServingClassifier:
    """A classifier on one version of a model that TensorFlow Serving has loaded."""

    def __init__(self, channel: grpc.Channel, manifest: ModelManifest) -> None:
        """Wrap a channel to a server that serves the manifest's model and version."""
        self._channel = channel
        self._stub = PredictionServiceStub(channel)
        self.manifest = manifest

    @classmethod
    def connect(cls, address: str, model_name: str) -> Self:
        """Connect to a server; ask it which version it serves and for that version's manifest.

        Args:
            address: Host and port.
            model_name: The model's name in the server's configuration.

        Raises:
            ClassifierUnavailableError: If the server does not answer, or has not loaded the model yet.
            ClassifierError: If it does not know the model.
            ManifestError: If the model does not carry a manifest of RepSense.
        """
        channel = grpc.insecure_channel(address, options=[("grpc.service_config", _SERVICE_CONFIG)])
        try:
            version = _available_version(channel, address, model_name)
            return cls(channel, _fetch_manifest(channel, model_name, version))
        except BaseException:
            channel.close()
            raise

    def classify(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Classify a batch; see `Classifier.classify`."""
        check_windows(windows, self.manifest)
        if not len(windows):
            return np.empty((0, len(self.manifest.labels)), dtype=np.float32)
        request = _request(self.manifest.name, self.manifest.version, "serving_default")
        tensor = request.inputs["samples"]
        tensor.dtype = DT_FLOAT
        for size in windows.shape:
            tensor.tensor_shape.dim.add(size=size)
        tensor.tensor_content = np.ascontiguousarray(windows, dtype="<f4").tobytes()
        response = _call(self._stub.Predict, request, self.manifest.name)
        answer = _floats(response, self.manifest.name)
        check_probabilities(answer, len(windows), self.manifest)
        return answer

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()


def _available_version(channel: grpc.Channel, address: str, model_name: str) -> int:
    request = status_pb2.GetModelStatusRequest()
    request.model_spec.name = model_name
    response = _call(ModelServiceStub(channel).GetModelStatus, request, model_name)
    versions = response.model_version_status
    available = [v.version for v in versions if v.state == status_pb2.ModelVersionStatus.AVAILABLE]
    if not available:
        states = ", ".join(
            f"version {v.version} {status_pb2.ModelVersionStatus.State.Name(v.state)} {v.status.error_message}".strip()
            for v in versions
        )
        msg = f"{address} has no version of {model_name} ready ({states or 'none is there'})"
        raise ClassifierUnavailableError(msg)
    return int(max(available))


def _fetch_manifest(channel: grpc.Channel, model_name: str, version: int) -> ModelManifest:
    request = _request(model_name, version, "manifest")
    tensor = request.inputs["rows"]
    tensor.dtype = DT_INT32
    tensor.tensor_shape.dim.add(size=1)
    tensor.int_val.append(0)
    source = f"signature 'manifest' of {model_name} version {version}"
    try:
        response = _call(PredictionServiceStub(channel).Predict, request, model_name)
    except ClassifierUnavailableError:
        raise
    except ClassifierError as error:
        msg = f"{source} cannot be read: export the model with RepSense's trainer ({error})"
        raise ManifestError(msg) from error
    values = response.outputs["manifest"].string_val
    manifest = ModelManifest.decode(values[0] if values else b"", source)
    if (manifest.name, manifest.version) != (model_name, version):
        msg = f"{source} speaks of {manifest.name} version {manifest.version}: the model was copied to a wrong place"
        raise ManifestError(msg)
    return manifest


def _request(model_name: str, version: int, signature: str) -> PredictRequest:
    request = PredictRequest()
    request.model_spec.name = model_name
    request.model_spec.version.value = version
    request.model_spec.signature_name = signature
    return request


def _call(method: Any, request: Any, model_name: str) -> Any:  # noqa: ANN401 - gRPC's stubs carry no types
    try:
        return method(request, timeout=DEADLINE_S)
    except grpc.RpcError as error:
        code, details = error.code(), error.details()
        msg = f"TensorFlow Serving cannot answer for {model_name}: {code.name}: {details}"
        if code in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}:
            raise ClassifierUnavailableError(msg) from error
        raise ClassifierError(msg) from error


def _floats(response: PredictResponse, model_name: str) -> NDArray[np.float32]:
    """Read the output "probabilities"; a server may fill either of a tensor's two encodings."""
    if "probabilities" not in response.outputs:
        msg = f"{model_name} has no output 'probabilities'; it has {', '.join(response.outputs) or 'none'}"
        raise ClassifierError(msg)
    tensor = response.outputs["probabilities"]
    shape = [dim.size for dim in tensor.tensor_shape.dim]
    flat = (
        np.frombuffer(tensor.tensor_content, dtype="<f4")
        if tensor.tensor_content
        else np.asarray(tensor.float_val, dtype=np.float32)
    )
    try:
        return flat.reshape(shape).astype(np.float32)
    except ValueError as error:
        msg = f"{model_name} answered {flat.size} values for shape {shape}"
        raise ClassifierError(msg) from error
