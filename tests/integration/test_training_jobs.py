"""Training jobs between the real database, real workers and quick trainings."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
from support.quick_training import GO
from support.servers import ROOT, Server, database

from repsense.database import Documents, connect_database, ensure_indexes
from repsense.documents import TRAINING_JOBS, TrainingJobDocument, TrainingJobState
from repsense.registry import ModelRegistry
from repsense.timestamps import now_us
from repsense_inference.errors import InvalidCursorError
from repsense_inference.paging import Page
from repsense_inference.repositories.connection import DatabaseConnection
from repsense_inference.repositories.training_jobs import StoredTrainingJobs
from repsense_trainer.jobs import (
    LEASE_S,
    MAX_LOG_LINES,
    Cancelled,
    Claim,
    ClaimState,
    Failed,
    JobQueue,
    Outcome,
    Succeeded,
)

_SECOND = 1_000_000
_T0 = 1_772_384_400 * _SECOND
_PATIENCE_S = 60.0


def _eventually(condition: Callable[[], object]) -> None:
    deadline_s = time.monotonic() + _PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline_s, "did not happen in time"
        time.sleep(0.05)


def _job(job_id: str, **changes: object) -> TrainingJobDocument:
    fields = {
        "_id": job_id,
        "state": "queued",
        "model_name": "quick",
        "selection": "{}",
        "configuration": "{}",
        "promote": False,
        "created_us": _T0,
        "started_us": None,
        "ended_us": None,
        "worker_id": None,
        "lease_until_us": 0,
        "n_attempts": 0,
        "cancel_requested": False,
        "progress": None,
        "error": None,
        "model_version": None,
        "log": [],
    }
    document: Any = fields | changes
    job: TrainingJobDocument = document
    return job


@dataclass
class _Worker:
    """A worker as a process of its own."""

    popen: subprocess.Popen[bytes]

    def training(self) -> psutil.Process | None:
        """The process of the training under way."""
        return next(iter(psutil.Process(self.popen.pid).children()), None)

    def stop(self) -> int:
        self.popen.send_signal(signal.SIGTERM)
        return self.popen.wait(_PATIENCE_S)

    def kill(self) -> None:
        self.popen.kill()
        self.popen.wait(_PATIENCE_S)


@dataclass
class _World:
    """A database, the models' folder, and workers."""

    server: Server
    folder: Path
    url: str
    documents: Documents
    running: contextlib.ExitStack
    workers: list[_Worker] = field(default_factory=list)

    @property
    def models(self) -> Path:
        return self.folder / "models"

    @property
    def registry(self) -> ModelRegistry:
        return ModelRegistry(self.models)

    @property
    def queue(self) -> JobQueue:
        return JobQueue(self.documents)

    @property
    def api(self) -> StoredTrainingJobs:
        """What the REST API does."""
        return StoredTrainingJobs(DatabaseConnection(self.documents))

    def add(self, job_id: str, **changes: object) -> None:
        self.api.add(_job(job_id, **changes))

    def job(self, job_id: str) -> TrainingJobDocument:
        found: Any = self.documents[TRAINING_JOBS].find_one({"_id": job_id})
        job: TrainingJobDocument = found
        return job

    def await_state(self, job_id: str, state: str) -> TrainingJobDocument:
        _eventually(lambda: self.job(job_id)["state"] == state)
        return self.job(job_id)

    def await_training(self, job_id: str) -> TrainingJobDocument:
        """Wait until a training is under way and waits for `GO`."""
        _eventually(lambda: (self.job(job_id)["progress"] or {"epoch": 0})["epoch"] == 3)
        return self.job(job_id)

    def go(self) -> None:
        """Let patient trainings end."""
        self.models.mkdir(exist_ok=True)
        (self.models / GO).touch()

    def worker(self, worker_id: str) -> _Worker:
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT / "tests"),
            "MONGODB_URL": self.url,
            "MODELS_DIR": str(self.models),
            "WORKER_ID": worker_id,
        }
        command = [sys.executable, "tests/support/quick_training.py", "worker"]
        with (self.folder / f"{worker_id}.log").open("ab") as log:
            popen = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=log, stderr=log)
        worker = _Worker(popen)
        self.running.callback(worker.kill)
        self.workers.append(worker)
        return worker


