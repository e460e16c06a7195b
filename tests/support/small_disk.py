"""A disk that can be filled, where the system lets a test have one."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["SmallDisk", "small_disk"]

_PAGE_BYTES = 4096


@dataclass(frozen=True)
class SmallDisk:
    """A file system in memory with room for a few megabytes."""

    path: Path

    def fill(self) -> None:
        """Leave no room."""
        with (self.path / "filling").open("wb", buffering=0) as filling, contextlib.suppress(OSError):
            while filling.write(bytes(_PAGE_BYTES)):
                pass

    def make_room(self) -> None:
        """Delete what it was filled with."""
        (self.path / "filling").unlink()


@contextlib.contextmanager
def small_disk(path: Path, n_mebibytes: int) -> Iterator[SmallDisk | None]:
    """Mount one until the block ends; None, and an ordinary folder, where that is not permitted."""
    path.mkdir(parents=True)
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        yield None
        return
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={n_mebibytes}m", "tmpfs", path], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        yield None
        return
    try:
        yield SmallDisk(path)
    finally:
        subprocess.run(["umount", "--lazy", path], check=True)
