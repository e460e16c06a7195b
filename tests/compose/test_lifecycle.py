"""What people do to a deployment: stop it, start it, upgrade it, change the broker."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.compose import ComposeStack, Figures, HostGateway, until
from support.servers import ROOT

pytestmark = pytest.mark.timeout(900)

OURS = ("preprocessor", "inference", "dashboard", "trainer")
ENDED_BY_SIGTERM = 143


def n_stored(stack: ComposeStack) -> int:
    return stack.database()["samples"].count_documents({})


def stream_a_little(stack: ComposeStack, gateway: HostGateway) -> None:
    """Have results of both sensors stored that were not there."""
    since_us = time.time_ns() // 1000
    with gateway.running():
        classifications = stack.database()["classifications"]
        for sensor in gateway.sensors:
            wanted = {"sensor_id": sensor, "window_end_us": {"$gt": since_us}}
            until(f"results of {sensor}", lambda wanted=wanted: classifications.count_documents(wanted))  # type: ignore[misc]


def test_everything_stops_by_itself_when_it_is_told_to(
    stack: ComposeStack, home: HostGateway, figures: Figures
) -> None:
    with home.running():
        until("samples", lambda: n_stored(stack))
        began_s = time.monotonic()
        stack.compose("stop")
        figures.note("`stop` while sensors stream", time.monotonic() - began_s)

    assert {service: stack.inspect(service)["State"]["ExitCode"] for service in OURS} == dict.fromkeys(OURS, 0)
    # The real servers' own ways: one of them has no handler and ends by the signal.
    for service in ("broker", "database", "tensorflow-serving"):
        assert stack.inspect(service)["State"]["ExitCode"] in {0, ENDED_BY_SIGTERM}
    stack.forget_connections()
    stack.up()


def test_data_survive_down_and_up(stack: ComposeStack, home: HostGateway, figures: Figures) -> None:
    stream_a_little(stack, home)
    before = n_stored(stack)
    key = stack.secret("inference/api_key")

    stack.down()
    began_s = time.monotonic()
    stack.up()
    figures.note("`up` with data, until everything is ready", time.monotonic() - began_s)

    assert n_stored(stack) >= before > 0
    assert stack.secret("inference/api_key") == key
    stream_a_little(stack, home)


def test_another_image_takes_over(stack: ComposeStack, home: HostGateway) -> None:
    """As after `git pull`: one service has changed, and only its container is made anew."""
    before = {service: stack.inspect(service)["Id"] for service in OURS}
    changed = stack.folder / "changed"
    changed.mkdir()
    image = stack.inspect("preprocessor")["Config"]["Image"]
    (changed / "Dockerfile").write_text(f"FROM {image}\nLABEL changed=yes\n")
    subprocess.run(["docker", "build", "--quiet", "--tag", image, str(changed)], check=True, capture_output=True)

    stack.up()

    after = {service: stack.inspect(service)["Id"] for service in OURS}
    assert {service for service in OURS if after[service] != before[service]} == {"preprocessor"}
    stream_a_little(stack, home)


def test_another_password_is_in_use_at_the_next_up(stack: ComposeStack) -> None:
    key = "another-key-of-the-owner"
    with stack.environment_file.open("a") as file:
        file.write(f"API_KEY={key}\n")

    stack.up()

    with stack.client() as client:
        assert client.headers["X-API-Key"] == key
        assert client.get("/v1/sensors").is_success


def test_mosquitto_does_the_same(stack: ComposeStack, home: HostGateway) -> None:
    """Another broker in the same stack: what the gateway still holds goes there."""
    files = stack.files
    stack.files = (*files, "compose/mosquitto.yml")
    try:
        stack.up()

        assert stack.inspect("broker")["Config"]["Image"].startswith("eclipse-mosquitto:")
        stream_a_little(stack, home)
        with stack.client() as client:
            online = until("the sensors", lambda: client.get("/v1/sensors").raise_for_status().json()["items"])
        assert {sensor["sensor_id"] for sensor in online} >= set(home.sensors)
    finally:
        stack.files = files
        stack.up()


def test_a_backup_is_restored_into_an_empty_stack(stack: ComposeStack, home: HostGateway, tmp_path: Path) -> None:
    stream_a_little(stack, home)
    archive = tmp_path / "repsense.tar.gz"
    # Of what is stored now, whatever the services still add.
    stack.compose("stop", "preprocessor", "inference", "trainer")
    before = contents(stack)
    make(stack, "backup", archive)

    stack.down("--volumes")
    stack.up()
    assert not n_stored(stack)
    make(stack, "restore", archive)

    assert contents(stack) == before
    until("a stack that is ready", stack.is_ready)
    # The secrets are no part of it: a gateway gets its password anew.
    stream_a_little(stack, stack.host_gateway("club", "chest"))


def make(stack: ComposeStack, target: str, archive: Path) -> None:
    project = {
        "STACK": "compose",
        "COMPOSE_PROJECT_NAME": stack.project,
        "COMPOSE_ENV_FILES": str(stack.environment_file),
    }
    command = ["make", target, f"FILE={archive}", f"PYTHON={sys.executable}"]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **project}, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def contents(stack: ComposeStack) -> dict[str, int]:
    """How many documents of each kind there are, of those that people would miss."""
    database = stack.database()
    return {name: database[name].count_documents({}) for name in ("samples", "classifications", "sets", "workouts")}
