"""Archives: RepSense's own export, one Parquet file that says everything of its recordings.

It has a row per sample with the number of the recording from 0, `t` (seconds from the recording's first sample) and the
channels, in SI units and null where the recording lacks them; so any program can read it as a table. What is known of
the recordings stands in the file's metadata under the key "repsense", as JSON. The same JSON lies beside the file for
people; nothing reads it.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from repsense.channels import CHANNELS, Channel
from repsense.errors import RecordingError
from repsense.labels import Label
from repsense.recordings.columns import require_pyarrow
from repsense.recordings.recording import Recording, check_recording, recording_id
from repsense.recordings.tables import TableColumns, read_table
from repsense.recordings.writing import replacing

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["SCHEMA_VERSION", "ArchiveDescription", "ArchivedRecording", "read_archive", "sidecar_path", "write_archive"]

SCHEMA_VERSION = 1

_KEY = b"repsense"
_NUMBER = "recording"
_TIME = "t"
_ROW_GROUP_SAMPLES = 500_000
"""So that writing needs little memory: 20 MB with nine channels."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ArchivedRecording(_Part):
    """What is known of a recording; see `recording.Recording`."""

    id: str
    """See `recording.recording_id`; it tells whether the samples are those that were written."""
    subject: str | None
    session: str | None
    label: Label | None
    sensor: str | None
    sample_rate_hz: Annotated[float, Field(gt=0)]
    channels: Annotated[tuple[Channel, ...], Field(min_length=1)]
    n_samples: Annotated[int, Field(ge=1)]
    started_at: AwareDatetime | None
    activity_s: Annotated[float, Field(ge=0)]
    attributes: dict[str, str]

    @classmethod
    def of(cls, recording: Recording) -> Self:
        """Describe a recording."""
        return cls(
            id=recording_id(recording),
            subject=recording.subject,
            session=recording.session,
            label=recording.label,
            sensor=recording.sensor,
            sample_rate_hz=recording.sample_rate_hz,
            channels=recording.channels,
            n_samples=len(recording.samples),
            started_at=recording.started_at,
            activity_s=recording.activity_s,
            attributes=dict(recording.attributes),
        )


class ArchiveDescription(_Part):
    """What an archive's metadata says."""

    schema_version: Literal[1] = 1
    recordings: tuple[ArchivedRecording, ...]
    """In the order of their rows."""


def sidecar_path(path: Path) -> Path:
    """Where an archive's description lies for people."""
    return path.with_name(f"{path.name}.json")


def write_archive(path: Path, recordings: Sequence[Recording]) -> None:
    """Write recordings so that `read_archive` gives the same ones back, bit for bit and in their order.

    Args:
        path: A .parquet file; it is replaced if it is there.
        recordings: Any number.

    Raises:
        RecordingError: If a recording cannot be written, or the file cannot.
    """
    require_pyarrow(f"writing {path}")
    import pyarrow as pa  # noqa: PLC0415 - optional: 120 MB that nothing else needs
    import pyarrow.parquet as pq  # noqa: PLC0415

    for recording in recordings:
        check_recording(recording)
    description = ArchiveDescription(recordings=tuple(map(ArchivedRecording.of, recordings)))
    try:
        text = description.model_dump_json(indent=1)
    except ValueError as error:
        msg = f"cannot write {path}: {error}"
        raise RecordingError(msg) from error
    channels = [channel.value for channel in CHANNELS]
    fields: list[pa.Field[Any]] = [pa.field(_NUMBER, pa.int64()), pa.field(_TIME, pa.float64())]
    fields += [pa.field(name, pa.float32()) for name in channels]
    schema = pa.schema(fields, metadata={_KEY: text.encode()})
    with (
        replacing(path) as partial,
        # Dictionaries of float32 would not pay, and might take -0.0 for 0.0.
        pq.ParquetWriter(
            partial, schema, compression="zstd", use_dictionary=False, use_byte_stream_split=channels
        ) as writer,
    ):
        for group in _row_groups(recordings):
            writer.write_table(pa.concat_tables([_rows(number, recording, schema) for number, recording in group]))
    with replacing(sidecar_path(path)) as partial:
        partial.write_text(text + "\n", encoding="utf-8")


