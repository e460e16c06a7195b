"""What the commands share: errors in one sentence, `--json`, and the progress of a training."""

import contextlib
import sys
from collections.abc import Iterator
from types import TracebackType
from typing import Annotated, Self

import typer
from pydantic import TypeAdapter
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from repsense.errors import RepSenseError

__all__ = ["ConsoleProgress", "JsonOption", "errors_in_words", "plain_console", "print_json"]

USER_ERROR = 2
"""Exit code of an error that the user can put right, as for a wrong option."""

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]

_JSON = TypeAdapter[object](object)


@contextlib.contextmanager
def errors_in_words() -> Iterator[None]:
    """Turn an error that was raised on purpose into one line on standard error and exit code 2."""
    try:
        yield
    except RepSenseError as error:
        typer.echo(f"repsense-train: {error}", err=True)
        raise typer.Exit(USER_ERROR) from error
    except KeyboardInterrupt as error:
        typer.echo("repsense-train: stopped; nothing was written", err=True)
        interrupted = 130
        raise typer.Exit(interrupted) from error


def plain_console(*, stderr: bool = False) -> Console:
    """A console that prints texts as they are: a name such as "row [/machine]" would be taken for markup."""
    return Console(highlight=False, markup=False, stderr=stderr)


def print_json(value: object) -> None:
    """Print a model, or anything made of models and plain values, on standard output."""
    sys.stdout.write(_JSON.dump_json(value, indent=2).decode() + "\n")


class ConsoleProgress:
    """Shows a training's progress on a terminal; see `progress.TrainingProgress`."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )
        self._trainings: TaskID | None = None
        self._epochs: TaskID | None = None

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bars.stop()

    def begin(self, n_steps: int) -> None:
        """See `progress.TrainingProgress.begin`."""
        self._trainings = self._bars.add_task("trainings", total=n_steps)
        self._epochs = self._bars.add_task("", total=None)

    def stage(self, step: int, text: str, n_epochs: int) -> None:
        """See `progress.TrainingProgress.stage`."""
        if self._trainings is not None and self._epochs is not None:
            self._bars.update(self._trainings, completed=step - 1)
            self._bars.update(self._epochs, description=f"{text}, epochs", completed=0, total=n_epochs)

    def epoch(self, epoch: int, loss: float) -> None:  # noqa: ARG002 - a terminal has no room for curves
        """See `progress.TrainingProgress.epoch`."""
        if self._epochs is not None:
            self._bars.update(self._epochs, completed=epoch)

    def group(self, group: str, accuracy: float) -> None:
        """See `progress.TrainingProgress.group`."""
        self._console.print(f"  {group}: {accuracy:.2%} of windows right")
