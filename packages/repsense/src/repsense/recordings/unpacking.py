"""Files of recordings as somebody sends them: laid out in a folder to be read, whatever they try.

What is sent may be made to take all memory, or to be written over another file. So nothing is ever called as a member
of a zip wishes to be, what is compressed is unpacked up to a limit, and forms that expand while they are read are
looked at before.
"""

import gzip
import io
import lzma
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO, Protocol

from repsense.errors import RecordingError
from repsense.recordings.columns import require_pyarrow

__all__ = ["MAX_MEMBERS", "MAX_UNPACKED_BYTES", "UnpackedFile", "fit_to_show", "pack", "unpack"]

MAX_MEMBERS = 2_000
MAX_UNPACKED_BYTES = 512_000_000
_MAX_JSON_BYTES = 40_000_000
"""An hour of nine channels at 100 Hz; a list in Python takes twenty times as much memory as in JSON."""
_MAX_HEADER_BYTES = 1_000_000
_MAX_NAME_BYTES = 200
"""File systems take 255, and the file that is written first has a longer name."""
_MAX_SHOWN = 80
_PIECE_BYTES = 1_000_000
_ZIP = ".zip"
_GZIP = ".gz"
_DAMAGES = (zipfile.BadZipFile, RuntimeError, ValueError, OSError, EOFError, zlib.error, lzma.LZMAError)
"""What `zipfile` raises for a file that is damaged, encrypted or in a compression that it does not know."""
_WHEN = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip knows: the same files give the same bytes."""


@dataclass(frozen=True, slots=True)
class UnpackedFile:
    """A file that can be read.

    Attributes:
        path: Where it lies.
        shown: What to call it before those who sent it.
    """

    path: Path
    shown: str


def unpack(name: str, content: bytes, folder: Path, is_readable: Callable[[Path], bool]) -> list[UnpackedFile]:
    """Lay out what somebody sent.

    Args:
        name: What they call it; a path before it is of no matter.
        content: The file.
        folder: An empty folder, where everything will lie.
        is_readable: Whether a file's name is that of recordings; what else is in a zip is passed over.

    Returns:
        The file; or, if it is a zip, each file in it, in its order.

    Raises:
        RecordingError: If it cannot be unpacked, or is too large.
    """
    name = _plain_name(name)
    if not name.lower().endswith(_ZIP):
        return [_laid_out(name, io.BytesIO(content), folder, name, MAX_UNPACKED_BYTES)]
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return list(_members(name, archive, folder, is_readable))
    except _DAMAGES as error:
        msg = f"{fit_to_show(name)} is no zip file that can be unpacked: {fit_to_show(str(error))}"
        raise RecordingError(msg) from error


def pack(folder: Path) -> bytes:
    """A zip of a folder's files."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.iterdir()):
            archive.writestr(zipfile.ZipInfo(path.name, _WHEN), path.read_bytes(), zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def _members(
    name: str, archive: zipfile.ZipFile, folder: Path, is_readable: Callable[[Path], bool]
) -> Iterator[UnpackedFile]:
    members = [member for member in archive.infolist() if not member.is_dir()]
    if len(members) > MAX_MEMBERS:
        msg = f"{fit_to_show(name)} holds {len(members)} files: send at most {MAX_MEMBERS:,} at a time"
        raise RecordingError(msg)
    n_left = MAX_UNPACKED_BYTES
    n_read = 0
    for number, member in enumerate(members):
        path = PurePosixPath(member.filename.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or stat.S_ISLNK(member.external_attr >> 16):
            msg = f"{fit_to_show(name)} is not read: it holds {fit_to_show(member.filename)}, which points out of it"
            raise RecordingError(msg)
        if not is_readable(Path(path.name)):
            continue
        within = folder / str(number)
        within.mkdir()
        with archive.open(member) as source:
            file = _laid_out(_plain_name(path.name), source, within, f"{path} in {name}", n_left)
        n_left -= file.path.stat().st_size
        n_read += 1
        yield file
    if not n_read:
        msg = f"{fit_to_show(name)} holds no recordings: it needs files of CSV, Parquet or Edge Impulse's JSON"
        raise RecordingError(msg)


def _laid_out(name: str, source: IO[bytes], folder: Path, shown: str, limit: int) -> UnpackedFile:
    """Write a file, unpacked if it is gzipped, and make sure that it can be read."""
    file = UnpackedFile(folder / (name[: -len(_GZIP)] if name.lower().endswith(_GZIP) else name), fit_to_show(shown))
    with file.path.open("xb") as target:
        if not name.lower().endswith(_GZIP):
            _copy(source, target, limit, file)
        else:
            try:
                with gzip.GzipFile(fileobj=source) as unpacked:
                    _copy(unpacked, target, limit, file)
            except (OSError, EOFError, zlib.error) as error:
                msg = f"cannot read {file.shown}: {error}"
                raise RecordingError(msg) from error
    check = {".json": _check_json, ".csv": _check_csv, ".parquet": _check_parquet}.get(file.path.suffix.lower())
    if check is not None:
        check(file)
    return file


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def _copy(source: _Readable, target: IO[bytes], limit: int, file: UnpackedFile) -> None:
    while piece := source.read(min(_PIECE_BYTES, limit + 1)):
        limit -= len(piece)
        if limit < 0:
            raise _too_large(file)
        target.write(piece)


def _check_json(file: UnpackedFile) -> None:
    if file.path.stat().st_size > _MAX_JSON_BYTES:
        msg = (
            f"{file.shown} is larger than {_MAX_JSON_BYTES // 1_000_000} MB: cut it into several, or use Parquet or CSV"
        )
        raise RecordingError(msg)


def _check_csv(file: UnpackedFile) -> None:
    with file.path.open("rb") as opened:
        if len(opened.readline(_MAX_HEADER_BYTES)) == _MAX_HEADER_BYTES:
            msg = f"{file.shown} begins with no row of column names: its first line is endless"
            raise RecordingError(msg)


def _check_parquet(file: UnpackedFile) -> None:
    """Make sure that what a few bytes can stand for, such as a constant, is not too much."""
    require_pyarrow(f"reading {file.shown}")
    import pyarrow as pa  # noqa: PLC0415 - optional: 120 MB that reading CSV does not need
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        # Errors do not name what was opened by somebody else.
        with file.path.open("rb") as raw, pq.ParquetFile(raw) as opened:
            metadata = opened.metadata
    except (OSError, ValueError, pa.ArrowException) as error:
        msg = f"cannot read {file.shown}: {error}"
        raise RecordingError(msg) from error
    groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
    n_values = sum(group.num_rows for group in groups) * metadata.num_columns
    if max(4 * n_values, sum(group.total_byte_size for group in groups)) > MAX_UNPACKED_BYTES:
        raise _too_large(file)


def _too_large(file: UnpackedFile) -> RecordingError:
    most = f"more than {MAX_UNPACKED_BYTES // 1_000_000} MB"
    return RecordingError(f"with {file.shown} it is {most}, unpacked: send it in several parts")


def _plain_name(name: str) -> str:
    """A file's name without the folders before it.

    Raises:
        RecordingError: If a file cannot be called so.
    """
    plain = PureWindowsPath(name).name
    try:
        n_bytes = len(plain.encode())
    except UnicodeEncodeError:
        n_bytes = 0
    if not 0 < n_bytes <= _MAX_NAME_BYTES or not plain.isprintable() or plain == "..":
        msg = f"a file cannot be called {fit_to_show(plain)!r}: give it a short and plain name, such as squat.csv"
        raise RecordingError(msg)
    return plain


def fit_to_show(text: str, most: int = _MAX_SHOWN) -> str:
    """A text of others in one line of so many characters at most."""
    printable = "".join(character if character.isprintable() else "?" for character in text[:most])
    return printable if len(text) <= most else f"{printable[:-1]}…"
