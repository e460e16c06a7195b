"""The components in JavaScript, as a person uses them: by mouse, finger, keyboard and ear."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, CDPSession, Locator, Page, expect
from services.dashboard.tests.browser import serve_script

_SCRIPT = Path(__file__).with_name("components_script.py")

# What a test cannot hear, it counts.
_COUNT_SOUNDS = """
  window.heard = { tones: [] };
  const start = OscillatorNode.prototype.start;
  OscillatorNode.prototype.start = function (at_s) {
    window.heard.tones.push({ hertz: this.frequency.value, in_s: at_s - this.context.currentTime });
    return start.call(this, at_s);
  };
"""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serve_script(_SCRIPT) as served:
        yield served


@pytest.fixture
def open_page(browser: Browser, url: str) -> Iterator[Callable[..., Page]]:
    contexts: list[BrowserContext] = []

    def _open(**options: Any) -> Page:  # noqa: ANN401 - Playwright's
        size = {"width": 1280, "height": 1000}
        context = browser.new_context(**({"viewport": size, "timezone_id": "Asia/Kolkata"} | options))
        contexts.append(context)
        context.add_init_script(_COUNT_SOUNDS)
        page = context.new_page()
        page.goto(url)
        expect(page.locator(".shown")).to_be_visible(timeout=20_000)
        expect(page.locator(".rs-editor")).to_have_count(2)
        return page

    yield _open
    for context in contexts:
        context.close()


def _shown(page: Page) -> dict[str, Any]:
    shown: dict[str, Any] = json.loads(page.locator(".shown").inner_text())
    return shown


def _wait_for(page: Page, condition: str) -> None:
    """Wait until what the script shows meets a condition in JavaScript."""
    page.wait_for_function(
        f"""() => {{
              const {{ take, day, seen, runs }} = JSON.parse(document.querySelector(".shown").innerText);
              return {condition};
            }}"""
    )


def _expect_selection(page: Page, name: str, start_s: float, end_s: float, *, within_s: float) -> None:
    """Wait until Python knows of a selection."""
    near = f"Math.abs({name}.start_s - {start_s}) <= {within_s} && Math.abs({name}.end_s - {end_s}) <= {within_s}"
    _wait_for(page, f"{name} && {near}")


def _editor(page: Page, number: int) -> Locator:
    return page.locator(".rs-editor").nth(number)


def _point(editor: Locator, share: float, *, height: float = 0.5) -> tuple[float, float]:
    box = editor.locator("canvas").bounding_box()
    assert box is not None
    return box["x"] + share * box["width"], box["y"] + height * (box["height"] - 24)


def _drag(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
    page.mouse.move(*end)
    page.mouse.up()


def _touch(session: CDPSession, kind: str, *points: tuple[float, float]) -> None:
    touches = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(points)]
    session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})


def test_a_part_is_brushed_and_its_ends_and_itself_are_moved(open_page: Callable[..., Page]) -> None:
    page = open_page()
    take = _editor(page, 0)
    assert _shown(page)["take"] == {"start_s": 2.0, "end_s": 8.0, "band_key": None}
    expect(take.locator("output")).to_contain_text("6 repetitions")

    _drag(page, _point(take, 0.95), _point(take, 0.85))
    _expect_selection(page, "take", 8.5, 9.5, within_s=0.05)
    _drag(page, _point(take, 0.85), _point(take, 0.4))
    _expect_selection(page, "take", 4.0, 9.5, within_s=0.05)
    _drag(page, _point(take, 0.5, height=0.2), _point(take, 0.2, height=0.2))
    _expect_selection(page, "take", 1.0, 6.5, within_s=0.05)
    expect(take.locator("output")).to_contain_text("5.5\u00a0s")


def test_an_end_stays_before_the_other_and_inside(open_page: Callable[..., Page]) -> None:
    page = open_page()
    take = _editor(page, 0)
    _drag(page, _point(take, 0.2), _point(take, 0.95))
    _expect_selection(page, "take", 7.9, 8.0, within_s=0.01)
    right = _point(take, 1)
    _drag(page, _point(take, 0.8), (right[0] + 60, right[1]))
    _expect_selection(page, "take", 7.9, 10.0, within_s=0.01)


def test_the_keyboard_reaches_and_moves_both_ends(open_page: Callable[..., Page]) -> None:
    page = open_page()
    start = page.get_by_role("slider", name="Start of the selection").first
    page.get_by_role("button", name="Zoom in").first.focus()
    page.keyboard.press("Tab")
    expect(start).to_be_focused()
    expect(start).to_have_attribute("aria-valuetext", "2\u00a0s")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    _expect_selection(page, "take", 3.1, 8.0, within_s=0.001)
    expect(start).to_have_attribute("aria-valuetext", "3.1\u00a0s")
    expect(start).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("End")
    _expect_selection(page, "take", 3.1, 10.0, within_s=0.001)
    page.keyboard.press("Home")
    _expect_selection(page, "take", 3.1, 3.2, within_s=0.001)


def test_the_page_can_take_the_selection_back(open_page: Callable[..., Page]) -> None:
    page = open_page()
    take = _editor(page, 0)
    _drag(page, _point(take, 0.2), _point(take, 0.5))
    _expect_selection(page, "take", 5.0, 8.0, within_s=0.05)
    page.get_by_role("button", name="Trim by itself").click()
    _expect_selection(page, "take", 1.4, 8.1, within_s=0.001)
    expect(take.locator("output")).to_contain_text("1.4\u00a0s \u2013 8.1\u00a0s")
    page.get_by_role("button", name="Draw again").click()
    _expect_selection(page, "take", 1.4, 8.1, within_s=0.001)


def test_a_band_is_selected_adjusted_and_let_go(open_page: Callable[..., Page]) -> None:
    page = open_page()
    day = _editor(page, 1)
    band = day.get_by_role("button", name="lunge")
    band.click()
    _expect_selection(page, "day", 60_000, 63_600, within_s=0.1)
    assert _shown(page)["day"]["band_key"] == "r2"
    expect(band).to_have_attribute("aria-pressed", "true")
    # 60,000 s after midnight UTC, where the reader is.
    expect(day.locator("output")).to_contain_text("22:10")

    end = day.get_by_role("slider", name="End of the selection")
    end.focus()
    page.keyboard.press("ArrowRight")
    _expect_selection(page, "day", 60_000, 64_200, within_s=0.1)
    assert _shown(page)["day"]["band_key"] == "r2"
    page.mouse.click(*_point(day, 0.3))
    _wait_for(page, "day === null")
    expect(band).to_have_attribute("aria-pressed", "false")


def test_a_part_is_selected_without_a_pointer(open_page: Callable[..., Page]) -> None:
    page = open_page()
    day = _editor(page, 1)
    day.get_by_role("button", name="Select a part").press("Enter")
    _expect_selection(page, "day", 21_600, 64_800, within_s=0.1)
    expect(day.get_by_role("slider", name="Start of the selection")).to_be_focused()
    page.keyboard.press("Escape")
    _wait_for(page, "day === null")
    expect(day.get_by_role("button", name="Select a part")).to_be_visible()


def test_what_is_looked_at_closely_is_known_to_the_page(open_page: Callable[..., Page]) -> None:
    page = open_page()
    day = _editor(page, 1)
    strip = day.get_by_role("scrollbar")
    expect(strip).to_be_hidden()
    day.get_by_role("button", name="Zoom in").click()
    expect(strip).to_be_visible()
    _wait_for(page, "seen && seen[1] - seen[0] === 43200")
    strip.focus()
    page.keyboard.press("ArrowRight")
    _wait_for(page, "seen[0] === 32400")
    page.mouse.click(*_point(day, 0.5))
    expect(strip).not_to_be_focused()
    page.mouse.wheel(0, -2000)
    _wait_for(page, "seen && seen[1] - seen[0] < 3600")
    for _ in range(12):
        day.get_by_role("button", name="Zoom out").click()
        if day.get_by_role("button", name="Zoom out").is_disabled():
            break
    _wait_for(page, "seen === null")


def test_a_finger_brushes_and_two_zoom(open_page: Callable[..., Page]) -> None:
    page = open_page(viewport={"width": 390, "height": 1200}, has_touch=True, is_mobile=True)
    day = _editor(page, 1)
    session = page.context.new_cdp_session(page)
    _touch(session, "touchStart", _point(day, 0.25))
    for share in (0.3, 0.5, 0.75):
        _touch(session, "touchMove", _point(day, share))
    _touch(session, "touchEnd")
    _expect_selection(page, "day", 21_600, 64_800, within_s=600)

    _touch(session, "touchStart", _point(day, 0.45), _point(day, 0.55))
    _touch(session, "touchMove", _point(day, 0.3), _point(day, 0.7))
    _touch(session, "touchMove", _point(day, 0.05), _point(day, 0.95))
    _touch(session, "touchEnd")
    _wait_for(page, "seen && Math.abs(seen[0] - 38400) < 600 && Math.abs(seen[1] - 48000) < 600")
    # The fingers that zoomed have selected nothing.
    _expect_selection(page, "day", 21_600, 64_800, within_s=600)
    assert page.evaluate("() => document.documentElement.scrollWidth") == 390


def test_a_sound_is_made_once_per_token(open_page: Callable[..., Page]) -> None:
    page = open_page()
    page.get_by_role("button", name="Make a sound").click()
    page.wait_for_function("() => window.heard.tones.length === 1")
    n_runs = _shown(page)["runs"]
    page.get_by_role("button", name="Draw again").click()
    _wait_for(page, f"runs > {n_runs}")
    assert page.evaluate("() => window.heard.tones.length") == 1
    page.get_by_role("button", name="Make a sound").click()
    page.wait_for_function("() => window.heard.tones.length === 2")


def test_a_countdown_is_in_step_and_can_be_taken_back(open_page: Callable[..., Page]) -> None:
    page = open_page()
    page.get_by_text("Count down").click()
    page.wait_for_function("() => window.heard.tones.length === 4")
    heard = page.evaluate("() => window.heard.tones")
    assert [tone["hertz"] for tone in heard] == [880, 880, 880, 1320]
    first_s = heard[0]["in_s"]
    assert [round(tone["in_s"] - first_s, 1) for tone in heard] == [0, 1, 2, 3]
    page.evaluate(
        """() => {
             const stop = OscillatorNode.prototype.stop;
             window.stopped = 0;
             OscillatorNode.prototype.stop = function (...when) {
               window.stopped += when.length === 0;
               return stop.apply(this, when);
             };
           }"""
    )
    page.get_by_text("Count down").click()
    page.wait_for_function("() => window.stopped > 0")
