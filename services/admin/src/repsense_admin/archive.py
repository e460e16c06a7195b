"""The form of a backup: one compressed tar, written in one go and checked before anything is restored.

    database/<collection>/<number>.bson   documents one after the other, as MongoDB's own tools write them
    models/<model>/...                    the files of the models directory
    manifest.json                         how many of each, and their SHA-256; the last entry

The manifest is last because only then is it known what it says; so an archive without one is incomplete.
"""

import contextlib
import gzip
import hashlib
import io
import json
import re
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import IO, Any, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from repsense.errors import RepSenseError

__all__ = [
    "ArchiveError",
    "ArchiveWriter",
    "Contents",
    "Documents",
    "File",
    "Manifest",
    "read_archive",
    "split_documents",
    "verify",
]

_FORMAT: Final = 1
_COMPRESSION = 3
"""Samples hardly get smaller by more, and it would take three times as long."""
_MANIFEST = "manifest.json"
_ENTRY = re.compile(r"(?P<kind>database|models)/(?P<rest>[^\0]+)")
_PART = re.compile(r"(?P<collection>[a-z_]{1,60})/\d{6}\.bson")
_MAX_PART_BYTES = 64 * 1024 * 1024
_DAMAGES = (EOFError, OSError, tarfile.TarError, zlib.error)
"""What reading a damaged archive raises."""


