"""Tables: recordings as rows of samples in CSV or Parquet.

A file has one row per sample and a column for each channel (named as in `channels.Channel`, SI units), perhaps
`t` (seconds) and perhaps others, such as the session or the activity: these say which rows belong together.
A recording lacks a channel whose cells are all empty.
"""

import csv
import gzip
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from repsense.channels import CHANNELS, Channel
from repsense.errors import RecordingError
from repsense.recordings.columns import Columns, Numbers, read_columns
from repsense.recordings.recording import Recording, activity_label, as_samples, check_recording
from repsense.recordings.writing import replacing

__all__ = ["TableColumns", "read_recordings", "read_table", "write_csv"]

_TIME = "t"
_INDEX = "i"
_RECORDING = "recording"
_SUBJECT = "subject"
_SESSION = "session"
_EXERCISE = "exercise"
_FORM = "form"
_ACTIVITIES = ("activity", "label")
_SENSOR = "sensor"
_RATE = "sample_rate_hz"
_STARTED = "started_at"
_ACTIVITY_TIME = "activity_s"
_WRITTEN = (
    _RECORDING,
    _TIME,
    _SUBJECT,
    _SESSION,
    _EXERCISE,
    _FORM,
    _SENSOR,
    _RATE,
    _STARTED,
    _ACTIVITY_TIME,
)
"""The columns of a file that `write_csv` writes, before the attributes and the channels."""

_GAP_PERIODS = 1.5
"""Samples that are further apart than this many periods have a gap between them: at least one is missing."""
_MAX_GAP_SHARE = 0.1
"""If more intervals than this are gaps, the times are not those of samples taken at a rate."""
_FEW_JUMPS = 3
_FEW_INTERVALS = 3
"""A recording with fewer intervals takes its period from the whole file: one gap would spoil its median."""
_RATE_DIGITS = 3
"""Significant digits of a rate that is taken from times: the clocks of such sensors are off by 1 % or more."""
_TIME_DIGITS = 6
"""Digits after the point of seconds: microseconds."""


@dataclass(frozen=True, slots=True)
class TableColumns:
    """Which columns of a table say what; None stands for the column of the usual name, if the file has it.

    Attributes:
        subject: Usually "subject".
        session: Usually "session".
        activity: Usually "exercise" and "form", or else "activity", or else "label".
        sensor: Usually "sensor".
        sample_rate_hz: Usually "sample_rate_hz".
        recording: The columns that tell recordings apart: a new one begins where a value changes. Usually all but the
            channels, `t` and `i`.
    """

    subject: str | None = None
    session: str | None = None
    activity: str | None = None
    sensor: str | None = None
    sample_rate_hz: str | None = None
    recording: tuple[str, ...] | None = None


def read_recordings(
    path: Path, *, sample_rate_hz: float | None = None, split_by: Sequence[str] | None = None
) -> list[Recording]:
    """Read the recordings of a file as `read_table` does, with every other column among their attributes.

    Args:
        path: A .csv, .csv.gz or .parquet file.
        sample_rate_hz: The rate; by default it is taken from the column `t`.
        split_by: The columns that tell recordings apart; by default all columns but the channels, `t` and `i`.

    Raises:
        RecordingError: If the file cannot be read or used; it says what is missing.
    """
    table = _Table.open(path, TableColumns(recording=None if split_by is None else tuple(split_by)))
    return [
        replace(recording, attributes={name: table.columns.texts[name][row] for name in table.columns.texts})
        for recording, row in table.recordings(sample_rate_hz)
    ]


def read_table(
    path: Path, *, sample_rate_hz: float | None = None, columns: TableColumns | None = None
) -> list[Recording]:
    """Read the recordings of a file, in its order.

    Where `t` jumps, a recording ends and another begins that goes on with the same activity, so that no recording has
    a gap within it.

    Args:
        path: A .csv, .csv.gz or .parquet file.
        sample_rate_hz: The rate; by default that in the column of rates, or what the column `t` shows.
        columns: Which columns say what. What stands in the others becomes an attribute, unless it is empty or changes
            within the recording. An activity becomes a label of that name; `recording.relabelled` gives it another.

    Raises:
        RecordingError: If the file cannot be read or used; it says what is missing.
    """
    table = _Table.open(path, columns or TableColumns())
    return [recording for recording, _ in table.recordings(sample_rate_hz)]


