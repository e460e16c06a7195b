"""The registry: the versions of each model on disk, and which of them is in use.

    <models>/<name>/<N>/                promoted; the highest number is in use
    <models>/<name>/standby/<N>/        trained but not promoted, or taken out of use
    <models>/<name>/promotions.jsonl    what was put in use when, one line each, oldest first
    <models>/<name>/.<N>.<hex>.partial  being written or deleted

TensorFlow Serving serves the highest number directly under the model, and so does `manifest.latest_version`; neither
looks into a directory whose name is not a number. Hence no server has to be told anything: what is in use changes by
one rename, and every other change is out of its sight.

Processes that change a model take turns by a lock on its directory. It is `fcntl.flock` rather than a library because
it also locks directories, so that whoever writes a version can hold one on the hidden directory itself: the system
lets go of it when the process dies, in whichever container that was, and what is left is then known to be nobody's.
"""

import contextlib
import errno
import fcntl
import os
import re
import shutil
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from repsense.errors import ClassifierError, ManifestError, RegistryError, VersionTakenError
from repsense.manifest import ModelManifest, load_manifest
from repsense.topics import ID_PATTERN

__all__ = ["ModelRegistry", "RegisteredVersion", "VersionState"]

VersionState = Literal["in_use", "promoted", "standby"]

_STANDBY = "standby"
_PROMOTIONS = "promotions.jsonl"
_PARTIAL = ".partial"
_NAME = re.compile(ID_PATTERN)


@dataclass(frozen=True, slots=True)
class RegisteredVersion:
    """One version of a model.

    Attributes:
        name: The model.
        version: Its number.
        state: "promoted" is a version that will be in use again once every higher one is taken out.
        path: Its directory; another one after it was promoted or taken out of use.
        manifest: None if it cannot be read.
        problem: In a sentence, why it cannot be used, as far as its manifest tells; None if it can.
    """

    name: str
    version: int
    state: VersionState
    path: Path
    manifest: ModelManifest | None
    problem: str | None


class _Promotion(BaseModel):
    """A line of promotions.jsonl; it is written before anything moves."""

    model_config = ConfigDict(frozen=True)

    at: AwareDatetime
    action: Literal["promote", "rollback"]
    version: int
    """What was to be in use from then on."""
    before: int | None
    """What was in use until then."""


