"""What stands at the head of every page when something is wrong with RepSense as a whole."""

from dataclasses import replace

from playwright.sync_api import Page, expect
from services.dashboard.tests import fake_api, scenes_data, scenes_train, scenes_workouts
from services.dashboard.tests.fake_api import World, make_fault
from services.dashboard.tests.scenes import Scene

__all__ = ["BEHIND", "CLOCKS", "DATABASE_AWAY", "DISK_FULL", "PREPROCESSOR_AWAY", "SCENES"]

_SAFE = "What the sensors send waits meanwhile, and everything goes on by itself."

DATABASE_AWAY = make_fault(
    "database-away",
    "The database is away",
    "the database does not answer",
    f"See whether it runs, and what its log says. {_SAFE}",
)
PREPROCESSOR_AWAY = make_fault(
    "preprocessor-away",
    "No preprocessor is running",
    "no preprocessor has given a sign of life lately",
    f"Start it, and see what its log says: without it nothing is stored or recognised. {_SAFE}",
)
DISK_FULL = make_fault(
    "disk-full",
    "The disk with the models is full",
    "12 MB are free where the models are",
    "Make room, for instance by deleting models on standby: until then no model can be trained or put in use.",
)
CLOCKS = make_fault(
    "clocks-differ",
    "Clocks do not agree",
    "that of gym-1 is 2 hours ahead of this server's",
    "Have gateway and server take their time from the network: sets and workouts stand at the gateway's time.",
    severity="remark",
)
BEHIND = make_fault(
    "behind",
    "Results are late",
    "what the sensors send waits for 45 s until it is stored",
    "What had to wait is being worked through. If that does not end, this machine has too much to do.",
    severity="remark",
)


def _database_away(world: World) -> None:
    fake_api.show_push_ups(world, simulated=False)
    world.faults = [DATABASE_AWAY]
    world.problem = fake_api.problem(
        503, "Database unavailable", "the database does not answer; try again", "database-unavailable"
    ).document


def _preprocessor_away(world: World) -> None:
    fake_api.show_push_ups(world, simulated=False)
    world.running_set = None
    world.classification = fake_api.make_classification("push-up", "correct", window_end_at="2026-03-05T10:00:00Z")
    world.sensors[0]["last_sample_at"] = "2026-03-05T10:00:00Z"
    world.keep_times = True
    world.faults = [PREPROCESSOR_AWAY]


def _await_that_results_have_stopped(page: Page) -> None:
    expect(page.locator(".rs-hero-stalled")).to_be_visible(timeout=20_000)


def _several(world: World) -> None:
    fake_api.show_push_ups(world, simulated=False)
    world.faults = [PREPROCESSOR_AWAY, DISK_FULL, CLOCKS, BEHIND]


def _wrong_keys(world: World) -> None:
    world.problem = fake_api.problem(429, "Too many keys", "too many wrong keys", "too-many-keys").document


def _future(world: World) -> None:
    fake_api.show_push_ups(world, simulated=False)
    world.keep_times = True
    world.sensors[0] |= {"state": "offline", "state_reason": None, "last_sample_at": "2199-01-01T12:00:00Z"}


def _beside(scene: Scene, *faults: dict[str, object]) -> Scene:
    """Return a scene of another page with something wrong with the whole."""

    def arrange(world: World) -> None:
        scene.arrange(world)
        world.faults = list(faults)

    return replace(scene, arrange=arrange)


SCENES = {
    "database": Scene(_database_away, path="", ready=".rs-fault"),
    "preprocessor": Scene(_preprocessor_away, path="", ready=".rs-fault", steps=_await_that_results_have_stopped),
    "several": Scene(_several, path="", ready=".rs-more-faults"),
    "data": _beside(scenes_data.SCENES["several"], DISK_FULL, CLOCKS),
    "train": _beside(scenes_train.SCENES["result"], DISK_FULL),
    "workouts": _beside(scenes_workouts.SCENES["overview"], CLOCKS),
    "keys": Scene(_wrong_keys, path="", ready=".rs-notice"),
    "future": Scene(_future, path="", ready=".rs-hero"),
}
