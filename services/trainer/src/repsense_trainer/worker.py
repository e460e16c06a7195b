"""The worker: takes training jobs one after the other and has each trained in a process of its own.

The worker itself stays small, never loads TensorFlow, and answers at once: it renews its claim, passes on what the
process writes, and ends it when the job is cancelled or lost or when the worker has to stop. What a training took of
memory is given back when its process ends, and one that crashes takes nothing with it.
"""

import logging
import sys
import time
from collections.abc import Callable, Sequence
from enum import Enum, auto
from threading import Event
from typing import Protocol, TypeVar

import pymongo
from pymongo.errors import PyMongoError

from repsense.condition import Condition
from repsense.patience import StoppedError, first_line, retry_while_away
from repsense.timestamps import MICROSECONDS, now_us
from repsense_trainer import metrics
from repsense_trainer.child import Child
from repsense_trainer.jobs import Cancelled, Claim, ClaimState, Failed, Outcome

__all__ = ["Command", "Queue", "Worker", "noting_retries", "training_command"]

_LOGGER = logging.getLogger(__name__)

_POLL_S = 1.0
"""How often an idle worker looks for a job."""
_TICK_S = 0.25
"""How often it looks at the process of a training."""
_RENEWAL_S = 1.0
"""Also how soon a job is cancelled, and how old its log may be."""
_RENEWAL_TIMEOUT_S = 2.0
"""The worker must answer in time although the database hangs; the next renewal is soon."""
_EXPIRY_INTERVAL_S = 600.0
"""How often an idle worker looks for jobs that are too old to be kept."""
_GOODBYE_TIMEOUT_S = 1.0
"""For giving the job back at the end; `make up` stops the database 1.5 s after the worker."""

_Result = TypeVar("_Result")


class Queue(Protocol):
    """What a worker needs of the jobs; see `jobs.JobQueue`."""

    def claim(self, worker_id: str, now_us: int) -> Claim | None:
        """Take the oldest job that waits."""
        ...

    def renew(self, claim: Claim, lines: Sequence[str], now_us: int) -> ClaimState:
        """Hold a claim for longer and add to the job's log."""
        ...

    def append_log(self, claim: Claim, lines: Sequence[str]) -> None:
        """Add to the job's log, also after its end."""
        ...

    def finish(self, claim: Claim, outcome: Outcome, now_us: int) -> bool:
        """End a job."""
        ...

    def give_back(self, claim: Claim, lines: Sequence[str]) -> bool:
        """Put a job back for another worker."""
        ...

    def delete_ended(self, before_us: int) -> int:
        """Delete jobs that ended before a time."""
        ...


def noting_retries(condition: Condition) -> Callable[[str], None]:
    """What to do with the reasons for which the database is tried again: count them and note the last one."""

    def note(problem: str) -> None:
        metrics.DATABASE_RETRIES.inc()
        condition.lacks("database", problem)

    return note


class _Why(Enum):
    """Why a training is not watched any longer."""

    ENDED = auto()
    """The process has, or the claim does not hold any more: the process has said how the job ended, or another worker
    has the job."""
    CANCELLED = auto()
    STOPPED = auto()


Command = Callable[[Claim], Sequence[str]]
"""The command line of the process that trains a job."""


def training_command(claim: Claim) -> list[str]:
    """The real one; see `training_process`."""
    return [sys.executable, "-m", "repsense_trainer", "run-job", claim.job_id, claim.worker_id, str(claim.attempt)]


