"""The columns of a CSV or Parquet file, read piece by piece: numbers as arrays, texts as codes."""

import csv
import gzip
import importlib.util
import zlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from repsense.errors import RecordingError

__all__ = ["Columns", "Numbers", "Texts", "read_columns", "require_pyarrow"]

_PIECE_ROWS = 20_000
"""Rows that are held as Python strings at a time."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """A column of numbers.

    Attributes:
        values: (n_rows,) float64.
        is_empty: (n_rows,) bool; where nothing is written, and the value is NaN.
    """

    values: NDArray[np.float64]
    is_empty: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Texts:
    """A column of texts, most of which repeat.

    Attributes:
        codes: (n_rows,) int64; where in `vocabulary` each row's text is.
        vocabulary: Every text once.
    """

    codes: NDArray[np.int64]
    vocabulary: list[str]

    def __getitem__(self, row: int) -> str:
        return self.vocabulary[int(self.codes[row])]

    def changes(self) -> NDArray[np.int64]:
        """The rows whose text is another than the row's before."""
        return np.flatnonzero(np.diff(self.codes)) + 1


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a file by name, in the file's order.

    Attributes:
        n_rows: At least 1.
        names: Of all columns.
    """

    n_rows: int
    names: tuple[str, ...]
    numbers: dict[str, Numbers]
    texts: dict[str, Texts]


def read_columns(path: Path, *, numeric: Collection[str], skipped: Collection[str] = ()) -> Columns:
    """Read a table.

    Args:
        path: A .csv, .csv.gz or .parquet file.
        numeric: The columns of numbers, if they are there; all others are texts.
        skipped: Columns that are not needed.

    Raises:
        RecordingError: If the file cannot be read, or something that is no number stands in a column of numbers.
    """
    read = _read_parquet if path.suffix.lower() == ".parquet" else _read_csv
    return read(path, frozenset(numeric), frozenset(skipped))


def require_pyarrow(purpose: str) -> None:
    """Make sure that pyarrow, which is optional, can be imported.

    Raises:
        RecordingError: If it is not installed.
    """
    if importlib.util.find_spec("pyarrow") is None:
        msg = f"{purpose} needs pyarrow: pip install pyarrow, or use CSV"
        raise RecordingError(msg)


class _Reader(Protocol):
    """What `csv.reader` returns."""

    @property
    def line_num(self) -> int: ...
    def __iter__(self) -> Iterator[list[str]]: ...


@dataclass(slots=True)
class _NumberPieces:
    path: Path
    name: str
    values: list[NDArray[np.float64]] = field(default_factory=list)
    is_empty: list[NDArray[np.bool_]] = field(default_factory=list)

    def add(self, texts: Sequence[str]) -> None:
        try:
            # Twice as fast as np.array(texts, dtype=np.float64).
            values = np.fromiter(map(float, texts), np.float64, len(texts))
            is_empty = np.zeros(len(texts), dtype=np.bool_)
        except ValueError:  # a cell is empty, or worse
            is_empty = np.array([not text.strip() for text in texts], dtype=np.bool_)
            filled = ["nan" if empty else text for text, empty in zip(texts, is_empty, strict=True)]
            try:
                values = np.fromiter(map(float, filled), np.float64, len(filled))
            except ValueError as error:
                msg = f"{self.path}, column {self.name}: {error}"
                raise RecordingError(msg) from error
        self.values.append(values)
        self.is_empty.append(is_empty)

    def join(self) -> Numbers:
        return Numbers(np.concatenate(self.values), np.concatenate(self.is_empty))


@dataclass(slots=True)
class _TextPieces:
    codes: list[NDArray[np.int64]] = field(default_factory=list)
    vocabulary: dict[str, int] = field(default_factory=dict)

    def add(self, texts: Iterable[str]) -> None:
        code = self.vocabulary
        self.codes.append(np.array([code.setdefault(text, len(code)) for text in texts], dtype=np.int64))

    def join(self) -> Texts:
        return Texts(np.concatenate(self.codes), list(self.vocabulary))


def _read_csv(path: Path, numeric: frozenset[str], skipped: frozenset[str]) -> Columns:
    opened = gzip.open if path.suffix.lower() == ".gz" else open
    numbers: dict[str, _NumberPieces] = {}
    texts: dict[str, _TextPieces] = {}
    n_rows = 0
    try:
        # Spreadsheets write a byte order mark, hence utf-8-sig.
        with opened(path, "rt", encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            header = next(reader, [])
            _check_names(path, header)
            for name in header:
                if name in numeric:
                    numbers[name] = _NumberPieces(path, name)
                elif name not in skipped:
                    texts[name] = _TextPieces()
            for rows in _pieces(path, reader, len(header)):
                n_rows += len(rows)
                for name, values in zip(header, zip(*rows, strict=True), strict=True):
                    if name in numbers:
                        numbers[name].add(values)
                    elif name in texts:
                        texts[name].add(values)
    except (OSError, EOFError, UnicodeDecodeError, csv.Error, zlib.error) as error:
        msg = f"cannot read {path}: {error}"
        raise RecordingError(msg) from error
    if not n_rows:
        msg = f"{path} has no samples: it needs a row of column names and a row per sample"
        raise RecordingError(msg)
    return Columns(
        n_rows,
        tuple(header),
        {name: column.join() for name, column in numbers.items()},
        {name: column.join() for name, column in texts.items()},
    )


def _pieces(path: Path, rows: _Reader, n_columns: int) -> Iterator[list[list[str]]]:
    piece: list[list[str]] = []
    for row in rows:
        if not row:
            continue
        if len(row) != n_columns:
            msg = f"{path}, line {rows.line_num}: {len(row)} values in {n_columns} columns"
            raise RecordingError(msg)
        piece.append(row)
        if len(piece) == _PIECE_ROWS:
            yield piece
            piece = []
    if piece:
        yield piece


def _read_parquet(path: Path, numeric: frozenset[str], skipped: frozenset[str]) -> Columns:
    require_pyarrow(f"reading {path}")
    import pyarrow as pa  # noqa: PLC0415 - optional: 120 MB that reading CSV does not need
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        # Not read_table: that makes columns of folders that are called like name=value.
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            _check_names(path, names)
            table = file.read(columns=[name for name in names if name not in skipped])
        if not table.num_rows:
            msg = f"{path} has no samples"
            raise RecordingError(msg)
        numbers, texts = {}, {}
        for name in table.column_names:
            column = table.column(name)
            if name in numeric:
                is_empty = column.is_null().to_numpy()
                numbers[name] = Numbers(column.cast(pa.float64()).to_numpy(), is_empty)
            else:
                pieces = _TextPieces()
                for chunk in column.chunks:
                    pieces.add("" if value is None else str(value) for value in chunk.to_pylist())
                texts[name] = pieces.join()
    except (OSError, OverflowError, ValueError, pa.ArrowException) as error:
        msg = f"cannot read {path}: {error}"
        raise RecordingError(msg) from error
    return Columns(table.num_rows, tuple(names), numbers, texts)


def _check_names(path: Path, names: Sequence[str]) -> None:
    for name, count in Counter(names).items():
        if count > 1:
            msg = f"{path} has {count} columns called {name!r}: take the others out"
            raise RecordingError(msg)
