"""The gRPC classifier, against the stand-in for TensorFlow Serving and against servers that misbehave by script."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import textwrap
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any, NoReturn

import grpc
import numpy as np
import pymongo
import pytest
from numpy.typing import NDArray
from support import pipeline
from support.models import mean_manifest
from support.mqtt import listening, publishing
from support.servers import ROOT, Server, broker, database, free_port, model_server, process

from repsense.channels import Channel
from repsense.classifiers import open_classifier
from repsense.classifiers import tensorflow_serving as client
from repsense.classifiers.onnx import OnnxClassifier
from repsense.classifiers.tensorflow_serving import TensorFlowServingClassifier
from repsense.errors import ClassifierError, ClassifierUnavailableError, ManifestError, ModelVersionGoneError
from repsense.manifest import ModelManifest, latest_version, load_manifest
from repsense.messages import SamplesMessage
from repsense.patience import retry_while_away
from repsense.topics import SensorTopic, all_sensors_topic, sensor_topic

# isort: split
# Only after the client, which keeps them from importing all of TensorFlow.
from tensorflow.core.framework.types_pb2 import DT_FLOAT, DT_INT32
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel
from tensorflow_serving.apis.get_model_status_pb2 import (
    GetModelStatusRequest,
    GetModelStatusResponse,
    ModelVersionStatus,
)
from tensorflow_serving.apis.predict_pb2 import PredictRequest, PredictResponse

MODEL = ROOT / "models" / "bodyweight"
N_CLASSES = len(mean_manifest().labels)


@pytest.fixture(scope="module")
def model() -> Path:
    """The directory of the model that comes with the project."""
    if not MODEL.is_dir():
        pytest.skip("models/bodyweight is missing; train it first")
    return MODEL


@pytest.fixture(scope="module")
def server(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Serves the real model as bodyweight, and copies of it with something wrong."""
    folder = tmp_path_factory.mktemp("tensorflow_serving")
    plain = folder / "plain"
    shutil.copytree(latest_version(model), plain / "1")
    saved = SavedModel.FromString((plain / "1" / "saved_model.pb").read_bytes())
    del saved.meta_graphs[0].signature_def["manifest"]
    (plain / "1" / "saved_model.pb").write_bytes(saved.SerializeToString())
    with model_server(folder, {"bodyweight": model, "renamed": model, "plain": plain}) as running:
        yield running


@pytest.fixture(scope="module")
def onnx(model: Path) -> Iterator[OnnxClassifier]:
    classifier = OnnxClassifier.open(model)
    yield classifier
    classifier.close()


@contextlib.contextmanager
def connected(server: Server, model: str = "bodyweight") -> Iterator[TensorFlowServingClassifier]:
    classifier = open_classifier(f"grpc://127.0.0.1:{server.port}/{model}")
    assert isinstance(classifier, TensorFlowServingClassifier)
    try:
        yield classifier
    finally:
        classifier.close()


def random_windows(manifest: ModelManifest, n_windows: int) -> NDArray[np.float32]:
    shape = (n_windows, manifest.window_size, len(manifest.channels))
    return np.random.default_rng(n_windows).normal(scale=5, size=shape).astype(np.float32)


@pytest.mark.parametrize("n_windows", [0, 1, 256])
def test_it_gives_the_probabilities_of_the_onnx_form(server: Server, onnx: OnnxClassifier, n_windows: int) -> None:
    windows = random_windows(onnx.manifest, n_windows)

    with connected(server) as classifier:
        probabilities = classifier.classify(windows)

    assert probabilities.dtype == np.float32
    assert probabilities.shape == (n_windows, len(onnx.manifest.labels))
    np.testing.assert_allclose(probabilities, onnx.classify(windows), atol=1e-5)


def test_windows_need_not_be_contiguous_or_of_the_right_type(server: Server, onnx: OnnxClassifier) -> None:
    windows = random_windows(onnx.manifest, 4).astype(np.float64)[::-2]

    with connected(server) as classifier:
        probabilities = classifier.classify(windows)  # type: ignore[arg-type] # what the test is about

    np.testing.assert_allclose(probabilities, onnx.classify(windows.astype(np.float32)), atol=1e-5)


