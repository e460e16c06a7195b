"""Restoring a backup: checked as a whole before anything is written, and into an empty place unless told otherwise."""

import contextlib
import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument

from repsense.database import Documents
from repsense.documents import INDEXES, PARTITIONS, PREPROCESSORS, REPLICAS, WRITE_PROBES
from repsense.errors import RepSenseError
from repsense.schema import RESTORING, SCHEMA_VERSION, ensure_schema, holds_data, read_schema, write_schema
from repsense_admin.archive import Manifest, read_archive, split_documents, verify

__all__ = ["RestoreError", "restore_backup"]

_DROPPED = (*INDEXES, PARTITIONS, PREPROCESSORS, REPLICAS, WRITE_PROBES)
_BATCH = 1_000
_RAW: CodecOptions[RawBSONDocument] = CodecOptions(document_class=RawBSONDocument)
_ARRIVING = ".restoring"
_LEAVING = ".replaced"
"""Hidden from TensorFlow Serving and the registry."""


class RestoreError(RepSenseError):
    """A backup cannot be restored here; nothing was changed."""


def restore_backup(archive: IO[bytes], database: Documents, models: Path, *, replace: bool = False) -> Manifest:
    """Restore a backup and bring it to this version's schema.

    While it is under way, and if it is interrupted, the database says so and services keep away from it; the same
    call then begins again.

    Args:
        archive: The backup; it is read twice.
        database: Where to, by a user who may do everything with it.
        models: The models directory.
        replace: Whether what is there is deleted; otherwise there must be nothing that the archive does not hold.

    Returns:
        What was restored.

    Raises:
        ArchiveError: If the archive is damaged or incomplete.
        RestoreError: If it cannot be restored here. Nothing is changed then.
        RepSenseError: If somebody else changes the database meanwhile, or the models cannot be written. The call can be
            repeated.
        pymongo.errors.PyMongoError: If the database does not answer. The call can be repeated.
    """
    start = archive.tell()
    manifest = verify(archive)
    if manifest.schema_version > SCHEMA_VERSION:
        msg = (
            f"the archive has schema {manifest.schema_version}, which a newer RepSense wrote, and this one knows "
            f"{SCHEMA_VERSION}: restore it with that version"
        )
        raise RestoreError(msg)
    if not replace:
        _refuse_losses(database, models, manifest)
    archive.seek(start)
    write_schema(database, RESTORING)
    for collection in _DROPPED:
        database[collection].drop()
    arriving = models / _ARRIVING
    with _disk_errors(models):
        shutil.rmtree(arriving, ignore_errors=True)
        arriving.mkdir(parents=True)
    for kind, name, data in read_archive(archive):
        if kind == "database":
            _insert(database, name, data)
        else:
            with _disk_errors(models):
                (arriving / name).parent.mkdir(parents=True, exist_ok=True)
                (arriving / name).write_bytes(data)
    _check_counts(database, manifest)
    with _disk_errors(models):
        _exchange(models, arriving)
    write_schema(database, manifest.schema_version)
    ensure_schema(database)
    return manifest


def _refuse_losses(database: Documents, models: Path, manifest: Manifest) -> None:
    found = read_schema(database)
    is_unfinished = found is not None and found["version"] == RESTORING
    if not is_unfinished and holds_data(database):
        msg = (
            "the database holds data already: restore into an empty one, or say --replace, which deletes what is there"
        )
        raise RestoreError(msg)
    kept = {file.sha256 for file in manifest.contents.files.values()}
    for path in _visible_files(models):
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() not in kept:
                msg = (
                    f"{path} is not in the archive: move it away, or say --replace, which deletes all models that are "
                    f"in {models}"
                )
                raise RestoreError(msg)


def _insert(database: Documents, collection: str, data: bytes) -> None:
    raw = database.get_collection(collection, codec_options=_RAW)
    documents = [RawBSONDocument(document) for document in split_documents(data)]
    for start in range(0, len(documents), _BATCH):
        raw.insert_many(documents[start : start + _BATCH], ordered=False)


def _check_counts(database: Documents, manifest: Manifest) -> None:
    """Make sure that everything is there and nothing else: another restore would have deleted what this one wrote."""
    for collection, documents in manifest.contents.collections.items():
        # Counting them one by one would take the embedded database half as long as restoring them.
        n_found = database[collection].estimated_document_count()
        if n_found != documents.n_documents:
            msg = (
                f"of {collection} the database holds {n_found} documents, the archive {documents.n_documents}: "
                "somebody else writes into it. Stop that and restore again"
            )
            raise RepSenseError(msg)


def _visible_files(models: Path) -> list[Path]:
    return sorted(
        path
        for path in models.rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(models).parts)
    )


def _exchange(models: Path, arriving: Path) -> None:
    """Put models in place of those that are there."""
    leaving = models / _LEAVING
    shutil.rmtree(leaving, ignore_errors=True)
    leaving.mkdir()
    for entry in models.iterdir():
        if not entry.name.startswith("."):
            entry.rename(leaving / entry.name)
    for entry in arriving.iterdir():
        entry.rename(models / entry.name)
    arriving.rmdir()
    shutil.rmtree(leaving)


@contextlib.contextmanager
def _disk_errors(models: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        msg = f"the models cannot be written to {models}: {error.strerror or error}. Put that right and restore again"
        raise RepSenseError(msg) from error
