"""A worker whose trainings take no time and do what the job's model name says; see `QuickSteps`.

As a program: `quick_training.py worker`, or what such a worker starts.
"""

import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from repsense.channels import Channel
from repsense.database import Documents
from repsense.labels import Label
from repsense.manifest import ModelManifest
from repsense.recordings import Recording
from repsense.registry import ModelRegistry
from repsense.training import RecordingSelection, TrainingConfiguration
from repsense_trainer.errors import DatasetError
from repsense_trainer.jobs import Claim
from repsense_trainer.progress import TrainingProgress
from repsense_trainer.settings import WorkerSettings
from repsense_trainer.training_process import run_training
from repsense_trainer.worker_commands import run_worker
from support.models import mean_manifest, write_mean_version

__all__ = ["GO"]

GO = "go"
"""A file in the models' folder for which the trainings of patient models wait."""
_EPOCHS = 3


class QuickSteps:
    """Finds a recording wherever it looks but at the subjects "nobody", "unlabelled" and "half", and trains by name:

    quick       three epochs
    patient     three epochs, and then one more after the other until there is the file `GO`
    stubborn    says nothing and never ends
    failing     raises an error of the project
    mistaken    raises another one
    killed      is killed
    """

    def find(self, database: Documents, selection: RecordingSelection) -> Sequence[Recording]:
        """See `training_process.Steps`."""
        del database
        unlabelled = Recording(np.zeros((10, 1), np.float32), (Channel.AX,), 10.0)
        labelled = replace(unlabelled, label=Label(exercise="squat"))
        if selection.subjects == ("nobody",):
            return []
        if selection.subjects == ("unlabelled",):
            return [unlabelled]
        return [labelled, unlabelled] if selection.subjects == ("half",) else [labelled]

    def train(
        self,
        recordings: Sequence[Recording],
        name: str,
        configuration: TrainingConfiguration,
        registry: ModelRegistry,
        progress: TrainingProgress,
    ) -> ModelManifest:
        """See `training_process.Steps`."""
        del configuration
        print(f"training {name} on {len(recordings)} recordings", flush=True)  # noqa: T201 - a line for the log
        progress.begin(1)
        progress.stage(1, "on everything", _EPOCHS)
        for epoch in range(1, _EPOCHS + 1):
            progress.epoch(epoch, 1 / epoch)
        time.sleep(0.3)  # longer than epochs are kept back for
        progress.group("first", 0.75)
        if name == "failing":
            msg = "there is only one label: record another"
            raise DatasetError(msg)
        if name == "mistaken":
            msg = "a mistake"
            raise LookupError(msg)
        if name == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        while name == "stubborn":
            time.sleep(1)
        while name == "patient" and not (WorkerSettings().models_dir / GO).exists():
            time.sleep(0.05)
            progress.epoch(_EPOCHS, 0.1)
        manifest = mean_manifest(name=name, version=registry.next_version(name))
        registry.add(name, manifest.version, lambda directory: write_mean_version(directory, manifest))
        return manifest


def _command(claim: Claim) -> list[str]:
    return [sys.executable, str(Path(__file__)), claim.job_id, claim.worker_id, str(claim.attempt)]


def _main(*arguments: str) -> None:
    if arguments == ("worker",):
        run_worker(_command)
    else:
        job_id, worker_id, attempt = arguments
        run_training(Claim(job_id, worker_id, int(attempt)), WorkerSettings(), QuickSteps())


if __name__ == "__main__":
    _main(*sys.argv[1:])
