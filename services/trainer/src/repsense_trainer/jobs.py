"""The queue of training jobs: a collection of the database from which workers take turns.

    queued ──claim──▶ running ──finish──▶ succeeded | failed | cancelled
       ▲                 │
       └───give_back─────┘   or another worker's claim, once the lease has expired

Every change is one update of one document whose filter says what the document must still be, so of two workers that
want the same job one gets it. Whoever has claimed a job keeps it by renewing its lease; one who stops renewing is
taken for dead. The clocks of workers on several machines must agree to within a few seconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, cast

from repsense.database import Documents
from repsense.documents import TRAINING_JOBS, TrainingJobDocument, TrainingProgressDocument
from repsense.schema import check_schema, read_schema
from repsense.timestamps import MICROSECONDS

__all__ = [
    "ENDED",
    "LEASE_S",
    "MAX_ATTEMPTS",
    "Cancelled",
    "Claim",
    "ClaimState",
    "Failed",
    "JobQueue",
    "Outcome",
    "Succeeded",
]

LEASE_S = 15
"""Five times what a worker lets pass between renewals: the embedded database does one thing at a time and may be busy
with something else for seconds."""
MAX_ATTEMPTS = 3
"""A job during which so many workers died is more likely the reason than the victim."""
ENDED = ("succeeded", "failed", "cancelled")
"""The states from which no job goes on."""
MAX_LOG_LINES = 500
MAX_LINE_LENGTH = 1_000


@dataclass(frozen=True, slots=True)
class Claim:
    """A worker's right to a job, for one attempt."""

    job_id: str
    worker_id: str
    attempt: int
    """From 1. Part of the claim so that a worker that comes back under its old name is not taken for the dead one."""


