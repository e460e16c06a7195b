"""Recordings: a stretch of samples on disk, read from CSV or Parquet.

A file has one row per sample and a column for each channel (named as in `channels.Channel`, SI units), perhaps
`t` (seconds) and perhaps others, such as the session or the activity: these say which rows belong together.
"""

import csv
import gzip
import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from repsense.channels import CHANNELS, Channel
from repsense.errors import RecordingError

__all__ = ["Recording", "read_recordings"]

_TIME = "t"
_INDEX = "i"


@dataclass(frozen=True, slots=True)
class Recording:
    """Consecutive samples, taken without interruption.

    Attributes:
        samples: (n_samples, n_channels) float32, SI units.
        channels: What the columns of `samples` are.
        sample_rate_hz: The rate.
        attributes: The other columns' values, such as {"session": "3", "activity": "Squat"}.
    """

    samples: NDArray[np.float32]
    channels: tuple[Channel, ...]
    sample_rate_hz: float
    attributes: Mapping[str, str]


def read_recordings(
    path: Path, *, sample_rate_hz: float | None = None, split_by: Sequence[str] | None = None
) -> list[Recording]:
    """Read the recordings of a file, in its order.

    Args:
        path: A .csv, .csv.gz or .parquet file.
        sample_rate_hz: The rate; by default it is taken from the column `t`.
        split_by: The columns that tell recordings apart: a new one begins where a value changes. By default
            all columns but the channels, `t` and `i`.

    Raises:
        RecordingError: If the file cannot be read or used; it says what is missing.
    """
    table = _read_parquet(path) if path.suffix == ".parquet" else _read_csv(path)
    channels = tuple(channel for channel in CHANNELS if channel in table)
    if not channels:
        msg = f"{path} has no channel: it needs columns named like {', '.join(CHANNELS)}"
        raise RecordingError(msg)
    others = [name for name in table if name not in {*channels, _TIME, _INDEX}]
    if split_by is None:
        split_by = others
    for name in split_by:
        if name not in table:
            msg = f"{path} has no column {name!r} to split recordings by; it has {', '.join(table)}"
            raise RecordingError(msg)
    samples = np.column_stack([_numbers(path, channel, table[channel]) for channel in channels])
    times_s = _numbers(path, _TIME, table[_TIME]) if _TIME in table else None
    return [
        Recording(
            samples=samples[start:stop].astype(np.float32),
            channels=channels,
            sample_rate_hz=_rate(path, sample_rate_hz, times_s, start, stop),
            attributes={name: table[name][start] for name in others},
        )
        for start, stop in _stretches([table[name] for name in split_by], len(samples))
    ]


def _read_csv(path: Path) -> dict[str, list[str]]:
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rt", encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))
    except (OSError, EOFError, UnicodeDecodeError) as error:
        msg = f"cannot read {path}: {error}"
        raise RecordingError(msg) from error
    n_header_and_sample = 2
    if len(rows) < n_header_and_sample:
        msg = f"{path} has no samples: it needs a row of column names and a row per sample"
        raise RecordingError(msg)
    header, *body = rows
    for number, row in enumerate(body, start=2):
        if len(row) != len(header):
            msg = f"{path}, line {number}: {len(row)} values in {len(header)} columns"
            raise RecordingError(msg)
    return dict(zip(header, map(list, zip(*body, strict=True)), strict=True))


def _read_parquet(path: Path) -> dict[str, list[str]]:
    if importlib.util.find_spec("pyarrow") is None:
        msg = f"reading {path} needs pyarrow: pip install pyarrow, or convert the file to CSV"
        raise RecordingError(msg)
    import pyarrow as pa  # noqa: PLC0415 - optional: 120 MB that reading CSV does not need
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        msg = f"cannot read {path}: {error}"
        raise RecordingError(msg) from error
    if not table.num_rows:
        msg = f"{path} has no samples"
        raise RecordingError(msg)
    return {name: [str(value) for value in table.column(name).to_pylist()] for name in table.column_names}


def _numbers(path: Path, name: str, values: Sequence[str]) -> NDArray[np.float64]:
    try:
        numbers = np.asarray(values, dtype=np.float64)
    except ValueError as error:
        msg = f"{path}, column {name}: {error}"
        raise RecordingError(msg) from error
    if not np.isfinite(numbers).all():
        row = int(np.flatnonzero(~np.isfinite(numbers))[0]) + 1
        msg = f"{path}, column {name}: sample {row} is {numbers[row - 1]}; every value must be a finite number"
        raise RecordingError(msg)
    return numbers


def _rate(path: Path, given_hz: float | None, times_s: NDArray[np.float64] | None, start: int, stop: int) -> float:
    if given_hz is not None:
        return given_hz
    if times_s is None or stop - start <= 1:
        msg = f"the sample rate of {path} is not known: it has no column t (seconds); name the rate"
        raise RecordingError(msg)
    period_s = float(np.median(np.diff(times_s[start:stop])))
    if period_s <= 0:
        msg = f"{path}: the times in column t do not increase after row {start + 1}"
        raise RecordingError(msg)
    return 1 / period_s


def _stretches(columns: Sequence[Sequence[str]], n_rows: int) -> list[tuple[int, int]]:
    keys = list(zip(*columns, strict=True)) if columns else [()] * n_rows
    starts = [0, *(row for row in range(1, n_rows) if keys[row] != keys[row - 1])]
    return list(zip(starts, [*starts[1:], n_rows], strict=True))
