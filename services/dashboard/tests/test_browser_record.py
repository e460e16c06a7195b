"""Recording as a person does it: a browser, one hand, take after take."""

import re

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect
from services.dashboard.tests import fake_api
from services.dashboard.tests.fake_api import World
from services.dashboard.tests.fake_recordings import FakeRecordings
from support.browser import find_chromium

pytestmark = pytest.mark.skipif(find_chromium() is None, reason="no chromium, chromium-browser or google-chrome here")

_PHONE: ViewportSize = {"width": 390, "height": 844}
_PATIENCE_MS = 30_000


def _open(browser: Browser, url: str) -> Page:
    page = browser.new_page(viewport=_PHONE)
    page.goto(f"{url}/record")
    return page


def _choose(page: Page, name: str) -> None:
    pill = page.get_by_role("radio", name=name, exact=True)
    pill.click(timeout=_PATIENCE_MS)
    expect(pill).to_be_checked()


def _main_button(page: Page, name: str) -> None:
    expect(page.get_by_role("button", name=name, exact=True)).to_be_visible(timeout=_PATIENCE_MS)


def test_take_after_take_with_one_thumb_and_the_space_bar(
    browser: Browser, dashboard_url: str, world: World, fake_recordings: FakeRecordings
) -> None:
    world.sensors = [fake_api.make_sensor()]
    fake_recordings.add_label("squat", "correct")
    fake_recordings.add_person("Anna")
    fake_recordings.onset_s = 0.3
    page = _open(browser, dashboard_url)

    _choose(page, "squat")
    _choose(page, "Until I stop")
    _main_button(page, "Start")
    page.get_by_role("button", name="Start").click()
    expect(page.locator(".rs-clock")).to_have_text(re.compile(r"^[123]$"), timeout=_PATIENCE_MS)
    # Out of the way: nobody leaves a take by a slip of the thumb.
    expect(page.locator(".st-key-nav")).not_to_be_visible()
    # Every two seconds one more: which of them is seen first depends on the machine.
    expect(page.locator(".rs-repetitions b")).to_have_text(re.compile(r"^[1-9]$"), timeout=_PATIENCE_MS)
    page.get_by_role("button", name="Stop").click()

    # The take is stored before anybody is asked.
    _main_button(page, "Keep and next take")
    expect(page.locator(".rs-review-head")).to_contain_text("kept of")
    (first,) = fake_recordings.recordings.values()
    assert first["label"] == {"exercise": "squat", "form": "correct"}
    assert first["subject"] == "Anna"

    # The end of what is kept is moved by the keyboard: stored at once, and it can be undone.
    end_s = first["trim_end_s"]
    handle = page.get_by_role("slider", name="End of the selection")
    handle.focus()
    handle.press("PageDown")
    expect(page.locator(".rs-last-change")).to_contain_text("trimmed", timeout=_PATIENCE_MS)
    assert first["trim_end_s"] < end_s
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".rs-message-good")).to_contain_text("Undone", timeout=_PATIENCE_MS)
    assert first["trim_end_s"] == end_s

    # What the thumb has touched does not take the space bar away from the next take.
    page.locator(".rs-review-head").click()
    page.keyboard.press("Space")
    expect(page.locator(".rs-take-countdown")).to_be_visible(timeout=_PATIENCE_MS)
    _main_button(page, "Stop")
    page.keyboard.press("Space")
    _main_button(page, "Keep and next take")
    assert len(fake_recordings.recordings) == 2

    # The keyboard's own space presses what is in focus.
    page.locator(".st-key-record-again button").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    _main_button(page, "Start")
    expect(page.locator(".rs-session-counts")).to_contain_text("1\N{MULTIPLICATION SIGN}")
    assert sum(each["deleted_at"] is not None for each in fake_recordings.recordings.values()) == 1
    assert "Traceback" not in page.content()
    page.close()


def test_a_sensor_that_drops_out_is_said_and_what_there_is_of_the_take_is_kept(
    browser: Browser, dashboard_url: str, world: World, fake_recordings: FakeRecordings
) -> None:
    world.sensors = [fake_api.make_sensor()]
    fake_recordings.add_label("squat")
    page = _open(browser, dashboard_url)
    _choose(page, "squat")
    page.get_by_role("button", name="Start").click()
    expect(page.locator(".rs-take-recording")).to_be_visible(timeout=_PATIENCE_MS)
    # Every two seconds one more: which of them is seen first depends on the machine.
    expect(page.locator(".rs-repetitions b")).to_have_text(re.compile(r"^[1-9]$"), timeout=_PATIENCE_MS)

    world.keep_times = True
    expect(page.locator(".rs-drop-out")).to_contain_text("dropped out", timeout=_PATIENCE_MS)
    world.keep_times = False
    expect(page.locator(".rs-drop-out")).to_have_count(0, timeout=_PATIENCE_MS)
    fake_recordings.interruption_after_s = 3.0
    page.get_by_role("button", name="Stop").click()
    _main_button(page, "Keep and next take")
    expect(page.locator(".rs-interruption")).to_have_text("It is shorter than planned: the sensor was disconnected.")
    page.close()


@pytest.mark.parametrize("state", ["setup", "take", "review"])
def test_nothing_is_wider_than_a_phone(
    browser: Browser, dashboard_url: str, world: World, fake_recordings: FakeRecordings, state: str
) -> None:
    world.sensors = [fake_api.make_sensor(name="Sensor-with-a-name-that-somebody-has-made-far-too-long")]
    fake_recordings.add_label("bulgarian-split-squat-on-the-left", "with-the-heel-lifted-far-too-high")
    fake_recordings.add_person("Maximiliane-Friederike of somewhere far away")
    page = _open(browser, dashboard_url)
    _choose(page, "bulgarian-split-squat-on-the-left")
    _choose(page, "Until I stop")
    if state != "setup":
        page.get_by_role("button", name="Start").click()
        expect(page.locator(".rs-take-recording")).to_be_visible(timeout=_PATIENCE_MS)
        expect(page.locator(".rs-repetitions")).to_be_visible()
    if state == "review":
        page.get_by_role("button", name="Stop").click()
        _main_button(page, "Keep and next take")
    assert page.evaluate("() => document.documentElement.scrollWidth") == _PHONE["width"]
    main = page.get_by_test_id("stMain").evaluate("element => [element.scrollWidth, element.clientWidth]")
    assert main[0] == main[1]
    page.close()