def read_archive(
    path: Path, *, sample_rate_hz: float | None = None, columns: TableColumns | None = None
) -> list[Recording]:
    """Read an archive; a Parquet file that is none is read as a table.

    Args:
        path: A .parquet file.
        sample_rate_hz: For tables, as are the columns: see `tables.read_table`. An archive knows its own.
        columns: Which columns of a table say what.

    Raises:
        RecordingError: If the file cannot be read, is damaged or was written by a newer RepSense.
    """
    require_pyarrow(f"reading {path}")
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        with pq.ParquetFile(path) as file:
            metadata = file.schema_arrow.metadata or {}
            if _KEY not in metadata:
                return read_table(path, sample_rate_hz=sample_rate_hz, columns=columns)
            description = _description(path, metadata[_KEY])
            present = set(file.schema_arrow.names)
            missing = {channel for recording in description.recordings for channel in recording.channels} - present
            if missing:
                msg = f"{path} is damaged: it has no column {min(missing).value!r}"
                raise RecordingError(msg)
            table = file.read(columns=[channel.value for channel in CHANNELS if channel in present])
        values = {
            Channel(name): table.column(name).cast(pa.float32()).to_numpy().astype(np.float32, copy=False)
            for name in table.column_names
        }
    except (OSError, OverflowError, ValueError, pa.ArrowException) as error:
        msg = f"cannot read {path}: {error}"
        raise RecordingError(msg) from error
    n_rows = sum(recording.n_samples for recording in description.recordings)
    if n_rows != table.num_rows:
        msg = f"{path} is damaged: it has {table.num_rows} rows, and its recordings {n_rows}"
        raise RecordingError(msg)
    recordings = []
    start = 0
    for described in description.recordings:
        stop = start + described.n_samples
        samples = np.column_stack([values[channel][start:stop] for channel in described.channels])
        recordings.append(_restored(path, described, samples))
        start = stop
    return recordings


def _row_groups(recordings: Sequence[Recording]) -> Iterator[list[tuple[int, Recording]]]:
    group: list[tuple[int, Recording]] = []
    n_samples = 0
    for number, recording in enumerate(recordings):
        group.append((number, recording))
        n_samples += len(recording.samples)
        if n_samples >= _ROW_GROUP_SAMPLES:
            yield group
            group, n_samples = [], 0
    if group:
        yield group


def _rows(number: int, recording: Recording, schema: "pa.Schema") -> "pa.Table":
    import pyarrow as pa  # noqa: PLC0415

    n_samples = len(recording.samples)
    columns: list[pa.Array[Any]] = [
        pa.array(np.full(n_samples, number, dtype=np.int64)),
        pa.array(np.arange(n_samples) / recording.sample_rate_hz),
    ]
    for channel in CHANNELS:
        if channel in recording.channels:
            column = recording.samples[:, recording.channels.index(channel)]
            columns.append(pa.array(np.ascontiguousarray(column, dtype=np.float32)))
        else:
            columns.append(pa.nulls(n_samples, pa.float32()))
    return pa.Table.from_arrays(columns, schema=schema)


def _description(path: Path, text: bytes) -> ArchiveDescription:
    try:
        version = _Version.model_validate_json(text).schema_version
        if version > SCHEMA_VERSION:
            msg = (
                f"{path} was written by a newer RepSense (schema version {version}, this one knows {SCHEMA_VERSION}): "
                "update RepSense"
            )
            raise RecordingError(msg)
        return ArchiveDescription.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        msg = f"{path} is damaged: its description {place + ': ' if place else ''}{first['msg']}"
        raise RecordingError(msg) from error


class _Version(BaseModel):
    schema_version: int


def _restored(path: Path, described: ArchivedRecording, samples: NDArray[np.float32]) -> Recording:
    recording = Recording(
        samples,
        described.channels,
        described.sample_rate_hz,
        described.label,
        described.subject,
        described.session,
        described.sensor,
        described.started_at,
        described.activity_s,
        described.attributes,
    )
    try:
        check_recording(recording)
    except RecordingError as error:
        msg = f"{path} is damaged: {error}"
        raise RecordingError(msg) from error
    if recording_id(recording) != described.id:
        msg = f"{path} is damaged: recording {described.id} is not what was written"
        raise RecordingError(msg)
    return recording
