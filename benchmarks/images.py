"""How large the images are, and how long it takes to build them: all anew, and after a change of code.

They are built by the command of the README, from a copy of what git knows so that code can be changed, with a tag of
their own, which is removed in the end. Of earlier builds, only wheels that pip has in its cache are used.
"""

import json
import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from support.servers import ROOT

from benchmarks.tables import print_table

_TAG = "benchmark"
_BASE = "python:3.13-slim"
_PACKAGES = {
    "preprocessor": "repsense_preprocessor",
    "inference": "repsense_inference",
    "dashboard": "repsense_dashboard",
    "trainer": "repsense_trainer",
    "ble_gateway": "repsense_ble_gateway",
    "admin": "repsense_admin",
}
"""By the service's folder."""


@dataclass(frozen=True)
class _Part:
    name: str
    image: str


def run(folder: Path) -> None:
    """Build all, change one after another, change what all have in common."""
    if (
        shutil.which("docker") is None
        or subprocess.run(["docker", "info"], capture_output=True, check=False).returncode
    ):
        print("no Docker engine answers; the images are left out (scripts/docker-engine.sh up brings one)")
        return
    _copy_checkout(folder)
    parts = _parts(folder)
    # By name, because the administration's image is that of two parts and would be built twice.
    names = [part.name for part in parts.values()]
    try:
        # Twice: pip has all wheels in its cache afterwards, so that the second figure is about building.
        fetched_s = _build(folder, "--no-cache", *names)
        all_s = _build(folder, "--no-cache", *names)
        rows = []
        for service, package in _PACKAGES.items():
            _change(folder / "services" / service / "src" / package / "__init__.py")
            rebuilt_s = _build(folder, parts[service].name)
            rows.append([service, _megabytes(parts[service].image), f"{rebuilt_s:.1f} s"])
        _change(folder / "packages" / "repsense" / "src" / "repsense" / "__init__.py")
        domain_s = _build(folder, *names)
    finally:
        tags = [part.image for part in parts.values()]
        subprocess.run(["docker", "image", "rm", *tags], stdout=subprocess.DEVNULL, check=False)
    print_table("Images", ["image", "size", "after a change of its code"], rows)
    print(f"\n{_BASE}, which is the beginning of each and there once: {_megabytes(_BASE)}")
    print_table(
        "Building all of them",
        ["", "time"],
        [
            ["without anything of earlier builds", f"{fetched_s:.0f} s"],
            ["once more, with the wheels that pip keeps", f"{all_s:.0f} s"],
            ["after a change in the domain package", f"{domain_s:.1f} s"],
        ],
    )


def _copy_checkout(folder: Path) -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in listed.rstrip("\0").split("\0"):
        source = ROOT / name
        if source.is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, folder / name)


def _parts(folder: Path) -> dict[str, _Part]:
    """By the service's folder, what docker-compose.yml makes of its Dockerfile."""
    read = _compose(folder, "config", "--format", "json")
    return {
        Path(part["build"]["dockerfile"]).parent.name: _Part(name, part["image"])
        for name, part in json.loads(read)["services"].items()
        if "build" in part
    }


def _build(folder: Path, *arguments: str) -> float:
    """Build; give the seconds that it took."""
    began_s = time.perf_counter()
    _compose(folder, "build", "--quiet", *arguments)
    return time.perf_counter() - began_s


def _compose(folder: Path, *arguments: str) -> str:
    command = ["docker", "compose", "--profile", "demo", *arguments]
    environment = {**os.environ, "REPSENSE_VERSION": _TAG}
    return subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout


def _change(module: Path) -> None:
    with module.open("a", encoding="utf-8") as file:
        file.write(f"\n# {time.time_ns()}\n")


def _megabytes(image: str) -> str:
    inspected = ["docker", "image", "inspect", "--format", "{{.Size}}", image]
    return f"{int(subprocess.run(inspected, capture_output=True, text=True, check=True).stdout) / 1e6:.0f} MB"
