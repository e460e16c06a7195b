"""The worker on a queue that is made up here, and on real processes that do little."""

import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import psutil
import pytest
from pymongo.errors import ServerSelectionTimeoutError

from repsense.timestamps import now_us
from repsense_trainer.child import Child
from repsense_trainer.jobs import Cancelled, Claim, ClaimState, Failed, Outcome
from repsense_trainer.worker import Worker

PATIENCE_S = 30.0
ENDLESS = "import time; print('begun', flush=True); time.sleep(1000)"


@dataclass
class Jobs:
    """One job, what became of it, and whether the database can be reached."""

    state: ClaimState = ClaimState.HELD
    is_away: bool = False
    is_waiting: bool = True
    n_renewals: int = 0
    outcome: Outcome | None = None
    is_given_back: bool = False
    can_be_given_back: bool = True
    lines: list[str] = field(default_factory=list)
    deleted_before_us: list[int] = field(default_factory=list)

    def claim(self, worker_id: str, now_us: int) -> Claim | None:
        self._check()
        assert now_us > 0
        was_waiting, self.is_waiting = self.is_waiting, False
        return Claim("job", worker_id, 1) if was_waiting else None

    def renew(self, claim: Claim, lines: Sequence[str], now_us: int) -> ClaimState:
        self._check()
        assert (claim.job_id, now_us > 0) == ("job", True)
        self.n_renewals += 1
        self.lines += [] if self.state is ClaimState.LOST else lines
        return self.state

    def append_log(self, claim: Claim, lines: Sequence[str]) -> None:
        self._check()
        assert claim.job_id == "job"
        self.lines += lines

    def finish(self, claim: Claim, outcome: Outcome, now_us: int) -> bool:
        self._check()
        assert (claim.job_id, now_us > 0) == ("job", True)
        if self.state is ClaimState.LOST:
            return False
        self.outcome = outcome
        return True

    def give_back(self, claim: Claim, lines: Sequence[str]) -> bool:
        self.append_log(claim, lines)
        self.is_given_back = True
        return self.can_be_given_back

    def delete_ended(self, before_us: int) -> int:
        self._check()
        self.deleted_before_us.append(before_us)
        return 1

    def _check(self) -> None:
        if self.is_away:
            msg = "nobody answers"
            raise ServerSelectionTimeoutError(msg)


def eventually(condition: Callable[[], object]) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline_s, "did not happen in time"
        time.sleep(0.02)


@contextmanager
def working(jobs: Jobs, code: str, kept_s: float | None = None) -> Iterator[threading.Event]:
    """A worker whose trainings run a piece of Python; the event stops it."""
    stop = threading.Event()
    worker = Worker(jobs, "me", lambda claim: [sys.executable, "-c", code, claim.job_id], kept_s=kept_s)
    thread = threading.Thread(target=worker.run, args=(stop,))
    thread.start()
    try:
        yield stop
    finally:
        stop.set()
        thread.join(PATIENCE_S)
    assert not thread.is_alive()
    assert psutil.Process().children() == []


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("raise SystemExit(3)", "the training ended unexpectedly with exit code 3"),
        ("raise LookupError('nothing there')", "exit code 1: LookupError: nothing there"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "killed, most likely because the memory ran out"),
        ("import os; os.abort()", "the training crashed: Aborted"),
        ("pass", "the training ended unexpectedly with exit code 0"),
    ],
)
def test_a_training_that_dies_says_why_in_words(code: str, reason: str) -> None:
    jobs = Jobs()

    with working(jobs, code):
        eventually(lambda: jobs.outcome)

    assert isinstance(jobs.outcome, Failed)
    assert jobs.outcome.reason.endswith(reason)


def test_what_a_training_writes_goes_to_the_log_whole_and_in_order() -> None:
    jobs = Jobs()

    code = "import sys, time; print(1); time.sleep(1.5); print('\\n2'); print(sys.argv[1], file=sys.stderr)"
    with working(jobs, code):
        eventually(lambda: jobs.outcome)

    assert sorted(jobs.lines) == ["1", "2", "job"]


def test_a_program_that_cannot_be_started_is_a_failure() -> None:
    jobs, stop = Jobs(), threading.Event()
    worker = Worker(jobs, "me", lambda _: ["/nowhere/python"])
    thread = threading.Thread(target=worker.run, args=(stop,))

    thread.start()
    eventually(lambda: jobs.outcome)
    stop.set()
    thread.join()

    assert isinstance(jobs.outcome, Failed)
    assert "could not be started" in jobs.outcome.reason