@pytest.fixture
def world(tmp_path: Path) -> Iterator[_World]:
    with contextlib.ExitStack() as running:
        server = running.enter_context(database(tmp_path / "database"))
        url = f"mongodb://127.0.0.1:{server.port}/repsense"
        documents = connect_database(url)
        running.callback(documents.client.close)
        yield _World(server, tmp_path, url, documents, running)


_CLAIMER = """
import sys
from repsense.database import connect_database
from repsense_trainer.jobs import JobQueue
queue = JobQueue(connect_database(sys.argv[1]))
queue.claim("nobody", 0) and sys.exit("there must be no job yet")
print("ready", flush=True)
sys.stdin.readline()
while claim := queue.claim(sys.argv[2], 1):
    print(claim.job_id)
"""


def test_a_job_that_several_workers_want_is_one_workers(world: _World) -> None:
    ensure_indexes(world.documents)
    command = [sys.executable, "-c", _CLAIMER, world.url]
    claimers = {
        name: subprocess.Popen([*command, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for name in ("first", "second", "third")
    }
    for claimer in claimers.values():
        assert claimer.stdout is not None
        assert claimer.stdout.readline() == "ready\n"
    jobs = [f"{number:032x}" for number in range(150)]
    for job_id in jobs:
        world.add(job_id)

    for claimer in claimers.values():
        assert claimer.stdin is not None
        claimer.stdin.write("go\n")
        claimer.stdin.flush()
    claimed = {name: claimer.communicate(timeout=_PATIENCE_S)[0].split() for name, claimer in claimers.items()}

    assert sorted(job_id for job_ids in claimed.values() for job_id in job_ids) == jobs
    for name, job_ids in claimed.items():
        for job in map(world.job, job_ids):
            assert (job["worker_id"], job["n_attempts"], job["state"]) == (name, 1, "running")


def test_the_oldest_job_is_claimed_first(world: _World) -> None:
    for job_id, created_us in (("b", _T0 + 1), ("a", _T0 + 2), ("c", _T0)):
        world.add(job_id, created_us=created_us)

    claims = [world.queue.claim("me", _T0) for _ in range(4)]

    assert [claim and claim.job_id for claim in claims] == ["c", "b", "a", None]
    assert world.api.queue() == []


def test_a_claim_holds_until_its_lease_expires_and_is_then_anothers(world: _World) -> None:
    world.add("job")
    queue = world.queue
    first = queue.claim("first", _T0)
    assert first is not None

    assert queue.claim("second", _T0 + (LEASE_S - 1) * _SECOND) is None
    assert queue.renew(first, ["a line"], _T0 + 10 * _SECOND) is ClaimState.HELD
    assert queue.claim("second", _T0 + (LEASE_S + 1) * _SECOND) is None
    second = queue.claim("second", _T0 + (LEASE_S + 11) * _SECOND)

    assert second == Claim("job", "second", 2)
    assert queue.renew(first, ["another"], _T0) is ClaimState.LOST
    assert queue.read(first) is None
    assert not queue.finish(first, Succeeded(1), _T0)
    assert queue.renew(second, [], _T0) is ClaimState.HELD
    job = world.job("job")
    assert (job["state"], job["model_version"]) == ("running", None)
    assert job["log"] == ["a line", "the worker first died; second begins again, attempt 2"]


def test_a_worker_that_comes_back_under_its_name_is_not_taken_for_the_dead_one(world: _World) -> None:
    world.add("job")
    dead = world.queue.claim("me", _T0)
    assert dead is not None

    alive = world.queue.claim("me", _T0 + 60 * _SECOND)

    assert alive == Claim("job", "me", 2)
    assert world.queue.renew(dead, [], _T0 + 60 * _SECOND) is ClaimState.LOST


def test_a_job_during_which_three_workers_died_fails(world: _World) -> None:
    world.add("job")
    for attempt in (1, 2, 3):
        assert world.queue.claim("me", _T0 + attempt * 60 * _SECOND) == Claim("job", "me", attempt)

    assert world.queue.claim("me", _T0 + 240 * _SECOND) is None

    job = world.job("job")
    assert (job["state"], job["error"]) == ("failed", "its worker died three times")
    assert job["ended_us"] == _T0 + 240 * _SECOND


def test_a_job_that_is_given_back_waits_as_if_it_had_not_been_claimed(world: _World) -> None:
    world.add("job", log=["before"])
    claim = world.queue.claim("first", _T0)
    assert claim is not None

    assert world.queue.give_back(claim, ["given back"])

    assert world.job("job") == _job("job", log=["before", "given back"])
    assert world.queue.claim("second", _T0) == Claim("job", "second", 1)


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (Succeeded(7), ("succeeded", 7, None)),
        (Failed("no recordings"), ("failed", None, "no recordings")),
        (Cancelled(), ("cancelled", None, None)),
    ],
)
def test_a_job_ends_once(world: _World, outcome: Outcome, expected: tuple[str, int | None, str | None]) -> None:
    world.add("job")
    claim = world.queue.claim("me", _T0)
    assert claim is not None

    assert world.queue.finish(claim, outcome, _T0 + 5)
    assert not world.queue.finish(claim, Failed("too late"), _T0 + 6)
    world.queue.append_log(claim, ["the last line"])

    job = world.job("job")
    assert (job["state"], job["model_version"], job["error"]) == expected
    assert (job["ended_us"], job["log"]) == (_T0 + 5, ["the last line"])