class ClaimState(Enum):
    """What became of a claim."""

    HELD = auto()
    CANCEL_REQUESTED = auto()
    """It holds, but nobody wants the result any more."""
    LOST = auto()
    """The job has ended, or is another worker's."""


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The model is stored."""

    model_version: int


@dataclass(frozen=True, slots=True)
class Failed:
    """There is no model, and another attempt would end the same way."""

    reason: str
    """In words."""


@dataclass(frozen=True, slots=True)
class Cancelled:
    """It was ended because somebody asked for it."""


Outcome = Succeeded | Failed | Cancelled


class JobQueue:
    """The jobs as workers see them; every method raises `PyMongoError` while the database is away.

    Times are microseconds since 1970.
    """

    def __init__(self, database: Documents) -> None:
        self._database = database
        self._jobs = database[TRAINING_JOBS]

    def claim(self, worker_id: str, now_us: int) -> Claim | None:
        """Take the oldest job that waits, or whose worker is dead; None if there is none.

        Raises:
            SchemaError: If a backup is being restored, or a newer version has taken over the database.
        """
        check_schema(read_schema(self._database))
        for job in self._claimable(now_us):
            claim = Claim(job["_id"], worker_id, job["n_attempts"] + 1)
            if job["cancel_requested"]:
                self._take(job, _ended("cancelled", now_us))
            elif claim.attempt > MAX_ATTEMPTS:
                self._take(job, _ended("failed", now_us) | {"error": "its worker died three times"})
            elif self._take(job, _claimed(claim, now_us), _new_attempt_lines(job, claim)):
                return claim
        return None

    def renew(self, claim: Claim, lines: Sequence[str], now_us: int) -> ClaimState:
        """Hold a claim for another `LEASE_S`, also if it has expired and nobody else wanted it, and add to the log."""
        return self._update(claim, {"lease_until_us": _lease_end_us(now_us)}, lines)

    def read(self, claim: Claim) -> TrainingJobDocument | None:
        """The claimed job; None if the claim is lost."""
        return cast("TrainingJobDocument | None", self._jobs.find_one(_held(claim), {"log": 0}))

    def report(self, claim: Claim, progress: TrainingProgressDocument) -> ClaimState:
        """Store how far the training is, if the claim holds."""
        return self._update(claim, {"progress": progress})

    def store_version(self, claim: Claim, version: int) -> ClaimState:
        """Say which version the job produced, if the claim holds; another attempt will produce no second one."""
        return self._update(claim, {"model_version": version})

    def append_log(self, claim: Claim, lines: Sequence[str]) -> None:
        """Add to the log, which keeps the last lines, also just after the job has ended."""
        if lines:
            ours = {"_id": claim.job_id, "worker_id": claim.worker_id, "n_attempts": claim.attempt}
            self._jobs.update_one(ours, _change({}, lines))

    def finish(self, claim: Claim, outcome: Outcome, now_us: int) -> bool:
        """End a job; return whether the claim still held."""
        match outcome:
            case Succeeded(version):
                changes = _ended("succeeded", now_us) | {"model_version": version}
            case Failed(reason):
                changes = _ended("failed", now_us) | {"error": reason}
            case _:
                changes = _ended("cancelled", now_us)
        return self._update(claim, changes) is not ClaimState.LOST

    def give_back(self, claim: Claim, lines: Sequence[str]) -> bool:
        """Put a job back for another worker, as if it had not been claimed, but for lines in its log.

        Returns:
            Whether the claim still held.
        """
        changes = {
            "state": "queued",
            "worker_id": None,
            "lease_until_us": 0,
            "n_attempts": claim.attempt - 1,
            "started_us": None,
            "progress": None,
        }
        return self._update(claim, changes, lines) is not ClaimState.LOST

    def delete_ended(self, before_us: int) -> int:
        """Delete jobs that ended before a time; return how many. What they produced stays."""
        # By one field, as in `_claimable`.
        ended = (job for state in ENDED for job in self._jobs.find({"state": state}, {"ended_us": True}))
        old = [job["_id"] for job in ended if job["ended_us"] < before_us]
        return sum(self._jobs.delete_one({"_id": job_id}).deleted_count for job_id in old)

    def _claimable(self, now_us: int) -> list[TrainingJobDocument]:
        """Jobs that nobody works on, oldest first."""
        # One query per state: the embedded database scans for "$in", and for a second field in the filter.
        queued, running = (
            cast("list[TrainingJobDocument]", list(self._jobs.find({"state": state}, {"log": 0})))
            for state in ("queued", "running")
        )
        expired = (job for job in running if job["lease_until_us"] < now_us)
        return sorted([*queued, *expired], key=lambda job: (job["created_us"], job["_id"]))

    def _take(self, job: TrainingJobDocument, changes: dict[str, Any], lines: Sequence[str] = ()) -> bool:
        """Change a job that nobody works on; return False if it has changed since it was read."""
        as_read = {
            "_id": job["_id"],
            "state": job["state"],
            "n_attempts": job["n_attempts"],
            "lease_until_us": job["lease_until_us"],
        }
        return self._jobs.update_one(as_read, _change(changes, lines)).matched_count > 0

    def _update(self, claim: Claim, changes: dict[str, Any], lines: Sequence[str] = ()) -> ClaimState:
        """Change a job if the claim holds; return whether it did."""
        before = self._jobs.find_one_and_update(_held(claim), _change(changes, lines), {"cancel_requested": 1})
        if before is None:
            return ClaimState.LOST
        return ClaimState.CANCEL_REQUESTED if before["cancel_requested"] else ClaimState.HELD


def _held(claim: Claim) -> dict[str, Any]:
    return {"_id": claim.job_id, "state": "running", "worker_id": claim.worker_id, "n_attempts": claim.attempt}


def _claimed(claim: Claim, now_us: int) -> dict[str, Any]:
    return {
        "state": "running",
        "worker_id": claim.worker_id,
        "n_attempts": claim.attempt,
        "lease_until_us": _lease_end_us(now_us),
        "started_us": now_us,
        "progress": None,
    }


def _ended(state: str, now_us: int) -> dict[str, Any]:
    return {"state": state, "ended_us": now_us, "lease_until_us": 0}


def _lease_end_us(now_us: int) -> int:
    return now_us + LEASE_S * MICROSECONDS


def _change(fields: dict[str, Any], lines: Sequence[str]) -> dict[str, Any]:
    """The update that sets fields and adds lines to the log."""
    short = [line[:MAX_LINE_LENGTH] for line in lines]
    pushed = {"$push": {"log": {"$each": short, "$slice": -MAX_LOG_LINES}}}
    return ({"$set": fields} if fields else {}) | (pushed if lines else {})


def _new_attempt_lines(job: TrainingJobDocument, claim: Claim) -> list[str]:
    if job["state"] == "queued":
        return []
    return [f"the worker {job['worker_id']} died; {claim.worker_id} begins again, attempt {claim.attempt}"]
