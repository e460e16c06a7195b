"""A backup of one deployment, restored into an empty one, by the commands behind `make backup` and `make restore`."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.compose import ComposeStack, engine_problem
from support.servers import ROOT

from repsense.documents import INDEXES
from repsense.schema import SCHEMA_VERSION, read_schema


@pytest.fixture(scope="module")
def two_stacks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ComposeStack, ComposeStack]]:
    """Two deployments of which nothing was started yet; what a backup needs starts with it."""
    problem = engine_problem()
    if problem is not None:
        pytest.skip(problem)
    one, other = (
        ComposeStack(f"repsense-test-{name}", tmp_path_factory.mktemp(name), {"REPSENSE_VERSION": "test"})
        for name in ("one", "other")
    )
    one.compose("build", "secrets")
    try:
        yield one, other
    finally:
        for stack in (one, other):
            stack.down("--volumes")


def _run(stack: ComposeStack, action: str, file: Path, *options: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "STACK": "compose",
        "COMPOSE_PROJECT_NAME": stack.project,
        "COMPOSE_ENV_FILES": str(stack.environment_file),
    }
    command = [sys.executable, "scripts/backup.py", action, str(file), *options]
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)


def _everything(stack: ComposeStack) -> dict[str, dict[str, Any]]:
    database = stack.database()
    return {name: {one["_id"]: one for one in database[name].find()} for name in INDEXES}


def _models(stack: ComposeStack) -> str:
    return stack.compose(
        "run", "--rm", "--no-deps", "-T", "--entrypoint", "sh", "prepare", "-c", "cd /models && find . -type f | sort"
    )


def test_a_deployment_comes_back_in_an_empty_one(two_stacks: tuple[ComposeStack, ComposeStack], tmp_path: Path) -> None:
    one, other = two_stacks
    one.compose("run", "--rm", "-T", "prepare")
    for name in INDEXES:
        one.database()[name].insert_many(
            [
                {"_id": f"{name}-{number}", "sensor_key": f"wrist:{number}", "name": str(number), "key": str(number)}
                for number in range(5)
            ]
        )
    file = tmp_path / "all.tar.gz"

    backed_up = _run(one, "backup", file)
    assert backed_up.returncode == 0, backed_up.stderr
    assert file.stat().st_mode & 0o777 == 0o600
    restored = _run(other, "restore", file)
    assert restored.returncode == 0, restored.stderr

    assert _everything(other) == _everything(one)
    found = read_schema(other.database())
    assert found is not None
    assert found["version"] == SCHEMA_VERSION
    assert "./bodyweight/1/saved_model.pb" in _models(one)
    assert _models(other) == _models(one)

    again = _run(other, "restore", file)
    assert again.returncode == 2
    assert "the database holds data" in again.stderr
    cut = tmp_path / "cut.tar.gz"
    cut.write_bytes(file.read_bytes()[:-100])
    refused = _run(other, "restore", cut, "--replace")
    assert refused.returncode == 2
    assert _everything(other) == _everything(one)
    replaced = _run(other, "restore", file, "--replace")
    assert replaced.returncode == 0, replaced.stderr
    assert _everything(other) == _everything(one)
