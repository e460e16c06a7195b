"""A backup of a native stack that runs, restored into an empty one."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.mqtt import listening
from support.servers import ROOT
from support.stack import NativeStack, native_stack

from repsense.topics import SensorTopic, all_sensors_topic


def _run(stack: NativeStack, action: str, file: Path) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        **stack.environment,
        "STACK": "native",
        "REPSENSE_DATA": str(stack.data),
        "MONGODB_PORT": str(stack.ports["MONGODB_PORT"]),
    }
    command = [sys.executable, "scripts/backup.py", action, str(file)]
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)


def _models(folder: Path) -> str:
    shutil.copytree(ROOT / "models", folder)
    return str(folder)


def test_a_stack_that_runs_is_backed_up_and_comes_back_in_an_empty_one(tmp_path: Path) -> None:
    file = tmp_path / "all.tar.gz"
    with native_stack(tmp_path / "one", MODELS_DIR=_models(tmp_path / "models-one")) as stack:
        with listening(stack.ports["MQTT_PORT"], all_sensors_topic(SensorTopic.CLASSIFICATION)) as results:
            results.wait(lambda got: len(got) >= 5)
        before = stack.get("/v1/classifications?limit=500")["items"]
        backed_up = _run(stack, "backup", file)
        refused = _run(stack, "restore", file)
        assert stack.interrupt() == 0
    assert backed_up.returncode == 0, backed_up.stderr
    assert (refused.returncode, "stop RepSense before you restore" in refused.stderr) == (2, True)
    stopped = _run(stack, "backup", tmp_path / "stopped.tar.gz")
    assert stopped.returncode == 0, stopped.stderr

    models = tmp_path / "models-other"
    other = NativeStack(tmp_path / "other", tmp_path / "log", {"MODELS_DIR": str(models)})
    restored = _run(other, "restore", file)
    assert restored.returncode == 0, restored.stderr
    assert sorted(path.relative_to(models) for path in models.rglob("*.pb")) == sorted(
        path.relative_to(ROOT / "models") for path in (ROOT / "models").rglob("*.pb")
    )
    # Its own new windows come on top.
    (tmp_path / "other").rename(tmp_path / "data")
    with native_stack(tmp_path, MODELS_DIR=str(models)) as again:
        items = again.get("/v1/classifications?limit=500")["items"]
    assert {one["window_start_at"] for one in before} <= {one["window_start_at"] for one in items}


_DOCKER = """#!/bin/sh
echo "$2 $3" >> "$CALLS"
case "$2" in
  ps) echo container ;;
  stop) exit $STOP ;;
  run) kill -INT $PPID; sleep 1 ;;
esac
"""
"""Of a composition of which everything runs; whoever restores into it is interrupted."""


@pytest.mark.parametrize(
    ("stop", "code", "then"), [(0, -signal.SIGINT, ["run --rm", "start preprocessor"]), (1, 2, ["start preprocessor"])]
)
def test_services_in_containers_are_started_again_whatever_becomes_of_the_restore(
    tmp_path: Path, stop: int, code: int, then: list[str]
) -> None:
    docker, calls, archive = (tmp_path / name for name in ("docker", "calls", "all.tar.gz"))
    docker.write_text(_DOCKER)
    docker.chmod(0o755)
    archive.touch()
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "CALLS": str(calls), "STACK": "compose", "STOP": str(stop)}

    command = [sys.executable, "scripts/backup.py", "restore", str(archive)]
    run = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)

    said = [call for call in calls.read_text().splitlines() if not call.startswith("ps")]
    assert (said, run.returncode) == (["stop preprocessor", *then], code)
    assert ("`docker compose stop preprocessor inference trainer` has failed" in run.stderr) == bool(stop)
