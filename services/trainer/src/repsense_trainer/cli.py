"""The command line of the trainer: train, and what is reached from here."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from repsense.manifest import Evaluation
from repsense.registry import ModelRegistry
from repsense.training import TrainingConfiguration
from repsense_trainer.configuration import ConfigurationFile
from repsense_trainer.console import ConsoleProgress, JsonOption, errors_in_words, plain_console, print_json
from repsense_trainer.dataset import Dataset
from repsense_trainer.dataset_commands import app as dataset_app
from repsense_trainer.errors import ConfigurationError
from repsense_trainer.model_commands import compare, list_models, promote, rollback
from repsense_trainer.sources import read_source
from repsense_trainer.training import Training, TrainingResult
from repsense_trainer.tune_commands import tune
from repsense_trainer.worker_commands import run_job, worker

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
app.add_typer(dataset_app, name="dataset")
app.command("tune")(tune)
app.command("list")(list_models)
app.command("compare")(compare)
app.command("promote")(promote)
app.command("rollback")(rollback)
app.command("worker")(worker)
app.command("run-job", hidden=True)(run_job)


@app.callback()
def _group() -> None:
    """Teach RepSense your own activities: recordings in, a model with honest figures out."""


@app.command()
def train(
    source: Annotated[
        str,
        typer.Argument(help="The recordings: a file, a folder, or a database (mongodb://127.0.0.1:27017/repsense)."),
    ],
    *,
    config: Annotated[
        Path | None, typer.Option(help="A TOML file: how to read the data and how to train.", show_default=False)
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="The model's name; by default the configuration's.", show_default=False)
    ] = None,
    models: Annotated[Path, typer.Option(help="Where models lie.")] = Path("models"),
    leave_out: Annotated[
        list[str] | None,
        typer.Option(help="A session or subject that is not trained on; repeatable.", show_default=False),
    ] = None,
    evaluate: Annotated[
        bool, typer.Option("--evaluate/--no-evaluate", help="Leave out each session or subject once, and each label.")
    ] = True,
    few_shot: Annotated[
        bool, typer.Option("--few-shot", help="Also train on 1, 2, 4 ... sessions, to see how many are needed.")
    ] = False,
    seed: Annotated[
        int | None, typer.Option(min=0, help="The same data and seed give the same network.", show_default=False)
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Instead of the usual number.", show_default=False)] = None,
    use: Annotated[
        bool, typer.Option("--promote", help="Put the new version in use; otherwise it waits for `promote`.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Train a network and add it to the models as a version that waits to be promoted."""
    with errors_in_words():
        settings = ConfigurationFile() if config is None else ConfigurationFile.load(config)
        model_name = name or settings.name
        if model_name is None:
            msg = "the model has no name: give one with --name, or in the configuration"
            raise ConfigurationError(msg)
        configuration = _configuration(settings, evaluate=evaluate, few_shot=few_shot, seed=seed, epochs=epochs)
        training = Training(read_source(source, settings.data), model_name, configuration, leave_out or ())
        console = plain_console(stderr=json)
        _print_dataset(console, model_name, training.dataset)
        registry = ModelRegistry(models)
        with ConsoleProgress(console) as progress:
            result = training.run(registry, progress)
        if use:
            registry.promote(model_name, result.manifest.version)
        if json:
            print_json(result.manifest)
            return
        _print_result(console, result, is_in_use=use)


def _configuration(
    file: ConfigurationFile, *, evaluate: bool, few_shot: bool, seed: int | None, epochs: int | None
) -> TrainingConfiguration:
    """The file's, as far as the command line does not say otherwise."""
    configuration = file.training()
    evaluation = configuration.evaluation
    if not evaluate:
        evaluation = evaluation.model_copy(update={"leave_one_group_out": False, "unknown": False, "few_shot": False})
    elif few_shot:
        evaluation = evaluation.model_copy(update={"few_shot": True})
    network = configuration.network if epochs is None else configuration.network.model_copy(update={"epochs": epochs})
    changes = {"evaluation": evaluation, "network": network, "seed": configuration.seed if seed is None else seed}
    return configuration.model_copy(update=changes)


def _print_dataset(console: Console, name: str, dataset: Dataset) -> None:
    cut = dataset.cut
    n_groups = len(dataset.groups)
    console.print(
        f"{name}: {n_groups} {dataset.group_by}{'s' if n_groups > 1 else ''}, windows of "
        f"{cut.window_size / cut.sample_rate_hz:g} s at {cut.sample_rate_hz:g} Hz, {len(cut.channels)} channels",
        soft_wrap=True,
    )
    table = Table("label", "recordings", "minutes")
    for index, label in enumerate(dataset.labels):
        lengths = [len(recording.samples) for recording in dataset.recordings if recording.label_index == index]
        table.add_row(str(label), str(len(lengths)), f"{sum(lengths) / cut.sample_rate_hz / 60:.1f}")
    console.print(table)


def _print_result(console: Console, result: TrainingResult, *, is_in_use: bool) -> None:
    manifest = result.manifest
    if manifest.evaluation is not None:
        _print_evaluation(console, manifest.evaluation)
    if result.left_out_accuracy is not None:
        console.print(f"On what was left out: {result.left_out_accuracy:.2%} of windows right")
    where = (
        "in use"
        if is_in_use
        else f"on standby; put it in use with: repsense-train promote {manifest.name} {manifest.version}"
    )
    console.print(
        f"{manifest.name} version {manifest.version}, trained in {manifest.training.duration_s:g} s, is {where}",
        soft_wrap=True,
    )


def _print_evaluation(console: Console, evaluation: Evaluation) -> None:
    table = Table("label", "recall", title=evaluation.method)
    for label, recall in evaluation.recall.items():
        table.add_row(label, f"{recall:.2%}")
    console.print(table)
    worst = min(evaluation.groups, key=lambda group: group.accuracy)
    console.print(
        f"Accuracy {evaluation.accuracy:.2%} of windows, macro-F1 {evaluation.macro_f1:.4f}; "
        f"worst: {worst.group} with {worst.accuracy:.2%}"
    )
    if evaluation.unknown is not None:
        console.print(
            f"Unknown: {evaluation.unknown.rejected_share:.1%} of the windows of an activity that was not trained are "
            f"recognised as such (AUROC {evaluation.unknown.auroc:.3f}), at the cost of "
            f"{evaluation.unknown.lost_share:.1%} of the known ones"
        )
