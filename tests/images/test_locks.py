"""The images' locks fit what the members say, and each other; without the network.

An image is installed from its lock with --no-deps, so a package that a lock lacks would be missed only by whoever runs
the image: that lock and members agree is what these tests are about.
"""

import importlib.metadata
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from support.locks import MACHINES, SERVICES, image_environment, installed, read_lock
from support.servers import ROOT

_REMEDY = "run scripts/lock.sh and commit the locks"
_DOMAIN = "repsense"
_CLIENTS_OF_TENSORFLOW_SERVING = {"inference", "preprocessor"}
"""Images whose members are installed with the extra of this name, and without all of TensorFlow."""

_IMAGES = [pytest.param(service, machine, id=f"{service}-{machine}") for service in SERVICES for machine in MACHINES]


@pytest.mark.parametrize("service", SERVICES)
def test_every_entry_is_guarded_by_hashes_and_none_says_where_it_comes_from(service: str) -> None:
    path = ROOT / "services" / service / "requirements.txt"
    assert all(entry.n_hashes for entry in read_lock(path))
    assert "://" not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(("service", "machine"), _IMAGES)
def test_image_has_the_versions_that_the_tests_run_with(service: str, machine: str) -> None:
    tested = installed(ROOT / "requirements-dev.txt", machine)
    # The same TensorFlow, without its part for graphics cards.
    tested["tensorflow-cpu"] = tested["tensorflow"]
    for name, version in installed(ROOT / "services" / service / "requirements.txt", machine).items():
        assert tested[name] == version, f"{name} is {version} in the image, {tested[name]} in the tests: {_REMEDY}"


@pytest.mark.parametrize(("service", "machine"), _IMAGES)
def test_lock_satisfies_what_its_member_asks_for(service: str, machine: str) -> None:
    locked = installed(ROOT / "services" / service / "requirements.txt", machine)
    for requirement in _asked_for_by_members(service):
        if requirement.name == "tensorflow" and "tensorflow-cpu" in locked:
            requirement.name = "tensorflow-cpu"
        version = locked.get(canonicalize_name(requirement.name))
        assert version, f"{requirement} of {service} is not locked: {_REMEDY}"
        assert version in requirement.specifier, f"{requirement} of {service} is locked at {version}: {_REMEDY}"


@pytest.mark.parametrize(("service", "machine"), _IMAGES)
def test_lock_has_what_its_packages_ask_for_and_nothing_else(service: str, machine: str) -> None:
    locked = installed(ROOT / "services" / service / "requirements.txt", machine)
    wanted = _with_all_that_follows(_asked_for_by_members(service), machine)
    if service in _CLIENTS_OF_TENSORFLOW_SERVING:
        # Asked for by tensorflow-serving-api, which can do with its messages.
        wanted = _with_all_that_follows(_asked_for_by_members(service), machine, without="tensorflow")
    elif "tensorflow-cpu" in locked:
        wanted = wanted - {"tensorflow"} | {"tensorflow-cpu"}
    assert set(locked) == wanted, _REMEDY


@pytest.mark.parametrize("machine", MACHINES)
def test_only_the_trainer_has_tensorflow_and_matplotlib(machine: str) -> None:
    heavy = {"tensorflow", "tensorflow-cpu", "keras", "matplotlib", "h5py"}
    having = {
        service: heavy & set(installed(ROOT / "services" / service / "requirements.txt", machine))
        for service in SERVICES
    }
    tensorflow = "tensorflow-cpu" if machine == "x86_64" else "tensorflow"
    assert having.pop("trainer") == {tensorflow, "keras", "matplotlib", "h5py"}
    assert not any(having.values())


def test_messages_are_of_the_tensorflow_that_the_trainer_exports_with() -> None:
    (messages,) = read_lock(ROOT / "scripts" / "images" / "tensorflow-messages.txt")
    assert messages.version == installed(ROOT / "services" / "trainer" / "requirements.txt", "x86_64")["tensorflow-cpu"]


def _asked_for_by_members(service: str) -> list[Requirement]:
    """What the member of an image and the domain package ask for; the domain's name is replaced by what it needs."""
    found = []
    pending = list(_dependencies(ROOT / "services" / service, _extras(service)))
    while pending:
        requirement = pending.pop()
        if requirement.name == _DOMAIN:
            pending += _dependencies(ROOT / "packages" / _DOMAIN, requirement.extras)
        else:
            found.append(requirement)
    return found


def _extras(service: str) -> set[str]:
    return {"tensorflow-serving"} if service in _CLIENTS_OF_TENSORFLOW_SERVING else set()


def _dependencies(member: Path, extras: set[str]) -> Iterator[Requirement]:
    project = tomllib.loads((member / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    optional = project.get("optional-dependencies", {})
    for text in [*project["dependencies"], *(text for extra in sorted(extras) for text in optional[extra])]:
        yield Requirement(text)


def _with_all_that_follows(requirements: list[Requirement], machine: str, without: str | None = None) -> set[str]:
    """Names of all that is needed, by what the packages that are installed here say of themselves."""
    environment = image_environment(machine)
    found: set[str] = set()
    seen: set[str] = set()
    pending = list(requirements)
    while pending:
        requirement = pending.pop()
        name = canonicalize_name(requirement.name)
        if name == without or f"{name}{sorted(requirement.extras)}" in seen:
            continue
        seen.add(f"{name}{sorted(requirement.extras)}")
        found.add(name)
        for text in importlib.metadata.requires(name) or []:
            follows = Requirement(text)
            extras = ["", *requirement.extras]
            if follows.marker is None or any(follows.marker.evaluate({**environment, "extra": e}) for e in extras):
                pending.append(follows)
    return found
