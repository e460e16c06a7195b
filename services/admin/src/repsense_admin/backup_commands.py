"""`repsense-admin backup` and `repsense-admin restore`."""

import contextlib
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import IO, Annotated

import pymongo
import typer
from pymongo.errors import PyMongoError

from repsense.database import Documents, connect_database
from repsense.errors import RepSenseError
from repsense.logs import configure_logging
from repsense.patience import first_line
from repsense.schema import read_schema
from repsense_admin.archive import Manifest, verify
from repsense_admin.backup import write_backup
from repsense_admin.refusal import loaded_settings, refusing
from repsense_admin.restore import restore_backup
from repsense_admin.settings import Settings

__all__ = ["backup", "restore"]

_STANDARD = Path("-")
_PATIENCE_S = 600.0
"""The embedded database takes its time when others are at it."""
_ANSWER_S = 15.0
"""Whether there is a database at all is known sooner."""


def backup(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="The archive to write; - is standard output.")
    ] = None,
) -> None:
    """Write everything into one archive: the database's documents and the models. Services may go on meanwhile.

    Settings come from the environment or from files in SECRETS_DIR: MONGODB_URL, MODELS_DIR, LOG_FORMAT.
    """
    settings = _begin()
    target = file or Path(f"repsense-{datetime.now().astimezone():%Y-%m-%d-%H%M%S}.tar.gz")
    with refusing(), _database(settings) as database:
        if target == _STANDARD:
            manifest = write_backup(database, settings.models_dir, sys.stdout.buffer)
            sys.stdout.buffer.flush()
        else:
            with _written(target) as stream:
                manifest = write_backup(database, settings.models_dir, stream)
        _tell(f"wrote {'the archive' if target == _STANDARD else target}", manifest)


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An archive that `backup` wrote; - is standard input.")],
    *,
    replace: Annotated[bool, typer.Option("--replace", help="Delete what is there now.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Only look whether the archive is whole.")] = False,
) -> None:
    """Restore an archive into an empty database and an empty models directory; stop the services before.

    The archive is checked as a whole before anything is written. Settings are those of `backup`.
    """
    settings = _begin()
    with refusing(), _opened(file, settings.models_dir) as archive:
        if check:
            _tell("the archive is whole", verify(archive))
            return
        with _database(settings) as database:
            _tell("restored", restore_backup(archive, database, settings.models_dir, replace=replace))


def _begin() -> Settings:
    settings = loaded_settings()
    # Not to standard output, which may be the archive.
    configure_logging(logging.INFO, settings.log_format, stream=sys.stderr)
    return settings


@contextlib.contextmanager
def _database(settings: Settings) -> Iterator[Documents]:
    database = connect_database(settings.mongodb_url.get_secret_value(), _PATIENCE_S)
    try:
        with database.client:
            with pymongo.timeout(_ANSWER_S):
                read_schema(database)
            yield database
    except PyMongoError as error:
        msg = f"the database does not answer or refuses: {first_line(error)}. Put that right and repeat the command"
        raise RepSenseError(msg) from error


@contextlib.contextmanager
def _written(target: Path) -> Iterator[IO[bytes]]:
    """A new file that appears under its name when it is complete; only its owner may read it."""
    unfinished = target.with_name(f"{target.name}.part")
    try:
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        unfinished.rename(target)
    except OSError as error:
        msg = f"cannot write {target}: {error.strerror or error}"
        raise RepSenseError(msg) from error
    finally:
        unfinished.unlink(missing_ok=True)


@contextlib.contextmanager
def _opened(file: Path, models: Path) -> Iterator[IO[bytes]]:
    """The archive, in a form that can be read twice."""
    try:
        if file != _STANDARD:
            with file.open("rb") as archive:
                yield archive
            return
        # Beside the models, where there is room for it; nobody else sees it.
        models.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=models) as copy:
            shutil.copyfileobj(sys.stdin.buffer, copy)
            copy.seek(0)
            yield copy
    except OSError as error:
        msg = f"cannot read {'the archive' if file == _STANDARD else file}: {error.strerror or error}"
        raise RepSenseError(msg) from error


def _tell(what: str, manifest: Manifest) -> None:
    contents = manifest.contents
    n_documents = sum(one.n_documents for one in contents.collections.values())
    typer.echo(
        f"{what}: {n_documents} documents and {len(contents.files)} files of models, schema "
        f"{manifest.schema_version}, from {manifest.created_at.astimezone():%Y-%m-%d %H:%M:%S}",
        err=True,
    )
