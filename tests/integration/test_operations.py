"""How preprocessor and trainer tell how they are, and how they end: between real servers."""

import contextlib
import json
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pymongo
import pytest
from support.models import write_mean_model
from support.mqtt import listening, publishing
from support.pipeline import messages, movement
from support.servers import BIN, Server, broker, database, free_port, process

from repsense.messages import StoredMessage
from repsense.topics import SensorTopic, all_sensors_topic, sensor_topic

PATIENCE_S = 30.0
WORKOUT = movement([(None, 3), (2, 12), (None, 9), (0, 6), (1, 8), (None, 2)])


@dataclass
class Stack:
    """A broker, a database, and a preprocessor that nobody has started yet."""

    folder: Path
    broker: Server
    database: Server
    port: int = field(default_factory=free_port)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "MQTT_URL": f"mqtt://127.0.0.1:{self.broker.port}",
            "MONGODB_URL": f"mongodb://127.0.0.1:{self.database.port}/repsense",
            "MODEL_URL": f"onnx:{self.folder / 'models' / 'mean'}",
            "METRICS_PORT": str(self.port),
            "SAMPLES_RETENTION_HOURS": "1000000",
            "REPLICA_ID": "the-one",
            "LOG_FORMAT": "json",
        }

    @contextlib.contextmanager
    def preprocessor(self) -> Iterator[Server]:
        with process("repsense-preprocessor", self.folder, self.port, self.environment) as server:
            yield server

    def checks(self) -> dict[str, str]:
        """What `/readyz` says of each thing; the status goes with it."""
        answer = httpx.get(f"http://127.0.0.1:{self.port}/readyz", timeout=10)
        checks = answer.json()["checks"]
        assert answer.is_success == all(check["ok"] for check in checks)
        return {check["name"]: check["detail"] for check in checks}

    def metric(self, name: str) -> float:
        lines = httpx.get(f"http://127.0.0.1:{self.port}/metrics", timeout=10).text.splitlines()
        return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{name} ")), 0.0)

    def documents(self, collection: str) -> list[dict[str, Any]]:
        with pymongo.MongoClient[dict[str, Any]](f"mongodb://127.0.0.1:{self.database.port}") as client:
            return list(client.repsense[collection].find())

    def stored_samples(self) -> list[int]:
        """Every sample of the database by its index in its stream."""
        documents = self.documents("samples")
        return sorted(each["sequence"] + index for each in documents for index in range(each["n_samples"]))


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    write_mean_model(tmp_path / "models" / "mean")
    with broker(tmp_path / "broker") as mqtt_server, database(tmp_path / "database") as mongo_server:
        yield Stack(tmp_path, mqtt_server, mongo_server)


def until(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.05)


def is_ready(stack: Stack) -> bool:
    return set(stack.checks().values()) == {"ok"}


def test_readiness_says_what_is_away_and_when_it_is_back(stack: Stack) -> None:
    with stack.preprocessor():
        until(lambda: is_ready(stack))
        stack.broker.kill()
        until(lambda: stack.checks()["broker"] != "ok")
        assert "127.0.0.1" in stack.checks()["broker"]
        (life,) = stack.documents("preprocessors")
        until(lambda: stack.documents("preprocessors")[0]["beat"] > life["beat"] + 1)
        (life,) = stack.documents("preprocessors")
        assert (life["_id"], life["ready"], list(life["problems"])) == ("the-one", False, ["broker"])

        stack.broker.start()
        until(lambda: is_ready(stack))
        stack.database.kill()
        until(lambda: "away" in stack.checks()["database"])
        assert httpx.get(f"http://127.0.0.1:{stack.port}/healthz", timeout=10).is_success
        assert stack.metric('repsense_preprocessor_retries_total{part="model"}') == 0

        stack.database.start()
        until(lambda: is_ready(stack))
        beat = stack.documents("preprocessors")[0]["beat"]
        until(lambda: bool(stack.documents("preprocessors")[0]["beat"] > beat))
        assert stack.documents("preprocessors")[0]["problems"] == {}


def test_what_is_missing_at_the_start_is_said_too(stack: Stack) -> None:
    stack.database.kill()
    with stack.preprocessor():
        until(lambda: "the database is away" in stack.checks()["database"])
        assert stack.checks()["broker"] == "the broker was not reached yet"
        assert stack.checks()["model"] == "ok"


def test_a_model_that_is_missing_at_the_start_is_waited_for_in_sight(stack: Stack) -> None:
    models = stack.folder / "models"
    models.rename(stack.folder / "elsewhere")
    with stack.preprocessor() as server:
        until(lambda: len(stack.documents("preprocessors")) == 1)
        until(lambda: "no model in" in stack.checks()["model"])
        (life,) = stack.documents("preprocessors")
        assert (life["ready"], list(life["problems"]), life["model_name"]) == (False, ["model"], None)

        (stack.folder / "elsewhere").rename(models)
        until(lambda: is_ready(stack))
        until(lambda: stack.documents("preprocessors")[0]["model_name"] == "mean")
    warnings = [json.loads(line) for line in server.log.read_text().splitlines()]
    assert [line["message"][:8] for line in warnings if line["level"] == "WARNING"] == ["waiting:"]


def test_a_sign_of_life_goes_with_a_clean_stop_and_stays_after_a_crash(stack: Stack) -> None:
    with stack.preprocessor() as server:
        until(lambda: len(stack.documents("preprocessors")) == 1)
        server.stop()
        assert stack.documents("preprocessors") == []
        server.start()
        until(lambda: len(stack.documents("preprocessors")) == 1)
        server.kill()
        assert len(stack.documents("preprocessors")) == 1


