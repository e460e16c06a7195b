"""The folder of the native stack's database, which one program uses at a time."""

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path


class FolderInUseError(Exception):
    """Another program uses the folder."""


@contextlib.contextmanager
def only_user(folder: Path) -> Iterator[None]:
    """Have the folder to oneself; its pid file is one of nobody who runs then.

    The database takes any process that has the number in the file by now for itself, as after a power cut, and would
    not start.

    Raises:
        FolderInUseError: If somebody else has it.
        OSError: If the folder cannot be written to.
    """
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            msg = f"{folder} is in use by another stack, backup or restore"
            raise FolderInUseError(msg) from error
        (folder / "nx-27017.pid").unlink(missing_ok=True)
        yield
