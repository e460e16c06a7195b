"""Versions that are promoted, taken back and copied by hand while real processes are at work, both forms of the model.

The versions are copies of the project's own model with another number, so that whatever answers answers alike, and the
results over all switches can be held against those of a run without any.
"""

import contextlib
import itertools
import json
import logging
import shutil
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from operator import attrgetter
from pathlib import Path
from threading import Event
from typing import Any

import grpc
import httpx
import numpy as np
import pymongo
import pytest
from support import pipeline
from support.mqtt import Listener, listening, publishing
from support.servers import ROOT, Server, broker, database, free_port, model_server, process

import repsense.classifiers.tensorflow_serving  # noqa: F401 - see below
from repsense.channels import Channel
from repsense.classifiers.onnx import OnnxClassifier
from repsense.manifest import latest_version, load_manifest, manifest_path
from repsense.messages import SamplesMessage
from repsense.registry import ModelRegistry
from repsense.topics import SensorTopic, all_sensors_topic, sensor_topic

# isort: split
# Only after the client, which keeps them from importing all of TensorFlow.
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusRequest, ModelVersionStatus
from tensorflow_serving.apis.model_service_pb2_grpc import ModelServiceStub

_LOGGER = logging.getLogger(__name__)

MODEL = ROOT / "models" / "bodyweight"
SENSORS = ("ankle", "chest", "wrist")
_PATIENCE_S = 60.0
_TICK_S = 0.02
"""Between two messages of a sensor, each of 200 ms: ten times as fast as in life."""


@dataclass
class Models:
    """A model with version 1 in use and version 2 on standby, and where it is served."""

    registry: ModelRegistry
    url: str
    server: Server | None

    @property
    def directory(self) -> Path:
        (version,) = (one for one in self.registry.versions("bodyweight") if one.version == 1)
        return version.path.parent


def write_copy(target: Path, version: int) -> None:
    """Fill a version directory with the project's model under another number, in all three places that tell it."""
    source = latest_version(MODEL)
    shutil.copytree(source, target, dirs_exist_ok=True)
    manifest = load_manifest(source).model_copy(update={"version": version}).model_dump_json()
    manifest_path(target).write_text(manifest)
    saved = SavedModel.FromString((target / "saved_model.pb").read_bytes())
    functions_of = attrgetter("library")
    constants = [
        node.attr["value"].tensor
        for graph in saved.meta_graphs
        for function in functions_of(graph.graph_def).function
        for node in function.node_def
        if node.op == "Const" and any(b"schema_version" in text for text in node.attr["value"].tensor.string_val)
    ]
    assert constants
    for constant in constants:
        constant.string_val[0] = manifest.encode()
    (target / "saved_model.pb").write_bytes(saved.SerializeToString())


@pytest.fixture(params=["onnx", "grpc"])
def models(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Models]:
    if not MODEL.is_dir():
        pytest.skip("models/bodyweight is missing; train it first")
    registry = ModelRegistry(tmp_path / "models")
    for version in (1, 2):
        registry.add("bodyweight", version, partial(write_copy, version=version))
    registry.promote("bodyweight", 1)
    directory = tmp_path / "models" / "bodyweight"
    if request.param == "onnx":
        yield Models(registry, f"onnx:{directory}", None)
        return
    with model_server(tmp_path, {"bodyweight": directory}) as server:
        yield Models(registry, f"grpc://127.0.0.1:{server.port}/bodyweight", server)


