"""What goes wrong around the services while two sensors stream: it is said, it passes, and nothing is lost or doubled.

One set of processes goes through all of it, as it would in life; each test leaves it whole.
"""

import contextlib
import time
from collections.abc import Iterator

import pytest
from support.models import mean_manifest, write_mean_version
from support.small_disk import SmallDisk
from support.streaming import Clock, Streaming, streaming, until

from repsense.errors import RegistryError
from repsense.labels import Label
from repsense.registry import ModelRegistry

_HOUR_S = 3600
_CLOCK_ERROR_US = 60 * 1_000_000

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Streaming]:
    with streaming(tmp_path_factory.mktemp("faults"), with_model=False) as stack:
        yield stack


@pytest.fixture
def stack(running: Streaming) -> Iterator[Streaming]:
    """What streams; nothing is lost, doubled or shown as a traceback after what a test does to it."""
    yield running
    running.await_recovery()
    running.assert_whole()
    assert "Traceback" not in running.logs()


def disk_of(stack: Streaming, part: str) -> SmallDisk:
    if part not in stack.disks:
        pytest.skip("a disk that can be filled is mounted by root only, and not in every container")
    return stack.disks[part]


@contextlib.contextmanager
def full(disk: SmallDisk) -> Iterator[None]:
    disk.fill()
    try:
        yield
    finally:
        disk.make_room()


def test_a_model_that_is_missing_at_the_start_is_waited_for(stack: Streaming) -> None:
    said = stack.await_fault("model-missing")
    assert said["severity"] == "error"
    assert said["advice"]
    assert stack.get("/readyz").status_code == 503
    until(lambda: len(stack.published()) > 10)
    assert stack.preprocessor.log.read_text().count("waiting: there is no model that can be used: no model in") == 1
    # Who lacks the same is not named beside it.
    assert "preprocessor-waiting" not in stack.faults()
    assert "preprocessor-away" not in stack.faults()

    write_mean_version(stack.models.parent / "made", mean_manifest())
    (stack.models.parent / "made").rename(stack.models / "1")


def test_a_full_disk_under_the_database_holds_everything_up_until_there_is_room(stack: Streaming) -> None:
    with full(disk_of(stack, "database")):
        said = stack.await_fault("database-full")
        n_sent = len(stack.published())
        until(lambda: len(stack.published()) > n_sent + 20)
        assert "room" in said["detail"]
        # What is there can be read all the while.
        assert stack.get("/v1/sets").status_code == 200


def test_a_full_disk_under_the_spool_costs_nothing_but_its_protection(stack: Streaming) -> None:
    with full(disk_of(stack, "spool")):
        n_stored = len(stack.stored())
        until(lambda: len(stack.stored()) > n_stored + 30)
        assert "make room on the disk" in stack.gateway.log.read_text()


def test_a_full_disk_under_the_models_refuses_a_new_one_and_leaves_the_old_one_in_use(stack: Streaming) -> None:
    registry = ModelRegistry(stack.models.parent)
    with full(disk_of(stack, "models")):
        stack.await_fault("disk-full")
        with pytest.raises(RegistryError, match="No space left"):
            registry.add("mean", 9, lambda path: write_mean_version(path, mean_manifest(version=9)))
        assert [one.version for one in registry.versions("mean")] == [1]
        n_results = len(stack.documents("classifications"))
        until(lambda: len(stack.documents("classifications")) > n_results)


def test_a_full_disk_under_the_broker_loses_nothing(stack: Streaming) -> None:
    with full(disk_of(stack, "broker")):
        # Whether it breaks its connections off as well depends on what it was about to write.
        until(lambda: {"not-stored", "broker-away", "preprocessor-waiting"} & set(stack.faults()))
    # It takes nothing any more before it was started again.
    stack.broker.stop()
    stack.broker.start()


