"""The compose files themselves, in every combination; no engine is needed for that."""

import functools
import itertools
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from support.compose import compose_problem
from support.servers import BIN, ROOT

MAIN = "docker-compose.yml"
OVERRIDES = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "compose").glob("*.yml"))
ORDER = ("scale", "cluster")
"""Where the order matters, this is it."""
INSTEAD_OF_NATS = "compose/mosquitto.yml"
OF_NATS = {"compose/scale.yml", "compose/cluster.yml"}


def _combinations() -> list[list[str]]:
    """All overrides together in every way that makes sense, in the order of .env.example."""
    in_order = sorted(OVERRIDES, key=lambda name: ORDER.index(Path(name).stem) if Path(name).stem in ORDER else -1)
    chosen = [each for n in range(len(in_order) + 1) for each in itertools.combinations(in_order, n)]
    return [[MAIN, *each] for each in chosen if not (INSTEAD_OF_NATS in each and OF_NATS & set(each))]


COMBINATIONS = _combinations()
SINGLY = [files for files in COMBINATIONS if len(files) <= len([MAIN, "override"])]
FOR_EVERYBODY = {"caddy"}
"""What stands in front of the others."""
PUBLISHED = {8883, 8000, 8501, 3000}
"""MQTT over TLS, the REST API, the dashboard, Grafana."""
WITH_ROOT = {"secrets"}
"""It hands out files."""

PROBLEM = compose_problem()
pytestmark = pytest.mark.skipif(PROBLEM is not None, reason=str(PROBLEM))


def name_of(files: list[str]) -> str:
    return "+".join(Path(name).stem for name in files)


def resolved(files: list[str], environment_file: Path = ROOT / ".env.example") -> dict[str, Any]:
    return _resolved(tuple(files), environment_file)


@functools.cache
def _resolved(files: tuple[str, ...], environment_file: Path) -> dict[str, Any]:
    names = [word for name in files for word in ("-f", name)]
    command = ["docker", "compose", *names, "--env-file", str(environment_file), "--profile", "*"]
    done = subprocess.run(
        [*command, "config", "--format", "json"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    configuration: dict[str, Any] = json.loads(done.stdout)
    return configuration


@pytest.mark.parametrize("files", COMBINATIONS, ids=name_of)
def test_the_files_go_together(files: list[str]) -> None:
    for name, service in resolved(files)["services"].items():
        assert re.fullmatch(r"[\w./-]+:[\w.-]+", service["image"]), "pinned by a tag"
        assert not service["image"].endswith(":latest")
        assert service["read_only"] or name in WITH_ROOT
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert int(service["mem_limit"]) > 0
        assert service["logging"]["driver"] == "json-file"
        assert set(service["logging"]["options"]) == {"max-file", "max-size"}
        assert service.get("init")
        assert ("healthcheck" in service) == (service["restart"] in {"always", "unless-stopped"})
        assert not str(service["user"]).startswith("0:") or name in WITH_ROOT


@pytest.mark.parametrize("files", COMBINATIONS, ids=name_of)
def test_nothing_is_published_beyond_loopback(files: list[str]) -> None:
    ports = {
        name: {(port["host_ip"], port["target"]) for port in service["ports"]}
        for name, service in resolved(files)["services"].items()
        if service.get("ports") and name not in FOR_EVERYBODY
    }

    assert {host for each in ports.values() for host, _ in each} == {"127.0.0.1"}
    assert {target for each in ports.values() for _, target in each} <= PUBLISHED


def test_nobody_asks_mosquitto_for_the_figures_of_a_nats_server() -> None:
    assert resolved([MAIN])["services"]["broker-exporter"]["profiles"] == ["monitoring"]
    assert resolved([MAIN, INSTEAD_OF_NATS])["services"]["broker-exporter"]["profiles"] == ["never"]


def test_the_example_environment_changes_nothing(tmp_path: Path) -> None:
    empty = tmp_path / ".env"
    empty.touch()

    assert resolved([MAIN]) == resolved([MAIN], empty)


def test_every_variable_of_the_files_is_explained() -> None:
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    explained = set(re.findall(r"^#? ?([A-Z][A-Z0-9_]*)=", example, re.MULTILINE))

    used = set()
    for name in [MAIN, *OVERRIDES]:
        used |= set(re.findall(r"\$\{([A-Z][A-Z0-9_]*)", (ROOT / name).read_text(encoding="utf-8")))
    assert used <= explained
    assert explained <= used | {"COMPOSE_FILE", "COMPOSE_PROFILES"}


@pytest.mark.parametrize("files", SINGLY, ids=name_of)
def test_the_linter_finds_nothing(files: list[str], tmp_path: Path) -> None:
    # As Compose puts them together: the linter does not know how an override takes something away.
    together = tmp_path / "docker-compose.yml"
    together.write_text(json.dumps(resolved(files)))
    command = [
        str(BIN / "compose-lint"),
        "check",
        "--strict-config",
        "--config",
        ".compose-lint.yml",
        "--fail-on",
        "low",
    ]
    done = subprocess.run([*command, str(together)], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
