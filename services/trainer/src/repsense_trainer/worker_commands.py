"""The commands of the worker: `repsense-train worker`, and the one by which it starts a training."""

import logging
import signal
import sys
from threading import Event
from typing import Annotated, NoReturn

import typer
from pydantic import ValidationError

from repsense.database import connect_database, ensure_indexes
from repsense.errors import RepSenseError
from repsense.patience import StoppedError, retry_while_away
from repsense_trainer.jobs import Claim, JobQueue
from repsense_trainer.settings import WorkerSettings
from repsense_trainer.training_process import TrainingSteps, run_training
from repsense_trainer.worker import Command, Worker, training_command

__all__ = ["run_job", "run_worker", "worker"]

_USER_ERROR = 2

_LOGGER = logging.getLogger("repsense_trainer")


def worker() -> None:
    """Train the jobs that the REST API takes, one after the other, until SIGTERM or Ctrl-C.

    Settings come from the environment: MONGODB_URL, MODELS_DIR, WORKER_ID, LOG_LEVEL.
    """
    run_worker(training_command)


def run_worker(command: Command) -> None:
    """Be a worker until told to stop; exit with 2 and one sentence if the settings cannot be used.

    Args:
        command: Of the process of a training.
    """
    settings = _settings()
    logging.basicConfig(level=settings.log_level, format="%(levelname)s %(message)s", stream=sys.stdout)
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        database = connect_database(settings.mongodb_url)
    except RepSenseError as error:
        _refuse(str(error))
    with database.client:
        try:
            retry_while_away(stop, "database", lambda: ensure_indexes(database))
        except StoppedError:
            _LOGGER.info("stopped before the database was there")
            return
        _LOGGER.info("worker %s waits for training jobs, models are in %s", settings.worker_id, settings.models_dir)
        Worker(JobQueue(database), settings.worker_id, command).run(stop)
    _LOGGER.info("stopped")


def run_job(
    job_id: Annotated[str, typer.Argument()],
    worker_id: Annotated[str, typer.Argument()],
    attempt: Annotated[int, typer.Argument()],
) -> None:
    """Train one job that a worker has claimed; the worker starts this."""
    run_training(Claim(job_id, worker_id, attempt), _settings(), TrainingSteps())


def _settings() -> WorkerSettings:
    try:
        return WorkerSettings()
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        _refuse(f"{str(first['loc'][0]).upper()}: {first['msg']}, not {first['input']!r}")


def _refuse(reason: str) -> NoReturn:
    typer.echo(f"repsense-train: {reason}", err=True)
    # Not typer.Exit: the worker also runs outside the command line (see `__main__`).
    sys.exit(_USER_ERROR)
