"""The commands of the worker: `repsense-train worker`, and the one by which it starts a training."""

import contextlib
import logging
import os
import signal
import sys
from pathlib import Path
from threading import Event
from typing import Annotated, NoReturn

import typer
from prometheus_client import REGISTRY
from pydantic import ValidationError

from repsense.condition import Condition
from repsense.database import connect_database
from repsense.errors import RepSenseError
from repsense.logs import configure_logging
from repsense.operations import serving_operations, show_build
from repsense.patience import StoppedError, giving_up_when_stopped, retry_while_away
from repsense.schema import ensure_schema
from repsense.secret_files import secrets_directory
from repsense_trainer.jobs import Claim, JobQueue
from repsense_trainer.metrics import JobFigures
from repsense_trainer.settings import WorkerSettings
from repsense_trainer.training_process import TrainingSteps, run_training
from repsense_trainer.worker import Command, Worker, noting_retries, training_command

__all__ = ["run_job", "run_worker", "worker"]

_USER_ERROR = 2

_LOGGER = logging.getLogger("repsense_trainer")


def worker() -> None:
    """Train the jobs that the REST API takes, one after the other, until SIGTERM or Ctrl-C.

    Settings come from the environment: MONGODB_URL, MODELS_DIR, WORKER_ID, TRAINING_JOBS_RETENTION_DAYS, METRICS_HOST,
    METRICS_PORT, LOG_LEVEL, LOG_FORMAT; those that are not set from files in the folder SECRETS_DIR.
    """
    run_worker(training_command)


def run_worker(command: Command) -> None:
    """Be a worker until told to stop; exit with 2 and one sentence if the settings cannot be used.

    Args:
        command: Of the process of a training.
    """
    settings = _settings()
    configure_logging(settings.log_level, settings.log_format)
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    condition = Condition(("database", "models"))
    condition.watch("models", lambda: _folder_problem(settings.models_dir))
    with contextlib.ExitStack() as opened:
        try:
            database = connect_database(settings.mongodb_url)
            opened.enter_context(database.client)
            opened.enter_context(giving_up_when_stopped(database, stop))
            if settings.metrics_port:
                show_build("trainer")
                REGISTRY.register(JobFigures(database))
                opened.enter_context(serving_operations(settings.metrics_host, settings.metrics_port, condition))
        except RepSenseError as error:
            _refuse(str(error))
        try:
            retry_while_away(stop, "database", lambda: ensure_schema(database), noting_retries(condition))
        except StoppedError:
            _LOGGER.info("stopped before the database was there")
            return
        _LOGGER.info("worker %s waits for training jobs, models are in %s", settings.worker_id, settings.models_dir)
        days = settings.training_jobs_retention_days
        kept_s = None if days is None else days * 24 * 3600
        Worker(JobQueue(database), settings.worker_id, command, condition, kept_s=kept_s).run(stop)
    _LOGGER.info("stopped")


def run_job(
    job_id: Annotated[str, typer.Argument()],
    worker_id: Annotated[str, typer.Argument()],
    attempt: Annotated[int, typer.Argument()],
) -> None:
    """Train one job that a worker has claimed; the worker starts this."""
    run_training(Claim(job_id, worker_id, attempt), _settings(), TrainingSteps())


def _folder_problem(models: Path) -> str | None:
    """Why no model could be stored there, in words; None if it could, or the folder can be made."""
    nearest = next(folder for folder in (models.absolute(), *models.absolute().parents) if folder.exists())
    if nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK):
        return None
    return f"models cannot be written to {models}: make {nearest} a folder that this user may write to"


def _settings() -> WorkerSettings:
    try:
        return WorkerSettings(_secrets_dir=secrets_directory())
    except RepSenseError as error:
        _refuse(str(error))
    except OSError as error:
        _refuse(f"SECRETS_DIR: {error.filename} cannot be read: {error.strerror}")
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        _refuse(f"{str(first['loc'][0]).upper()}: {first['msg']}, not {first['input']!r}")


def _refuse(reason: str) -> NoReturn:
    typer.echo(f"repsense-train: {reason}", err=True)
    # Not typer.Exit: the worker also runs outside the command line (see `__main__`).
    sys.exit(_USER_ERROR)
