"""A stand-in for TensorFlow Serving.

    python -m support.tensorflow_serving --port 8500 --model bodyweight=models/bodyweight

It loads real SavedModels with TensorFlow and speaks the real messages over gRPC. It is not TensorFlow Serving. Like the
real one it

- loads the newest version of each model and opens its port only then, so that a model is there or nobody answers;
- runs a signature in a TensorFlow session by the tensors that the SavedModel names;
- fills the answers' value fields (`float_val`, `string_val`), not `tensor_content`;
- refuses with the status codes and the words of the real one: NOT_FOUND for a model or version that it does not serve,
  FAILED_PRECONDITION for a signature that the model lacks, INVALID_ARGUMENT for inputs that do not fit.

What it does not do: look for new versions while it runs, and so unload old ones or show a state other than AVAILABLE;
version policies and labels; output filters; metadata; the batching scheduler; warm-up; classification, regression and
session services; REST; TLS; metrics; outputs other than floats and strings. Where the inputs do not fit the signature's
shape, the words are those of TensorFlow's Python session.
"""

import argparse
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
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

from repsense.manifest import latest_version


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
        graph = tf.Graph()
        self._session = tf.compat.v1.Session(graph=graph)
        with graph.as_default():
            loaded = tf.compat.v1.saved_model.load(self._session, [tf.saved_model.SERVING], str(version_directory))
        self.signatures = dict(loaded.signature_def)

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


class ModelServer(PredictionServiceServicer, ModelServiceServicer):  # type: ignore[misc] # the messages carry no types
    """Answers for servables."""

    def __init__(self, servables: list[Servable]) -> None:
        self._servables = {servable.name: servable for servable in servables}

    def Predict(self, request: PredictRequest, context: grpc.ServicerContext) -> PredictResponse:  # noqa: N802
        """PredictionService.Predict."""
        try:
            return self._find(request.model_spec).predict(request)
        except RefusedError as error:
            _abort(context, error)

    def GetModelStatus(  # noqa: N802
        self, request: GetModelStatusRequest, context: grpc.ServicerContext
    ) -> GetModelStatusResponse:
        """ModelService.GetModelStatus."""
        spec = request.model_spec
        servable = self._servables.get(spec.name)
        if servable is None:
            message = f"Could not find any versions of model {spec.name}"
            _abort(context, RefusedError(grpc.StatusCode.NOT_FOUND, message))
        if spec.HasField("version") and spec.version.value != servable.version:
            message = f"Could not find version {spec.version.value} of model {spec.name}"
            _abort(context, RefusedError(grpc.StatusCode.NOT_FOUND, message))
        response = GetModelStatusResponse()
        status = response.model_version_status.add(version=servable.version, state=ModelVersionStatus.AVAILABLE)
        status.status.SetInParent()
        return response

    def _find(self, spec: ModelSpec) -> Servable:
        servable = self._servables.get(spec.name)
        if servable is None or (spec.HasField("version") and spec.version.value != servable.version):
            wanted = (
                f"Specific({spec.name}, {spec.version.value})" if spec.HasField("version") else f"Latest({spec.name})"
            )
            raise RefusedError(grpc.StatusCode.NOT_FOUND, f"Servable not found for request: {wanted}")
        return servable


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
    arguments = parser.parse_args()
    servables = []
    for model in arguments.model:
        name, _, directory = model.partition("=")
        servables.append(Servable(name, latest_version(Path(directory))))
    server = grpc.server(ThreadPoolExecutor(max_workers=4))
    implementation = ModelServer(servables)
    add_PredictionServiceServicer_to_server(implementation, server)
    add_ModelServiceServicer_to_server(implementation, server)
    server.add_insecure_port(f"127.0.0.1:{arguments.port}")
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    server.start()
    stop.wait()
    server.stop(grace=1).wait()


if __name__ == "__main__":
    main()
