"""The command line of the trainer."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from repsense.errors import ManifestError, RepSenseError
from repsense.manifest import Evaluation, latest_version
from repsense_trainer.dataset import Dataset, DatasetDescription, load_dataset
from repsense_trainer.errors import ExportError
from repsense_trainer.tensorflow_runtime import prepare_tensorflow

__all__ = ["app"]

USER_ERROR = 2
"""Exit code of an error that the user can put right, as for a wrong option."""

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.callback()
def _group() -> None:
    """Train models of RepSense from labelled recordings."""


@app.command()
def train(
    data: Annotated[Path, typer.Argument(help="The folder with the recordings.")],
    *,
    dataset: Annotated[Path, typer.Option(help="The dataset's description, a TOML file.")],
    output: Annotated[Path, typer.Option(help="Where models lie; the version goes to <output>/<name>/<version>.")],
    version: Annotated[
        int | None, typer.Option(min=1, help="The version's number; by default the next one.", show_default=False)
    ] = None,
    leave_out: Annotated[
        list[str] | None,
        typer.Option(help="A session that is not trained on; may be given several times.", show_default=False),
    ] = None,
    evaluate: Annotated[
        bool, typer.Option("--evaluate/--no-evaluate", help="Leave out each session once and measure on it.")
    ] = True,
    seed: Annotated[int, typer.Option(min=0, help="The same data and seed give the same network.")] = 0,
    epochs: Annotated[int | None, typer.Option(min=1, help="Instead of the usual number.", show_default=False)] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the version if it exists.")] = False,
) -> None:
    """Train a network on labelled recordings and write it as a version of a model."""
    try:
        _train(
            data,
            dataset,
            output,
            version=version,
            left_out=leave_out or [],
            is_evaluated=evaluate,
            seed=seed,
            epochs=epochs,
            replace=force,
        )
    except RepSenseError as error:
        typer.echo(f"repsense-train: {error}", err=True)
        raise typer.Exit(USER_ERROR) from error


def _train(
    folder: Path,
    description_path: Path,
    output: Path,
    *,
    version: int | None,
    left_out: list[str],
    is_evaluated: bool,
    seed: int,
    epochs: int | None,
    replace: bool,
) -> None:
    console = Console(highlight=False)
    description = DatasetDescription.load(description_path)
    target = _target(output / description.name, version, replace=replace)
    everything = load_dataset(folder, description)
    dataset, unseen = everything.split(left_out) if left_out else (everything, None)
    _print_summary(console, dataset)

    prepare_tensorflow(seed)
    from repsense_trainer.export import write_version  # noqa: PLC0415 - loads TensorFlow, which must be prepared
    from repsense_trainer.network import NetworkConfiguration  # noqa: PLC0415
    from repsense_trainer.training import Trainer  # noqa: PLC0415

    configuration = NetworkConfiguration() if epochs is None else NetworkConfiguration(epochs=epochs)
    trainer = Trainer(dataset, configuration, seed)
    column = description.group_column
    held_out = None
    if is_evaluated:
        console.print(f"Leaving out each {column} once, before its recordings are cut into windows:")
        held_out = trainer.evaluate(lambda group, accuracy: console.print(f"  {column} {group}: {accuracy:.2%}"))
    with Progress(console=console) as progress:
        task = progress.add_task("Training on all of them", total=configuration.epochs)
        trained = trainer.train(int(target.name), held_out, lambda epoch, _: progress.update(task, completed=epoch))
    if trained.manifest.evaluation is not None:
        _print_evaluation(console, trained.manifest.evaluation, column)
    if unseen is not None:
        windows = unseen.windows()
        is_correct = trained.network.classify(windows.samples).argmax(axis=1) == windows.label_indices
        console.print(f"On the {column}s left out ({', '.join(unseen.groups)}): {is_correct.mean():.2%} of windows")
    write_version(trained, target, replace=replace)
    console.print(f"Wrote {target}, trained in {trained.manifest.training.duration_s:g} s", soft_wrap=True)


def _target(model_directory: Path, version: int | None, *, replace: bool) -> Path:
    """The directory to write; an existing version is refused before time is spent on training."""
    if version is None:
        try:
            version = int(latest_version(model_directory).name) + 1
        except ManifestError:
            version = 1
    target = model_directory / str(version)
    if target.exists() and not replace:
        msg = f"{target} exists already: leave out --version for the next one, or replace it with --force"
        raise ExportError(msg)
    return target


def _print_summary(console: Console, dataset: Dataset) -> None:
    description = dataset.description
    table = Table(
        "label", "recordings", "minutes", title=f"{description.name}: {len(dataset.groups)} {description.group_column}s"
    )
    for index, label in enumerate(dataset.labels):
        lengths = [len(recording.samples) for recording in dataset.recordings if recording.label_index == index]
        table.add_row(str(label), str(len(lengths)), f"{sum(lengths) / description.sample_rate_hz / 60:.1f}")
    console.print(table)


def _print_evaluation(console: Console, evaluation: Evaluation, column: str) -> None:
    table = Table("label", "recall", title=evaluation.method)
    for label, recall in evaluation.recall.items():
        table.add_row(label, f"{recall:.2%}")
    console.print(table)
    worst = min(evaluation.groups, key=lambda group: group.accuracy)
    console.print(
        f"Accuracy {evaluation.accuracy:.2%} of windows, macro-F1 {evaluation.macro_f1:.4f}; "
        f"worst {column} {worst.group}: {worst.accuracy:.2%}"
    )