def test_a_cancelled_training_is_ended() -> None:
    jobs = Jobs(state=ClaimState.CANCEL_REQUESTED)

    with working(jobs, ENDLESS):
        eventually(lambda: jobs.outcome)

    assert jobs.outcome == Cancelled()


def test_a_lost_training_is_ended_and_nothing_is_said_of_it() -> None:
    jobs = Jobs(state=ClaimState.LOST)

    with working(jobs, ENDLESS):
        eventually(lambda: jobs.n_renewals)
        eventually(lambda: psutil.Process().children() == [])

    assert (jobs.outcome, jobs.is_given_back, jobs.n_renewals) == (None, False, 1)


def test_a_training_that_has_said_how_it_ended_keeps_its_last_lines() -> None:
    jobs = Jobs(state=ClaimState.LOST)

    with working(jobs, f"print('ended'); {ENDLESS}"):
        eventually(lambda: jobs.lines)

    assert jobs.lines[0] == "ended"


def test_a_training_that_ignores_sigterm_is_killed() -> None:
    jobs = Jobs(state=ClaimState.CANCEL_REQUESTED)

    with working(jobs, f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {ENDLESS}"):
        eventually(lambda: jobs.outcome)

    assert jobs.outcome == Cancelled()


def test_a_worker_that_is_stopped_gives_its_job_back() -> None:
    jobs = Jobs()

    with working(jobs, ENDLESS) as stop:
        eventually(lambda: jobs.lines)
        stop.set()
        eventually(lambda: jobs.is_given_back)

    assert jobs.outcome is None
    assert jobs.lines == ["begun", "the worker me was stopped, the job waits again"]


@pytest.mark.parametrize(("holds", "said"), [(True, "job job: given back"), (False, "job job: done, or another")])
def test_what_became_of_the_job_of_a_worker_that_is_stopped_is_said(
    holds: bool,  # noqa: FBT001
    said: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    jobs = Jobs(can_be_given_back=holds)

    with caplog.at_level("INFO"), working(jobs, ENDLESS):
        eventually(lambda: jobs.lines)

    assert any(message.startswith(said) for message in caplog.messages)


def test_a_worker_that_is_stopped_while_the_database_is_away_stops_all_the_same() -> None:
    jobs = Jobs()

    with working(jobs, ENDLESS):
        eventually(lambda: jobs.lines)
        jobs.is_away = True

    assert not jobs.is_given_back


def test_a_worker_waits_for_the_database_and_then_for_a_job() -> None:
    jobs = Jobs(is_away=True)

    with working(jobs, "pass"):
        time.sleep(0.5)
        assert jobs.is_waiting
        jobs.is_away = False
        eventually(lambda: jobs.outcome)


def test_an_idle_worker_deletes_jobs_that_ended_long_ago() -> None:
    jobs = Jobs(is_waiting=False)
    before_us = now_us()
    with working(jobs, "pass", kept_s=100.0):
        eventually(lambda: jobs.deleted_before_us)
    (deleted_us,) = jobs.deleted_before_us
    assert before_us <= deleted_us + 100_000_000 <= now_us()


def test_a_training_goes_on_while_the_database_is_away_and_nothing_it_writes_is_lost() -> None:
    jobs = Jobs()

    with working(jobs, "import time; [(print(n, flush=True), time.sleep(0.5)) for n in range(8)]"):
        eventually(lambda: jobs.lines)
        jobs.is_away = True
        time.sleep(2)
        jobs.is_away = False
        eventually(lambda: jobs.outcome)

    assert jobs.lines == [str(number) for number in range(8)]


def test_a_child_ends_with_its_parent_even_if_that_is_killed() -> None:
    watching = "import os, sys, time; print(os.getpid(), flush=True); os.read(0, 1)"
    starting = (
        "import sys, time; from repsense_trainer.child import Child\n"
        f"child = Child([sys.executable, '-c', {watching!r}])\n"
        "while not (lines := child.take_lines()): time.sleep(0.01)\n"
        "print(*lines, flush=True); time.sleep(1000)"
    )
    parent = Child([sys.executable, "-c", starting])
    lines: list[str] = []
    while not lines:
        lines += parent.take_lines()
    child = psutil.Process(int(lines[0]))

    psutil.Process(parent.pid).kill()
    parent.end()

    child.wait(PATIENCE_S)
