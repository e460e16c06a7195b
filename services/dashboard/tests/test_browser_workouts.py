"""Looking back and putting right, in a real browser."""

import re
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Browser, Page, Route, ViewportSize, expect
from services.dashboard.tests import fake_api
from services.dashboard.tests.browser import settle
from services.dashboard.tests.fake_api import World
from services.dashboard.tests.fake_workouts import FakeWorkouts, make_year
from support.browser import find_chromium

pytestmark = pytest.mark.skipif(find_chromium() is None, reason="no chromium, chromium-browser or google-chrome here")

_DESKTOP: ViewportSize = {"width": 1280, "height": 900}
_PHONE: ViewportSize = {"width": 390, "height": 844}
_PATIENCE_MS = 20_000


def _arrange(world: World) -> FakeWorkouts:
    fake_api.show_push_ups(world)
    world.sensors.append(fake_api.make_sensor("ankle", name="Ankle"))
    workouts = make_year(datetime.now(UTC))
    world.routes.append(workouts)
    return workouts


def _open(browser: Browser, url: str, viewport: ViewportSize) -> Page:
    page = browser.new_page(viewport=viewport, timezone_id="America/Denver")
    page.goto(f"{url}/workouts")
    expect(page.locator(".rs-workout").first).to_be_visible(timeout=_PATIENCE_MS)
    return page


def test_a_year_is_looked_back_on(browser: Browser, dashboard_url: str, world: World) -> None:
    workouts = _arrange(world)
    page = _open(browser, dashboard_url, _DESKTOP)
    expect(page.get_by_text("times in America/Denver")).to_be_visible()
    bars = ".st-key-card-workouts-time svg.marks .mark-rect path"
    page.wait_for_function("bars => document.querySelector(bars)?.getBoundingClientRect().width > 10", arg=bars)
    expect(page.locator(".st-key-card-workouts-form svg.marks")).to_be_visible()

    # A day of the calendar, by keyboard: the last one, and then one before it.
    days = page.locator(".rs-calendar button")
    days.last.focus()
    page.keyboard.press("ArrowLeft")
    words = page.locator(".st-key-card-workouts-calendar [data-words]")
    expect(words).to_contain_text("workout")
    day = page.evaluate("() => document.activeElement.dataset.pick")
    page.keyboard.press("Enter")
    expect(page.locator(f'.rs-calendar button[data-pick="{day}"]')).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".rs-workout")).to_have_count(1)
    page.get_by_role("button", name="All days").click()
    expect(page.locator(".rs-workout")).to_have_count(20)
    openers = page.locator(".st-key-card-workouts-list").get_by_role("button", name="Open")
    expect(openers).to_have_count(20)
    assert len(set(openers.all_text_contents())) == 20, "each says what it opens"
    page.get_by_role("button", name="Older").click()
    expect(page.locator(".rs-workout").nth(20)).to_be_visible()

    openers.first.click()
    expect(page.locator(".rs-workout-band").first).to_be_visible()
    page.go_back()
    expect(page.locator(".rs-calendar").first).to_be_visible()
    assert workouts.workouts
    page.close()


@pytest.mark.parametrize("viewport", [_DESKTOP, _PHONE])
def test_the_list_stays_where_it_is_when_what_is_above_it_is_drawn(
    browser: Browser, dashboard_url: str, world: World, viewport: ViewportSize
) -> None:
    _arrange(world)
    page = browser.new_page(viewport=viewport)
    held: list[Route] = []
    is_late = True

    def hold(route: Route) -> None:
        if is_late:
            held.append(route)
        else:
            route.continue_()

    # Charts, and the calendar.
    page.route(re.compile("VegaLite|BidiComponent"), hold)
    page.goto(f"{dashboard_url}/workouts")
    workouts = page.locator(".st-key-card-workouts-list")
    expect(workouts).to_be_visible(timeout=_PATIENCE_MS)
    settle(page, _PATIENCE_MS)
    place = workouts.bounding_box()
    assert place is not None

    is_late = False
    for route in held:
        route.continue_()
    expect(page.locator(".st-key-workouts-charts svg.marks")).to_have_count(2, timeout=_PATIENCE_MS)
    expect(page.locator(".rs-calendar")).to_be_visible(timeout=_PATIENCE_MS)
    moved = workouts.bounding_box()
    assert moved is not None
    assert moved["y"] == pytest.approx(place["y"], abs=2)
    page.close()


def _open_newest(page: Page) -> str:
    # By its row: the buttons come after the rows, each when it is ready, and the first one need not be the newest.
    page.locator("[class*=st-key-workout-]").first.get_by_role("button").press("Enter")
    page.wait_for_url("**/workouts?workout=*")
    return page.url.partition("workout=")[2]


def test_a_set_is_put_right_on_the_timeline(browser: Browser, dashboard_url: str, world: World) -> None:
    workouts = _arrange(world)
    page = _open(browser, dashboard_url, _DESKTOP)
    workout_id = _open_newest(page)
    bands = page.locator(".rs-workout-band")
    expect(bands).to_have_count(len(workouts.of_workout(workout_id)))
    set_id = bands.first.get_attribute("data-pick")
    assert set_id is not None
    bands.first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("Recognised as")).to_be_visible()
    activity = dialog.get_by_role("combobox", name="Activity")
    activity.fill("burpee")
    activity.press("Enter")
    expect(activity).to_have_value("burpee")
    dialog.get_by_text("Also use it as training data").click()
    expect(dialog.get_by_label("Also use it as training data", exact=True)).to_be_checked()
    dialog.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The set is training data now")).to_be_visible()
    expect(dialog).to_have_count(0)
    expect(page.locator(".rs-set-row").first).to_contain_text("Burpee")
    assert workouts.sets[set_id]["exercise"] == "burpee"
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".rs-set-row").first).not_to_contain_text("Burpee")
    assert not workouts.sets[set_id]["corrected"]

    # A dialog that is closed is closed, and a person who is new becomes one.
    page.get_by_role("button", name="Change").first.click()
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    person = page.get_by_role("combobox", name="Person")
    person.fill("Eve")
    person.press("Enter")
    expect(page.get_by_text("Workout assigned to Eve")).to_be_visible()
    assert "Eve" in workouts.persons
    page.close()


def test_everything_is_exported_and_a_workout_deleted(browser: Browser, dashboard_url: str, world: World) -> None:
    workouts = _arrange(world)
    page = _open(browser, dashboard_url, _DESKTOP)
    page.get_by_role("button", name="Export").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").click()
    assert download.value.suggested_filename == "repsense-workouts.csv"
    lines = download.value.path().read_text(encoding="utf-8").splitlines()
    assert len(lines) == len(workouts.sets) + 1
    page.keyboard.press("Escape")

    workout_id = _open_newest(page)
    page.get_by_role("button", name="Delete this workout").click()
    page.get_by_role("button", name="Delete for good").click()
    expect(page.get_by_text("The workout is deleted")).to_be_visible()
    assert workout_id not in workouts.workouts
    page.close()


def test_nothing_is_wider_than_a_phone(browser: Browser, dashboard_url: str, world: World) -> None:
    _arrange(world)
    page = _open(browser, dashboard_url, _PHONE)
    assert page.evaluate("() => document.querySelector('[data-testid=stMain]').scrollWidth") == _PHONE["width"]
    _open_newest(page)
    expect(page.locator(".rs-workout-band").first).to_be_visible()
    assert page.evaluate("() => document.querySelector('[data-testid=stMain]').scrollWidth") == _PHONE["width"]
    page.close()
