"""Making a backup of a database and the models, while services may go on writing.

What is written later by those who write is read earlier here: results before the sets that count them, sets before the
samples that they follow from, recordings before their samples. So the archive holds a state as a crash could have left
it, and from such a state every service goes on by itself.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import takewhile
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo.collection import Collection

from repsense.database import Documents
from repsense.documents import (
    CLASSIFICATIONS,
    ERASURES,
    LABELS,
    MODELS,
    PERSONS,
    RECORDING_SAMPLES,
    RECORDINGS,
    SAMPLES,
    SENSORS,
    SET_EDITS,
    SETS,
    TRAINING_JOBS,
    WORKOUT_EDITS,
    WORKOUTS,
)
from repsense.registry import ModelRegistry
from repsense.schema import schema_version
from repsense_admin.archive import ArchiveWriter, Manifest, split_documents

__all__ = ["ORDER", "write_backup"]

ORDER = (
    SENSORS,
    CLASSIFICATIONS,
    MODELS,
    WORKOUT_EDITS,
    SET_EDITS,
    ERASURES,
    WORKOUTS,
    SETS,
    SAMPLES,
    TRAINING_JOBS,
    RECORDINGS,
    RECORDING_SAMPLES,
    PERSONS,
    LABELS,
)
"""In which collections are read."""
_PART_BYTES = 4_000_000
_PORTION = 2_000
"""Documents per query: a few 100 ms of the embedded database, which does one thing at a time."""
_PAGED = dict.fromkeys((SAMPLES, CLASSIFICATIONS, SETS, WORKOUTS), "sensor_key")
"""The indexed field by which a large collection is read in portions; for a cursor over all of it, the embedded database
reads all of it before it answers."""
_RAW: CodecOptions[RawBSONDocument] = CodecOptions(document_class=RawBSONDocument)


def write_backup(database: Documents, models: Path, stream: IO[bytes]) -> Manifest:
    """Write a backup to a stream.

    Raises:
        SchemaError: If the database is being changed to another schema or restored, or is not for this code.
        RegistryError: If the models cannot be read.
        pymongo.errors.PyMongoError: If the database does not answer.
    """
    writer = ArchiveWriter(stream, datetime.now(UTC), schema_version(database))
    for collection in ORDER:
        for part in _parts(database, collection):
            writer.add_documents(collection, part)
    registry = ModelRegistry(models)
    for name in registry.names():
        with registry.unchanged(name) as directory:
            for path in _files(directory):
                writer.add_file(PurePosixPath(path.relative_to(models).as_posix()), path.read_bytes())
    return writer.finish()


def _parts(database: Documents, collection: str) -> Iterator[bytes]:
    """The documents of a collection in pieces; the last one may be empty."""
    part: list[bytes] = []
    n_bytes = 0
    for document in _documents(database, collection):
        part.append(document)
        n_bytes += len(document)
        if n_bytes >= _PART_BYTES:
            yield b"".join(part)
            part, n_bytes = [], 0
    yield b"".join(part)


def _documents(database: Documents, collection: str) -> Iterator[bytes]:
    raw = cast("Collection[RawBSONDocument]", database.get_collection(collection, codec_options=_RAW))
    if collection not in _PAGED:
        yield from _one_by_one(raw)
        return
    field = _PAGED[collection]
    reached: Any = ""
    seen: set[Any] = set()
    """The documents at the place that was reached, which the next portion begins with."""
    limit = _PORTION
    while True:
        portion = _portion(raw, field, reached, limit)
        keys = _first_keys(portion, field, reached)
        yield from (document for document, key in zip(portion, keys, strict=False) if key not in seen)
        yield from portion[len(keys) :]
        if len(portion) < limit:
            return
        last = RawBSONDocument(portion[-1])[field]
        # So many stand at one place: only a larger portion gets past it.
        limit = _PORTION if last != reached else 2 * limit
        seen = {*_first_keys(reversed(portion), field, last)} | (seen if last == reached else set())
        reached = last


def _portion(raw: Collection[RawBSONDocument], field: str, reached: object, limit: int) -> list[bytes]:
    """The first documents from a place on, in the order of the field."""
    batches = raw.find_raw_batches({field: {"$gte": reached}}, batch_size=limit).sort(field, 1).limit(limit)
    # Each is the bytes of several documents, whatever pymongo's types say.
    return list(split_documents(b"".join(cast("Iterable[bytes]", batches))))


def _first_keys(documents: Iterable[bytes], field: str, place: object) -> list[Any]:
    """The keys of the documents up to the first that is at another place; the others are not looked into.

    To look into each would take the backup longer than all else that it does itself.
    """
    at_place = takewhile(lambda document: document[field] == place, map(RawBSONDocument, documents))
    return [document["_id"] for document in at_place]


def _one_by_one(raw: Collection[RawBSONDocument]) -> Iterator[bytes]:
    """Documents of which each may have megabytes, and which may go meanwhile."""
    keys = [document["_id"] for document in raw.find({}, {"_id": True})]
    for key in keys:
        document = raw.find_one({"_id": key})
        if document is not None:
            yield bytes(document.raw)


def _files(directory: Path) -> Sequence[Path]:
    """The files of a model, but for what is hidden: it is being written or deleted."""
    return sorted(
        path
        for path in directory.rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(directory).parts)
    )
