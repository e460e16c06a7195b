"""What the images are made of, by their locks.

  dependencies.py sbom FOLDER               a bill of materials (CycloneDX, JSON) of each image's Python packages
  dependencies.py audit [--if-possible]     ask for known weaknesses of everything that is locked

`audit` ends with 1 if there are some, and with 3 if nobody could be asked, as without a network or behind a mirror that
has packages and no advisories; with --if-possible it says so and ends with 0.
"""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

_ROOT = Path(__file__).resolve().parent.parent
_SERVICES = _ROOT / "services"
_BIN = Path(sys.executable).parent
_PYTHON = {"python_version": "3.13", "python_full_version": "3.13.0", "implementation_name": "cpython"}
_IMAGE = {**_PYTHON, "sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"}
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
"""Python's word for a processor, and the images'."""
_WEAK = 1
_NOBODY_TO_ASK = 3


class CannotAskError(Exception):
    """The advisories cannot be reached."""


def main() -> None:
    """Do what the command line says."""
    match sys.argv[1:]:
        case ["sbom", folder]:
            _write_bills(Path(folder))
        case ["audit", *options] if set(options) <= {"--if-possible"}:
            _audit(if_possible=bool(options))
        case _:
            sys.exit(__doc__)


def _write_bills(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for lock in sorted(_SERVICES.glob("*/requirements.txt")):
        service = lock.parent
        for machine, architecture in _MACHINES.items():
            target = folder / f"{service.name}-{architecture}.cdx.json"
            packages = [*_installed(lock, machine), *_messages_of_tensorflow(service)]
            outputter = make_outputter(_bill(service, packages), OutputFormat.JSON, SchemaVersion.V1_6)
            outputter.output_to_file(str(target), allow_overwrite=True, indent=2)
            print(f"{target}: {len(packages)} packages")


def _bill(service: Path, packages: list[Requirement]) -> Bom:
    project = tomllib.loads((service / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    image = Component(name=project["name"], version=project["version"], type=ComponentType.CONTAINER)
    parts = [_component(package) for package in packages]
    bill = Bom(components=parts)
    bill.metadata.component = image
    bill.register_dependency(image, parts)
    return bill


def _component(package: Requirement) -> Component:
    name = canonicalize_name(package.name)
    (pin,) = package.specifier
    return Component(
        name=name,
        version=pin.version,
        type=ComponentType.LIBRARY,
        purl=PackageURL("pypi", name=name, version=pin.version),
        bom_ref=f"{name}=={pin.version}",
    )


def _installed(lock: Path, machine: str) -> list[Requirement]:
    """What of a lock is installed in an image for a processor."""
    environment = {**_IMAGE, "platform_machine": machine}
    locked = _locked(lock)
    return [package for package in locked if package.marker is None or package.marker.evaluate(environment)]


def _locked(lock: Path) -> list[Requirement]:
    """What a lock names; its hashes are on lines of their own."""
    lines = lock.read_text(encoding="utf-8").splitlines()
    return [Requirement(line.removesuffix("\\")) for line in lines if "==" in line.split(" ;")[0]]


def _messages_of_tensorflow(service: Path) -> list[Requirement]:
    if "tensorflow-messages.txt" not in (service / "Dockerfile").read_text(encoding="utf-8"):
        return []
    return _locked(_ROOT / "scripts" / "images" / "tensorflow-messages.txt")


def _audit(*, if_possible: bool) -> None:
    # With few first, so that an index that has no advisories is not asked for hundreds.
    builds = [lock for lock in sorted(_ROOT.glob("scripts/images/*.txt")) if _locked(lock)]
    images = sorted(_SERVICES.glob("*/requirements.txt"))
    weaknesses: set[str] = set()
    try:
        for locks in (builds, images, [_ROOT / "requirements-dev.txt"]):
            weaknesses |= _weaknesses(locks)
    except CannotAskError as error:
        print(f"Nothing can be said about known weaknesses: {error}. Run this where the advisories can be reached.")
        sys.exit(0 if if_possible else _NOBODY_TO_ASK)
    print("\n".join(sorted(weaknesses)) or "Nothing that is locked has a known weakness.")
    sys.exit(_WEAK if weaknesses else 0)


def _weaknesses(locks: list[Path]) -> set[str]:
    """Ask about each package of some locks, which must not contradict each other.

    Raises:
        CannotAskError: If there is no answer, or not about each.
    """
    options = ["--disable-pip", "--require-hashes", "--format=json", "--progress-spinner=off"]
    asked = subprocess.run(
        [_BIN / "pip-audit", *options, *(f"--requirement={lock}" for lock in locks)],
        capture_output=True,
        text=True,
        check=False,
    )
    if asked.returncode and not asked.stdout:
        reason = asked.stderr.strip().rpartition("\n")[2]
        msg = f"pip-audit gave up ({reason})"
        raise CannotAskError(msg)
    # Without a finding it prints nothing at all.
    answers = json.loads(asked.stdout)["dependencies"] if asked.stdout else []
    if unknown := [answer["name"] for answer in answers if "skip_reason" in answer]:
        msg = f"the package index has none for {len(unknown)} packages, {unknown[0]} for one"
        raise CannotAskError(msg)
    return {
        f"{answer['name']} {answer['version']}: {found['id']}, mended in {', '.join(found['fix_versions']) or 'none'}"
        for answer in answers
        for found in answer["vulns"]
    }


if __name__ == "__main__":
    main()