def write_csv(path: Path, recordings: Sequence[Recording]) -> None:
    """Write recordings so that `read_table` gives the same ones back, every float32 exact.

    Two things are not kept: channels come back in canonical order, and attributes that are empty do not come back.

    Args:
        path: A .csv or .csv.gz file; it is replaced if it is there.
        recordings: At least one.

    Raises:
        RecordingError: If a recording cannot be written, or the file cannot.
    """
    for recording in recordings:
        check_recording(recording)
    attributes = list(dict.fromkeys(name for recording in recordings for name in recording.attributes))
    for name in attributes:
        if name in {*_WRITTEN, *CHANNELS, _INDEX, ""}:
            msg = f"an attribute called {name!r} has no place in CSV, where that column is another thing: use Parquet"
            raise RecordingError(msg)
    with replacing(path) as partial, partial.open("wb") as raw:
        # Neither name nor time: the same recordings give the same bytes.
        binary = gzip.GzipFile("", "wb", fileobj=raw, mtime=0) if path.suffix == ".gz" else raw
        with io.TextIOWrapper(binary, encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow([*_WRITTEN, *attributes, *CHANNELS])
            for number, recording in enumerate(recordings, start=1):
                writer.writerows(_rows(number, recording, attributes))


def _rows(number: int, recording: Recording, attributes: Sequence[str]) -> Iterator[list[str]]:
    label = recording.label
    before = [str(number)]
    after = [
        recording.subject or "",
        recording.session or "",
        "" if label is None else label.exercise,
        "" if label is None else label.form or "",
        recording.sensor or "",
        repr(float(recording.sample_rate_hz)),
        "" if recording.started_at is None else recording.started_at.isoformat(),
        repr(float(recording.activity_s)),
        *(recording.attributes.get(name, "") for name in attributes),
    ]
    # numpy writes a float32 with as few digits as tell it from its neighbours.
    texts = recording.samples.astype(np.str_)
    cells: list[Iterable[str]] = [
        texts[:, recording.channels.index(channel)].tolist() if channel in recording.channels else [""] * len(texts)
        for channel in CHANNELS
    ]
    for index, values in enumerate(zip(*cells, strict=True)):
        yield [*before, repr(index / float(recording.sample_rate_hz)), *after, *values]


@dataclass(frozen=True, slots=True)
class _Table:
    """A file's columns, and which of them say what."""

    path: Path
    columns: Columns
    channels: tuple[Channel, ...]
    activity: tuple[str, ...]
    subject: str | None
    session: str | None
    sensor: str | None
    rate: str | None
    started: str | None
    activity_time: str | None
    split_by: tuple[str, ...]

    @classmethod
    def open(cls, path: Path, wanted: TableColumns) -> "_Table":
        columns = read_columns(path, numeric={*CHANNELS, _TIME}, skipped={_INDEX})
        channels = tuple(channel for channel in CHANNELS if channel in columns.numbers)
        if not channels:
            msg = f"{path} has no channel: it needs columns named like {', '.join(CHANNELS)}"
            raise RecordingError(msg)

        def column(given: str | None, usual: str, purpose: str) -> str | None:
            if given is None:
                return usual if usual in columns.texts else None
            if given not in columns.texts:
                msg = f"{path} has no column {given!r} {purpose}; it has {', '.join(columns.names)}"
                raise RecordingError(msg)
            return given

        if wanted.activity is not None:
            activity: tuple[str | None, ...] = (column(wanted.activity, "", "for the activity"),)
        elif _EXERCISE in columns.texts:
            activity = (_EXERCISE, column(None, _FORM, ""))
        else:
            activity = (next((name for name in _ACTIVITIES if name in columns.texts), None),)
        return cls(
            path,
            columns,
            channels,
            tuple(name for name in activity if name is not None),
            column(wanted.subject, _SUBJECT, "for the subject"),
            column(wanted.session, _SESSION, "for the session"),
            column(wanted.sensor, _SENSOR, "for the sensor"),
            column(wanted.sample_rate_hz, _RATE, "for the sample rate"),
            column(None, _STARTED, ""),
            column(None, _ACTIVITY_TIME, ""),
            tuple(columns.texts)
            if wanted.recording is None
            else tuple(str(column(name, "", "to split recordings by")) for name in wanted.recording),
        )

    def recordings(self, sample_rate_hz: float | None) -> Iterator[tuple[Recording, int]]:
        """Every recording with its first row."""
        stretches = self._stretches()
        periods_s = self._periods_s(stretches)
        attributes = self._attributes()
        for (start, stop), period_s in zip(stretches, periods_s, strict=True):
            samples, channels = self._samples(start, stop)
            whole = Recording(
                samples,
                channels,
                sample_rate_hz or self._number(self.rate, start) or self._measured_rate(start, stop, period_s),
                label=activity_label(*(self.columns.texts[name][start] for name in self.activity))
                if self.activity
                else None,
                subject=self._text(self.subject, start),
                session=self._text(self.session, start),
                sensor=self._text(self.sensor, start),
                started_at=self._started_at(start),
                activity_s=self._number(self.activity_time, start) or 0.0,
                attributes={
                    name: self.columns.texts[name][start]
                    for name, changes in attributes.items()
                    if self.columns.texts[name][start]
                    and np.searchsorted(changes, start, "right") == np.searchsorted(changes, stop - 1, "right")
                },
            )
            try:
                check_recording(whole)
            except RecordingError as error:
                msg = f"{self.path}, rows {start + 1} to {stop}: {error}"
                raise RecordingError(msg) from error
            yield from self._parts(whole, start, period_s)

    def _stretches(self) -> list[tuple[int, int]]:
        changes = [self.columns.texts[name].changes() for name in self.split_by]
        starts = [0, *(np.unique(np.concatenate(changes)).tolist() if changes else ())]
        return list(zip(starts, [*starts[1:], self.columns.n_rows], strict=True))

    def _attributes(self) -> dict[str, NDArray[np.int64]]:
        """The columns that no field is taken from, with the rows where they change."""
        fields = {
            *self.activity,
            *(self.subject, self.session, self.sensor, self.rate, self.started, self.activity_time),
            _RECORDING,
        }
        return {name: column.changes() for name, column in self.columns.texts.items() if name not in fields}

    def _samples(self, start: int, stop: int) -> tuple[NDArray[np.float32], tuple[Channel, ...]]:
        parts = [(channel, _cut(self.columns.numbers[channel], start, stop)) for channel in self.channels]
        present = [(channel, part) for channel, part in parts if not part.is_empty.all()]
        for channel, part in present:
            if part.is_empty.any():
                row = start + int(part.is_empty.argmax()) + 1
                msg = f"{self.path}, column {channel}: row {row} is empty, others of its recording are not"
                raise RecordingError(msg)
            if not np.isfinite(part.values).all():
                row = int((~np.isfinite(part.values)).argmax())
                msg = (
                    f"{self.path}, column {channel}: sample {start + row + 1} is {part.values[row]}; "
                    "every value must be a finite number"
                )
                raise RecordingError(msg)
        if not present:
            msg = f"{self.path}, rows {start + 1} to {stop}: every channel is empty"
            raise RecordingError(msg)
        return as_samples(np.column_stack([part.values for _, part in present])), tuple(name for name, _ in present)

    def _periods_s(self, stretches: Sequence[tuple[int, int]]) -> list[float | None]:
        """From one sample of each stretch to the next: by its rate, if written, or the median; None without times."""
        if _TIME not in self.columns.numbers:
            return [None] * len(stretches)
        times_s = self.columns.numbers[_TIME].values
        if not np.isfinite(times_s).all():
            row = int((~np.isfinite(times_s)).argmax()) + 1
            msg = f"{self.path}, column {_TIME}: row {row} is no finite number"
            raise RecordingError(msg)
        intervals_s = [np.diff(times_s[start:stop]) for start, stop in stretches]
        for (start, _), within in zip(stretches, intervals_s, strict=True):
            if (within <= 0).any():
                row = start + int((within <= 0).argmax()) + 1
                msg = (
                    f"{self.path}: the times in column {_TIME} do not increase at row {row + 1} "
                    f"({times_s[row]:g} after {times_s[row - 1]:g}): if a recording begins there, a column must tell "
                    "it from the one before; if these are not the times of samples, remove the column and name the rate"
                )
                raise RecordingError(msg)
        every_s = np.concatenate(intervals_s)
        if not len(every_s):
            return [None] * len(stretches)
        usual_s = float(np.median(every_s))
        written_hz = [self._number(self.rate, start) for start, _ in stretches]
        return [
            1 / rate_hz if rate_hz else usual_s if len(within) < _FEW_INTERVALS else float(np.median(within))
            for rate_hz, within in zip(written_hz, intervals_s, strict=True)
        ]

    def _measured_rate(self, start: int, stop: int, period_s: float | None) -> float:
        if period_s is None:
            msg = f"the sample rate of {self.path} is not known: it has no column t (seconds); name the rate"
            raise RecordingError(msg)
        intervals_s = np.diff(self.columns.numbers[_TIME].values[start:stop])
        regular_s = intervals_s[intervals_s <= _GAP_PERIODS * period_s]
        # The mean is better than the median where times are rounded: 60 Hz in milliseconds is 16, 17, 17, ...
        rate_hz = 1 / float(regular_s.mean() if len(regular_s) else period_s)
        return float(f"{rate_hz:.{_RATE_DIGITS}g}")

    def _parts(self, whole: Recording, start: int, period_s: float | None) -> Iterator[tuple[Recording, int]]:
        """Cut a recording where its times jump."""
        if period_s is None:
            yield whole, start
            return
        times_s = self.columns.numbers[_TIME].values[start : start + len(whole.samples)]
        jumps = np.flatnonzero(np.diff(times_s) > _GAP_PERIODS * period_s) + 1
        if len(jumps) > max(_FEW_JUMPS, _MAX_GAP_SHARE * len(times_s)):
            msg = (
                f"{self.path}: from row {start + 1} on the times in column {_TIME} jump {len(jumps)} times in "
                f"{len(times_s)} rows: they are not those of samples taken at a steady rate; remove the column and "
                "name the rate"
            )
            raise RecordingError(msg)
        bounds = [0, *jumps.tolist(), len(times_s)]
        for first, last in pairwise(bounds):
            later_s = round(float(times_s[first] - times_s[0]), _TIME_DIGITS)
            yield (
                replace(
                    whole,
                    samples=whole.samples[first:last],
                    activity_s=round(whole.activity_s + later_s, _TIME_DIGITS) if first else whole.activity_s,
                    started_at=self._later(whole.started_at, later_s),
                ),
                start + first,
            )

    def _later(self, started_at: datetime | None, later_s: float) -> datetime | None:
        try:
            return None if started_at is None else started_at + timedelta(seconds=later_s)
        except OverflowError as error:
            msg = f"{self.path}: {later_s:g} s after {started_at} is no time"
            raise RecordingError(msg) from error

    def _text(self, name: str | None, row: int) -> str | None:
        return None if name is None else self.columns.texts[name][row] or None

    def _number(self, name: str | None, row: int) -> float | None:
        text = self._text(name, row)
        if text is None:
            return None
        try:
            return float(text)
        except ValueError as error:
            msg = f"{self.path}, column {name}: {text[:80]!r} in row {row + 1} is no number"
            raise RecordingError(msg) from error

    def _started_at(self, row: int) -> datetime | None:
        text = self._text(self.started, row)
        if text is None:
            return None
        try:
            time = datetime.fromisoformat(text)
        except ValueError as error:
            msg = f"{self.path}, column {self.started}: {text[:80]!r} in row {row + 1} is no time as in ISO 8601"
            raise RecordingError(msg) from error
        return time if time.tzinfo else time.replace(tzinfo=UTC)


def _cut(numbers: Numbers, start: int, stop: int) -> Numbers:
    return Numbers(numbers.values[start:stop], numbers.is_empty[start:stop])