def test_windows_of_another_shape_are_refused_before_they_are_sent(server: Server, onnx: OnnxClassifier) -> None:
    with connected(server) as classifier, pytest.raises(ClassifierError, match="windows of shape"):
        classifier.classify(random_windows(onnx.manifest, 2)[:, :-1])


def test_windows_that_the_server_refuses_are_an_error(server: Server, onnx: OnnxClassifier) -> None:
    wrong = onnx.manifest.model_copy(update={"window_size": onnx.manifest.window_size + 1})
    classifier = TensorFlowServingClassifier(f"127.0.0.1:{server.port}", wrong)

    with contextlib.closing(classifier), pytest.raises(ClassifierError, match="INVALID_ARGUMENT") as caught:
        classifier.classify(random_windows(wrong, 1))

    assert not isinstance(caught.value, ClassifierUnavailableError)


def test_the_server_gives_the_manifest_that_lies_in_the_model_directory(server: Server, model: Path) -> None:
    with connected(server) as classifier:
        assert classifier.manifest == load_manifest(latest_version(model))


def test_the_client_never_imports_tensorflow_and_leaves_it_importable(server: Server) -> None:
    script = f"""
        import sys
        import numpy as np
        from repsense.classifiers import open_classifier

        classifier = open_classifier("grpc://127.0.0.1:{server.port}/bodyweight")
        shape = (1, classifier.manifest.window_size, len(classifier.manifest.channels))
        assert classifier.classify(np.zeros(shape, dtype=np.float32)).shape[0] == 1
        assert "tensorflow" not in sys.modules
        assert "tensorflow.python" not in sys.modules

        import tensorflow as tf

        assert "tensorflow.python" in sys.modules
        assert tf.reduce_sum(tf.constant([1, 2])).numpy() == 3
        assert tf.make_tensor_proto([1.0]).dtype == tf.float32.as_datatype_enum
        assert classifier.classify(np.zeros(shape, dtype=np.float32)).shape[0] == 1
    """
    # A proxy is for the way out, not for the model server; nobody listens on port 9.
    environment = {**os.environ, "http_proxy": "http://127.0.0.1:9", "grpc_proxy": "http://127.0.0.1:9"}
    environment |= {"CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "2"}

    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], env=environment, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr


def test_a_server_that_is_away_at_the_start_is_unavailable() -> None:
    with pytest.raises(ClassifierUnavailableError, match="cannot answer for bodyweight: UNAVAILABLE"):
        open_classifier(f"grpc://127.0.0.1:{free_port()}/bodyweight")


def test_a_model_that_the_server_does_not_know_is_an_error(server: Server) -> None:
    with pytest.raises(ClassifierError, match="NOT_FOUND: Could not find any versions of model yoga") as caught:
        open_classifier(f"grpc://127.0.0.1:{server.port}/yoga")

    assert not isinstance(caught.value, ClassifierUnavailableError)


def test_a_model_without_manifest_is_refused_with_what_to_do(server: Server) -> None:
    with pytest.raises(ManifestError, match=r"plain version 1 cannot be read: export .* RepSense's trainer"):
        open_classifier(f"grpc://127.0.0.1:{server.port}/plain")


def test_a_model_served_under_another_name_is_refused(server: Server) -> None:
    with pytest.raises(ManifestError, match="of renamed version 1 speaks of bodyweight version 1"):
        open_classifier(f"grpc://127.0.0.1:{server.port}/renamed")


def test_a_version_that_is_served_no_more_is_gone(server: Server, onnx: OnnxClassifier) -> None:
    gone = onnx.manifest.model_copy(update={"version": 77})
    classifier = TensorFlowServingClassifier(f"127.0.0.1:{server.port}", gone)

    with contextlib.closing(classifier), pytest.raises(ModelVersionGoneError, match=r"Specific\(bodyweight, 77\)"):
        classifier.classify(random_windows(gone, 1))


def test_a_classifier_works_again_when_its_killed_server_is_back(server: Server, onnx: OnnxClassifier) -> None:
    windows = random_windows(onnx.manifest, 3)
    with connected(server) as classifier:
        before = classifier.classify(windows)
        server.kill()
        # More than one failure: a connection that waits longer after each would not be back at once.
        for _ in range(3):
            with pytest.raises(ClassifierUnavailableError):
                classifier.classify(windows)
        server.start()

        after = classifier.classify(windows)

    np.testing.assert_array_equal(before, after)


