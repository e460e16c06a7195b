"""The gateway on the real BlueZ: everything is tried once in a virtual machine, by vm/claims.py, and judged here."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from support.servers import ROOT

_SCRIPT = "scripts/bluetooth-vm.sh"
_CANNOT, _UNBUILT = 3, 4
_SECONDS = 900
"""It takes some 150 s where nothing else computes, and more than twice that where ten others do."""
_N_RECONNECTS = 30

pytestmark = pytest.mark.timeout(_SECONDS + 60)


@pytest.fixture(scope="session")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What was found, by claim."""
    can_run = subprocess.run([_SCRIPT, "status"], cwd=ROOT, capture_output=True, text=True, check=False)
    if can_run.returncode in {_CANNOT, _UNBUILT}:
        pytest.skip(can_run.stderr.strip())
    assert can_run.returncode == 0, can_run.stderr
    results = tmp_path_factory.mktemp("bluez")
    command = ["python", "tests/bluetooth/vm/claims.py", "/results", str(_N_RECONNECTS)]
    run = subprocess.run(
        [_SCRIPT, "run", results, str(_SECONDS), *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, _tail(run.stdout) + run.stderr + _logs(results)
    answer: dict[str, Any] = json.loads((results / "claims.json").read_text())
    print(json.dumps(answer, indent=2), _logs(results))  # noqa: T201 - shown if a test fails
    return answer


def _tail(text: str) -> str:
    return "\n".join(text.splitlines()[-40:])


def _logs(results: Path) -> str:
    return "".join(f"\n--- {log.name}\n{_tail(log.read_text(errors='replace'))}" for log in results.glob("*.log"))


def _claim(found: dict[str, Any], name: str) -> dict[str, Any]:
    claim: dict[str, Any] = found[name]
    assert "error" not in claim, claim["error"]
    return claim


def _assert_nothing_lost_or_twice(claim: dict[str, Any]) -> None:
    assert claim["n_samples"] > 0
    assert claim["n_lost"] == 0
    assert claim["n_duplicates"] == 0


def test_a_gateway_that_is_started_before_bluetooth_waits_for_it(found: dict[str, Any]) -> None:
    claim = _claim(found, "starts_before_bluetooth")
    assert len(claim["states"]) > 2
    _assert_nothing_lost_or_twice(claim)


def test_a_connected_sensor_loses_nothing(found: dict[str, Any]) -> None:
    claim = _claim(found, "stays_connected")
    assert claim["n_streams"] == 1
    _assert_nothing_lost_or_twice(claim)


def test_a_sensor_that_disconnects_is_connected_anew(found: dict[str, Any]) -> None:
    claim = _claim(found, "survives_a_drop")
    assert claim["n_streams"] == 2
    _assert_nothing_lost_or_twice(claim)


def test_a_sensor_that_goes_out_of_range_is_connected_anew(found: dict[str, Any]) -> None:
    claim = _claim(found, "survives_lost_contact")
    assert claim["n_streams"] == 2
    _assert_nothing_lost_or_twice(claim)


def test_reconnects_neither_leak_nor_lose_nor_duplicate(found: dict[str, Any]) -> None:
    claim = _claim(found, "leaks_nothing")
    assert claim["n_streams"] == claim["n_reconnects"] + 1
    assert claim["open_files_after"] <= claim["open_files_before"]
    assert claim["bus_connections_after"] <= claim["bus_connections_before"]
    _assert_nothing_lost_or_twice(claim)


def test_a_gateway_that_was_killed_connects_anew(found: dict[str, Any]) -> None:
    _assert_nothing_lost_or_twice(_claim(found, "survives_being_killed"))
