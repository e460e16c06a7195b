"""The commands about datasets: `repsense-train dataset inspect | import | export`."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import typer
from pydantic import BaseModel
from pymongo.errors import PyMongoError
from rich.console import Console
from rich.table import Table
from rich.text import Text

from repsense.channels import UNITS
from repsense.database import connect_database
from repsense.errors import RecordingError
from repsense.recordings import ExportFormat, Recording, write_recordings
from repsense.recordings.inspection import Inspection, inspect
from repsense.recordings.recording import activity_label
from repsense.recordings.stored import store_recordings
from repsense.schema import ensure_schema
from repsense_trainer.console import JsonOption, errors_in_words, plain_console, print_json
from repsense_trainer.errors import DatasetError
from repsense_trainer.sources import SourceDescription, is_database, load_source_description, public_url, read_source

__all__ = ["app"]

_MAX_RATES = 4
"""More rates are printed as a range."""

app = typer.Typer(no_args_is_help=True, help="Look at recordings, and bring them from one place and form to another.")

_Source = Annotated[
    str, typer.Argument(help="The recordings: a file, a folder, or a database (mongodb://127.0.0.1:27017/repsense).")
]
_Config = Annotated[
    Path | None,
    typer.Option(help="A TOML file whose table [data] says how to read the source.", show_default=False),
]
_Rate = Annotated[
    float | None,
    typer.Option(min=0.001, help="The sample rate, where the source does not say it.", show_default=False),
]


class _Imported(BaseModel):
    n_recordings: int
    n_new: int
    """Without those that were stored before."""
    database: str


class _Exported(BaseModel):
    n_recordings: int
    format: ExportFormat
    path: Path


@app.command("inspect")
def inspect_dataset(
    source: _Source,
    *,
    config: _Config = None,
    sample_rate_hz: _Rate = None,
    window_s: Annotated[float, typer.Option(min=0.1, help="How long the network's windows will be, seconds.")] = 2.5,
    plot: Annotated[
        Path | None, typer.Option(help="Draw it: a .png or .svg file.", show_default=False, dir_okay=False)
    ] = None,
    json: JsonOption = False,
) -> None:
    """Say how much there is of what, and warn of what will do harm."""
    with errors_in_words():
        form = None if plot is None else _picture_format(plot)
        recordings = _read(source, config, sample_rate_hz)
        inspection = inspect(recordings, window_s=window_s)
        if plot is not None and form is not None:
            _draw(plot, form, recordings, inspection)
        if json:
            print_json(inspection)
        else:
            _print_inspection(plain_console(), source, inspection)


@app.command("import")
def import_dataset(
    source: _Source,
    *,
    to: Annotated[str, typer.Option(help="The database: mongodb://127.0.0.1:27017/repsense.", envvar="MONGODB_URL")],
    config: _Config = None,
    sample_rate_hz: _Rate = None,
    subject: Annotated[
        str | None, typer.Option(help="Who did it, where the source does not say.", show_default=False)
    ] = None,
    session: Annotated[
        str | None, typer.Option(help="On which occasion, where the source does not say.", show_default=False)
    ] = None,
    sensor: Annotated[
        str | None, typer.Option(help="With which sensor, where the source does not say.", show_default=False)
    ] = None,
    label: Annotated[
        str | None, typer.Option(help="Which exercise, where the source does not say.", show_default=False)
    ] = None,
    form: Annotated[str | None, typer.Option(help="In which form; along with --label.", show_default=False)] = None,
    json: JsonOption = False,
) -> None:
    """Store recordings in the database; those that are there already are not stored again."""
    with errors_in_words():
        if not is_database(to):
            msg = f"--to must be the URL of a database, such as mongodb://127.0.0.1:27017/repsense, not {to}"
            raise DatasetError(msg)
        if form is not None and label is None:
            msg = "--form says how an exercise was done: name the exercise with --label"
            raise DatasetError(msg)
        given_label = None if label is None else activity_label(label, form)
        recordings = [
            replace(
                recording,
                subject=recording.subject or subject,
                session=recording.session or session,
                sensor=recording.sensor or sensor,
                label=recording.label or given_label,
            )
            for recording in _read(source, config, sample_rate_hz)
        ]
        result = _Imported(n_recordings=len(recordings), n_new=_store(to, recordings), database=public_url(to))
        if json:
            print_json(result)
        else:
            known = result.n_recordings - result.n_new
            already = f"; {known} were there already" if known else ""
            typer.echo(f"Stored {result.n_new} of {result.n_recordings} recordings in {result.database}{already}")


@app.command("export")
def export_dataset(
    source: _Source,
    target: Annotated[Path, typer.Argument(help="The file to write; for edge-impulse a folder.")],
    *,
    form: Annotated[
        ExportFormat | None,
        typer.Option(
            "--format", help="By default what the file's name says; a folder is edge-impulse.", show_default=False
        ),
    ] = None,
    config: _Config = None,
    sample_rate_hz: _Rate = None,
    json: JsonOption = False,
) -> None:
    """Write recordings to a file, whatever form they come from."""
    with errors_in_words():
        form = form or _export_format(target)
        recordings = _read(source, config, sample_rate_hz)
        write_recordings(target, recordings, form)
        result = _Exported(n_recordings=len(recordings), format=form, path=target)
        if json:
            print_json(result)
        else:
            typer.echo(f"Wrote {result.n_recordings} recordings to {target} ({form})")


def _read(source: str, config: Path | None, sample_rate_hz: float | None) -> list[Recording]:
    description = SourceDescription() if config is None else load_source_description(config)
    if sample_rate_hz is not None:
        description = description.model_copy(update={"sample_rate_hz": sample_rate_hz})
    return read_source(source, description)


def _store(url: str, recordings: Sequence[Recording]) -> int:
    database = connect_database(url)
    try:
        ensure_schema(database)
        return store_recordings(database, recordings).n_new
    except PyMongoError as error:
        msg = f"the database {public_url(url)} does not answer: start it, or name another ({type(error).__name__})"
        raise DatasetError(msg) from error
    finally:
        database.client.close()


def _export_format(target: Path) -> ExportFormat:
    if target.name.endswith((".csv", ".csv.gz")):
        return ExportFormat.CSV
    if target.suffix == ".parquet":
        return ExportFormat.PARQUET
    if not target.suffix or target.is_dir():
        return ExportFormat.EDGE_IMPULSE
    msg = f"{target} does not say in which form to write: call it .parquet or .csv.gz, or choose with --format"
    raise DatasetError(msg)


def _picture_format(path: Path) -> Literal["png", "svg"]:
    match path.suffix.lower():
        case ".png":
            return "png"
        case ".svg":
            return "svg"
    msg = f"{path} must end with .png or .svg"
    raise DatasetError(msg)


def _draw(path: Path, form: Literal["png", "svg"], recordings: Sequence[Recording], inspection: Inspection) -> None:
    from repsense_trainer.dataset_picture import plot  # noqa: PLC0415 - beside matplotlib

    try:
        path.write_bytes(plot(recordings, inspection, form))
    except OSError as error:
        msg = f"cannot write {path}: {error.strerror}"
        raise RecordingError(msg) from error


def _print_inspection(console: Console, source: str, inspection: Inspection) -> None:
    shown = public_url(source) if is_database(source) else source
    console.print(
        f"{shown}: {inspection.minutes:.1f} minutes in {len(inspection.recordings)} recordings", soft_wrap=True
    )
    labels = Table()
    labels.add_column("label", overflow="fold")
    for name in ("minutes", "recordings", "subjects", "sessions"):
        labels.add_column(name, justify="right")
    for summary in inspection.labels:
        labels.add_row(
            summary.label or "(none)",
            f"{summary.minutes:.1f}",
            str(summary.n_recordings),
            str(len(summary.subjects) or "-"),
            str(len(summary.sessions) or "-"),
        )
    console.print(labels)

    channels = Table("channel")
    for name in ("recordings", "lowest", "highest", "clipped", "constant in"):
        channels.add_column(name, justify="right")
    for channel in inspection.channels:
        channels.add_row(
            f"{channel.channel} ({UNITS[channel.channel]})",
            str(channel.n_recordings),
            f"{channel.minimum:.2f}",
            f"{channel.maximum:.2f}",
            f"{channel.clipped:.2%}",
            str(channel.n_dead or "-"),
        )
    console.print(channels)

    rates = sorted({recording.sample_rate_hz for recording in inspection.recordings})
    if len(rates) > _MAX_RATES:
        console.print(f"Sample rates: {rates[0]:g} to {rates[-1]:g} Hz")
    else:
        console.print(f"Sample rates: {', '.join(f'{rate:g}' for rate in rates)} Hz")
    for warning in inspection.warnings:
        console.print(Text.assemble(("!", "yellow"), f" {warning.text}"))
    if not inspection.warnings:
        console.print("Nothing speaks against training on it.")
