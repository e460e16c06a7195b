"""What a lock names, read without the code that is tested."""

from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

__all__ = ["MACHINES", "SERVICES", "Locked", "image_environment", "installed", "read_lock"]

SERVICES = ("admin", "ble_gateway", "dashboard", "inference", "preprocessor", "trainer")
MACHINES = ("x86_64", "aarch64")
"""What an image can be built for, in Python's words."""


@dataclass(frozen=True)
class Locked:
    """An entry of a lock."""

    name: str
    version: str
    requirement: Requirement
    n_hashes: int


def read_lock(path: Path) -> list[Locked]:
    """Read all entries; each begins at the start of a line, and its hashes follow."""
    entries: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith(" "):
            entries[-1] += line
        elif line and not line.startswith("#"):
            entries.append(line)
    locked = []
    for entry in entries:
        text, *hashes = entry.split("--hash=sha256:")
        requirement = Requirement(text.replace("\\", " ").strip())
        (pin,) = requirement.specifier
        assert pin.operator == "==", entry
        locked.append(Locked(canonicalize_name(requirement.name), pin.version, requirement, len(hashes)))
    return locked


def installed(path: Path, machine: str) -> dict[str, str]:
    """Versions by name, of what a lock puts into an image for a processor."""
    environment = image_environment(machine)
    return {
        entry.name: entry.version
        for entry in read_lock(path)
        if entry.requirement.marker is None or entry.requirement.marker.evaluate(environment)
    }


def image_environment(machine: str) -> dict[str, str]:
    """What markers are asked about in an image."""
    return {
        "extra": "",
        "implementation_name": "cpython",
        "os_name": "posix",
        "platform_machine": machine,
        "platform_python_implementation": "CPython",
        "platform_system": "Linux",
        "python_full_version": "3.13.0",
        "python_version": "3.13",
        "sys_platform": "linux",
    }