def test_what_sensors_send_and_lose_is_counted(stack: Stack) -> None:
    stream = messages(WORKOUT)
    n_samples = sum(len(message.samples) for message in stream)
    lost = stream.pop(20)
    stream[20] = stream[20].model_copy(update={"n_lost_before": len(lost.samples)})
    with stack.preprocessor(), publishing(stack.broker.port) as publish:
        until(lambda: is_ready(stack))
        for message in [*stream, stream[-1]]:
            publish(sensor_topic(message.sensor_id, SensorTopic.SAMPLES), message.encode())

        def counted(kind: str) -> float:
            name = f'repsense_preprocessor_sensor_{kind}_samples_total{{sensor="{lost.sensor_id}"}}'
            return stack.metric(name.replace("__", "_"))

        until(lambda: counted("duplicate") == len(stream[-1].samples))
        assert counted("lost") == len(lost.samples)
        assert counted("") == n_samples - len(lost.samples) + len(stream[-1].samples)
        until(lambda: stack.metric('repsense_database_documents{collection="models"}') == 1)
        assert stack.metric("repsense_preprocessor_oldest_waiting_seconds") == 0


def test_sigterm_in_the_midst_of_a_load_loses_nothing_and_reports_no_more_than_is_stored(stack: Stack) -> None:
    stream = messages(WORKOUT)
    topic = sensor_topic(stream[0].sensor_id, SensorTopic.SAMPLES)
    with (
        listening(stack.broker.port, all_sensors_topic(SensorTopic.STORED)) as reports,
        publishing(stack.broker.port) as publish,
        stack.preprocessor() as server,
    ):
        until(lambda: is_ready(stack))
        sender = threading.Thread(target=lambda: [publish(topic, message.encode()) for message in stream])
        sender.start()
        until(lambda: len(stack.stored_samples()) > 200)
        assert server.popen is not None
        server.popen.terminate()
        assert server.popen.wait(timeout=10) == 0
        n_at_the_end = len(stack.stored_samples())
        sender.join()

        def told() -> set[int]:
            ranges = [each for _, payload in reports.messages for each in StoredMessage.decode(payload).ranges]
            return {index for first, end in ranges for index in range(first, end)}

        # All that it has stored, and nothing else: what it had in hand was stored before it ended, or not begun with.
        until(lambda: len(told()) == n_at_the_end)
        assert sorted(told()) == stack.stored_samples()

        server.start()
        n_samples = sum(len(message.samples) for message in stream)
        until(lambda: len(stack.stored_samples()) >= n_samples)
        assert stack.stored_samples() == list(range(n_samples))


def test_sigterm_ends_it_also_while_the_database_is_away_and_nothing_is_lost(stack: Stack) -> None:
    stream = messages(movement([(2, 6)]))
    with publishing(stack.broker.port) as publish, stack.preprocessor() as server:
        until(lambda: is_ready(stack))
        stack.database.kill()
        for message in stream:
            publish(sensor_topic(message.sensor_id, SensorTopic.SAMPLES), message.encode())
        until(lambda: stack.metric("repsense_preprocessor_oldest_waiting_seconds") > 1)
        assert server.popen is not None
        server.popen.terminate()
        assert server.popen.wait(timeout=10) == 0

        stack.database.start()
        server.start()
        n_samples = sum(len(message.samples) for message in stream)
        until(lambda: len(stack.stored_samples()) >= n_samples)
        assert stack.stored_samples() == list(range(n_samples))
    for line in server.log.read_text().splitlines():
        assert json.loads(line)["level"] in {"INFO", "WARNING"}


def run(command: str, environment: Mapping[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [str(BIN / command), *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize(("command", "arguments"), [("repsense-preprocessor", ()), ("repsense-train", ("worker",))])
def test_secrets_come_from_files_and_a_folder_that_is_not_there_is_a_sentence(
    command: str, arguments: tuple[str, ...], tmp_path: Path
) -> None:
    done = run(command, {"SECRETS_DIR": str(tmp_path / "nowhere")}, *arguments)
    assert done.returncode == 2
    assert f"SECRETS_DIR: there is no folder {tmp_path}/nowhere: create it" in done.stderr
    assert done.stderr.count("\n") == 1

    (tmp_path / "mongodb_url").write_text("mysql://here\n")
    done = run(command, {"SECRETS_DIR": str(tmp_path)}, *arguments)
    assert done.returncode == 2
    assert "MONGODB_URL" in done.stderr


def test_the_trainer_says_what_it_lacks(stack: Stack, tmp_path: Path) -> None:
    in_the_way = tmp_path / "models-file"
    in_the_way.write_text("")
    environment = {**stack.environment, "MODELS_DIR": str(in_the_way)}
    with process("repsense-train", tmp_path, stack.port, environment, "worker") as server:
        until(lambda: stack.checks()["database"] == "ok")
        assert stack.checks()["models"].startswith(f"models cannot be written to {in_the_way}")
        assert stack.metric('repsense_trainer_jobs{state="queued"}') == 0

        stack.database.kill()
        until(lambda: stack.checks()["database"].startswith("the database is away"))
        assert server.popen is not None
        server.popen.terminate()
        assert server.popen.wait(timeout=10) == 0
