"""What the record page can look like: before, during and after a take."""

import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from playwright.sync_api import Page, expect
from services.dashboard.tests import fake_api
from services.dashboard.tests.fake_api import World
from services.dashboard.tests.fake_recordings import FakeRecordings, Motion, show_dataset
from services.dashboard.tests.scenes import Scene

__all__ = ["SCENES"]

_READY = ".st-key-card-record-setup"
_PATIENCE_MS = 30_000
_ZONE = ZoneInfo("Europe/Berlin")
"""Where the pictures' browser is."""


def _friends(world: World) -> FakeRecordings:
    """Let two friends have recorded something, today too."""
    fake = FakeRecordings(world)
    world.routes.append(fake)
    world.sensors = [fake_api.make_sensor()]
    show_dataset(fake)
    session = f"{datetime.now(_ZONE):%Y-%m-%d} 1"
    today = (("lunge", None, 2.3), ("lunge", None, 2.2), ("squat", "incorrect", 2.0), ("squat", "correct", 2.5))
    for number, (exercise, form, period_s) in enumerate(today):
        fake.add_recording(
            exercise, form, session=session, ago=timedelta(minutes=9 - 2 * number),
            motion=Motion(exercise, 20.0, 1.2 + 0.2 * number, 18.6, period_s, seed=number),
        )  # fmt: skip
    fake.onset_s = 0.5
    return fake


def _setup(world: World) -> None:
    _friends(world)


def _first(world: World) -> None:
    world.routes.append(FakeRecordings(world))
    world.sensors = [fake_api.make_sensor()]


def _interrupted(world: World) -> None:
    _friends(world).interruption_after_s = 3.4


def _away(world: World) -> None:
    _friends(world)
    world.sensors = [fake_api.make_sensor(state="offline", state_reason="the sensor disconnected")]


def _no_sensor(world: World) -> None:
    world.routes.append(FakeRecordings(world))


def _choose(page: Page) -> None:
    page.get_by_role("radio", name="squat", exact=True).click()
    page.mouse.move(0, 0)
    expect(page.locator(".st-key-record-form")).to_be_visible(timeout=_PATIENCE_MS)


def _start(page: Page) -> None:
    _choose(page)
    page.get_by_role("button", name="Start").click()
    expect(page.locator(".rs-clock")).to_have_text(re.compile("[12]"), timeout=_PATIENCE_MS)


def _record(page: Page) -> None:
    _start(page)
    expect(page.locator(".rs-repetitions b")).to_have_text("3", timeout=_PATIENCE_MS)


def _review(page: Page) -> None:
    _record(page)
    page.get_by_role("button", name="Stop").click()
    page.mouse.move(0, 0)
    expect(page.locator(".rs-editor canvas")).to_be_visible(timeout=_PATIENCE_MS)


SCENES = {
    "setup": Scene(_setup, path="record", ready=_READY, steps=_choose),
    "first": Scene(_first, path="record", ready=_READY),
    "countdown": Scene(_setup, path="record", ready=_READY, steps=_start),
    "take": Scene(_setup, path="record", ready=_READY, steps=_record),
    "interrupted": Scene(_interrupted, path="record", ready=_READY, steps=_record),
    "review": Scene(_setup, path="record", ready=_READY, steps=_review),
    "review-interrupted": Scene(_interrupted, path="record", ready=_READY, steps=_review),
    "away": Scene(_away, path="record", ready=_READY),
    "no-sensor": Scene(_no_sensor, path="record", ready=".rs-notice"),
}