@dataclass
class Stack:
    """A preprocessor at work, and what it makes of three sensors that stream until told to stop."""

    models: Models
    database: Server
    preprocessor: Server
    metrics_port: int
    results: Listener
    sent: list[SamplesMessage]
    streaming: Future[None]
    stop: Event

    def stop_streaming(self) -> None:
        self.stop.set()
        self.streaming.result()

    def await_version(self, version: int) -> float:
        """Wait until the newest result of each sensor is by a version; return how long that took, in seconds."""
        began_s = time.monotonic()
        self._await_results(lambda got: [*self._newest_versions(got).values()] == [version] * len(SENSORS))
        return time.monotonic() - began_s

    def await_windows(self, n_windows: int) -> None:
        """Wait until so many more results have come."""
        n_before = len(self.results.messages)
        self._await_results(lambda got: len(got) >= n_before + n_windows)

    def await_metric(self, name: str, above: float = 0) -> None:
        """Wait until the preprocessor counts more than so many."""
        deadline_s = time.monotonic() + _PATIENCE_S
        while self.metric(name) <= above:
            assert time.monotonic() < deadline_s
            time.sleep(0.05)

    def metric(self, name: str) -> float:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics") as answer:
            lines = answer.read().decode().splitlines()
        return next((float(line.split()[-1]) for line in lines if line.startswith(name)), 0)

    def stored(self, collection: str) -> dict[str, Any]:
        with pymongo.MongoClient[dict[str, Any]](f"mongodb://127.0.0.1:{self.database.port}") as client:
            return {document["_id"]: document for document in client.repsense[collection].find()}

    def _await_results(self, condition: Callable[[list[tuple[str, bytes]]], bool]) -> None:
        def fulfilled(got: list[tuple[str, bytes]]) -> bool:
            # Without samples there would be no results either; the reason is then there.
            if self.streaming.done():
                self.streaming.result()
            return condition(got)

        self.results.wait(fulfilled, _PATIENCE_S)

    @staticmethod
    def _newest_versions(got: list[tuple[str, bytes]]) -> dict[str, int]:
        newest = {}
        # Those of three sensors are among these.
        for topic, payload in got[-60:]:
            newest[topic] = json.loads(payload)["model_version"]
        return newest


def endless_stream(sensor_id: str) -> Iterator[SamplesMessage]:
    """A person without a known exercise: every channel swings, each at a tempo of its own, now and then with a rest."""
    n_samples = 3_000
    tempo_hz = np.linspace(0.3, 1.1, len(Channel))
    for first in itertools.count(step=n_samples):
        time_s = np.arange(first, first + n_samples) / 50
        samples = 5 * np.sin(2 * np.pi * np.outer(time_s, tempo_hz)) * (time_s % 20 < 15)[:, np.newaxis]
        for message in pipeline.messages(
            samples.astype(np.float32),
            sensor_id=sensor_id,
            stream_id=f"stream-of-{sensor_id}",
            begin=pipeline.BEGIN + timedelta(seconds=first / 50),
            channels=tuple(Channel),
        ):
            yield message.model_copy(update={"sequence": first + message.sequence})


@pytest.fixture
def stack(models: Models, tmp_path: Path) -> Iterator[Stack]:
    with contextlib.ExitStack() as running:
        mqtt = running.enter_context(broker(tmp_path / "broker"))
        mongo = running.enter_context(database(tmp_path / "database"))
        results = running.enter_context(listening(mqtt.port, all_sensors_topic(SensorTopic.CLASSIFICATION)))
        port = free_port()
        environment = {
            "MQTT_URL": f"mqtt://127.0.0.1:{mqtt.port}",
            "MONGODB_URL": f"mongodb://127.0.0.1:{mongo.port}/repsense",
            "MODEL_URL": models.url,
            "METRICS_PORT": str(port),
            "SAMPLES_RETENTION_HOURS": "1000000",
        }
        preprocessor = running.enter_context(process("repsense-preprocessor", tmp_path, port, environment))
        publish = running.enter_context(publishing(mqtt.port))
        sent: list[SamplesMessage] = []
        stop = Event()

        def stream() -> None:
            for messages in zip(*map(endless_stream, SENSORS), strict=True):
                for message in messages:
                    publish(sensor_topic(message.sensor_id, SensorTopic.SAMPLES), message.encode())
                    sent.append(message)
                if stop.wait(_TICK_S):
                    return

        thread = running.enter_context(ThreadPoolExecutor(1))
        running.callback(stop.set)

        stack = Stack(models, mongo, preprocessor, port, results, sent, Future(), stop)
        stack.await_metric("repsense_preprocessor_subscribed")
        stack.streaming = thread.submit(stream)
        yield stack


