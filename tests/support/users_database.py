"""A database with users, roles and a primary that steps down: SecantusDB, where it is installed.

It speaks MongoDB's wire protocol over MongoDB's storage engine and is not MongoDB. It grants a role's actions for the
whole database, not by collection.
"""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pymongo import MongoClient

from support.servers import BIN, Server, free_port

__all__ = ["ABSENCE", "ROOT_PASSWORD", "SECANTUS", "users_database", "without_users"]

SECANTUS = shutil.which("secantusd-py", path=str(BIN)) or shutil.which("secantusd-py")
ABSENCE = "SecantusDB, a database with users, is not installed"
ROOT_PASSWORD = "root's secret"  # noqa: S105 - of a server that lives as long as a test


@contextlib.contextmanager
def without_users(folder: Path, *options: str, port: int | None = None) -> Iterator[Server]:
    """The server on a folder, open to everybody."""
    if SECANTUS is None:
        raise RuntimeError(ABSENCE)
    port = port or free_port()
    folder.mkdir(parents=True, exist_ok=True)
    command = [SECANTUS, "--port", str(port), "--storage-path", str(folder / "data"), *options]
    server = Server(command, {}, folder / "database.log", port)
    try:
        server.start()
        yield server
    finally:
        server.kill()


@contextlib.contextmanager
def users_database(folder: Path) -> Iterator[Server]:
    """The server with the user `root`, and no entry for anybody else."""
    with without_users(folder) as server:
        client: MongoClient[dict[str, Any]] = MongoClient("127.0.0.1", server.port)
        client["admin"].command("createUser", "root", pwd=ROOT_PASSWORD, roles=["root"])
        client.close()
        server.stop()
    with without_users(folder, "--auth", port=server.port) as server:
        yield server
