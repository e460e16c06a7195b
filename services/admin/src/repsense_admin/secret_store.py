"""A folder of secrets: each in a file of its own, which only its reader can read."""

import contextlib
import fcntl
import os
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from repsense.errors import RepSenseError

__all__ = ["ROOT", "Owner", "SecretStore"]

_FOLDER_MODE = 0o755
_PRIVATE_FOLDER_MODE = 0o700
"""The files protect themselves; a folder that no service mounts need not even show what is in it."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Who may read a file.

    Attributes:
        uid: The user.
        gid: The group.
        group_reads: Whether the group may read it too.
    """

    uid: int
    gid: int
    group_reads: bool = False

    @property
    def mode(self) -> int:
        """The bits of a file that belongs to this owner; nobody writes to it, a new one takes its place."""
        return 0o440 if self.group_reads else 0o400


ROOT = Owner(0, 0)


class SecretStore:
    """Reads and writes secrets by their names, such as `inference/api_key`.

    Root gives each file to its owner. An ordinary user keeps them all, readable by nobody else.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._gives_away = os.geteuid() == 0
        self._written: list[str] = []

    @property
    def written(self) -> list[str]:
        """The names of what was written since the store was opened, in order."""
        return list(self._written)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from writing until the block ends.

        Raises:
            RepSenseError: If the folder cannot be made or a file cannot be read or written.
        """
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._directory, os.O_RDONLY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                yield
            finally:
                os.close(descriptor)
        except OSError as error:
            msg = f"cannot keep secrets in {self._directory}: {error.strerror or error} ({error.filename})"
            raise RepSenseError(msg) from error

    def read(self, name: str) -> str | None:
        """The content of a file, None if there is none."""
        try:
            return (self._directory / name).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None

    def names(self, folder: str) -> list[str]:
        """The names of the files in a folder, sorted."""
        return sorted(
            f"{folder}/{path.name}" for path in (self._directory / folder).glob("*") if not path.name.startswith(".")
        )

    def write(self, name: str, content: str, owner: Owner) -> None:
        """Make a file have this content and this owner; at every moment there is the old one or the new one."""
        path = self._directory / name
        if self.read(name) == content and self._belongs(path, owner):
            return
        path.parent.mkdir(exist_ok=True)
        path.parent.chmod(_PRIVATE_FOLDER_MODE if owner == ROOT else _FOLDER_MODE)
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123 - a descriptor has no path
                file.write(content)
                file.flush()
                os.fchmod(descriptor, owner.mode)
                if self._gives_away:
                    os.fchown(descriptor, owner.uid, owner.gid)
                os.fsync(descriptor)
            Path(temporary).replace(path)
        finally:
            Path(temporary).unlink(missing_ok=True)
        self._sync(path.parent)
        self._written.append(name)

    def remove(self, name: str) -> None:
        """Take a file away; it is fine if there is none."""
        path = self._directory / name
        if path.exists():
            path.unlink()
            self._sync(path.parent)

    def give(self, folder: Path, owner: Owner) -> None:
        """Hand an empty folder, such as a fresh volume, to an owner; one that holds something stays as it is."""
        if self._gives_away and not any(folder.iterdir()):
            os.chown(folder, owner.uid, owner.gid)

    def _belongs(self, path: Path, owner: Owner) -> bool:
        status = path.stat()
        has_owner = not self._gives_away or (status.st_uid, status.st_gid) == (owner.uid, owner.gid)
        return has_owner and stat.S_IMODE(status.st_mode) == owner.mode

    @staticmethod
    def _sync(folder: Path) -> None:
        """Have a rename outlive a power cut."""
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
