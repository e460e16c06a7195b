"""The files in which recordings are exchanged, told apart by their names."""

import tempfile
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

from repsense.errors import RecordingError
from repsense.recordings.archive import read_archive, write_archive
from repsense.recordings.edge_impulse import read_edge_impulse, write_edge_impulse
from repsense.recordings.legacy_pickle import PROTOTYPE_RATE_HZ, read_legacy_pickle
from repsense.recordings.recording import Recording
from repsense.recordings.tables import TableColumns, read_table, write_csv
from repsense.recordings.unpacking import fit_to_show, pack, unpack

__all__ = [
    "READABLE_SUFFIXES",
    "ExportFormat",
    "export_bytes",
    "is_readable",
    "read_bytes",
    "read_file",
    "write_recordings",
]

_TABLES = (".csv", ".csv.gz")
_ARCHIVES = (".parquet",)
_ACQUISITIONS = (".json",)
_PICKLES = (".pckl", ".pkl", ".pickle")
_ZIP = ".zip"
_MAX_REASON = 500
"""Characters of the sentence that says why a file of others is not read."""
READABLE_SUFFIXES = (*_TABLES, *_ARCHIVES, *_ACQUISITIONS, *_PICKLES)


class ExportFormat(StrEnum):
    """What recordings can be written as."""

    PARQUET = "parquet"
    """An archive: exact, and one file."""
    CSV = "csv"
    EDGE_IMPULSE = "edge-impulse"
    """A folder with a file per recording."""


def is_readable(path: Path) -> bool:
    """Whether a file's name is that of recordings; the description beside an archive is none."""
    name = path.name.lower()
    return name.endswith(READABLE_SUFFIXES) and not name.endswith(".parquet.json") and not name.startswith(".")


def read_file(
    path: Path, *, sample_rate_hz: float | None = None, columns: TableColumns | None = None
) -> list[Recording]:
    """Read the recordings of a file in any of the forms that RepSense knows.

    Args:
        path: The file.
        sample_rate_hz: The rate, for files that do not say it.
        columns: Which columns of a table say what.

    Raises:
        RecordingError: If the file cannot be read or used.
    """
    name = path.name.lower()
    if name.endswith(_TABLES):
        return read_table(path, sample_rate_hz=sample_rate_hz, columns=columns)
    if name.endswith(_ARCHIVES):
        return read_archive(path, sample_rate_hz=sample_rate_hz, columns=columns)
    if name.endswith(_ACQUISITIONS):
        return [read_edge_impulse(path)]
    if name.endswith(_PICKLES):
        return read_legacy_pickle(path, sample_rate_hz=sample_rate_hz or PROTOTYPE_RATE_HZ)
    msg = f"{path} is not in a form that RepSense reads: {', '.join(READABLE_SUFFIXES)}"
    raise RecordingError(msg)


def write_recordings(path: Path, recordings: Sequence[Recording], form: ExportFormat) -> None:
    """Write recordings to a file, or for `EDGE_IMPULSE` to a folder.

    Raises:
        RecordingError: If a recording cannot be written, the file cannot, or its name belongs to another form.
    """
    if form is ExportFormat.EDGE_IMPULSE:
        write_edge_impulse(path, recordings)
        return
    suffixes = _TABLES if form is ExportFormat.CSV else _ARCHIVES
    if not path.name.endswith(suffixes):
        msg = f"{path} would not be read as {form}: call it something that ends with {' or '.join(suffixes)}"
        raise RecordingError(msg)
    (write_csv if form is ExportFormat.CSV else write_archive)(path, recordings)


def read_bytes(
    name: str, content: bytes, *, sample_rate_hz: float | None = None, columns: TableColumns | None = None
) -> list[Recording]:
    """Read a file that somebody sends, or a zip of such files; neither needs to be trusted.

    Args:
        name: What it is called, which tells its form.
        content: What is in it.
        sample_rate_hz: The rate, for files that do not say it.
        columns: Which columns of tables say what.

    Raises:
        RecordingError: If it, or a file in it, cannot be read or used; in a sentence that says nothing of this machine.
    """
    if not name.lower().endswith((*READABLE_SUFFIXES, _ZIP)):
        msg = f"files of this kind are not read: send {', '.join(READABLE_SUFFIXES)} or a {_ZIP} of these"
        raise RecordingError(msg)
    recordings: list[Recording] = []
    with tempfile.TemporaryDirectory(prefix="repsense-") as folder:
        for file in unpack(name, content, Path(folder), is_readable):
            try:
                recordings += read_file(file.path, sample_rate_hz=sample_rate_hz, columns=columns)
            except RecordingError as error:
                text = str(error).replace(str(file.path), file.shown).replace(folder, "")
                raise RecordingError(fit_to_show(text, _MAX_REASON)) from error
    return recordings


def export_bytes(recordings: Sequence[Recording], form: ExportFormat) -> tuple[str, str, bytes]:
    """Write recordings to a file for somebody to take away.

    Returns:
        What to call it, its media type, and the file; for `EDGE_IMPULSE` a zip.

    Raises:
        RecordingError: If a recording cannot be written in this form; in a sentence that says nothing of this machine.
    """
    name, media_type = _EXPORTS[form]
    with tempfile.TemporaryDirectory(prefix="repsense-") as folder:
        path = Path(folder) / name
        try:
            write_recordings(path, recordings, form)
        except RecordingError as error:
            text = str(error).replace(f"{folder}/", "")
            raise RecordingError(fit_to_show(text, _MAX_REASON)) from error
        if form is ExportFormat.EDGE_IMPULSE:
            return f"{name}{_ZIP}", media_type, pack(path)
        return name, media_type, path.read_bytes()


_EXPORTS = {
    ExportFormat.PARQUET: ("recordings.parquet", "application/vnd.apache.parquet"),
    ExportFormat.CSV: ("recordings.csv", "text/csv; charset=utf-8"),
    ExportFormat.EDGE_IMPULSE: ("recordings", "application/zip"),
}
"""What the file, or the folder, is called, and the media type."""
