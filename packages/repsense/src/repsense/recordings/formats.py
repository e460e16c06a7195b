"""The files in which recordings are exchanged, told apart by their names."""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

from repsense.errors import RecordingError
from repsense.recordings.archive import read_archive, write_archive
from repsense.recordings.edge_impulse import read_edge_impulse, write_edge_impulse
from repsense.recordings.legacy_pickle import PROTOTYPE_RATE_HZ, read_legacy_pickle
from repsense.recordings.recording import Recording
from repsense.recordings.tables import TableColumns, read_table, write_csv

__all__ = ["READABLE_SUFFIXES", "ExportFormat", "is_readable", "read_file", "write_recordings"]

_TABLES = (".csv", ".csv.gz")
_ARCHIVES = (".parquet",)
_ACQUISITIONS = (".json",)
_PICKLES = (".pckl", ".pkl", ".pickle")
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