Predict = Callable[[PredictRequest, grpc.ServicerContext], PredictResponse]
GetModelStatus = Callable[[GetModelStatusRequest, grpc.ServicerContext], GetModelStatusResponse]


def not_expected(*_: object) -> NoReturn:
    text = "the client was not expected to call this"
    raise AssertionError(text)


@contextlib.contextmanager
def scripted(predict: Predict = not_expected, get_model_status: GetModelStatus = not_expected) -> Iterator[str]:
    """A server in this process that answers as a test says; its address."""
    with ThreadPoolExecutor(max_workers=2) as threads:
        server = grpc.server(threads)
        for service, method, answer, request in (
            ("PredictionService", "Predict", predict, PredictRequest),
            ("ModelService", "GetModelStatus", get_model_status, GetModelStatusRequest),
        ):
            handler: grpc.RpcMethodHandler[Any, Any] = grpc.unary_unary_rpc_method_handler(
                answer, request.FromString, lambda response: response.SerializeToString()
            )
            generic = grpc.method_handlers_generic_handler(f"tensorflow.serving.{service}", {method: handler})
            server.add_generic_rpc_handlers((generic,))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield f"127.0.0.1:{port}"
        finally:
            server.stop(grace=None).wait()


@contextlib.contextmanager
def scripted_classifier(predict: Predict) -> Iterator[TensorFlowServingClassifier]:
    """A classifier whose server answers as a test says."""
    with (
        scripted(predict) as address,
        contextlib.closing(TensorFlowServingClassifier(address, mean_manifest())) as classifier,
    ):
        yield classifier


def answer(values: list[float], shape: tuple[int, ...], output: str = "probabilities") -> PredictResponse:
    response = PredictResponse()
    tensor = response.outputs[output]
    tensor.dtype = DT_FLOAT
    for size in shape:
        tensor.tensor_shape.dim.add(size=size)
    tensor.float_val.extend(values)
    return response


GOOD = answer([1, 0, 0], (1, N_CLASSES))
WINDOW = random_windows(mean_manifest(), 1)


@pytest.mark.parametrize(
    ("state", "error_message"), [("LOADING", ""), ("START", ""), ("UNLOADING", ""), ("END", "no such file")]
)
def test_a_model_that_is_not_ready_is_unavailable(state: str, error_message: str) -> None:
    status = GetModelStatusResponse()
    version = status.model_version_status.add(version=3, state=ModelVersionStatus.State.Value(state))
    version.status.error_message = error_message

    with (
        scripted(get_model_status=lambda *_: status) as address,
        pytest.raises(
            ClassifierUnavailableError, match=rf"no version of mean ready \(version 3 {state} ?{error_message}\)"
        ),
    ):
        open_classifier(f"grpc://{address}/mean")


def test_a_model_without_versions_is_unavailable() -> None:
    with (
        scripted(get_model_status=lambda *_: GetModelStatusResponse()) as address,
        pytest.raises(ClassifierUnavailableError, match="none is there"),
    ):
        open_classifier(f"grpc://{address}/mean")


def test_a_server_that_is_busy_for_a_moment_is_asked_again() -> None:
    attempts = []

    def predict(_request: PredictRequest, context: grpc.ServicerContext) -> PredictResponse:
        attempts.append(context.peer())
        if len(attempts) <= 2:
            context.abort(grpc.StatusCode.UNAVAILABLE, "The batch scheduling queue is full")
        return GOOD

    with scripted_classifier(predict) as classifier:
        probabilities = classifier.classify(WINDOW)

    assert probabilities.tolist() == [[1, 0, 0]]
    assert len(attempts) == 3


def test_a_server_that_hangs_is_unavailable_and_next_time_called_over_a_new_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(client, "DEADLINE_S", 0.3)
    peers: list[str] = []
    test_is_over = threading.Event()

    def predict(_request: PredictRequest, context: grpc.ServicerContext) -> PredictResponse:
        peers.append(context.peer())
        if len(peers) == 1:
            test_is_over.wait()
        return GOOD

    with scripted_classifier(predict) as classifier:
        try:
            with pytest.raises(ClassifierUnavailableError, match="DEADLINE_EXCEEDED"):
                classifier.classify(WINDOW)
            monkeypatch.undo()

            assert classifier.classify(WINDOW).tolist() == [[1, 0, 0]]
        finally:
            test_is_over.set()

    # Over a connection whose other end vanished without a word, every call would end like the first.
    assert len(set(peers)) == 2