def test_the_log_keeps_the_last_lines(world: _World) -> None:
    world.add("job")
    claim = world.queue.claim("me", _T0)
    assert claim is not None

    for first in range(0, 700, 70):
        world.queue.append_log(claim, [str(number) for number in range(first, first + 70)])
    world.queue.append_log(claim, ["x" * 5_000])

    log = world.api.log("job")
    assert log is not None
    assert (len(log), log[0], len(log[-1])) == (MAX_LOG_LINES, "201", 1_000)


def test_a_cancelled_job_is_never_begun(world: _World) -> None:
    world.add("waiting")
    world.add("given back", created_us=_T0 + 1)
    claim = world.queue.claim("me", _T0)
    assert claim is not None
    assert claim.job_id == "waiting"
    running = world.api.cancel("waiting", _T0)
    world.queue.give_back(claim, [])

    waiting = world.api.cancel("given back", _T0 + 9)

    assert running is not None
    assert (running["state"], running["cancel_requested"]) == ("running", True)
    assert waiting is not None
    assert (waiting["state"], waiting["ended_us"]) == ("cancelled", _T0 + 9)
    assert world.queue.claim("me", _T0) is None
    assert world.job("waiting")["state"] == "cancelled"


def test_a_job_whose_worker_is_dead_is_cancelled_at_once(world: _World) -> None:
    world.add("job")
    claim = world.queue.claim("me", _T0)
    assert claim is not None

    job = world.api.cancel("job", _T0 + 60 * _SECOND)

    assert job is not None
    assert job["state"] == "cancelled"
    assert world.queue.renew(claim, [], _T0 + 60 * _SECOND) is ClaimState.LOST


