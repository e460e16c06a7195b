"""A stand-in for TensorFlow Serving.

    python -m support.tensorflow_serving --port 8500 --model bodyweight=models/bodyweight
        --file_system_poll_wait_seconds 1

It loads real SavedModels with TensorFlow and speaks the real messages over gRPC. It is not TensorFlow Serving. Like the
real one it

- loads the highest version of each model and opens its port only then, so that a model is there or nobody answers;
- looks for another highest version once a second, upwards and downwards; loads it, and only then unloads the one before
  (AvailabilityPreservingPolicy), once the calls that use it are answered; what cannot be loaded changes nothing;
- shows the states LOADING, AVAILABLE, UNLOADING and END of every version that it has met;
- runs a signature in a TensorFlow session by the tensors that the SavedModel names;
- fills the answers' value fields (`float_val`, `string_val`), not `tensor_content`;
- refuses with the status codes and the words of the real one: NOT_FOUND for a model or version that it does not serve,
  FAILED_PRECONDITION for a signature that the model lacks, INVALID_ARGUMENT for inputs that do not fit.

What it does not do: try a version that could not be loaded again (the real one does, a few times, a minute apart);
unload the last version when its directory goes away; other version policies and labels; output filters; metadata; the
batching scheduler; warm-up; classification, regression and session services; REST; TLS; metrics; outputs other than
floats and strings. Where the inputs do not fit the signature's shape, the words are those of TensorFlow's Python
session.
"""

import argparse
import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Condition, Event
from typing import Any, NoReturn