def test_several_servers_are_called_in_turn() -> None:
    n_calls = [0, 0]

    def counting(number: int) -> Predict:
        def predict(_request: PredictRequest, _context: grpc.ServicerContext) -> PredictResponse:
            n_calls[number] += 1
            return answer([1 / N_CLASSES] * N_CLASSES, (1, N_CLASSES))

        return predict

    with (
        scripted(counting(0)) as first,
        scripted(counting(1)) as second,
        contextlib.closing(TensorFlowServingClassifier(f"{first},{second}", mean_manifest())) as classifier,
    ):
        while 0 in n_calls:
            classifier.classify(random_windows(classifier.manifest, 1))
        n_before = n_calls.copy()
        for _ in range(20):
            classifier.classify(random_windows(classifier.manifest, 1))

    assert [after - before for after, before in zip(n_calls, n_before, strict=True)] == [10, 10]


def test_a_version_is_the_newest_when_every_server_that_answers_has_it() -> None:
    state = ModelVersionStatus.State.AVAILABLE
    loaded = [{1, 2}, {1}]

    def has(number: int) -> GetModelStatus:
        def status(_request: GetModelStatusRequest, _context: grpc.ServicerContext) -> GetModelStatusResponse:
            statuses = [ModelVersionStatus(version=version, state=state) for version in loaded[number]]
            return GetModelStatusResponse(model_version_status=statuses)

        return status

    with (
        scripted(get_model_status=has(0)) as first,
        scripted(get_model_status=has(1)) as second,
        contextlib.closing(client.ServedVersions(f"{first},{second},127.0.0.1:{free_port()}", "mean")) as versions,
    ):
        assert versions.newest().version == 1
        loaded[1] = {2}
        assert versions.newest().version == 2
        loaded[1] = {3}
        with pytest.raises(ClassifierUnavailableError, match="mean is ready on all servers"):
            versions.newest()


def test_one_of_two_servers_is_killed_and_no_window_goes_without_an_answer(
    server: Server, model: Path, onnx: OnnxClassifier, tmp_path: Path
) -> None:
    windows = random_windows(onnx.manifest, 4)
    expected = onnx.classify(windows)
    with model_server(tmp_path, {"bodyweight": model}) as other:
        url = f"grpc://127.0.0.1:{server.port},127.0.0.1:{other.port}/bodyweight"
        for victim in (server, other):
            with contextlib.closing(open_classifier(url)) as classifier:
                for n_call in range(100):
                    # As the services call it: the call that was under way when the server died may have to be repeated.
                    probabilities = retry_while_away(Event(), "classifier", partial(classifier.classify, windows))
                    np.testing.assert_allclose(probabilities, expected, atol=1e-5)
                    if n_call == 20:
                        victim.kill()
            victim.start()


def test_closing_ends_a_call_of_another_thread_as_unavailable() -> None:
    called, test_is_over = threading.Event(), threading.Event()

    def predict(*_: object) -> PredictResponse:
        called.set()
        test_is_over.wait()
        return GOOD

    with scripted_classifier(predict) as classifier, ThreadPoolExecutor(1) as other:
        try:
            under_way = other.submit(classifier.classify, WINDOW)
            called.wait()
            classifier.close()
            with pytest.raises(ClassifierUnavailableError):
                under_way.result()
            with pytest.raises(ClassifierUnavailableError):
                classifier.classify(WINDOW)
        finally:
            test_is_over.set()


def content(values: bytes, dtype: int = DT_FLOAT) -> PredictResponse:
    response = answer([], (1, N_CLASSES))
    response.outputs["probabilities"].tensor_content = values
    response.outputs["probabilities"].dtype = dtype
    return response


def test_both_encodings_of_a_tensor_are_read() -> None:
    with scripted_classifier(lambda *_: content(np.array([0, 1, 0], dtype="<f4").tobytes())) as classifier:
        assert classifier.classify(WINDOW).tolist() == [[0, 1, 0]]