def test_jobs_are_listed_newest_first_page_by_page(world: _World) -> None:
    for number in range(5):
        world.add(str(number), created_us=_T0 + number // 2, state="failed" if number == 3 else "queued")

    def every(state: TrainingJobState | None) -> list[str]:
        found: list[TrainingJobDocument] = []
        page: Page[TrainingJobDocument] = world.api.page(state, 2, None)
        while True:
            found += page.items
            if page.next_cursor is None:
                return [job["_id"] for job in found]
            page = world.api.page(state, 2, page.next_cursor)

    assert sorted(every(None)) == ["0", "1", "2", "3", "4"]
    assert every(None)[0] == "4"
    assert sorted(every("queued")) == ["0", "1", "2", "4"]
    assert every("failed") == ["3"]
    assert every("succeeded") == []
    with pytest.raises(InvalidCursorError):
        world.api.page("queued", 2, "WyJzZW5zb3Jfa2V5Iiwid3Jpc3Q6Il0")


def test_the_same_job_is_kept_once(world: _World) -> None:
    first = world.api.add(_job("job"))
    second = world.api.add(_job("job", created_us=_T0 + 1))

    assert first["created_us"] == second["created_us"] == _T0
    assert world.documents[TRAINING_JOBS].count_documents({}) == 1


def test_a_job_is_trained_stored_and_put_in_use(world: _World) -> None:
    world.add("job", promote=True)
    worker = world.worker("me")

    job = world.await_state("job", "succeeded")

    in_use = world.registry.in_use("quick")
    assert in_use is not None
    assert (job["model_version"], in_use.version, in_use.problem) == (1, 1, None)
    assert job["progress"] is not None
    assert (job["progress"]["epoch"], job["progress"]["groups"]) == (3, {"first": 0.75})
    assert (job["worker_id"], job["n_attempts"]) == ("me", 1)
    _eventually(lambda: "training quick on 1 recordings" in (world.api.log("job") or []))
    assert worker.stop() == 0


def test_without_being_asked_to_a_worker_puts_nothing_in_use(world: _World) -> None:
    world.add("job")
    world.worker("me")

    world.await_state("job", "succeeded")

    assert [one.state for one in world.registry.versions("quick")] == ["standby"]


def test_jobs_are_trained_in_turn_also_when_one_fails(world: _World) -> None:
    names = ["failing", "mistaken", "killed", "quick"]
    for number, name in enumerate(names):
        world.add(name, model_name=name, created_us=_T0 + number)
    for number, name in enumerate(("nobody", "unlabelled", "half"), start=4):
        world.add(name, selection=f'{{"subjects": ["{name}"]}}', created_us=_T0 + number)
    world.add("strange", configuration='{"sead": 1}', created_us=_T0 + 7)
    world.worker("me")

    world.await_state("strange", "failed")

    assert world.job("quick")["state"] == world.job("half")["state"] == "succeeded"
    assert "WARNING left out, since they have no label: 1" in world.job("half")["log"]
    failed = ("failing", "mistaken", "killed", "nobody", "unlabelled", "strange")
    assert {name: world.job(name)["error"] for name in failed} == {
        "failing": "there is only one label: record another",
        "mistaken": "the training ended unexpectedly with exit code 1: LookupError: a mistake",
        "killed": "the training was killed, most likely because the memory ran out",
        "nobody": "no recording is selected: record or import some, or select others",
        "unlabelled": "none of the recordings (1) has a label: say what they are",
        "strange": "the job cannot be read: sead: Extra inputs are not permitted",
    }
    assert "ERROR there is only one label: record another" in world.job("failing")["log"]


def test_two_workers_train_a_job_once(world: _World) -> None:
    world.worker("first")
    world.worker("second")
    jobs = [f"job {number}" for number in range(4)]
    for number, job_id in enumerate(jobs):
        world.add(job_id, model_name=f"quick-{number}", created_us=now_us())

    for job_id in jobs:
        assert world.await_state(job_id, "succeeded")["n_attempts"] == 1

    assert [len(world.registry.versions(f"quick-{number}")) for number in range(4)] == [1] * 4


@pytest.mark.timeout(180)
def test_when_a_worker_is_killed_its_training_ends_and_another_worker_takes_the_job(world: _World) -> None:
    world.add("job", model_name="patient")
    first = world.worker("first")
    world.await_training("job")
    training = first.training()
    assert training is not None

    first.kill()

    training.wait(_PATIENCE_S)
    world.worker("second")
    world.go()
    job = world.await_state("job", "succeeded")
    assert (job["worker_id"], job["n_attempts"]) == ("second", 2)
    assert [one.version for one in world.registry.versions("patient")] == [1]


def test_a_worker_that_died_before_it_could_say_so_left_the_jobs_only_version(world: _World) -> None:
    world.add("job", promote=True)
    first = world.worker("first")
    world.await_state("job", "succeeded")
    first.stop()
    # As if it had died after it had stored the version.
    world.documents[TRAINING_JOBS].update_one(
        {"_id": "job"}, {"$set": {"state": "running", "lease_until_us": now_us() - 1, "model_version": None}}
    )

    world.worker("second")
    job = world.await_state("job", "succeeded")

    assert (job["model_version"], job["n_attempts"]) == (1, 2)
    assert [one.version for one in world.registry.versions("quick")] == [1]


@pytest.mark.parametrize("name", ["patient", "stubborn"])
def test_a_running_job_is_cancelled(world: _World, name: str) -> None:
    world.add("job", model_name=name)
    worker = world.worker("me")
    world.await_training("job")
    training = worker.training()
    assert training is not None

    world.api.cancel("job", now_us())

    job = world.await_state("job", "cancelled")
    training.wait(_PATIENCE_S)
    assert (job["error"], job["model_version"], job["cancel_requested"]) == (None, None, True)
    assert world.registry.versions(name) == []


def test_a_worker_that_is_stopped_gives_its_job_back_at_once(world: _World) -> None:
    world.add("job", model_name="patient")
    first = world.worker("first")
    world.await_training("job")
    training = first.training()
    assert training is not None

    assert first.stop() == 0

    assert not training.is_running()
    job = world.job("job")
    assert (job["state"], job["n_attempts"], job["worker_id"]) == ("queued", 0, None)
    world.go()
    world.worker("second")
    assert world.await_state("job", "succeeded")["n_attempts"] == 1


@pytest.mark.timeout(180)
def test_a_training_survives_a_restart_of_the_database(world: _World) -> None:
    world.add("job", model_name="patient")
    world.worker("me")
    world.await_training("job")

    world.server.kill()
    time.sleep(4)
    world.go()
    time.sleep(4)
    world.server.start()

    job = world.await_state("job", "succeeded")
    assert (job["n_attempts"], job["model_version"]) == (1, 1)


def test_a_worker_waits_for_the_database_and_makes_the_indexes(world: _World) -> None:
    world.server.kill()
    worker = world.worker("me")
    time.sleep(2)
    assert worker.popen.poll() is None

    world.server.start()
    world.add("job")

    world.await_state("job", "succeeded")
    names = world.documents[TRAINING_JOBS].index_information()
    assert any("state" in name for name in names)


def test_a_worker_loads_no_tensorflow_and_stays_small(world: _World) -> None:
    world.add("job")
    worker = world.worker("me")
    world.await_state("job", "succeeded")

    process = psutil.Process(worker.popen.pid)

    assert not [one.path for one in process.memory_maps() if "tensorflow" in one.path]
    assert process.memory_full_info().uss < 100e6


@pytest.mark.parametrize("change", [{"MONGODB_URL": "http://nowhere"}, {"LOG_LEVEL": "LOUD"}])
def test_a_setting_that_cannot_be_used_is_one_sentence(change: dict[str, str]) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tests"), **change}
    command = [sys.executable, "-m", "repsense_trainer", "worker"]

    run = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)

    assert run.returncode == 2
    assert len(run.stderr.splitlines()) == 1
    assert next(iter(change)) in run.stderr


def test_jobs_are_deleted_some_time_after_their_end(world: _World) -> None:
    for job_id in ("old", "new", "running", "queued"):
        world.add(job_id)
    for state, ended_us, job_id in (("failed", _T0, "old"), ("succeeded", _T0 + _SECOND, "new")):
        changed = {"state": state, "ended_us": ended_us}
        world.documents[TRAINING_JOBS].update_one({"_id": job_id}, {"$set": changed})
    world.documents[TRAINING_JOBS].update_one({"_id": "running"}, {"$set": {"state": "running"}})

    assert world.queue.delete_ended(_T0 + _SECOND) == 1
    assert {job["_id"] for job in world.documents[TRAINING_JOBS].find()} == {"new", "running", "queued"}
