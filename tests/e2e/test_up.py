"""What `make up` promises to the person at the keyboard."""

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.mqtt import listening
from support.servers import ROOT, free_port
from support.stack import NativeStack, native_stack

from repsense.topics import SensorTopic, all_sensors_topic

PORTS = ("MQTT_PORT", "MONGODB_PORT", "API_PORT", "DASHBOARD_PORT", "METRICS_PORT")


@contextlib.contextmanager
def taken_port() -> Iterator[int]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield int(taken.getsockname()[1])


def refused(tmp_path: Path, **environment: str) -> str:
    """Start with settings that cannot work; return what the person reads."""
    ports = {name: str(free_port()) for name in PORTS}
    settings = {**os.environ, **ports, "REPSENSE_DATA": str(tmp_path / "data"), **environment}
    run = subprocess.run(
        [sys.executable, "scripts/up.py"],
        env=settings,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode != 0
    assert "Traceback" not in run.stdout + run.stderr
    return run.stderr.strip() or run.stdout


def await_results(stack: NativeStack, n_results: int) -> None:
    with listening(stack.ports["MQTT_PORT"], all_sensors_topic(SensorTopic.CLASSIFICATION)) as results:
        results.wait(lambda got: len(got) >= n_results)


def test_ctrl_c_leaves_nothing_running_and_the_next_start_finds_the_data(tmp_path: Path) -> None:
    with native_stack(tmp_path / "with a space") as stack:
        await_results(stack, 3)
        first_run = stack.get("/v1/classifications?limit=500")["items"]
        assert {process.name() for process in stack.processes()} >= {"nats-server", "nx-27017"}

        assert stack.interrupt() == 0

        assert stack.processes() == []
        log = stack.log.read_text()
        assert f"dashboard  {stack.dashboard}" in log
        assert f"REST API   {stack.api}/docs" in log
        assert "Traceback" not in log

        stack.start()
        await_results(stack, 1)
        kept = {(c["sensor_id"], c["window_start_at"]) for c in stack.get("/v1/classifications?limit=500")["items"]}
        assert {(c["sensor_id"], c["window_start_at"]) for c in first_run} <= kept


@pytest.mark.parametrize("name", PORTS)
def test_a_taken_port_is_said_in_one_line(tmp_path: Path, name: str) -> None:
    with taken_port() as port:
        said = refused(tmp_path, **{name: str(port)})

    assert len(said.splitlines()) == 1
    assert f"port {port}" in said
    assert "is taken" in said
    assert f"{name}=" in said


def test_a_port_that_is_none_is_said_in_one_line(tmp_path: Path) -> None:
    assert refused(tmp_path, API_PORT="http").splitlines() == [
        "RepSense: API_PORT=http is not a port; it must be a number from 1 to 65535"
    ]


def test_a_data_folder_that_cannot_be_written_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    said = refused(tmp_path, REPSENSE_DATA=str(tmp_path / "file" / "data"))

    assert len(said.splitlines()) == 1
    assert "cannot write to" in said
    assert "REPSENSE_DATA" in said


def test_after_a_power_cut_the_database_takes_no_other_process_for_itself(tmp_path: Path) -> None:
    database = tmp_path / "data" / "database"
    database.mkdir(parents=True)
    (database / "nx-27017.pid").write_text(str(os.getpid()))

    with native_stack(tmp_path) as stack:
        assert "nx-27017" in {process.name() for process in stack.processes()}

        said = refused(tmp_path)

    in_use = f"{database} is in use by another stack, backup or restore"
    assert said == f"RepSense: {in_use}; stop that first, or set REPSENSE_DATA to another folder"


def test_a_part_that_cannot_start_stops_the_rest_and_says_why(tmp_path: Path) -> None:
    said = refused(tmp_path, SENSOR="replay nowhere.csv")

    assert "stopped because one of its parts ended" in said


def test_a_model_that_is_not_there_is_said_and_waited_for_by_the_part_that_needs_it(tmp_path: Path) -> None:
    waiting = "waiting: there is no model that can be used: no model in models/nothing"
    with native_stack(tmp_path, until=waiting, MODEL_URL="onnx:models/nothing") as stack:
        assert stack.interrupt() == 0

        log = stack.log.read_text()
        assert f"preprocessor | WARNING {waiting}" in log
        assert "Traceback" not in log
