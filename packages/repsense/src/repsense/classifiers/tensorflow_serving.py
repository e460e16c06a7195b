"""The network on TensorFlow Serving, over gRPC, without importing TensorFlow.

Where several servers have the same models, the address names them all, as in `a:8500,b:8500`, or by one name that the
domain name system resolves to all of them. Calls go to them in turn, and past those that do not answer. A version is in
use when all that answer have it.
"""

import contextlib
import importlib.util
import json
import socket
import sys
import threading
import time
import types
from collections.abc import Iterator
from typing import Any, Self

import grpc
import numpy as np
from numpy.typing import NDArray

from repsense.classifiers import NewestVersion, check_probabilities, check_windows
from repsense.errors import ClassifierError, ClassifierUnavailableError, ManifestError, ModelVersionGoneError
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
    from tensorflow.core.framework.types_pb2 import DT_FLOAT, DT_INT32, DataType
    from tensorflow_serving.apis import get_model_status_pb2 as status_pb2
    from tensorflow_serving.apis.model_service_pb2_grpc import ModelServiceStub
    from tensorflow_serving.apis.predict_pb2 import PredictRequest, PredictResponse
    from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub

__all__ = ["ServedVersions", "TensorFlowServingClassifier"]

DEADLINE_S = 2.0
"""A batch of 256 windows takes some 6 ms; a server that needs this long is in trouble."""

_SHUN_S = 10.0
"""One of several servers that did not answer for its versions is not asked again for so long: each time costs a second
or two, in which nothing is classified."""

_SERVICE_CONFIG = json.dumps(
    {
        "loadBalancingConfig": [{"round_robin": {}}],
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
        ],
    }
)
"""gRPC retries by itself, with jitter, within the deadline."""

_CHANNEL_OPTIONS = [
    ("grpc.service_config", _SERVICE_CONFIG),
    # The model server is a neighbour; the proxy in the environment is for the internet.
    ("grpc.enable_http_proxy", 0),
    # A new channel shall connect at once, and not wait because an earlier one could not.
    ("grpc.use_local_subchannel_pool", 1),
    # One of several servers that comes back is used again soon.
    ("grpc.max_reconnect_backoff_ms", 5_000),
]

_AWAY = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    # Another thread closed the channel while this one waited for an answer.
    grpc.StatusCode.CANCELLED,
}


class TensorFlowServingClassifier:
    """A classifier on one version of a model that TensorFlow Serving has loaded; threads may share it."""

    def __init__(self, address: str, manifest: ModelManifest) -> None:
        """Prepare to call the server at an address, which serves the manifest's model and version."""
        self.manifest = manifest
        self._address = address
        self._lock = threading.Lock()
        self._closed = False
        self._open_channel()

    @classmethod
    def connect(cls, address: str, model_name: str) -> Self:
        """Connect to a server; ask it which version it serves and for that version's manifest.

        Args:
            address: Host and port; those of several servers with commas between them.
            model_name: The model's name in the server's configuration.

        Raises:
            ClassifierUnavailableError: If the server does not answer, or has not loaded the model yet.
            ClassifierError: If it does not know the model.
            ManifestError: If the model does not carry a manifest of RepSense.
        """
        with contextlib.closing(ServedVersions(address, model_name)) as versions:
            return cls(address, versions.manifest(versions.newest().version))

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
        stub = self._stub
        try:
            response = _call(stub.Predict, request, self.manifest.name)
        except ClassifierUnavailableError:
            self._renew(stub)
            raise
        answer = _floats(response, self.manifest.name)
        check_probabilities(answer, len(windows), self.manifest)
        return answer

    def close(self) -> None:
        """Close the connection; calls under way in other threads end with ClassifierUnavailableError."""
        with self._lock:
            self._closed = True
            self._channel.close()

    def _open_channel(self) -> None:
        self._channel = grpc.insecure_channel(_target(self._address), options=_CHANNEL_OPTIONS)
        self._stub = PredictionServiceStub(self._channel)

    def _renew(self, failed: PredictionServiceStub) -> None:
        """Give the next call a channel of its own making.

        A channel would find back by itself, but late. Its pauses between tries grow to two minutes, and those between
        look-ups of the server's name cannot be set shorter; that the server's machine vanished without a word, TCP
        notices only after a quarter of an hour.
        """
        with self._lock:
            if self._stub is failed and not self._closed:
                self._channel.close()
                self._open_channel()


