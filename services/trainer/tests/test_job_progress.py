import copy
from dataclasses import dataclass, field

import pytest
from pymongo.errors import ServerSelectionTimeoutError

from repsense.documents import TrainingProgressDocument
from repsense_trainer.errors import TrainingCancelledError
from repsense_trainer.job_progress import JobProgress
from repsense_trainer.jobs import ClaimState


@dataclass
class Job:
    """Where the progress is stored, and the clock."""

    state: ClaimState = ClaimState.HELD
    is_away: bool = False
    now_s: float = 100.0
    n_asked: int = 0
    stored: list[TrainingProgressDocument] = field(default_factory=list)

    def store(self, progress: TrainingProgressDocument) -> ClaimState:
        self.n_asked += 1
        if self.is_away:
            msg = "nobody answers"
            raise ServerSelectionTimeoutError(msg)
        self.stored.append(copy.deepcopy(progress))
        return self.state

    def progress(self) -> JobProgress:
        return JobProgress(self.store, lambda: self.now_s)


def test_everything_that_a_training_tells_is_stored() -> None:
    job = Job()
    progress = job.progress()

    progress.begin(3)
    job.now_s += 1
    progress.stage(2, "leaving out session 3", 10)
    job.now_s += 1
    progress.epoch(1, 0.5)
    job.now_s += 1
    progress.group("3", 0.75)

    assert job.stored[0] == {
        "stage": "getting ready",
        "n_steps": 3,
        "step": 0,
        "n_epochs": 0,
        "epoch": 0,
        "losses": [],
        "groups": {},
    }
    assert job.stored[-1] == {
        "stage": "leaving out session 3",
        "n_steps": 3,
        "step": 2,
        "n_epochs": 10,
        "epoch": 1,
        "losses": [0.5],
        "groups": {"3": 0.75},
    }


def test_a_new_stage_begins_without_losses() -> None:
    job = Job()
    progress = job.progress()
    progress.stage(1, "one", 1)
    progress.epoch(1, 0.5)
    job.now_s += 1

    progress.stage(2, "two", 1)

    assert (job.stored[-1]["epoch"], job.stored[-1]["losses"]) == (0, [])


def test_quick_epochs_are_stored_five_times_a_second_and_the_last_one_at_the_end() -> None:
    job = Job()
    progress = job.progress()
    progress.stage(1, "on everything", 100)

    for epoch in range(1, 101):
        job.now_s += 0.01
        progress.epoch(epoch, 1 / epoch)
    progress.flush()

    assert 5 <= len(job.stored) <= 8
    assert (job.stored[-1]["epoch"], len(job.stored[-1]["losses"])) == (100, 100)


@pytest.mark.parametrize(
    ("state", "words"),
    [(ClaimState.LOST, "not this worker's"), (ClaimState.CANCEL_REQUESTED, "was cancelled")],
)
def test_a_training_that_nobody_wants_is_ended(state: ClaimState, words: str) -> None:
    with pytest.raises(TrainingCancelledError, match=words):
        Job(state).progress().begin(1)


def test_a_training_does_not_wait_for_a_database_that_is_away() -> None:
    job = Job(is_away=True)
    progress = job.progress()

    for epoch in range(1, 11):
        progress.epoch(epoch, 0.1)
        job.now_s += 0.3
    assert job.n_asked == 1

    job.is_away = False
    job.now_s += 3
    progress.epoch(11, 0.1)
    assert len(job.stored[-1]["losses"]) == 11
