"""The whole dashboard as a person sees it: its own process, a real browser, a stand-in for the API."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect, sync_playwright
from services.dashboard.tests import fake_api
from services.dashboard.tests.browser import find_chromium, launch, serve_dashboard
from services.dashboard.tests.fake_api import World

_CHROMIUM = find_chromium()

pytestmark = pytest.mark.skipif(_CHROMIUM is None, reason="no chromium, chromium-browser or google-chrome here")

_DESKTOP: ViewportSize = {"width": 1280, "height": 800}
_PHONE: ViewportSize = {"width": 390, "height": 844}

_N_REFRESHES = "() => Number(document.querySelector('[data-refresh]').dataset.refresh)"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    assert _CHROMIUM is not None
    with sync_playwright() as playwright, launch(playwright, _CHROMIUM) as running:
        yield running


@pytest.fixture
def dashboard_url(api_url: str) -> Iterator[str]:
    with serve_dashboard(api_url) as url:
        yield url


def _open(browser: Browser, url: str, *, phone: bool = False) -> Page:
    page = browser.new_page(timezone_id="Asia/Kolkata", viewport=_PHONE if phone else _DESKTOP)
    page.goto(url)
    return page


def test_the_page_follows_the_exercise_without_reload(browser: Browser, dashboard_url: str, world: World) -> None:
    fake_api.show_push_ups(world)
    world.sets[0]["started_at"] = "2026-03-05T10:00:00Z"
    page = _open(browser, dashboard_url)
    title = page.locator(".rs-title")
    expect(title).to_have_text("Push-up", timeout=20_000)
    expect(page.locator(".rs-chart canvas")).to_have_count(3)
    expect(page.locator(".rs-when").first).to_contain_text("15:30")
    page.evaluate("() => { window.sameDocument = true; }")

    before = page.evaluate(_N_REFRESHES)
    world.classification = fake_api.make_classification("squat", "incorrect", simulated=True)
    expect(title).to_have_text("Squat")
    expect(page.locator(".rs-verdict")).to_have_text("Incorrect form")
    assert page.evaluate(_N_REFRESHES) - before <= 4
    assert page.evaluate("() => window.sameDocument")

    world.problem = {"status": 503, "title": "No database", "detail": "MongoDB does not answer."}
    expect(page.locator(".rs-notice h2")).to_have_text("No database", timeout=15_000)
    world.problem = None
    expect(title).to_have_text("Squat")
    assert "Traceback" not in page.content()
    page.close()


def test_nothing_is_wider_than_a_phone(browser: Browser, dashboard_url: str, world: World) -> None:
    fake_api.show_push_ups(world)
    world.sensors[0]["name"] = "Sensor-with-a-name-that-somebody-has-made-far-too-long"
    world.sensors.append(fake_api.make_sensor("ankle", name="Left ankle"))
    world.classification = fake_api.make_classification("bulgarian split squat", "incorrect", simulated=True)
    page = _open(browser, dashboard_url, phone=True)
    expect(page.locator(".rs-title")).to_have_text("Bulgarian split squat", timeout=20_000)
    expect(page.locator(".rs-chart canvas")).to_have_count(3)
    widths = page.evaluate(
        """() => [...document.querySelectorAll(".stApp *")]
             .filter((each) => !each.closest(".rs-plot"))
             .map((each) => [each.getBoundingClientRect().right, each.className])
             .filter(([right]) => right > document.documentElement.clientWidth + 1)"""
    )
    assert widths == []
    assert page.evaluate("() => document.documentElement.scrollWidth") == _PHONE["width"]
    page.close()


def test_the_chosen_sensor_stays_chosen_after_a_reload(browser: Browser, dashboard_url: str, world: World) -> None:
    fake_api.show_push_ups(world)
    world.sensors.append(fake_api.make_sensor("ankle", name="Left ankle", state="offline"))
    page = _open(browser, dashboard_url)
    page.get_by_text("Left ankle", exact=False).click(timeout=20_000)
    expect(page.locator(".rs-title")).to_have_text("Offline")
    page.wait_for_url("**/?sensor=ankle")
    page.reload()
    expect(page.locator(".rs-title")).to_have_text("Offline", timeout=20_000)
    page.close()


def test_nothing_of_the_framework_is_left_to_see(browser: Browser, dashboard_url: str, world: World) -> None:
    fake_api.show_push_ups(world)
    page = _open(browser, dashboard_url)
    expect(page.locator(".rs-title")).to_be_visible(timeout=20_000)
    expect(page).to_have_title("RepSense")
    for part in ("stMainMenu", "stAppDeployButton", "stStatusWidget"):
        expect(page.get_by_test_id(part)).not_to_be_visible()
    page.close()


def test_a_dashboard_that_is_gone_is_not_mistaken_for_the_present(browser: Browser, api_url: str, world: World) -> None:
    fake_api.show_push_ups(world)
    with serve_dashboard(api_url) as url:
        page = _open(browser, url)
        expect(page.locator(".rs-title")).to_be_visible(timeout=20_000)
        expect(page.locator(".rs-lost")).not_to_be_visible()
    expect(page.locator(".rs-lost")).to_be_visible(timeout=20_000)
    page.close()
