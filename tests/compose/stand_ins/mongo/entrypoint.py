"""Starts SecantusDB as the official image starts MongoDB: with a first user from the environment."""

import os
import subprocess
from pathlib import Path

import pymongo

_STORAGE = Path("/data/db")
_MADE = _STORAGE / "first-user"
"""There once the first user has been made; a half-made database is begun anew."""
_SERVER = (
    *("secantusd-py", "--storage-path", str(_STORAGE / "secantus"), "--standalone", "--cache-size", "256M"),
    # MongoDB waits for its journal where a client asks for the majority, as ours do; this server does always or never.
    "--sync-on-commit",
)


def main() -> None:
    """Make the first user if there is none, then become the server."""
    if not _MADE.exists():
        _make_first_user()
        _MADE.touch()
    os.execvp(_SERVER[0], [*_SERVER, "--host", "0.0.0.0", "--port", "27017", "--auth"])  # noqa: S104, S606 - a container


def _make_first_user() -> None:
    name = os.environ["MONGO_INITDB_ROOT_USERNAME"]
    password = Path(os.environ["MONGO_INITDB_ROOT_PASSWORD_FILE"]).read_text(encoding="utf-8").strip()
    # As in the real image, it listens on loopback only for as long as everybody may do everything.
    with subprocess.Popen([*_SERVER, "--host", "127.0.0.1", "--port", "27017"]) as server:
        try:
            with pymongo.MongoClient[dict[str, object]]("127.0.0.1", serverSelectionTimeoutMS=30_000) as client:
                if not client.admin.command("usersInfo", name)["users"]:
                    client.admin.command("createUser", name, pwd=password, roles=[{"role": "root", "db": "admin"}])
        finally:
            server.terminate()


if __name__ == "__main__":
    main()