def assert_as_if_one_version_had_answered(stack: Stack, versions: list[int]) -> None:
    """Every sample stored, every window answered once, by the versions in order, and the sets those of one run."""
    ideal = pipeline.MemoryStore()
    classifier = OnnxClassifier.open_version(latest_version(MODEL))
    with contextlib.closing(classifier), pytest.MonkeyPatch.context() as patched:
        patched.setattr(pipeline, "classify", classifier.classify)
        driver = pipeline.Driver(ideal, manifest=classifier.manifest)
        for message in stack.sent:
            driver.push([message], seconds=0.02)
    deadline_s = time.monotonic() + _PATIENCE_S
    while len(found := stack.stored("classifications")) < len(ideal.classifications):
        assert time.monotonic() < deadline_s, "results are missing"
        time.sleep(0.1)

    assert stack.stored("samples").keys() == ideal.samples.keys()
    by_window = {(c["sensor_id"], c["window_start_us"]): c for c in found.values()}
    assert len(by_window) == len(found), "a window was answered twice"
    expected = {(c["sensor_id"], c["window_start_us"]): c for c in ideal.classifications.values()}
    assert by_window.keys() == expected.keys()
    for key, document in expected.items():
        assert by_window[key]["label"] == document["label"]
        assert by_window[key]["unclassified_reason"] == document["unclassified_reason"]
    for sensor_id in SENSORS:
        in_order = [by_window[key]["model_version"] for key in sorted(by_window) if key[0] == sensor_id]
        assert [version for version, _ in itertools.groupby(in_order)] == versions
    sets = stack.stored("sets")
    assert sets.keys() == ideal.sets.keys()
    for set_id, expected_set in ideal.sets.items():
        # One that goes on is stored now and then, and before each switch.
        if expected_set["state"] == "closed":
            fields = {"model_version": sets[set_id]["model_version"], "confidence": sets[set_id]["confidence"]}
            assert sets[set_id] == {**expected_set, **fields}
    assert stack.stored("models").keys() == {f"bodyweight@{version}" for version in versions}


def states(server: Server) -> dict[int, str]:
    """What the model server says of the versions that it has met."""
    request = GetModelStatusRequest()
    request.model_spec.name = "bodyweight"
    with grpc.insecure_channel(f"127.0.0.1:{server.port}", [("grpc.enable_http_proxy", 0)]) as channel:
        found = ModelServiceStub(channel).GetModelStatus(request, timeout=_PATIENCE_S).model_version_status
    return {one.version: ModelVersionStatus.State.Name(one.state) for one in found}


def test_versions_are_taken_up_under_load_without_losing_or_doubling_anything(stack: Stack) -> None:
    registry = stack.models.registry
    stack.await_version(1)
    stack.await_windows(30)

    registry.promote("bodyweight", 2)
    _LOGGER.info("the preprocessor took up a promotion in %.2f s", stack.await_version(2))
    stack.await_windows(30)
    registry.rollback("bodyweight")
    _LOGGER.info("the preprocessor took up a rollback in %.2f s", stack.await_version(1))
    stack.await_windows(30)
    stack.stop_streaming()

    assert_as_if_one_version_had_answered(stack, [1, 2, 1])
    if stack.models.server is not None:
        assert states(stack.models.server) == {2: "END", 1: "AVAILABLE"}
    assert stack.metric('repsense_preprocessor_model_version{model="bodyweight"}') == 1
    assert stack.metric("repsense_preprocessor_model_switches_total") == 2
    log = stack.preprocessor.log.read_text()
    assert "model bodyweight: version 2 takes over from version 1" in log
    assert "Traceback" not in log


@pytest.mark.parametrize("models", ["onnx"], indirect=True)
def test_a_misfit_that_is_copied_into_place_by_hand_is_refused_and_the_old_version_goes_on(stack: Stack) -> None:
    stack.await_version(1)

    shutil.copytree(stack.models.directory / "1", stack.models.directory / "3")
    stack.await_metric("repsense_preprocessor_model_refusals_total")
    stack.await_windows(60)
    stack.stop_streaming()

    assert_as_if_one_version_had_answered(stack, [1])
    log = stack.preprocessor.log.read_text()
    assert log.count("version 3 of bodyweight is not used") == 1
    assert "speaks of version 1: the model was copied to a wrong place" in log


@pytest.mark.parametrize("models", ["grpc"], indirect=True)
def test_what_the_model_server_cannot_load_changes_nothing(stack: Stack) -> None:
    stack.await_version(1)
    server = stack.models.server
    assert server is not None

    (stack.models.directory / "3").mkdir()
    deadline_s = time.monotonic() + _PATIENCE_S
    while b"cannot load" not in server.log.read_bytes():
        assert time.monotonic() < deadline_s
        time.sleep(0.05)
    stack.await_windows(60)
    stack.stop_streaming()

    assert_as_if_one_version_had_answered(stack, [1])
    assert states(server) == {3: "END", 1: "AVAILABLE"}