class ModelRegistry:
    """Adds, promotes, takes back and deletes versions; several processes may do so at once.

    Every method raises `RegistryError` for a name that no model can have, and when the disk does not obey.
    """

    def __init__(self, models_directory: Path) -> None:
        """Work on the directory that holds all models; it need not exist yet."""
        self._models_directory = models_directory

    def names(self) -> list[str]:
        """The models that have a version, in alphabetical order."""
        with _disk_errors(f"read {self._models_directory}"):
            if not self._models_directory.is_dir():
                return []
            directories = [path for path in self._models_directory.iterdir() if _NAME.fullmatch(path.name)]
            return sorted(path.name for path in directories if _promoted(path) or _standby(path))

    def versions(self, name: str) -> list[RegisteredVersion]:
        """All versions of a model, the highest first; one that is broken is listed with its problem."""
        directory = self._directory(name)
        with self._locked(directory, fcntl.LOCK_SH):
            promoted, standby = _promoted(directory), _standby(directory)
            found = [
                _registered(name, directory / str(version), "in_use" if version == max(promoted) else "promoted")
                for version in promoted
            ] + [_registered(name, directory / _STANDBY / str(version), "standby") for version in standby]
        return sorted(found, key=lambda one: one.version, reverse=True)

    def in_use(self, name: str) -> RegisteredVersion | None:
        """The version in use; None if none is promoted."""
        return next((one for one in self.versions(name) if one.state == "in_use"), None)

    def next_version(self, name: str) -> int:
        """A number that no version has, nor had when it was in use: stored results speak of versions by number."""
        directory = self._directory(name)
        with self._locked(directory, fcntl.LOCK_SH):
            once_in_use = [promotion.version for promotion in _read_promotions(directory)]
            return max([0, *_promoted(directory), *_standby(directory), *once_in_use]) + 1

    @contextlib.contextmanager
    def unchanged(self, name: str) -> Iterator[Path]:
        """Keep a model's versions as they are while the context lasts, which yields where they lie."""
        directory = self._directory(name)
        with _flock(directory, fcntl.LOCK_SH):
            yield directory

    def add(self, name: str, version: int, write: Callable[[Path], None], *, replace: bool = False) -> Path:
        """Add a version to those on standby.

        Args:
            name: The model.
            version: Its number.
            write: Fills the empty directory that it is given; nobody sees it until it is complete.
            replace: Whether a version on standby that has the number already makes way.

        Returns:
            The version's directory.

        Raises:
            VersionTakenError: If the number is taken, before and after `write`. One that is promoted cannot be
                replaced: whoever has loaded it would not notice, and its results would be those of two networks.
        """
        directory = self._directory(name)
        target = directory / _STANDBY / str(version)
        with _disk_errors(f"write {target}"):
            directory.mkdir(parents=True, exist_ok=True)
            with contextlib.ExitStack() as writing:
                with self._locked(directory):
                    _sweep(directory)
                    _refuse_taken(name, directory, version, replace=replace)
                    partial = _hidden(directory, version)
                    partial.mkdir()
                    writing.enter_context(_flock(partial))
                writing.callback(shutil.rmtree, partial, ignore_errors=True)
                write(partial)
                _flush(partial)
                with self._locked(directory):
                    _refuse_taken(name, directory, version, replace=replace)
                    target.parent.mkdir(exist_ok=True)
                    if target.exists():
                        _remove(directory, version)
                    partial.rename(target)
                    _fsync(target.parent)
        return target

    def promote(self, name: str, version: int) -> None:
        """Put a version in use; those with higher numbers go on standby. For the one in use there is nothing to do.

        Raises:
            RegistryError: If it is not there, or is not fit for use; nothing is changed then.
        """
        directory = self._directory(name)
        with self._locked(directory):
            self._put_in_use(name, directory, version, "promote")

    def rollback(self, name: str) -> int:
        """Go back to what was in use before the last promotion, and with each further call to what was before that.

        Versions that are gone are passed over. Where nothing is known of earlier promotions, the next lower promoted
        version takes over.

        Returns:
            The version that is now in use.

        Raises:
            RegistryError: If there is nothing to go back to, or it is not fit for use; nothing is changed then.
        """
        directory = self._directory(name)
        with self._locked(directory):
            promoted, standby = _promoted(directory), _standby(directory)
            if not promoted:
                msg = f"no version of {name} is in use: promote one"
                raise RegistryError(msg)
            in_use = max(promoted)
            lower = sorted((version for version in promoted if version < in_use), reverse=True)
            earlier = [*_earlier_in_use(_read_promotions(directory), in_use), *lower]
            target = next((one for one in earlier if one != in_use and (one in promoted or one in standby)), None)
            if target is None:
                msg = f"version {in_use} of {name} is the first that was in use: promote another one instead"
                raise RegistryError(msg)
            self._put_in_use(name, directory, target, "rollback")
            return target

    def delete(self, name: str, version: int) -> None:
        """Delete a version on standby.

        Raises:
            RegistryError: If it is not there, or promoted.
        """
        directory = self._directory(name)
        with self._locked(directory):
            if version in _standby(directory):
                _remove(directory, version)
                return
            if version in _promoted(directory):
                msg = f"version {version} of {name} is promoted: promote a lower one, which puts it on standby, first"
                raise RegistryError(msg)
            raise _missing(name, directory, version)

    def _directory(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            msg = f"{name!r} names no model: a name has lower-case letters, digits and hyphens"
            raise RegistryError(msg)
        return self._models_directory / name

    @staticmethod
    @contextlib.contextmanager
    def _locked(directory: Path, operation: int = fcntl.LOCK_EX) -> Iterator[None]:
        """Have a model to oneself, or share it with other readers."""
        with _disk_errors(f"use {directory}"):
            if not directory.is_dir():
                yield
                return
            with _flock(directory, operation):
                yield

    @staticmethod
    def _put_in_use(name: str, directory: Path, version: int, action: Literal["promote", "rollback"]) -> None:
        promoted, standby = _promoted(directory), _standby(directory)
        before = max(promoted, default=None)
        if version == before:
            return
        if version not in promoted and version not in standby:
            raise _missing(name, directory, version)
        higher = [one for one in promoted if one > version]
        for twice in {version, *higher}.intersection(promoted).intersection(standby):
            msg = (
                f"{name} has two versions {twice}, {directory / str(twice)} and {directory / _STANDBY / str(twice)}: "
                "move one of them away"
            )
            raise RegistryError(msg)
        here, there = directory / str(version), directory / _STANDBY / str(version)
        _check_fit(name, version, here if version in promoted else there)
        _write_promotion(directory, _Promotion(at=datetime.now(UTC), action=action, version=version, before=before))
        if version in standby:
            there.rename(here)
        (directory / _STANDBY).mkdir(exist_ok=True)
        # The one in use last: until then nobody sees a change, and then its successor stands there already.
        for one in higher:
            (directory / str(one)).rename(directory / _STANDBY / str(one))
        _fsync(directory / _STANDBY)
        _fsync(directory)


def _promoted(directory: Path) -> list[int]:
    """The numbers of the version directories, the lowest first."""
    if not directory.is_dir():
        return []
    return sorted(int(path.name) for path in directory.iterdir() if path.name.isdecimal() and path.is_dir())


def _standby(directory: Path) -> list[int]:
    return _promoted(directory / _STANDBY)


def _registered(name: str, path: Path, state: VersionState) -> RegisteredVersion:
    version = int(path.name)
    try:
        manifest = _load_own_manifest(name, version, path)
    except ManifestError as error:
        return RegisteredVersion(name, version, state, path, None, str(error))
    return RegisteredVersion(name, version, state, path, manifest, None)


def _load_own_manifest(name: str, version: int, path: Path) -> ModelManifest:
    """Read the manifest of a version and see that it is its own.

    Raises:
        ManifestError: If it cannot be read or speaks of another version.
    """
    manifest = load_manifest(path)
    if (manifest.name, manifest.version) != (name, version):
        msg = f"{path} speaks of {manifest.name} version {manifest.version}: the model was copied to a wrong place"
        raise ManifestError(msg)
    return manifest


def _check_fit(name: str, version: int, path: Path) -> None:
    """Refuse a version that those who follow the model could not use.

    Raises:
        RegistryError: With the reason.
    """
    try:
        from repsense.classifiers import probe  # noqa: PLC0415 - with the next one
        from repsense.classifiers.onnx import OnnxClassifier  # noqa: PLC0415 - an optional dependency
    except ModuleNotFoundError as error:
        msg = f"a version is tried before it is put in use, which needs {error.name}: pip install 'repsense[onnx]'"
        raise RegistryError(msg) from error
    try:
        _load_own_manifest(name, version, path)
        with contextlib.closing(OnnxClassifier.open_version(path)) as classifier:
            probe(classifier)
    except (ManifestError, ClassifierError) as error:
        msg = f"version {version} of {name} is not put in use: {error}"
        raise RegistryError(msg) from error


def _refuse_taken(name: str, directory: Path, version: int, *, replace: bool) -> None:
    if version in _promoted(directory):
        msg = f"version {version} of {name} is promoted and cannot be replaced: give another number"
        raise VersionTakenError(msg)
    if version in _standby(directory) and not replace:
        msg = f"there is a version {version} of {name} already: give another number, or replace it"
        raise VersionTakenError(msg)


def _missing(name: str, directory: Path, version: int) -> RegistryError:
    there = ", ".join(map(str, sorted([*_promoted(directory), *_standby(directory)]))) or "none"
    return RegistryError(f"there is no version {version} of {name}; there is {there}")


def _hidden(directory: Path, version: int) -> Path:
    return directory / f".{version}.{uuid.uuid4().hex}{_PARTIAL}"


def _remove(directory: Path, version: int) -> None:
    """Delete a version on standby; what a crash in between leaves is hidden and swept later."""
    hidden = _hidden(directory, version)
    (directory / _STANDBY / str(version)).rename(hidden)
    shutil.rmtree(hidden)


def _sweep(directory: Path) -> None:
    """Delete what writers have left behind that do not live any more."""
    for leftover in directory.glob(f".*{_PARTIAL}"):
        # Its writer lives, or has just given up by itself.
        with contextlib.suppress(BlockingIOError, FileNotFoundError), _flock(leftover, fcntl.LOCK_EX | fcntl.LOCK_NB):
            shutil.rmtree(leftover)


def _write_promotion(directory: Path, promotion: _Promotion) -> None:
    path = directory / _PROMOTIONS
    with path.open("a+b") as file:
        # A power cut may have left half a line.
        torn = file.tell() and not path.read_bytes().endswith(b"\n")
        file.write((b"\n" if torn else b"") + promotion.model_dump_json().encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def _read_promotions(directory: Path) -> list[_Promotion]:
    """What was written down, oldest first, without what cannot be read."""
    path = directory / _PROMOTIONS
    promotions = []
    for line in path.read_bytes().splitlines() if path.exists() else ():
        with contextlib.suppress(ValidationError):
            promotions.append(_Promotion.model_validate_json(line))
    return promotions


def _earlier_in_use(promotions: Sequence[_Promotion], in_use: int) -> list[int]:
    """What was in use before each promotion that was not rolled back, the newest first."""
    followed_by = [*(promotion.before for promotion in promotions[1:]), in_use]
    earlier: list[int] = []
    for promotion, found in zip(promotions, followed_by, strict=False):
        # Whoever wrote it down may have died before it came about, or the directories were moved by hand.
        if promotion.version != found:
            continue
        if promotion.action == "promote":
            earlier += [] if promotion.before is None else [promotion.before]
        else:
            while earlier and earlier.pop() != promotion.version:
                pass
    return earlier[::-1]


@contextlib.contextmanager
def _flock(path: Path, operation: int = fcntl.LOCK_EX) -> Iterator[None]:
    """Hold a lock on a file or directory.

    Raises:
        BlockingIOError: If another holds it and the operation says not to wait.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, operation)
        yield
    finally:
        os.close(descriptor)


def _flush(directory: Path) -> None:
    """Bring a new directory's files to the disk, so that no power cut leaves a version with empty files."""
    for folder, _, files in os.walk(directory):
        for file in files:
            _fsync(Path(folder) / file)
        _fsync(Path(folder))


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _disk_errors(task: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        advice = "; make room, then try again" if error.errno in {errno.ENOSPC, errno.EDQUOT} else ""
        msg = f"cannot {task}: {error.strerror or error}{advice}"
        raise RegistryError(msg) from error
