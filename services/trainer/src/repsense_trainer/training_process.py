"""The process in which one job is trained: loads TensorFlow, trains, stores the model, says so, and ends.

Its worker has claimed the job, keeps the claim, and passes on what is written here (see `worker`).
"""

import logging
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from threading import Event, Thread
from typing import Protocol

from pydantic import ValidationError

from repsense.database import Documents, connect_database
from repsense.documents import TrainingJobDocument
from repsense.errors import RepSenseError
from repsense.manifest import ModelManifest
from repsense.patience import retry_while_away
from repsense.recordings import Recording
from repsense.recordings.stored import find_recordings
from repsense.registry import ModelRegistry
from repsense.timestamps import now_us
from repsense.training import RecordingSelection, TrainingConfiguration
from repsense_trainer.errors import DatasetError, TrainingCancelledError
from repsense_trainer.job_progress import JobProgress, check_held
from repsense_trainer.job_registry import JobRegistry
from repsense_trainer.jobs import Cancelled, Claim, Failed, JobQueue, Outcome, Succeeded
from repsense_trainer.progress import TrainingProgress
from repsense_trainer.settings import WorkerSettings
from repsense_trainer.training import train_model

__all__ = ["Steps", "TrainingSteps", "run_training"]

_LOGGER = logging.getLogger("repsense_trainer")


class Steps(Protocol):
    """What a job consists of; tests have shorter ones."""

    def find(self, database: Documents, selection: RecordingSelection) -> Sequence[Recording]:
        """The recordings that are selected."""
        ...

    def train(
        self,
        recordings: Sequence[Recording],
        name: str,
        configuration: TrainingConfiguration,
        registry: ModelRegistry,
        progress: TrainingProgress,
    ) -> ModelManifest:
        """Train a network and add it to the registry."""
        ...


class TrainingSteps:
    """The real ones; TensorFlow is loaded when a network is trained."""

    def find(self, database: Documents, selection: RecordingSelection) -> Sequence[Recording]:
        """See `Steps.find`."""
        return find_recordings(database, selection)

    def train(
        self,
        recordings: Sequence[Recording],
        name: str,
        configuration: TrainingConfiguration,
        registry: ModelRegistry,
        progress: TrainingProgress,
    ) -> ModelManifest:
        """See `Steps.train`."""
        return train_model(recordings, name, configuration, registry, progress)


def run_training(claim: Claim, settings: WorkerSettings, steps: Steps) -> None:
    """Train a claimed job and store how it ended; the process ends early if its parent does."""
    logging.basicConfig(level=settings.log_level, format="%(levelname)s %(message)s", stream=sys.stdout, force=True)
    for library in ("absl", "tensorflow"):
        logging.getLogger(library).setLevel(logging.WARNING)
    Thread(target=_end_with_parent, name="parent", daemon=True).start()
    database = connect_database(settings.mongodb_url)
    queue = JobQueue(database)
    # The worker ends this process when it has to stop, so it waits for the database as long as that takes.
    patiently = partial(retry_while_away, Event(), "database")
    job = patiently(lambda: queue.read(claim))
    if job is None:
        _LOGGER.warning("the job is not this worker's any more")
        return
    registry = JobRegistry(
        settings.models_dir, claim.job_id, lambda: check_held(patiently(lambda: queue.renew(claim, (), now_us())))
    )
    progress = JobProgress(partial(queue.report, claim))

    def train() -> int:
        selection = RecordingSelection.model_validate_json(job["selection"])
        configuration = TrainingConfiguration.model_validate_json(job["configuration"])
        recordings = _labelled(patiently(lambda: steps.find(database, selection)))
        version = steps.train(recordings, job["model_name"], configuration, registry, progress).version
        progress.flush()
        return version

    def store(version: int) -> None:
        check_held(patiently(lambda: queue.store_version(claim, version)))

    outcome = _outcome(job, registry, train, store)
    patiently(lambda: queue.finish(claim, outcome, now_us()))


def _labelled(found: Sequence[Recording]) -> list[Recording]:
    """What can be learned from among the recordings that were found."""
    recordings = [recording for recording in found if recording.label is not None]
    if not found:
        msg = "no recording is selected: record or import some, or select others"
        raise DatasetError(msg)
    if not recordings:
        msg = f"none of the recordings ({len(found)}) has a label: say what they are"
        raise DatasetError(msg)
    _LOGGER.info("%d recordings", len(recordings))
    if len(recordings) < len(found):
        _LOGGER.warning("left out, since they have no label: %d", len(found) - len(recordings))
    return recordings


def _outcome(
    job: TrainingJobDocument, registry: JobRegistry, train: Callable[[], int], store: Callable[[int], None]
) -> Outcome:
    """Do what a job asks for, as far as an earlier attempt has not done it."""
    name = job["model_name"]
    try:
        version = registry.version_of_job(name)
        if version is None:
            version = train()
        store(version)
        _LOGGER.info("version %d of %s is stored", version, name)
        if job["promote"]:
            registry.promote(name, version)
            _LOGGER.info("version %d of %s is in use", version, name)
    except TrainingCancelledError as error:
        _LOGGER.info("ended: %s", error)
        return Cancelled()
    except MemoryError:
        _LOGGER.exception("out of memory")
        return Failed("the memory does not suffice for this training")
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        return _failed(f"the job cannot be read: {'.'.join(map(str, first['loc']))}: {first['msg']}")
    except RepSenseError as error:
        return _failed(str(error))
    return Succeeded(version)


def _failed(reason: str) -> Failed:
    _LOGGER.error("%s", reason)
    return Failed(reason)


def _end_with_parent() -> None:
    """Wait until nobody holds the other end of standard input, and end at once: the claim is not renewed any more."""
    while os.read(sys.stdin.fileno(), 1):
        pass
    os._exit(1)