@pytest.mark.parametrize("models", ["grpc"], indirect=True)
def test_while_the_model_server_has_only_a_misfit_messages_wait_and_nothing_is_lost(stack: Stack) -> None:
    stack.await_version(1)

    # The server finds nothing wrong with it, and unloads the version that fits.
    shutil.copytree(stack.models.directory / "1", stack.models.directory / "3")
    stack.await_metric('repsense_preprocessor_retries_total{part="model"}', above=1)
    stack.models.registry.promote("bodyweight", 2)
    stack.await_version(2)
    stack.await_windows(30)
    stack.stop_streaming()

    assert_as_if_one_version_had_answered(stack, [1, 2])
    log = stack.preprocessor.log.read_text()
    assert log.count("no version of the model can be used, waiting for one") == 1
    assert log.count("version 3 of bodyweight is not used") == 1


@pytest.mark.parametrize("models", ["grpc"], indirect=True)
def test_a_version_that_is_gone_when_the_model_server_comes_back_is_replaced(stack: Stack) -> None:
    stack.await_version(1)
    server = stack.models.server
    assert server is not None

    server.kill()
    stack.await_metric('repsense_preprocessor_retries_total{part="classifier"}')
    stack.models.registry.promote("bodyweight", 2)
    server.start()
    stack.await_version(2)
    stack.stop_streaming()

    assert_as_if_one_version_had_answered(stack, [1, 2])
    assert states(server) == {2: "AVAILABLE"}


@contextlib.contextmanager
def inference(models: Models, folder: Path) -> Iterator[httpx.Client]:
    port = free_port()
    with database(folder / "database") as mongo:
        environment = {
            "MONGODB_URL": f"mongodb://127.0.0.1:{mongo.port}/repsense",
            "MQTT_URL": "mqtt://127.0.0.1:9",
            "MODEL_URL": models.url,
            "API_PORT": str(port),
            "API_HEAVY_REQUESTS_PER_MINUTE": "0",
        }
        with (
            process("repsense-inference", folder, port, environment),
            httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=_PATIENCE_S) as client,
        ):
            yield client


def test_inference_answers_throughout_and_shows_the_version(models: Models, tmp_path: Path) -> None:
    samples = np.random.default_rng(1).normal(scale=5, size=(600, 9)).tolist()
    recording = {"sample_rate_hz": 50, "channels": [channel.value for channel in Channel], "samples": samples}
    stop = Event()
    with inference(models, tmp_path) as client, ThreadPoolExecutor(1) as other:

        def classify_again_and_again() -> list[int]:
            versions = []
            while not stop.wait(0.01):
                answer = client.post("/v1/classify", json=recording).raise_for_status().json()
                assert answer["windows"]
                versions.append(answer["model_version"])
            return [version for version, _ in itertools.groupby(versions)]

        def in_use() -> int | None:
            items = client.get("/v1/models").raise_for_status().json()["items"]
            return next((one["manifest"]["version"] for one in items if one["in_use"]), None)

        def until(condition: Callable[[], bool]) -> float:
            began_s = time.monotonic()
            while not condition():
                assert time.monotonic() < began_s + _PATIENCE_S
                time.sleep(0.02)
            return time.monotonic() - began_s

        until(lambda: in_use() == 1)
        classifying = other.submit(classify_again_and_again)
        try:
            models.registry.promote("bodyweight", 2)
            _LOGGER.info("inference took up a promotion in %.2f s", until(lambda: in_use() == 2))
            models.registry.rollback("bodyweight")
            _LOGGER.info("inference took up a rollback in %.2f s", until(lambda: in_use() == 1))
            if models.server is None:
                shutil.copytree(models.directory / "1", models.directory / "3")
                until(lambda: client.get("/v1/models").json()["refusal"] is not None)
                assert in_use() == 1
                assert "version 3 of bodyweight is not used" in client.get("/v1/models").json()["refusal"]
                checks = {check["name"]: check for check in client.get("/readyz").json()["checks"]}
                assert checks["model"]["ok"]
                assert "version 3" in checks["model"]["detail"]
        finally:
            stop.set()
        assert classifying.result() == [1, 2, 1]