class Worker:
    """One worker; several may share a queue."""

    def __init__(
        self,
        queue: Queue,
        worker_id: str,
        command: Command,
        condition: Condition | None = None,
        *,
        kept_s: float | None = None,
    ) -> None:
        """Prepare to work.

        Args:
            queue: The jobs.
            worker_id: Names this worker in them.
            command: Of the process of a training.
            condition: Where to note whether the "database" is there.
            kept_s: How long jobs are kept after their end, in seconds; None is for good.
        """
        self._queue = queue
        self._worker_id = worker_id
        self._command = command
        self._condition = Condition(("database",)) if condition is None else condition
        self._kept_s = kept_s
        self._expired_s = float("-inf")

    def run(self, stop: Event) -> None:
        """Work until told to stop; a training under way is then ended and its job given back."""
        try:
            while not stop.is_set():
                claim = self._patiently(stop, lambda: self._queue.claim(self._worker_id, now_us()))
                if claim is None:
                    self._expire(stop)
                    stop.wait(_POLL_S)
                else:
                    with metrics.TRAINING.track_inprogress(), metrics.TRAINING_SECONDS.time():
                        self._train(claim, stop)
        except StoppedError:
            _LOGGER.info("stopped while the database was away")

    def _expire(self, stop: Event) -> None:
        if self._kept_s is None or time.monotonic() - self._expired_s < _EXPIRY_INTERVAL_S:
            return
        self._expired_s = time.monotonic()
        before_us = now_us() - round(self._kept_s * MICROSECONDS)
        n_expired = self._patiently(stop, lambda: self._queue.delete_ended(before_us))
        if n_expired:
            _LOGGER.info("deleted %d jobs that ended long ago", n_expired)

    def _patiently(self, stop: Event, call: Callable[[], _Result]) -> _Result:
        result = retry_while_away(stop, "database", call, noting_retries(self._condition))
        self._found_database()
        return result

    def _found_database(self) -> None:
        self._condition.has("database")
        self._condition.move()

    def _train(self, claim: Claim, stop: Event) -> None:
        _LOGGER.info("job %s: training begins, attempt %d", claim.job_id, claim.attempt, extra={"job": claim.job_id})
        try:
            child = Child(self._command(claim))
        except OSError as error:
            self._end(claim, Failed(f"the training could not be started: {error}"), [], stop)
            return
        lines: list[str] = []
        try:
            why = self._watch(claim, child, lines, stop)
        finally:
            child.end()
        lines += child.take_lines()
        match why:
            case _Why.ENDED:
                self._end(claim, Failed(child.last_words()), lines, stop)
            case _Why.CANCELLED:
                self._end(claim, Cancelled(), lines, stop)
            case _Why.STOPPED:
                self._give_back(claim, lines)

    def _watch(self, claim: Claim, child: Child, lines: list[str], stop: Event) -> _Why:
        """Renew the claim and pass on the output until there is a reason to end; `lines` holds what is not stored."""
        renewed_s = time.monotonic()
        is_away = False
        while not stop.wait(_TICK_S):
            if not child.is_running:
                return _Why.ENDED
            if time.monotonic() - renewed_s < _RENEWAL_S:
                continue
            renewed_s = time.monotonic()
            # Lines that could not be stored come first; those after them wait with the child, which bounds them.
            lines += [] if lines else child.take_lines()
            try:
                with pymongo.timeout(_RENEWAL_TIMEOUT_S):
                    state = self._queue.renew(claim, lines, now_us())
            except PyMongoError as error:
                self._condition.lacks("database", f"the database is away: {first_line(error)}")
                if not is_away:
                    _LOGGER.warning("the database is away, the training goes on meanwhile: %s", first_line(error))
                is_away = True
                continue
            self._found_database()
            if is_away:
                _LOGGER.info("the database is back")
            is_away = False
            if state is ClaimState.LOST:
                return _Why.ENDED
            lines.clear()
            if state is ClaimState.CANCEL_REQUESTED:
                return _Why.CANCELLED
        return _Why.STOPPED

    def _end(self, claim: Claim, outcome: Cancelled | Failed, lines: Sequence[str], stop: Event) -> None:
        """Store the end of a job, if the claim still holds."""
        self._patiently(stop, lambda: self._queue.append_log(claim, lines))
        if not self._patiently(stop, lambda: self._queue.finish(claim, outcome, now_us())):
            _LOGGER.info("job %s: done, or another worker's", claim.job_id, extra={"job": claim.job_id})
        elif isinstance(outcome, Failed):
            _LOGGER.warning("job %s: %s", claim.job_id, outcome.reason, extra={"job": claim.job_id})
        else:
            _LOGGER.info("job %s: cancelled", claim.job_id, extra={"job": claim.job_id})

    def _give_back(self, claim: Claim, lines: Sequence[str]) -> None:
        try:
            with pymongo.timeout(_GOODBYE_TIMEOUT_S):
                said = [*lines, f"the worker {self._worker_id} was stopped, the job waits again"]
                is_given_back = self._queue.give_back(claim, said)
        except PyMongoError as error:
            _LOGGER.warning(
                "job %s: could not be given back, its claim expires: %s",
                claim.job_id,
                first_line(error),
                extra={"job": claim.job_id},
            )
        else:
            became = "given back" if is_given_back else "done, or another worker's"
            _LOGGER.info("job %s: %s", claim.job_id, became, extra={"job": claim.job_id})