@pytest.mark.parametrize(
    ("response", "words"),
    [
        (answer([1, 0, 0], (1, 3), output="scores"), "no output 'probabilities'; it has scores"),
        (PredictResponse(), "it has none"),
        (answer([1, 0], (1, 2)), r"shape \(1, 2\), not \(1, 3\)"),
        (answer([1, 0, 0, 1, 0, 0], (2, 3)), r"shape \(2, 3\), not \(1, 3\)"),
        (answer([1, 0], (1, 3)), r"does not fill its shape \[1, 3\]"),
        (content(b"12345"), r"does not fill its shape \[1, 3\]"),
        (content(bytes(12), DT_INT32), "DT_INT32, not with DT_FLOAT"),
        (answer([1, float("nan"), 0], (1, 3)), "not numbers"),
        (answer([1, float("inf"), 0], (1, 3)), "not numbers"),
    ],
)
def test_an_answer_that_makes_no_sense_is_an_error(response: PredictResponse, words: str) -> None:
    with (
        scripted_classifier(lambda *_: response) as classifier,
        pytest.raises(ClassifierError, match=words) as caught,
    ):
        classifier.classify(WINDOW)

    assert not isinstance(caught.value, ClassifierUnavailableError)


def test_the_preprocessor_loses_no_window_when_the_model_server_is_killed(
    server: Server, onnx: OnnxClassifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = nine_channels(40)
    monkeypatch.setattr(pipeline, "classify", onnx.classify)
    ideal = pipeline.MemoryStore()
    driver = pipeline.Driver(ideal, manifest=onnx.manifest)
    for message in stream:
        driver.push([message])
    with contextlib.ExitStack() as running:
        mqtt = running.enter_context(broker(tmp_path / "broker"))
        mongo = running.enter_context(database(tmp_path / "database"))
        results = running.enter_context(listening(mqtt.port, all_sensors_topic(SensorTopic.CLASSIFICATION)))
        port = free_port()
        environment = {
            "MQTT_URL": f"mqtt://127.0.0.1:{mqtt.port}",
            "MONGODB_URL": f"mongodb://127.0.0.1:{mongo.port}/repsense",
            "MODEL_URL": f"grpc://127.0.0.1:{server.port}/bodyweight",
            "METRICS_PORT": str(port),
            "SAMPLES_RETENTION_HOURS": "1000000",
        }
        running.enter_context(process("repsense-preprocessor", tmp_path, port, environment))
        publish = running.enter_context(publishing(mqtt.port))
        await_metric(port, "repsense_preprocessor_subscribed 1.0")

        def send(messages: list[SamplesMessage]) -> None:
            for message in messages:
                publish(sensor_topic(message.sensor_id, SensorTopic.SAMPLES), message.encode())

        def await_windows(n_windows: int) -> None:
            results.wait(lambda got: len({json.loads(p)["window_start_at"] for _, p in got}) >= n_windows)

        send(stream[:80])
        await_windows(10)
        server.kill()
        send(stream[80:120])
        await_metric(port, 'repsense_preprocessor_retries_total{part="classifier"}')
        server.start()
        send(stream[120:])
        await_windows(len(ideal.classifications))

        with pymongo.MongoClient[dict[str, Any]](f"mongodb://127.0.0.1:{mongo.port}") as connection:
            stored = {document["_id"]: document for document in connection.repsense.classifications.find()}
    assert stored.keys() == ideal.classifications.keys()
    assert all(document["probabilities"] is not None for document in stored.values())
    for key, document in ideal.classifications.items():
        assert stored[key]["label"] == document["label"]
        assert stored[key]["probabilities"] == pytest.approx(document["probabilities"], abs=1e-5)


def nine_channels(seconds: int) -> list[SamplesMessage]:
    """A person without a known exercise: every channel swings, each at a tempo of its own."""
    rate_hz = 50.0
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    tempo_hz = np.linspace(0.3, 1.1, len(Channel))
    samples = (5 * np.sin(2 * np.pi * np.outer(time_s, tempo_hz))).astype(np.float32)
    return pipeline.messages(samples, rate_hz=rate_hz, channels=tuple(Channel))


def await_metric(port: int, text: str) -> None:
    while True:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as metrics:
            if text in metrics.read().decode():
                return
        time.sleep(0.02)