# Read when TensorFlow is imported: no search for a GPU, no chatter.
os.environ |= {"CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "2"}

import grpc
import numpy as np
import tensorflow as tf
from tensorflow.core.framework.types_pb2 import DT_STRING
from tensorflow_serving.apis.get_model_status_pb2 import (
    GetModelStatusRequest,
    GetModelStatusResponse,
    ModelVersionStatus,
)
from tensorflow_serving.apis.model_pb2 import ModelSpec
from tensorflow_serving.apis.model_service_pb2_grpc import ModelServiceServicer, add_ModelServiceServicer_to_server
from tensorflow_serving.apis.predict_pb2 import PredictRequest, PredictResponse
from tensorflow_serving.apis.prediction_service_pb2_grpc import (
    PredictionServiceServicer,
    add_PredictionServiceServicer_to_server,
)

from repsense.errors import ManifestError
from repsense.manifest import latest_version

State = ModelVersionStatus.State


class RefusedError(Exception):
    """A request that is answered with a status other than OK."""

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.code = code


class Servable:
    """One loaded version of a model."""

    def __init__(self, name: str, version_directory: Path) -> None:
        self.name = name
        self.version = int(version_directory.name)
        self.n_calls = 0
        """Under way."""
        graph = tf.Graph()
        self._session = tf.compat.v1.Session(graph=graph)
        with graph.as_default():
            loaded = tf.compat.v1.saved_model.load(self._session, [tf.saved_model.SERVING], str(version_directory))
        self.signatures = dict(loaded.signature_def)

    def close(self) -> None:
        """Release the session."""
        self._session.close()

    def predict(self, request: PredictRequest) -> PredictResponse:
        """Run the signature that a request names on its inputs."""
        name = request.model_spec.signature_name or "serving_default"
        if name not in self.signatures:
            raise RefusedError(grpc.StatusCode.FAILED_PRECONDITION, f'Serving signature key "{name}" not found.')
        signature = self.signatures[name]
        outputs = {alias: info.name for alias, info in signature.outputs.items()}
        try:
            results = self._session.run(outputs, _feed(signature.inputs, request.inputs))
        except (ValueError, tf.errors.InvalidArgumentError) as error:
            raise RefusedError(grpc.StatusCode.INVALID_ARGUMENT, str(error)) from error
        response = PredictResponse()
        response.model_spec.name = self.name
        response.model_spec.version.value = self.version
        response.model_spec.signature_name = name
        for alias, result in results.items():
            _fill(response.outputs[alias], signature.outputs[alias].dtype, result)
        return response


class Model:
    """A model's directory, and what of it is loaded."""

    def __init__(self, name: str, directory: Path) -> None:
        self.name = name
        self._directory = directory
        self._lock = Condition()
        self._loaded: dict[int, Servable] = {}
        self._states: dict[int, tuple[int, str]] = {}
        """The state of each version that was met, and in words why it could not be loaded."""

    def follow(self) -> None:
        """Load the highest version if it is another one, and then unload the one before."""
        try:
            directory = latest_version(self._directory)
        except ManifestError:
            return
        version = int(directory.name)
        if version in self._loaded or self._states.get(version, (0, ""))[1]:
            return
        self._states[version] = (State.LOADING, "")
        try:
            servable = Servable(self.name, directory)
        # Whatever is wrong with it, the real server goes on too.
        except Exception as error:  # noqa: BLE001
            self._states[version] = (State.END, str(error))
            print(f"cannot load {directory}: {error}", file=sys.stderr)  # noqa: T201
            return
        with self._lock:
            self._loaded[version] = servable
            self._states[version] = (State.AVAILABLE, "")
        for before in [one for one in self._loaded if one != version]:
            self._unload(before)

    def _unload(self, version: int) -> None:
        with self._lock:
            self._states[version] = (State.UNLOADING, "")
            servable = self._loaded.pop(version)
            self._lock.wait_for(lambda: not servable.n_calls)
        servable.close()
        self._states[version] = (State.END, "")

    @contextlib.contextmanager
    def using(self, spec: ModelSpec) -> Iterator[Servable]:
        """The version that a request names, or the highest one; it stays loaded until the block ends."""
        with self._lock:
            servable = self._loaded.get(
                spec.version.value if spec.HasField("version") else max(self._loaded, default=0)
            )
            if servable is None:
                raise _not_found(spec)
            servable.n_calls += 1
        try:
            yield servable
        finally:
            with self._lock:
                servable.n_calls -= 1
                self._lock.notify_all()

    def states(self, spec: ModelSpec) -> dict[int, tuple[int, str]]:
        """Of all versions or the one that a request names, the highest first."""
        with self._lock:
            states = sorted(self._states.items(), reverse=True)
        return {v: state for v, state in states if not spec.HasField("version") or v == spec.version.value}


class ModelServer(PredictionServiceServicer, ModelServiceServicer):  # type: ignore[misc] # the messages carry no types
    """Answers for models."""

    def __init__(self, models: list[Model]) -> None:
        self._models = {model.name: model for model in models}

    def Predict(self, request: PredictRequest, context: grpc.ServicerContext) -> PredictResponse:  # noqa: N802
        """PredictionService.Predict."""
        try:
            model = self._models.get(request.model_spec.name)
            if model is None:
                raise _not_found(request.model_spec)
            with model.using(request.model_spec) as servable:
                return servable.predict(request)
        except RefusedError as error:
            _abort(context, error)

    def GetModelStatus(  # noqa: N802
        self, request: GetModelStatusRequest, context: grpc.ServicerContext
    ) -> GetModelStatusResponse:
        """ModelService.GetModelStatus."""
        spec = request.model_spec
        model = self._models.get(spec.name)
        if model is None:
            message = f"Could not find any versions of model {spec.name}"
            _abort(context, RefusedError(grpc.StatusCode.NOT_FOUND, message))
        states = model.states(spec)
        if not states:
            message = f"Could not find version {spec.version.value} of model {spec.name}"
            _abort(context, RefusedError(grpc.StatusCode.NOT_FOUND, message))
        response = GetModelStatusResponse()
        for version, (state, problem) in states.items():
            status = response.model_version_status.add(version=version, state=state)
            status.status.error_message = problem
            status.status.SetInParent()
        return response


def _not_found(spec: ModelSpec) -> RefusedError:
    wanted = f"Specific({spec.name}, {spec.version.value})" if spec.HasField("version") else f"Latest({spec.name})"
    return RefusedError(grpc.StatusCode.NOT_FOUND, f"Servable not found for request: {wanted}")


def _feed(inputs: Any, tensors: Any) -> dict[str, Any]:  # noqa: ANN401 - maps of protobuf
    """Arrays by the names of the graph's tensors."""
    if set(tensors) != set(inputs):
        expected, sent = (f"{len(names)} len({{{','.join(sorted(names))}}})" for names in (inputs, tensors))
        message = f"input size does not match signature: {sent} != {expected}."
        raise RefusedError(grpc.StatusCode.INVALID_ARGUMENT, message)
    feed = {}
    for alias, info in inputs.items():
        # The session would convert another type in silence, where the real server refuses it.
        if tensors[alias].dtype != info.dtype:
            expected, sent = (tf.as_dtype(dtype).name for dtype in (info.dtype, tensors[alias].dtype))
            message = f"Expects arg[0] to be {expected} but {sent} is provided"
            raise RefusedError(grpc.StatusCode.INVALID_ARGUMENT, message)
        try:
            feed[info.name] = tf.make_ndarray(tensors[alias])
        except (TypeError, ValueError) as error:
            raise RefusedError(grpc.StatusCode.INVALID_ARGUMENT, f"tensor parsing error: {alias}") from error
    return feed


def _fill(tensor: Any, dtype: int, result: Any) -> None:  # noqa: ANN401 - a TensorProto and an array
    """Write an output as the real server does by default: value by value."""
    values = np.asarray(result)
    tensor.dtype = dtype
    for size in values.shape:
        tensor.tensor_shape.dim.add(size=size)
    field = tensor.string_val if dtype == DT_STRING else tensor.float_val
    field.extend(values.ravel().tolist())


def _abort(context: grpc.ServicerContext, error: RefusedError) -> NoReturn:
    context.abort(error.code, str(error))


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(description="A stand-in for TensorFlow Serving, for tests.")
    parser.add_argument("--port", type=int, required=True, help="of loopback")
    parser.add_argument("--model", action="append", required=True, metavar="NAME=DIR", help="may be given repeatedly")
    parser.add_argument("--file_system_poll_wait_seconds", type=float, default=1.0, metavar="SECONDS")
    arguments = parser.parse_args()
    models = []
    for model in arguments.model:
        name, _, directory = model.partition("=")
        models.append(Model(name, Path(directory)))
        models[-1].follow()
    server = grpc.server(ThreadPoolExecutor(max_workers=4))
    implementation = ModelServer(models)
    add_PredictionServiceServicer_to_server(implementation, server)
    add_ModelServiceServicer_to_server(implementation, server)
    server.add_insecure_port(f"127.0.0.1:{arguments.port}")
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    server.start()
    while not stop.wait(arguments.file_system_poll_wait_seconds):
        for served in models:
            served.follow()
    server.stop(grace=1).wait()


if __name__ == "__main__":
    main()
