"""From recordings to a model that is live, in a real browser, without leaving the page."""

import re

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect
from services.dashboard.tests import fake_api, fake_training
from services.dashboard.tests.fake_api import World
from services.dashboard.tests.fake_training import (
    FakeTraining,
    make_evaluation,
    make_manifest,
    make_model,
    make_progress,
)
from support.browser import find_chromium

pytestmark = pytest.mark.skipif(find_chromium() is None, reason="no chromium, chromium-browser or google-chrome here")

_PHONE: ViewportSize = {"width": 390, "height": 844}
_PATIENCE_MS = 20_000


def _arrange(world: World) -> FakeTraining:
    fake_api.show_push_ups(world)
    training = FakeTraining(
        holdings=fake_training.make_holdings(),
        models=[make_model(make_manifest(1, evaluation=make_evaluation(skill=0.8)), "in_use")],
        follows=False,
    )
    world.routes.append(training)
    return training


def _nothing_is_wider_than(page: Page) -> None:
    assert page.evaluate("() => document.documentElement.scrollWidth") == _PHONE["width"]
    assert page.evaluate("() => document.querySelector('[data-testid=stMain]').scrollWidth") == _PHONE["width"]


def test_from_recordings_to_live_without_leaving_the_page(browser: Browser, dashboard_url: str, world: World) -> None:
    training = _arrange(world)
    page = browser.new_page(viewport=_PHONE, timezone_id="America/Denver")
    page.goto(f"{dashboard_url}/train")
    expect(page.get_by_text("2 h 26 min in 270 recordings")).to_be_visible(timeout=_PATIENCE_MS)
    _nothing_is_wider_than(page)

    # The choice is by tapping: without Eve.
    page.get_by_text("Choose among the recordings").click()
    page.get_by_test_id("stButtonGroup").get_by_text("Eve").click()
    expect(page.get_by_text("4 persons")).to_be_visible()
    page.get_by_role("button", name="Start training").click()
    expect(page.get_by_text("The training is started")).to_be_visible()
    expect(page.get_by_role("heading", name="Waiting")).to_be_visible()
    (job,) = training.jobs
    assert job["selection"]["subjects"] == ["Anna", "Ben", "Chris", "Dana"]

    # A page that is opened again finds the training, and follows it.
    page.goto(f"{dashboard_url}/train")
    expect(page.get_by_role("heading", name="Waiting")).to_be_visible(timeout=_PATIENCE_MS)
    job.update({"state": "running", "queue_position": None, "started_at": job["created_at"]})
    job["progress"] = make_progress(3, 13, epoch=9)
    expect(page.get_by_role("heading", name="Leaving out Chris")).to_be_visible()
    expect(page.get_by_role("progressbar", name="Training")).to_have_attribute("aria-valuenow", "18")
    expect(page.locator(".rs-loss figcaption b")).to_be_visible()
    training.logs[job["job_id"]] = ["INFO 216 recordings"]
    page.get_by_text("Show what it writes").click()
    expect(page.get_by_text("INFO 216 recordings")).to_be_visible()
    _nothing_is_wider_than(page)

    # Its end needs no click either.
    training.succeed(job["job_id"], make_manifest(2, evaluation=make_evaluation(skill=1.5)))
    expect(page.get_by_role("heading", name="Your new model is ready: bodyweight 2")).to_be_visible()
    expect(page.locator(".rs-confusion tbody tr")).to_have_count(9)
    expect(page.locator(".rs-compare-total")).to_contain_text("+")
    expect(page.locator(".st-key-card-train-few-shot svg.marks")).to_be_visible()
    _nothing_is_wider_than(page)

    page.get_by_role("button", name="Full report").click()
    report = page.get_by_role("dialog").frame_locator("iframe")
    expect(report.get_by_role("heading", name="Report of bodyweight 2")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("dialog").get_by_role("button", name="Download").click()
    assert download.value.suggested_filename == "bodyweight-2-report.html"
    page.keyboard.press("Escape")

    page.get_by_role("button", name="Use this model now").click()
    expect(page.get_by_text("is being taken up")).to_be_visible()
    training.take_up()
    expect(page.get_by_text("bodyweight 2 is live", exact=True)).to_be_visible()
    expect(page.locator(".rs-live-since")).to_contain_text("live since")
    page.get_by_role("link", name="Watch it live").click()
    expect(page.locator(".rs-hero")).to_be_visible()
    page.close()


def test_a_menu_says_to_a_screen_reader_whose_it_is(browser: Browser, dashboard_url: str, world: World) -> None:
    _arrange(world)
    page = browser.new_page(viewport=_PHONE)
    page.goto(f"{dashboard_url}/train")
    menu = page.get_by_role("button", name="What to do with bodyweight 1")
    expect(menu).to_be_visible(timeout=_PATIENCE_MS)
    # Everybody else sees three dots.
    box = menu.bounding_box()
    assert box is not None
    assert box["width"] == pytest.approx(64, abs=2)
    menu.press("Enter")
    page.get_by_role("button", name="Look at its figures").click()
    expect(page).to_have_url(re.compile("model="))
    page.close()


def test_a_report_can_do_nothing_to_the_page(browser: Browser, dashboard_url: str, world: World) -> None:
    training = _arrange(world)
    hostile = b"<h1>Report</h1><script>parent.document.title = 'taken over'; document.body.remove()</script>"

    def answer(request: fake_api.Request) -> fake_api.Response | None:
        return fake_api.Response(document=hostile) if request.path.endswith("/report") else None

    world.routes.insert(0, answer)
    page = browser.new_page()
    page.goto(f"{dashboard_url}/train?model=bodyweight@1")
    page.get_by_role("button", name="Full report").click(timeout=_PATIENCE_MS)
    expect(page.get_by_role("dialog").frame_locator("iframe").get_by_role("heading", name="Report")).to_be_visible()
    assert page.title().startswith("Train")
    assert training.models
    page.close()
