"""Backs up or restores this machine's RepSense: backup.py backup|restore [FILE] [--replace].

From the environment:
  STACK                      compose or native; by default compose if its database runs, else native
  REPSENSE_DATA MONGODB_PORT MODEL_URL MODELS_DIR   as for `make up`
"""

import argparse
import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from database_folder import FolderInUseError, only_user

_ROOT = Path(__file__).resolve().parent.parent
_BIN = _ROOT / ".venv" / "bin"
_STARTS_WITHIN_S = 60
_WRITERS = ("preprocessor", "inference", "trainer")
"""Of the containers: those that may not be there while a backup is restored."""


class CannotError(Exception):
    """Something that a person has to put right; the text says what."""


def main() -> None:
    """Do what is asked; exit with 2 and one sentence if it cannot be done."""
    parser = argparse.ArgumentParser(prog="backup.py", description="Back up or restore this machine's RepSense.")
    parser.add_argument("action", choices=("backup", "restore"))
    parser.add_argument("file", nargs="?", default=f"repsense-{datetime.now().astimezone():%Y-%m-%d-%H%M%S}.tar.gz")
    parser.add_argument("--replace", action="store_true", help="delete what is there before restoring")
    given = parser.parse_args()
    file = Path(given.file).expanduser().absolute()
    stack = os.environ.get("STACK") or ("compose" if _containers("database") else "native")
    options = ["--replace"] if given.replace else []
    if given.action == "restore" and not file.is_file():
        sys.exit(_refuse("name the archive to restore: make restore FILE=repsense-2026-03-01-120000.tar.gz"))
    try:
        if stack == "native":
            code = _natively(given.action, file, options)
        elif given.action == "backup":
            code = _back_up_containers(file)
        else:
            code = _restore_containers(file, options)
    except (CannotError, FolderInUseError) as error:
        sys.exit(_refuse(str(error)))
    sys.exit(code)


def _natively(action: str, file: Path, options: list[str]) -> int:
    data = Path(os.environ.get("REPSENSE_DATA") or _ROOT / "data").absolute()
    port = int(os.environ.get("MONGODB_PORT") or 27017)
    model_url = os.environ.get("MODEL_URL", "")
    models = os.environ.get("MODELS_DIR") or (
        str(Path(model_url.removeprefix("onnx:")).parent) if model_url.startswith("onnx:") else "models"
    )
    if not (_BIN / "repsense-admin").is_file():
        msg = "nothing is installed in .venv yet: `make up` does that"
        raise CannotError(msg)
    with contextlib.ExitStack() as running:
        if _listens(port):
            if action == "restore":
                msg = f"something answers on port {port}: stop RepSense before you restore into it"
                raise CannotError(msg)
        else:
            if action == "backup" and not (data / "database").is_dir():
                msg = (
                    f"there is nothing to back up: {data / 'database'} is not there (REPSENSE_DATA names another place)"
                )
                raise CannotError(msg)
            port = running.enter_context(_database(data / "database"))
        environment = {
            **os.environ,
            "MONGODB_URL": f"mongodb://127.0.0.1:{port}/repsense",
            "MODELS_DIR": str(_ROOT / models),
        }
        command = [str(_BIN / "repsense-admin"), action, str(file), *options]
        return subprocess.run(command, env=environment, check=False).returncode


@contextlib.contextmanager
def _database(folder: Path) -> Iterator[int]:
    """The embedded database on the data of a stack that does not run, as in the Procfile; yields its port."""
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    command = [str(_BIN / "nx-27017"), "--db", str(folder / "repsense.db"), "--host", "127.0.0.1", "-p", str(port)]
    command += ["--log-file", "/dev/null", "--pid-file", str(folder / "nx-27017.pid")]
    log_path = folder / "nx-27017.log"
    with only_user(folder), log_path.open("ab") as log, subprocess.Popen(command, stdout=log, stderr=log) as server:
        try:
            deadline_s = time.monotonic() + _STARTS_WITHIN_S
            while not _listens(port):
                if server.poll() is not None or time.monotonic() > deadline_s:
                    msg = f"the database did not start; its reason is at the end of {log_path}"
                    raise CannotError(msg)
                time.sleep(0.05)
            yield port
        finally:
            server.terminate()


def _back_up_containers(file: Path) -> int:
    """Through standard output, since the container's user may write to no folder of this machine."""
    unfinished = file.with_name(f"{file.name}.part")
    try:
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as archive:
            code = _admin("backup", "-", stdout=archive.fileno())
            os.fsync(archive.fileno())
        if code == 0:
            unfinished.rename(file)
            print(f"{file} is written")
    except OSError as error:
        msg = f"cannot write {file}: {error.strerror}"
        raise CannotError(msg) from error
    finally:
        unfinished.unlink(missing_ok=True)
    return code


def _restore_containers(file: Path, options: list[str]) -> int:
    writers = [service for service in _WRITERS if _containers(service)]
    try:
        with file.open("rb") as archive:
            _compose("stop", writers)
            return _admin("restore", "-", *options, stdin=archive.fileno())
    except OSError as error:
        msg = f"cannot read {file}: {error.strerror}"
        raise CannotError(msg) from error
    finally:
        # Also after Ctrl-C: a service that cannot work on what is there waits, and says why.
        _compose("start", writers)


def _compose(action: str, services: list[str]) -> None:
    if services and subprocess.run(["docker", "compose", action, *services], cwd=_ROOT, check=False).returncode:
        msg = f"`docker compose {action} {' '.join(services)}` has failed, see above"
        raise CannotError(msg)


def _admin(*arguments: str, stdin: int = subprocess.DEVNULL, stdout: int | None = None) -> int:
    """Run `repsense-admin` in a container of its own, with what it needs beside it."""
    command = ["docker", "compose", "run", "--rm", "-T", "prepare", *arguments]
    return subprocess.run(command, cwd=_ROOT, stdin=stdin, stdout=stdout, check=False).returncode


def _containers(service: str) -> bool:
    """Whether a service of the composition runs."""
    command = ["docker", "compose", "ps", "--status", "running", "--quiet", service]
    try:
        found = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return False
    return found.returncode == 0 and bool(found.stdout.strip())


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def _refuse(reason: str) -> int:
    print(f"RepSense: {reason}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    main()