def test_a_model_with_other_labels_is_used_from_the_next_window_on(stack: Streaming) -> None:
    labels = (Label(exercise="lunge"), Label(exercise="squat"))
    version = stack.add_version(labels=labels)

    until(lambda: [one for one in stack.documents("classifications") if one["model_version"] == version])
    said = stack.await_fault("model-labels")

    assert said["severity"] == "remark"
    assert "push-up" in said["detail"]
    known = {label.exercise for label in labels}
    found = [one["window_label"] for one in stack.documents("classifications") if one["model_version"] == version]
    assert {label["exercise"] for label in found if label} <= known


def test_a_database_that_steps_down_is_waited_for(stack: Streaming) -> None:
    stack.proxy.is_electing = True
    try:
        said = stack.await_fault("database-electing")
        assert said["severity"] == "error"
        assert stack.get("/readyz").status_code == 503
        n_sent = len(stack.published())
        until(lambda: len(stack.published()) > n_sent + 20)
    finally:
        stack.proxy.is_electing = False


def test_connections_to_the_database_that_are_cut_again_and_again_lose_nothing(stack: Streaming) -> None:
    for _ in range(10):
        seen = stack.published()
        until(lambda seen=seen: stack.published() - seen)  # type: ignore[misc]  # a lambda's default has no type
        stack.proxy.cut()


def test_answers_that_are_late_delay_what_is_stored_and_nothing_else(stack: Streaming) -> None:
    stack.proxy.delay_s = 1.0
    n_sent = len(stack.published())
    until(lambda: len(stack.published()) > n_sent + 30)
    stack.proxy.delay_s = 0.0


@contextlib.contextmanager
def wrong(clock: Clock, ahead_s: int) -> Iterator[None]:
    if clock.preload is None:
        pytest.skip("there is no C compiler here, to make what shows a process another time")
    clock.set(ahead_s)
    try:
        yield
    finally:
        clock.set(0)


def newest_us(stack: Streaming) -> int:
    return max(int(one["first_sample_us"]) for one in stack.stored().values())


@pytest.mark.parametrize("ahead_s", [_HOUR_S, -_HOUR_S])
def test_a_gateway_whose_clock_jumps_streams_on_and_its_times_follow(stack: Streaming, ahead_s: int) -> None:
    before = set(stack.stored())
    with wrong(stack.gateway_clock, ahead_s):
        until(lambda: jumped(stack, before, ahead_s))
        if ahead_s > 0:
            stack.await_fault("samples-from-future")
    # The time of what was taken meanwhile stays as it was told; what comes now is right again.
    now_us = time.time_ns() // 1000
    seen = set(stack.stored())
    until(
        lambda: [
            one
            for key, one in stack.stored().items()
            if key not in seen and abs(one["first_sample_us"] - now_us) < _CLOCK_ERROR_US
        ]
    )


def jumped(stack: Streaming, before: set[tuple[str, int]], ahead_s: int) -> bool:
    """Whether samples of both sensors were stored with the wrong time."""
    right_us = time.time_ns() // 1000
    moved = [
        one["sensor_id"]
        for key, one in stack.stored().items()
        if key not in before and abs(one["first_sample_us"] - right_us - ahead_s * 1_000_000) < _CLOCK_ERROR_US
    ]
    return len(set(moved)) == 2


@pytest.mark.parametrize("ahead_s", [_HOUR_S, -_HOUR_S])
def test_a_server_whose_clock_jumps_says_so_and_stores_the_times_of_the_gateway(stack: Streaming, ahead_s: int) -> None:
    with wrong(stack.server_clock, ahead_s):
        said = stack.await_fault("clock-jumped")
        assert said["severity"] == "remark"
        seen = set(stack.stored())
        until(lambda: len(stack.stored()) > len(seen) + 20)
        now_us = time.time_ns() // 1000
        new = [one for key, one in stack.stored().items() if key not in seen]
        assert all(abs(one["first_sample_us"] - now_us) < _CLOCK_ERROR_US for one in new)


def test_sigterm_under_load_drains(stack: Streaming) -> None:
    services = (stack.gateway, stack.preprocessor, stack.inference)

    assert stack.terminate(*services) == [0, 0, 0]

    sent = stack.published()
    for server in services:
        server.start()
    until(lambda: sent <= set(stack.stored()))
