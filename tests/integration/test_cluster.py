"""Three brokers in a cluster: one after the other is killed while the whole chain works, and nothing is missing.

Real servers, gateway, preprocessors and API.
"""

import contextlib
import itertools
import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pymongo
import pytest
from support.models import mean_manifest, write_mean_model
from support.servers import BIN, Server, cluster, database, free_port, process

pytestmark = pytest.mark.timeout(400)

N_SENSORS = 6
_PATIENCE_S = 90.0


def eventually(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + _PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.2)


class Live:
    """Reads /v1/live as a browser would."""

    def __init__(self, api: str) -> None:
        self._api = api
        self.results: set[tuple[str, str]] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        self._thread.start()
        try:
            yield
        finally:
            self._stop.set()
            self._thread.join()

    def _read(self) -> None:
        while not self._stop.is_set():
            with (
                contextlib.suppress(httpx.HTTPError),
                httpx.stream("GET", f"{self._api}/v1/live", timeout=2) as stream,
            ):
                for line in stream.iter_lines():
                    if line.startswith("data:") and '"window_start_at"' in line:
                        result = json.loads(line.removeprefix("data:"))
                        self.results.add((result["sensor_id"], result["window_start_at"]))
                    if self._stop.is_set():
                        break

    def await_results(self) -> None:
        """Wait until new results have come for every sensor."""
        before = set(self.results)
        eventually(lambda: len({sensor for sensor, _ in self.results - before}) == N_SENSORS)


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[list[Server]]:
    running = cluster(tmp_path / "brokers")
    with contextlib.ExitStack() as stack:
        for server in running:
            stack.callback(server.kill)
        # Each one waits for the others before it listens for MQTT.
        starting = [threading.Thread(target=server.start) for server in running]
        for each in starting:
            each.start()
        for each in starting:
            each.join()
        yield running


def test_brokers_are_killed_one_after_the_other_and_nothing_is_lost_or_twice(
    tmp_path: Path, servers: list[Server]
) -> None:
    write_mean_model(tmp_path / "models" / "mean")
    with contextlib.ExitStack() as stack:
        mongo_server = stack.enter_context(database(tmp_path / "database"))
        api_port = free_port()
        environment = {
            "MQTT_URL": "mqtt://" + ",".join(f"127.0.0.1:{server.port}" for server in servers),
            "MONGODB_URL": f"mongodb://127.0.0.1:{mongo_server.port}/repsense",
            "MODEL_URL": f"onnx:{tmp_path / 'models' / 'mean'}",
            "PARTITIONS": "12",
        }
        for number in range(2):
            port, folder = free_port(), tmp_path / f"preprocessor-{number}"
            folder.mkdir()
            own = environment | {"METRICS_PORT": str(port)}
            stack.enter_context(process("repsense-preprocessor", folder, port, own))
            eventually(partial(is_ready, port))
        own = environment | {"API_PORT": str(api_port), "MODELS_DIR": str(tmp_path / "models")}
        stack.enter_context(process("repsense-inference", tmp_path, api_port, own))
        live = Live(f"http://127.0.0.1:{api_port}")
        stack.enter_context(live.reading())
        gateway = stack.enter_context(streaming(tmp_path, environment["MQTT_URL"]))
        live.await_results()

        for server in servers[:2]:
            server.kill()
            live.await_results()
            server.start()
            live.await_results()

        gateway.terminate()
        assert gateway.wait(timeout=30) == 0
        eventually(lambda: is_ready(api_port))
        assert "Traceback" not in "".join(log.read_text() for log in tmp_path.rglob("repsense-*.log"))
        eventually(lambda: at_rest(mongo_server.port))
        assert_whole(mongo_server.port)


def is_ready(port: int) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(f"http://127.0.0.1:{port}/readyz").is_success
    return False


@contextlib.contextmanager
def streaming(folder: Path, url: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [str(BIN / "repsense-gateway"), "simulator", "--sensors", str(N_SENSORS), "--sensor-id", "person"]
    command += ["--mqtt-url", url, "--seed", "3", "--spool", str(folder / "spool")]
    with (
        (folder / "gateway.log").open("wb") as log,
        subprocess.Popen(command, stdout=log, stderr=log) as gateway,
    ):
        try:
            yield gateway
        finally:
            gateway.kill()


def stored(port: int, collection: str) -> list[dict[str, Any]]:
    with pymongo.MongoClient[dict[str, Any]](f"mongodb://127.0.0.1:{port}") as client:
        return list(client.repsense[collection].find())


def at_rest(port: int) -> bool:
    """Whether the sets of all sensors have been closed by their silence."""
    sensors = stored(port, "sensors")
    newest_us: dict[str, int] = {}
    for one in stored(port, "samples"):
        newest_us[one["sensor_id"]] = max(newest_us.get(one["sensor_id"], 0), one["last_sample_us"])
    return {one["_id"]: one["last_sample_us"] for one in sensors} == newest_us


def assert_whole(port: int) -> None:
    manifest = mean_manifest()
    samples, results = stored(port, "samples"), stored(port, "classifications")
    sensors = {one["sensor_id"] for one in samples}
    assert len(sensors) == N_SENSORS
    for sensor in sensors:
        messages = sorted((one for one in samples if one["sensor_id"] == sensor), key=lambda one: one["sequence"])
        assert len({one["stream_id"] for one in messages}) == 1
        assert messages[0]["sequence"] == 0
        for before, after in itertools.pairwise(messages):
            assert after["sequence"] == before["sequence"] + before["n_samples"]
        n_samples = messages[-1]["sequence"] + messages[-1]["n_samples"]
        ends = sorted(one["last_sequence"] for one in results if one["sensor_id"] == sensor)
        step = round(messages[0]["sample_rate_hz"] / manifest.sample_rate_hz)
        n_resampled = 1 + (n_samples - 1) // step
        assert len(ends) == len(set(ends)) == 1 + (n_resampled - manifest.window_size) // manifest.stride
    assert not [one for one in results if one["unclassified_reason"] == "gap"]
    assert not [one for one in stored(port, "sensors") if one["n_lost"]]
