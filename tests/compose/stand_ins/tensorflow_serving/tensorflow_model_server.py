#!/usr/bin/env python
"""The command of TensorFlow Serving, as far as docker-compose.yml uses it, around the stand-in of the tests.

Batching is accepted and not done. Of the REST interface there is the state of a model, and of the figures for
Prometheus the number of requests.
"""

import argparse
import json
import signal
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import grpc
from google.protobuf import text_format  # type: ignore[import-untyped] # protobuf carries no types
from support import tensorflow_serving as stand_in
from tensorflow_serving.apis.model_pb2 import ModelSpec
from tensorflow_serving.apis.model_service_pb2_grpc import add_ModelServiceServicer_to_server
from tensorflow_serving.apis.predict_pb2 import PredictRequest, PredictResponse
from tensorflow_serving.apis.prediction_service_pb2_grpc import add_PredictionServiceServicer_to_server
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

_FIGURES_PATH = "/monitoring/prometheus/metrics"
_MODELS_PATH = "/v1/models/"


class _CountingServer(stand_in.ModelServer):
    def __init__(self, models: list[stand_in.Model]) -> None:
        super().__init__(models)
        self.n_requests: dict[str, int] = {model.name: 0 for model in models}

    def Predict(self, request: PredictRequest, context: grpc.ServicerContext) -> PredictResponse:  # noqa: N802
        response = super().Predict(request, context)
        self.n_requests[request.model_spec.name] += 1
        return response


def main() -> None:
    """Serve until SIGTERM."""
    arguments = _arguments()
    stop = Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, lambda *_: stop.set())
    models = [
        stand_in.Model(config.name, Path(config.base_path)) for config in _configuration(arguments.model_config_file)
    ]
    # The real one, too, opens its ports only when it can answer for each model.
    while not _follow(models):
        if stop.wait(arguments.file_system_poll_wait_seconds):
            return
    implementation = _CountingServer(models)
    server = grpc.server(ThreadPoolExecutor(max_workers=4))
    add_PredictionServiceServicer_to_server(implementation, server)
    add_ModelServiceServicer_to_server(implementation, server)
    server.add_insecure_port(f"0.0.0.0:{arguments.port}")
    server.start()
    rest = ThreadingHTTPServer(("0.0.0.0", arguments.rest_api_port), _handler(models, implementation))  # noqa: S104 - a container
    Thread(target=rest.serve_forever, daemon=True).start()
    print("Running gRPC ModelServer", flush=True)  # noqa: T201 - the server's log
    while not stop.wait(arguments.file_system_poll_wait_seconds):
        _follow(models)
    server.stop(grace=1).wait()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="A stand-in for TensorFlow Serving.", allow_abbrev=False)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--rest_api_port", type=int, required=True)
    parser.add_argument("--model_config_file", type=Path, required=True)
    parser.add_argument("--file_system_poll_wait_seconds", type=int, default=1)
    parser.add_argument("--enable_batching", choices=["true", "false"], default="false")
    # Opened so that a file that is not there is noticed here too.
    parser.add_argument("--batching_parameters_file", type=argparse.FileType())
    parser.add_argument("--monitoring_config_file", type=argparse.FileType())
    return parser.parse_args()


def _configuration(path: Path) -> list[Any]:
    return list(text_format.Parse(path.read_text(encoding="utf-8"), ModelServerConfig()).model_config_list.config)


def _follow(models: list[stand_in.Model]) -> bool:
    """Look for versions; return whether each model has one that can be used."""
    for model in models:
        model.follow()
    return all(_is_available(model) for model in models)


def _is_available(model: stand_in.Model) -> bool:
    return any(state == stand_in.State.AVAILABLE for state, _ in model.states(ModelSpec(name=model.name)).values())


def _handler(models: list[stand_in.Model], server: _CountingServer) -> type[BaseHTTPRequestHandler]:
    by_name = {model.name: model for model in models}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.removeprefix(_MODELS_PATH)
            if self.path == _FIGURES_PATH:
                self._answer(HTTPStatus.OK, "text/plain", _figures(server))
            elif name in by_name:
                self._answer(HTTPStatus.OK, "application/json", _state(by_name[name]))
            else:
                self._answer(HTTPStatus.NOT_FOUND, "application/json", '{"error": "Malformed request"}')

        def log_message(self, *_: object) -> None:
            """A line for each health check helps nobody."""

        def _answer(self, status: HTTPStatus, kind: str, text: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.end_headers()
            self.wfile.write(text.encode())

    return Handler


def _state(model: stand_in.Model) -> str:
    states = [
        {"version": str(version), "state": stand_in.State.Name(state), "status": {"error_message": problem}}
        for version, (state, problem) in model.states(ModelSpec(name=model.name)).items()
    ]
    return json.dumps({"model_version_status": states})


def _figures(server: _CountingServer) -> str:
    name = ":tensorflow:serving:request_count"
    lines = [f'{name}{{model_name="{model}",status="OK"}} {n}' for model, n in server.n_requests.items()]
    return "\n".join([f"# TYPE {name} counter", *lines, ""])


if __name__ == "__main__":
    main()
