"""`make secrets` and `make gateway-access`, with a `docker` that runs the commands of `secrets` right here."""

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from support.servers import BIN, ROOT

_DOCKER = """#!/usr/bin/env bash
set -euo pipefail
echo "$*" >>"$CALLS"
case "$*" in
  "compose run --rm --no-deps -T secrets "*) shift 6; exec repsense-admin "$@" ;;
  "compose ps --status running --services") printf '%s\n' $RUNNING ;;
  "compose --progress quiet kill --signal HUP "*) ;;
  *) exit 1 ;;
esac
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in ("scripts", "bin"):
        (tmp_path / name).mkdir()
    shutil.copy(ROOT / "scripts" / "secrets.sh", tmp_path / "scripts")
    shutil.copy(ROOT / "Makefile", tmp_path)
    docker = tmp_path / "bin" / "docker"
    docker.write_text(_DOCKER)
    docker.chmod(0o755)
    return tmp_path


def _make(
    checkout: Path, *arguments: str, running: str = "broker broker-exporter dashboard"
) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "PATH": f"{checkout / 'bin'}:{BIN}:{os.environ['PATH']}",
        "CALLS": str(checkout / "calls"),
        "RUNNING": running,
        "SECRETS_DIRECTORY": str(checkout / "secrets"),
    }
    return subprocess.run(
        ["make", "--silent", *arguments], cwd=checkout, env=environment, capture_output=True, text=True, check=False
    )


def _reloaded(checkout: Path) -> list[str]:
    calls = (checkout / "calls").read_text().splitlines()
    return [call.rpartition(" ")[2] for call in calls if call.startswith("compose --progress quiet kill --signal HUP ")]


def test_secrets_are_made_and_those_shown_that_people_need(checkout: Path) -> None:
    done = _make(checkout, "secrets", running="")
    assert done.returncode == 0, done.stderr
    password = (checkout / "secrets" / "dashboard" / "dashboard_password").read_text()
    assert f"Dashboard password: {password}\n" in done.stdout
    assert _reloaded(checkout) == []


def test_each_server_of_a_cluster_hears_of_it(checkout: Path) -> None:
    done = _make(checkout, "secrets", running="dashboard broker broker-2 broker-3 broker-exporter")
    assert done.returncode == 0, done.stderr
    assert _reloaded(checkout) == ["broker", "broker-2", "broker-3"]


def test_a_gateway_gets_its_two_files_and_the_broker_hears_of_it(checkout: Path) -> None:
    _make(checkout, "secrets")
    (checkout / "calls").unlink()
    done = _make(checkout, "gateway-access", "NAME=home", "SENSORS=wrist ankle")
    assert done.returncode == 0, done.stderr
    settings = checkout / "gateway.env"
    assert stat.S_IMODE(settings.stat().st_mode) == 0o600
    assert settings.read_text().startswith("MQTT_URL=mqtts://gateway-home:")
    assert "GATEWAY_ID=home\n" in settings.read_text()
    assert (checkout / "broker-ca.crt").read_text() == (checkout / "secrets" / "ca" / "ca.crt").read_text()
    assert _reloaded(checkout) == ["broker"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["NAME=home"], 'make gateway-access NAME=home SENSORS="wrist ankle"'),
        (["NAME=home", "SENSORS=a/b"], "lower-case letters, digits and hyphens"),
        (["NAME=home", "SENSORS=wrist", "HOST=gym.local"], "add it to BROKER_NAMES"),
    ],
)
def test_what_fails_leaves_the_files_of_before(checkout: Path, arguments: list[str], said: str) -> None:
    _make(checkout, "secrets")
    _make(checkout, "gateway-access", "NAME=home", "SENSORS=wrist")
    before = (checkout / "gateway.env").read_text()
    done = _make(checkout, "gateway-access", *arguments)
    assert done.returncode != 0
    assert said in done.stderr
    assert (checkout / "gateway.env").read_text() == before
    assert sorted(path.name for path in checkout.glob(".*")) == []
