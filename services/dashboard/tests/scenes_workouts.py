"""What the workouts page looks like in each of its states, for pictures."""

from datetime import UTC, datetime, timedelta
from functools import partial

from playwright.sync_api import Page, expect
from services.dashboard.tests import fake_api
from services.dashboard.tests.fake_api import World
from services.dashboard.tests.fake_workouts import FakeWorkouts, make_set, make_year
from services.dashboard.tests.scenes import Scene

__all__ = ["SCENES"]


def _year(world: World) -> FakeWorkouts:
    fake_api.show_push_ups(world)
    world.sensors.append(fake_api.make_sensor("ankle", name="Ankle"))
    fake = make_year(datetime.now(UTC))
    world.routes.append(fake)
    return fake


def _overview(world: World) -> None:
    _year(world)


_DETAIL = "w-picture"


def _detail(world: World) -> None:
    fake = _year(world)
    at = datetime.now(UTC) - timedelta(hours=1)
    sets = []
    done = (
        ("push-up", 44, 0.08, 18), ("push-up", 41, 0.34, 16), ("push-up", 38, 0.71, 14),
        ("squat", 52, 0.0, 17), ("squat", 55, 0.12, 18), ("lunge", 61, None, 20),
        ("lunge", 58, None, None), ("jumping jack", 70, None, 61),
    )  # fmt: skip
    for number, (exercise, duration_s, share, repetitions) in enumerate(done):
        one = make_set(
            f"{_DETAIL}-{number}",
            _DETAIL,
            exercise,
            at,
            duration_s=duration_s,
            incorrect_share=share,
            repetitions=repetitions,
        )
        sets.append(one)
        at += timedelta(seconds=duration_s + 65)
    sets[2] |= {"note": "The last three with bent knees."}
    sets[5] |= {"recognised": {"exercise": "squat", "form": "correct"}, "corrected": True}
    sets[6] |= {"discarded": True}
    fake.add(sets, subject="Anna", note="Left shoulder a little sore.")


def _empty(world: World) -> None:
    fake_api.show_push_ups(world)
    world.routes.append(FakeWorkouts())


def _open_a_set(page: Page) -> None:
    page.get_by_role("button", name="Change").nth(2).click()
    expect(page.get_by_role("dialog")).to_be_visible()


_scene = partial(Scene, path="workouts")

SCENES = {
    "overview": _scene(_overview, ready=".st-key-card-workouts-list"),
    "one": _scene(_detail, path=f"workouts?workout={_DETAIL}", ready=".rs-timeline"),
    "change": _scene(_detail, path=f"workouts?workout={_DETAIL}", ready=".rs-timeline", steps=_open_a_set),
    "empty": _scene(_empty, ready=".rs-state-card"),
}