class ServedVersions:
    """The versions of a model that a server has ready; see `ModelVersions`."""

    def __init__(self, address: str, model_name: str) -> None:
        self._address = address
        self._model_name = model_name
        self._channels: dict[str, grpc.Channel] = {}
        """By server."""
        self._shunned_until_s: dict[str, float] = {}

    def newest(self) -> NewestVersion:
        """See `ModelVersions.newest`."""
        versions: list[set[int]] = []
        failure: ClassifierUnavailableError | None = None
        servers = _servers(self._address)
        for server in servers:
            if len(servers) > 1 and time.monotonic() < self._shunned_until_s.get(server, 0.0):
                continue
            try:
                versions.append(_available_versions(self._channel(server), server, self._model_name))
            except ClassifierUnavailableError as error:
                # As in `TensorFlowServingClassifier`: an old channel would find back late.
                self._channels.pop(server).close()
                self._shunned_until_s[server] = time.monotonic() + _SHUN_S
                failure = error
        common = set.intersection(*versions) if versions else set()
        if not common:
            msg = f"no version of {self._model_name} is ready on all servers at {self._address}"
            raise failure or ClassifierUnavailableError(msg)
        # The server's files are out of sight; it does not read those of a version that it has loaded again.
        return NewestVersion(max(common), None)

    def manifest(self, version: int) -> ModelManifest:
        """Ask for the manifest of a version.

        Raises:
            ManifestError: If it does not carry one of RepSense, or that of another version.
            ClassifierUnavailableError: If the server does not answer, or has unloaded the version meanwhile.
        """
        channel = grpc.insecure_channel(_target(self._address), options=_CHANNEL_OPTIONS)
        with contextlib.closing(channel):
            return _fetch_manifest(channel, self._model_name, version)

    def open(self, version: int) -> TensorFlowServingClassifier:
        """See `ModelVersions.open`."""
        return TensorFlowServingClassifier(self._address, self.manifest(version))

    def close(self) -> None:
        """Close the connections."""
        for channel in self._channels.values():
            channel.close()

    def _channel(self, server: str) -> grpc.Channel:
        if server not in self._channels:
            self._channels[server] = grpc.insecure_channel(server, options=_CHANNEL_OPTIONS)
        return self._channels[server]


def _servers(address: str) -> list[str]:
    """The servers at an address one by one, as gRPC's targets."""
    found: list[str] = []
    for server in address.split(","):
        host, _, port = server.rpartition(":")
        with contextlib.suppress(OSError, ValueError):
            answers = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
            # All of one family, as gRPC demands of the addresses of a target.
            family = min(answer[0] for answer in answers)
            found += [_endpoint(answer[4][0], port) for answer in answers if answer[0] is family]
    if "," not in address and len(set(found)) <= 1:
        return [address]
    return sorted(set(found)) or [address.split(",", maxsplit=1)[0]]


def _endpoint(host: object, port: str) -> str:
    return f"ipv6:[{host}]:{port}" if ":" in str(host) else f"ipv4:{host}:{port}"


def _target(address: str) -> str:
    """What gRPC is to call: all servers at an address."""
    if "," not in address:
        # gRPC looks the name up again when a server goes.
        return address
    first, *others = _servers(address)
    family, _, _ = first.partition(":")
    return ",".join([first, *(other.removeprefix(f"{family}:") for other in others if other.startswith(f"{family}:"))])


def _available_versions(channel: grpc.Channel, address: str, model_name: str) -> set[int]:
    request = status_pb2.GetModelStatusRequest()
    request.model_spec.name = model_name
    try:
        response = _call(ModelServiceStub(channel).GetModelStatus, request, model_name)
    except ModelVersionGoneError as error:
        # No version at all: the server was not told of the model.
        raise ClassifierError(str(error)) from error
    versions = response.model_version_status
    available = {v.version for v in versions if v.state == status_pb2.ModelVersionStatus.AVAILABLE}
    if not available:
        states = ", ".join(
            f"version {v.version} {status_pb2.ModelVersionStatus.State.Name(v.state)} {v.status.error_message}".strip()
            for v in versions
        )
        msg = f"{address} has no version of {model_name} ready ({states or 'none is there'})"
        raise ClassifierUnavailableError(msg)
    return available


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
    except ModelVersionGoneError as error:
        msg = f"{model_name} version {version} was unloaded while it was opened ({error})"
        raise ClassifierUnavailableError(msg) from error
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
        if code in _AWAY:
            raise ClassifierUnavailableError(msg) from error
        if code is grpc.StatusCode.NOT_FOUND:
            raise ModelVersionGoneError(msg) from error
        raise ClassifierError(msg) from error
    except ValueError as error:
        # So gRPC says that another thread closed the channel before the call began.
        msg = f"TensorFlow Serving cannot answer for {model_name}: {error}"
        raise ClassifierUnavailableError(msg) from error


def _floats(response: PredictResponse, model_name: str) -> NDArray[np.float32]:
    """Read the output "probabilities"; a server may fill either of a tensor's two encodings."""
    if "probabilities" not in response.outputs:
        msg = f"{model_name} has no output 'probabilities'; it has {', '.join(response.outputs) or 'none'}"
        raise ClassifierError(msg)
    tensor = response.outputs["probabilities"]
    if tensor.dtype != DT_FLOAT:
        msg = f"{model_name} answered with {DataType.Name(tensor.dtype)}, not with DT_FLOAT"
        raise ClassifierError(msg)
    shape = [dim.size for dim in tensor.tensor_shape.dim]
    try:
        flat = (
            np.frombuffer(tensor.tensor_content, dtype="<f4")
            if tensor.tensor_content
            else np.asarray(tensor.float_val, dtype=np.float32)
        )
        return flat.reshape(shape).astype(np.float32)
    except ValueError as error:
        msg = f"{model_name} answered with a tensor that does not fill its shape {shape}"
        raise ClassifierError(msg) from error
