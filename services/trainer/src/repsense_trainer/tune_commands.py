"""The command that searches a good configuration."""

import contextlib
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, Self

import typer
from pydantic import JsonValue
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from repsense.training import TrainingConfiguration
from repsense_trainer.configuration import ConfigurationFile
from repsense_trainer.console import JsonOption, errors_in_words, plain_console, print_json
from repsense_trainer.dataset import Dataset
from repsense_trainer.errors import ConfigurationError
from repsense_trainer.evaluation import Classify
from repsense_trainer.sources import read_source
from repsense_trainer.tensorflow_runtime import prepare_tensorflow

if TYPE_CHECKING:
    from repsense_trainer.tuning import OnEpoch, Outcome, Tuning

__all__ = ["tune"]

_INTERRUPTED = 130


def tune(
    source: Annotated[
        str,
        typer.Argument(help="The recordings: a file, a folder, or a database (mongodb://127.0.0.1:27017/repsense)."),
    ],
    *,
    config: Annotated[Path, typer.Option(help="The TOML file to begin with; what is not searched is taken over.")],
    output: Annotated[Path, typer.Option(help="The TOML file to write, for `train --config`.")],
    trials: Annotated[
        int, typer.Option(min=1, help="How many configurations to try, with those of earlier runs.")
    ] = 50,
    timeout: Annotated[
        float | None, typer.Option(min=0, help="Minutes after which no trial begins.", show_default=False)
    ] = None,
    folds: Annotated[int, typer.Option(min=2, help="Into how many parts sessions or subjects are divided.")] = 5,
    max_window_s: Annotated[
        float | None,
        typer.Option(help="The longest window, seconds; by default the configuration's.", show_default=False),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the search; that of the networks is the configuration's.")] = 0,
    json: JsonOption = False,
) -> None:
    """Search for a better configuration, judged on sessions or subjects that were held out.

    What was tried is kept beside the output in a journal: the same command goes on where it was stopped or killed.
    """
    with errors_in_words():
        base = ConfigurationFile.load(config)
        journal = output.with_name(output.name + ".journal")
        if output.exists() and not journal.exists():
            msg = f"{output} exists and is no result of a search: choose another output"
            raise ConfigurationError(msg)
        recordings = read_source(source, base.data)
        # Both take seconds to load: a typing mistake should not wait for them.
        prepare_tensorflow(base.seed)
        from repsense_trainer.tuning import Tuning  # noqa: PLC0415

        console = plain_console(stderr=json)
        with contextlib.closing(
            Tuning(recordings, base, journal, n_folds=folds, seed=seed, max_window_s=max_window_s)
        ) as tuning:
            n_before = len(tuning.outcomes)
            if n_before:
                console.print(f"Going on after {n_before} trials in {journal}.")
            try:
                with _ConsoleTuningProgress(console, tuning, trials, output) as progress:
                    tuning.run(_train, trials, progress, None if timeout is None else timeout * 60)
            except KeyboardInterrupt as error:
                typer.echo("repsense-train: stopped; the same command goes on with the search", err=True)
                raise typer.Exit(_INTERRUPTED) from error
            best = tuning.best
            if best is None:
                msg = "no trial was finished in time: allow for more"
                raise ConfigurationError(msg)
            _save(tuning, output)
            if json:
                print_json(_as_json(tuning, best, output))
            else:
                _print_result(console, tuning, best, output)


def _train(dataset: Dataset, configuration: TrainingConfiguration, on_epoch: "OnEpoch") -> Classify:
    from repsense_trainer.network import train_network  # noqa: PLC0415 - as above

    return train_network(dataset, configuration, on_epoch).answer


def _save(tuning: "Tuning", output: Path) -> None:
    best = tuning.best
    if best is not None:
        outcomes = tuning.outcomes
        comment = (
            f"Trial {best.number} of {len(outcomes)} of `repsense-train tune`: {best.accuracy:.2%} on held-out "
            f"{tuning.group_by}s, untuned {outcomes[0].accuracy:.2%}. Chosen on these {tuning.group_by}s: optimistic."
        )
        tuning.configuration(best).save(output, comment)


def _as_json(tuning: "Tuning", best: "Outcome", output: Path) -> dict[str, JsonValue]:
    outcomes = tuning.outcomes
    return {
        "configuration": str(output),
        "trials": len(outcomes),
        "pruned": sum(outcome.is_pruned for outcome in outcomes),
        "folds": len(tuning.questions),
        "group_by": tuning.group_by,
        "best_trial": best.number,
        "accuracy": best.accuracy,
        "macro_f1": best.macro_f1,
        "untuned_accuracy": outcomes[0].accuracy,
        "untuned_macro_f1": outcomes[0].macro_f1,
        "values": {name: _value(tuning, best, name) for name in tuning.space},
    }


def _print_result(console: Console, tuning: "Tuning", best: "Outcome", output: Path) -> None:
    untuned = tuning.outcomes[0]
    table = Table("", "untuned", "best")
    table.add_row("right", f"{untuned.accuracy:.2%}", f"{best.accuracy:.2%}")
    table.add_row("macro-F1", f"{untuned.macro_f1:.4f}", f"{best.macro_f1:.4f}")
    for name in tuning.space:
        table.add_row(name, f"{_value(tuning, untuned, name):g}", f"{_value(tuning, best, name):g}")
    console.print(table)
    if best.number == 0:
        console.print("Nothing that was tried is better than the untuned configuration.")
    console.print(
        f"The best of {len(tuning.outcomes)} was chosen on these {tuning.group_by}s, so what it reached on them is "
        f"optimistic: expect less on a {tuning.group_by} that had no part in the choice."
    )
    console.print(f"Wrote {output}; train with it: repsense-train train … --config {output}", soft_wrap=True)


def _value(tuning: "Tuning", outcome: "Outcome", name: str) -> float:
    """As it is in the configuration, where it is rounded."""
    part, field = name.split(".")
    value = getattr(getattr(tuning.configuration(outcome), part), field)
    return float(outcome.values[name] if value is None else value)


class _ConsoleTuningProgress:
    """Shows a search on a terminal, and writes the best configuration after every trial; see `TuningProgress`."""

    def __init__(self, console: Console, tuning: "Tuning", n_trials: int, output: Path) -> None:
        self._console = console
        self._tuning = tuning
        self._output = output
        columns = (TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn())
        self._bars = Progress(*columns, console=console, transient=True)
        self._n_trials = n_trials
        self._search = self._bars.add_task("", total=n_trials)
        self._trial = self._bars.add_task("", total=1)

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bars.stop()

    def begin(self, number: int) -> None:
        """See `tuning.TuningProgress.begin`."""
        best = self._tuning.best
        n_pruned = sum(outcome.is_pruned for outcome in self._tuning.outcomes)
        so_far = "" if best is None else f", best {best.accuracy:.2%} (trial {best.number}), {n_pruned} pruned"
        self._bars.update(self._search, description=f"trial {number + 1} of {self._n_trials}{so_far}", completed=number)

    def epoch(self, fold: int, n_folds: int, epoch: int, n_epochs: int) -> None:
        """See `tuning.TuningProgress.epoch`."""
        self._bars.update(
            self._trial,
            description=f"fold {fold} of {n_folds}, epoch {epoch} of {n_epochs}",
            completed=fold - 1 + epoch / n_epochs,
            total=n_folds,
        )

    def end(self, outcome: "Outcome") -> None:
        """See `tuning.TuningProgress.end`."""
        is_best = outcome == self._tuning.best
        said = "pruned" if outcome.is_pruned else f"{outcome.accuracy:.2%} right" + (", the best" if is_best else "")
        self._console.print(f"  trial {outcome.number}: {'untuned, ' if outcome.number == 0 else ''}{said}")
        if is_best:
            _save(self._tuning, self._output)
