"""Where recordings come from: a file, a folder or the database, and how to read what RepSense did not write."""

import logging
import tomllib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pymongo.errors import PyMongoError

from repsense.database import connect_database
from repsense.errors import RecordingError
from repsense.labels import Label
from repsense.recordings import Recording, TableColumns, is_readable, read_file, recording_id, relabelled
from repsense.recordings.stored import find_recordings
from repsense.schema import ensure_schema
from repsense.training import RecordingSelection
from repsense_trainer.errors import ConfigurationError, DatasetError

__all__ = ["SourceDescription", "is_database", "load_source_description", "public_url", "read_source"]

_LOGGER = logging.getLogger(__name__)


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


class SourceDescription(BaseModel):
    """How to read recordings: the table `[data]` of a configuration file."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    recordings: Annotated[tuple[str, ...], BeforeValidator(_as_list), Field(min_length=1)] | None = None
    """The files, relative to the source's folder; None is every file in it that can be read."""
    sample_rate_hz: Annotated[float, Field(gt=0)] | None = None
    """For files that do not say it."""
    activity_column: str | None = None
    """For this column and the next ones see `tables.TableColumns`: None is the column of the usual name."""
    session_column: str | None = None
    subject_column: str | None = None
    sensor_column: str | None = None
    recording_columns: tuple[str, ...] | None = None
    """The columns that tell recordings apart; None is all that are no channel."""
    labels: dict[str, Label] = {}
    """From an activity, as the source calls it, to its label; if empty, the activity's name is the label."""
    ignored: tuple[str, ...] = ()
    """Activities to leave out."""

    def columns(self) -> TableColumns:
        """How to read tables."""
        return TableColumns(
            subject=self.subject_column,
            session=self.session_column,
            activity=self.activity_column,
            sensor=self.sensor_column,
            recording=self.recording_columns,
        )


def load_source_description(path: Path) -> SourceDescription:
    """Read the table `[data]` of a configuration file and nothing else of it; without one, everything is as usual.

    Raises:
        ConfigurationError: If the file cannot be read or the table says what it cannot mean.
    """
    try:
        return SourceDescription.model_validate(tomllib.loads(path.read_text(encoding="utf-8")).get("data", {}))
    except OSError as error:
        msg = f"cannot read the configuration {path}: {error.strerror}; name one with --config"
        raise ConfigurationError(msg) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        msg = f"{path} is not TOML: {error}"
        raise ConfigurationError(msg) from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        msg = f"{path}: {'.'.join(['data', *map(str, first['loc'])])}: {first['msg']}"
        raise ConfigurationError(msg) from error


def is_database(source: str) -> bool:
    """Whether a source is the URL of a database."""
    return source.startswith(("mongodb://", "mongodb+srv://"))


def read_source(
    source: str, description: SourceDescription | None = None, *, selection: RecordingSelection | None = None
) -> list[Recording]:
    """Read all recordings of a source.

    A recording that is there twice is read once, and a folder's files that cannot be read are left out; both are logged
    as warnings.

    Args:
        source: The URL of a database (mongodb://...), a file, or a folder.
        description: How to read it; None is as usual.
        selection: Which of a database's recordings; None is all.

    Raises:
        RecordingError: If a file cannot be read, or an activity has no label.
        DatasetError: If the source is not there or has no recordings.
    """
    description = description or SourceDescription()
    if is_database(source):
        recordings = _stored(source, selection or RecordingSelection())
    else:
        recordings = _without_copies(_files(Path(source), description))
    recordings = relabelled(recordings, description.labels, description.ignored)
    if not recordings:
        msg = f"{source} has no recordings{' but those that are ignored' if description.ignored else ''}"
        raise DatasetError(msg)
    return recordings


def _stored(url: str, selection: RecordingSelection) -> list[Recording]:
    database = connect_database(url)
    try:
        ensure_schema(database)
        return find_recordings(database, selection)
    except PyMongoError as error:
        msg = f"the database {public_url(url)} does not answer: start it, or name another ({type(error).__name__})"
        raise DatasetError(msg) from error
    finally:
        database.client.close()


def public_url(url: str) -> str:
    """A URL without the password in it."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"


def _files(source: Path, description: SourceDescription) -> list[tuple[Path, list[Recording]]]:
    if source.is_file():
        return [(source, _read(source, description))]
    if not source.is_dir():
        msg = f"{source} does not exist: name a file, a folder, or a database (mongodb://...)"
        raise DatasetError(msg)
    if description.recordings is not None:
        paths = [source / name for name in description.recordings]
        for path in paths:
            if not path.is_file():
                msg = f"{path} does not exist: name the folder that holds {path.relative_to(source)}"
                raise DatasetError(msg)
        return [(path, _read(path, description)) for path in paths]
    return _folder(source, description)


def _folder(folder: Path, description: SourceDescription) -> list[tuple[Path, list[Recording]]]:
    """Whatever can be read in a folder, its folders included, by path."""
    files = []
    first_error: RecordingError | None = None
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or not is_readable(path):
            continue
        try:
            files.append((path, _read(path, description)))
        except RecordingError as error:
            _LOGGER.warning("left out: %s", error)
            first_error = first_error or error
    if not files and first_error is not None:
        raise first_error
    if not files:
        msg = f"{folder} has no file that can be read: .csv, .csv.gz, .parquet, .json of Edge Impulse, .pckl"
        raise DatasetError(msg)
    return files


def _read(path: Path, description: SourceDescription) -> list[Recording]:
    return read_file(path, sample_rate_hz=description.sample_rate_hz, columns=description.columns())


def _without_copies(files: Sequence[tuple[Path, list[Recording]]]) -> list[Recording]:
    first_in: dict[str, Path] = {}
    recordings = []
    for path, of_file in files:
        copies_of: Counter[Path] = Counter()
        for recording in of_file:
            key = recording_id(recording)
            if key in first_in:
                copies_of[first_in[key]] += 1
            else:
                first_in[key] = path
                recordings.append(recording)
        for first, n_copies in copies_of.items():
            _LOGGER.warning("left out: %d recording(s) of %s that are in %s already", n_copies, path, first)
    return recordings
