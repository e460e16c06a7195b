"""The progress of a training job, stored in the job."""

import logging
import time
from collections.abc import Callable

import pymongo
from pymongo.errors import PyMongoError

from repsense.documents import TrainingProgressDocument
from repsense.patience import first_line
from repsense_trainer.errors import TrainingCancelledError
from repsense_trainer.jobs import ClaimState

__all__ = ["JobProgress", "check_held"]

_LOGGER = logging.getLogger(__name__)

_INTERVAL_S = 0.2
"""Between two epochs that are stored; small networks have dozens a second."""
_TIMEOUT_S = 1.0
_AWAY_S = 5.0
"""After this long it is tried again when the database was away: the training goes on without it."""


class JobProgress:
    """See `progress.TrainingProgress`; ends the training when the job is cancelled or another worker's."""

    def __init__(
        self, store: Callable[[TrainingProgressDocument], ClaimState], clock_s: Callable[[], float] = time.monotonic
    ) -> None:
        """Begin with nothing.

        Args:
            store: Stores the progress and says what became of the claim; raises `PyMongoError` while the database is
                away.
            clock_s: Seconds, from any point in time.
        """
        self._store = store
        self._clock_s = clock_s
        self._next_s = 0.0
        self._progress = TrainingProgressDocument(
            stage="getting ready", n_steps=0, step=0, n_epochs=0, epoch=0, losses=[], groups={}
        )

    def begin(self, n_steps: int) -> None:
        """See `TrainingProgress.begin`."""
        self._progress["n_steps"] = n_steps
        self._tell()

    def stage(self, step: int, text: str, n_epochs: int) -> None:
        """See `TrainingProgress.stage`."""
        _LOGGER.info("%d of %d: %s", step, self._progress["n_steps"], text)
        self._progress |= {"stage": text, "step": step, "n_epochs": n_epochs, "epoch": 0, "losses": []}
        self._tell()

    def epoch(self, epoch: int, loss: float) -> None:
        """See `TrainingProgress.epoch`."""
        self._progress["epoch"] = epoch
        self._progress["losses"].append(loss)
        if epoch == self._progress["n_epochs"]:
            _LOGGER.info("%d epochs, loss %.4f", epoch, loss)
        self._tell()

    def group(self, group: str, accuracy: float) -> None:
        """See `TrainingProgress.group`."""
        _LOGGER.info("%s: %.2f %% of windows right", group, 100 * accuracy)
        self._progress["groups"][group] = accuracy
        self._tell()

    def flush(self) -> None:
        """Store what was left out because it came too soon after something else."""
        self._next_s = 0.0
        self._tell()

    def _tell(self) -> None:
        now_s = self._clock_s()
        if now_s < self._next_s:
            return
        try:
            with pymongo.timeout(_TIMEOUT_S):
                state = self._store(self._progress)
        except PyMongoError as error:
            _LOGGER.warning("the database is away, the training goes on meanwhile: %s", first_line(error))
            self._next_s = self._clock_s() + _AWAY_S
            return
        self._next_s = now_s + _INTERVAL_S
        check_held(state)


def check_held(state: ClaimState) -> None:
    """End a training that nobody wants.

    Raises:
        TrainingCancelledError: Unless the claim is held.
    """
    if state is ClaimState.LOST:
        msg = "the job is not this worker's any more"
        raise TrainingCancelledError(msg)
    if state is ClaimState.CANCEL_REQUESTED:
        msg = "the job was cancelled"
        raise TrainingCancelledError(msg)