class ArchiveError(RepSenseError):
    """What was given is no backup, or not a whole one."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Documents(_Model):
    """The documents of a collection."""

    n_documents: int
    sha256: str
    """Of all of them, one after the other."""


class File(_Model):
    """A file of the models directory."""

    n_bytes: int
    sha256: str


class Contents(_Model):
    """What an archive holds."""

    collections: dict[str, Documents]
    files: dict[str, File]
    """By the path below the models directory."""


class Manifest(_Model):
    """What an archive says of itself."""

    format: Literal[1] = _FORMAT
    created_at: AwareDatetime
    schema_version: int
    contents: Contents


class _Tally:
    """Counts and digests what goes into an archive or comes out of it."""

    def __init__(self) -> None:
        self._documents: dict[str, tuple[int, Any]] = {}
        self._files: dict[str, File] = {}

    def add_documents(self, collection: str, data: bytes) -> None:
        n_before, digest = self._documents.get(collection, (0, hashlib.sha256()))
        digest.update(data)
        self._documents[collection] = n_before + sum(1 for _ in split_documents(data)), digest

    def add_file(self, path: str, data: bytes) -> None:
        self._files[path] = File(n_bytes=len(data), sha256=hashlib.sha256(data).hexdigest())

    def contents(self) -> Contents:
        return Contents(
            collections={
                name: Documents(n_documents=n_documents, sha256=digest.hexdigest())
                for name, (n_documents, digest) in sorted(self._documents.items())
            },
            files=dict(sorted(self._files.items())),
        )


class ArchiveWriter:
    """Writes an archive to a stream, which need not be able to go back."""

    def __init__(self, stream: IO[bytes], created_at: AwareDatetime, schema_version: int) -> None:
        self._compressed = gzip.GzipFile(fileobj=stream, mode="wb", compresslevel=_COMPRESSION, mtime=0)
        self._tar = tarfile.open(fileobj=self._compressed, mode="w|")  # noqa: SIM115 - closed by `finish`
        self._created_at = created_at
        self._schema_version = schema_version
        self._tally = _Tally()
        self._n_parts: dict[str, int] = {}

    def add_documents(self, collection: str, data: bytes) -> None:
        """Add some documents of a collection, in BSON one after the other; no documents say that there are none."""
        self._tally.add_documents(collection, data)
        if data:
            number = self._n_parts[collection] = self._n_parts.get(collection, 0) + 1
            self._add(f"database/{collection}/{number:06d}.bson", data)

    def add_file(self, path: PurePosixPath, data: bytes) -> None:
        """Add a file of the models directory."""
        self._tally.add_file(str(path), data)
        self._add(f"models/{path}", data)

    def finish(self) -> Manifest:
        """Write the manifest and all that is left."""
        manifest = Manifest(
            created_at=self._created_at, schema_version=self._schema_version, contents=self._tally.contents()
        )
        self._add(_MANIFEST, manifest.model_dump_json(indent=1).encode())
        self._tar.close()
        self._compressed.close()
        return manifest

    def _add(self, name: str, data: bytes) -> None:
        entry = tarfile.TarInfo(name)
        entry.size = len(data)
        entry.mtime = int(self._created_at.timestamp())
        entry.mode = 0o600
        self._tar.addfile(entry, io.BytesIO(data))


def read_archive(stream: IO[bytes]) -> Iterator[tuple[Literal["database", "models"], str, bytes]]:
    """Read an archive that `verify` has found to be whole.

    Yields:
        What an entry is of, the collection or the path below the models directory, and what is in it.

    Raises:
        ArchiveError: If the stream is no archive, or not a whole one.
    """
    for kind, name, data in _entries(stream):
        if kind != _MANIFEST:
            yield kind, name, data


def verify(stream: IO[bytes]) -> Manifest:
    """Read a whole archive and compare what is in it with what it says of itself.

    Raises:
        ArchiveError: If it is no archive, or damaged, or incomplete.
    """
    tally, told = _Tally(), b""
    for kind, name, data in _entries(stream):
        if kind == "database":
            tally.add_documents(name, data)
        elif kind == "models":
            tally.add_file(name, data)
        else:
            told = data
    if not told:
        msg = "the archive is not complete: its end is missing"
        raise ArchiveError(msg)
    manifest = _manifest(told)
    found = tally.contents()
    none = Documents(n_documents=0, sha256=hashlib.sha256().hexdigest())
    said = {name: documents for name, documents in manifest.contents.collections.items() if documents != none}
    if found.collections != said or found.files != manifest.contents.files:
        msg = "the archive is damaged: what is in it is not what it says"
        raise ArchiveError(msg)
    return manifest


def split_documents(data: bytes) -> Iterator[bytes]:
    """Take documents apart that are in BSON one after the other; each begins with its length.

    Raises:
        ArchiveError: If it does not end with the end of a document.
    """
    at = 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "little")
        if length < len(b"\x05\x00\x00\x00\x00") or at + length > len(data):
            msg = "the archive is damaged: documents are cut off"
            raise ArchiveError(msg)
        yield data[at : at + length]
        at += length


def _entries(stream: IO[bytes]) -> Iterator[tuple[Any, str, bytes]]:
    with _damages_in_words(), gzip.GzipFile(fileobj=stream) as plain, tarfile.open(fileobj=plain, mode="r|") as tar:
        for entry in tar:
            kind, name = _place(entry)
            content = tar.extractfile(entry)
            data = b"" if content is None else content.read()
            if len(data) != entry.size:
                msg = "unexpected end of data"
                raise tarfile.ReadError(msg)
            yield kind, name, data
        # The check sum of the compression stands after the end of the tar.
        while plain.read(1 << 20):
            pass


def _place(entry: tarfile.TarInfo) -> tuple[str, str]:
    """What an entry is of; refuses whatever `ArchiveWriter` does not write."""
    if entry.isfile() and entry.name == _MANIFEST:
        return _MANIFEST, ""
    match = _ENTRY.fullmatch(entry.name)
    if match and entry.isfile():
        rest = PurePosixPath(match["rest"])
        part = _PART.fullmatch(match["rest"])
        if match["kind"] == "models" and not rest.is_absolute() and not any(p.startswith(".") for p in rest.parts):
            return "models", str(rest)
        if match["kind"] == "database" and part and entry.size <= _MAX_PART_BYTES:
            return "database", part["collection"]
    msg = f"the archive holds what no backup does: {entry.name!r}"
    raise ArchiveError(msg)


def _manifest(told: bytes) -> Manifest:
    try:
        form = json.loads(told).get("format")
        if form != _FORMAT:
            msg = f"the archive has form {form}, which a newer RepSense wrote: restore it with that version"
            raise ArchiveError(msg)
        return Manifest.model_validate_json(told)
    except (AttributeError, ValueError, ValidationError) as error:
        msg = "the archive is damaged: what it says of itself cannot be read"
        raise ArchiveError(msg) from error


@contextlib.contextmanager
def _damages_in_words() -> Iterator[None]:
    try:
        yield
    except _DAMAGES as error:
        msg = f"the archive is damaged or incomplete: {error}"
        raise ArchiveError(msg) from error
