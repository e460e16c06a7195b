"""The data page as a person uses it: a real browser against the stand-in for the API."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Browser, FilePayload, Page, ViewportSize, expect
from services.dashboard.tests import fake_api
from services.dashboard.tests.browser import settle
from services.dashboard.tests.fake_api import World
from services.dashboard.tests.fake_recordings import FakeRecordings, show_dataset
from support.browser import find_chromium

pytestmark = pytest.mark.skipif(find_chromium() is None, reason="no chromium, chromium-browser or google-chrome here")

_DESKTOP: ViewportSize = {"width": 1280, "height": 900}
_PHONE: ViewportSize = {"width": 390, "height": 844}
_PATIENCE_MS = 30_000
_SECTIONS = ("Recordings", "Label the past", "Overview", "Import and export", "People and labels")


@pytest.fixture
def dataset(world: World, fake_recordings: FakeRecordings) -> FakeRecordings:
    world.sensors = [fake_api.make_sensor()]
    show_dataset(fake_recordings)
    return fake_recordings


@pytest.fixture
def page(browser: Browser, dashboard_url: str, dataset: FakeRecordings) -> Iterator[Page]:
    assert dataset.recordings
    page = browser.new_page(viewport=_DESKTOP, timezone_id="Europe/Berlin")
    page.goto(f"{dashboard_url}/data")
    yield page
    assert "Traceback" not in page.content()
    page.close()


def _open_section(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name).click(timeout=_PATIENCE_MS)


def _select_row(page: Page, row: int) -> None:
    """Tick a row of the table, which is drawn on a canvas."""
    settle(page, _PATIENCE_MS)
    table = page.get_by_test_id("stDataFrame").locator("canvas").first
    expect(table).to_be_visible(timeout=_PATIENCE_MS)
    # Something transparent above the canvas takes the click.
    table.click(position={"x": 16, "y": 36 + 44 * row + 22}, force=True)


def _all(fake: FakeRecordings, exercise: str) -> list[str]:
    return [key for key, each in fake.recordings.items() if (each["label"] or {}).get("exercise") == exercise]


def test_recordings_are_chosen_relabelled_looked_at_and_deleted_with_a_way_back(
    page: Page, dataset: FakeRecordings
) -> None:
    n_rest = len(_all(dataset, "rest"))
    _select_row(page, 0)
    expect(page.locator(".rs-selected")).to_have_text("1 recording chosen", timeout=_PATIENCE_MS)
    expect(page.locator(".st-key-card-detail h2")).to_contain_text("No label yet")
    expect(page.locator(".rs-editor canvas")).to_be_visible()

    _select_row(page, 1)
    expect(page.locator(".rs-selected")).to_have_text("2 recordings chosen", timeout=_PATIENCE_MS)
    page.get_by_role("button", name="Relabel").click()
    activity = page.get_by_role("dialog").get_by_role("combobox", name="Activity")
    activity.click()
    page.get_by_role("option", name="rest", exact=True).click()
    expect(activity).to_have_value("rest")
    page.get_by_role("button", name="Relabel 2 recordings").click()
    expect(page.locator(".rs-last-change")).to_have_text("2 recordings relabelled as rest", timeout=_PATIENCE_MS)
    assert len(_all(dataset, "rest")) == n_rest + 2
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".rs-message-good")).to_contain_text("Undone", timeout=_PATIENCE_MS)
    assert len(_all(dataset, "rest")) == n_rest

    settle(page, _PATIENCE_MS)
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Delete").click()
    expect(page.locator(".rs-last-change")).to_have_text("2 recordings deleted", timeout=_PATIENCE_MS)
    assert sum(each["deleted_at"] is not None for each in dataset.recordings.values()) == 2
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".rs-message-good")).to_contain_text("Undone", timeout=_PATIENCE_MS)
    assert all(each["deleted_at"] is None for each in dataset.recordings.values())


def test_a_trim_that_somebody_else_was_faster_with_is_not_made(page: Page, dataset: FakeRecordings) -> None:
    _select_row(page, 1)
    expect(page.locator(".rs-editor canvas")).to_be_visible(timeout=_PATIENCE_MS)
    squat = next(each for each in dataset.recordings.values() if each["note"] == "knee bandage")
    squat |= {"version": 2, "trim_end_s": 9.0}
    handle = page.get_by_role("slider", name="Start of the selection")
    handle.focus()
    handle.press("PageUp")
    expect(page.locator(".rs-message-bad")).to_contain_text("changed meanwhile", timeout=_PATIENCE_MS)
    # It shows what is there now.
    expect(page.locator(".st-key-card-detail .rs-review-head")).to_contain_text("7.9")
    assert squat["trim_start_s"] == 1.1


def test_a_set_of_the_past_becomes_a_recording(page: Page, dataset: FakeRecordings) -> None:
    n_recordings = len(dataset.recordings)
    _open_section(page, "Label the past")
    band = page.locator(".rs-band").filter(has_text="squat (incorrect)").first
    expect(band).to_be_attached(timeout=_PATIENCE_MS)
    band.click()
    expect(page.locator(".st-key-card-stretch")).to_contain_text("What was it?", timeout=_PATIENCE_MS)
    expect(page.get_by_role("combobox", name="Activity")).to_have_value("squat")
    page.get_by_role("button", name="Keep as a recording").click()
    expect(page.locator(".rs-last-change")).to_have_text("1 min 20 s kept as squat (incorrect)", timeout=_PATIENCE_MS)
    made = list(dataset.recordings.values())[-1]
    assert len(dataset.recordings) == n_recordings + 1
    assert made["label"] == {"exercise": "squat", "form": "incorrect"}
    lasted = datetime.fromisoformat(dataset.past_sets[1]["ended_at"]) - datetime.fromisoformat(
        dataset.past_sets[1]["started_at"]
    )
    assert made["captured_s"] == pytest.approx(lasted.total_seconds(), abs=0.01)


def test_files_come_in_and_go_out(page: Page, dataset: FakeRecordings) -> None:
    n_recordings = len(dataset.recordings)
    _open_section(page, "Import and export")
    files: list[FilePayload] = [
        {"name": "takes.csv", "mimeType": "text/csv", "buffer": b"# sample_rate_hz: 50"},
        {"name": "holiday.jpg", "mimeType": "image/jpeg", "buffer": b"\xff"},
    ]
    page.locator("input[type=file]").set_input_files(files, timeout=_PATIENCE_MS)
    button = page.get_by_role("button", name="Import", exact=True)
    expect(button).to_be_enabled(timeout=_PATIENCE_MS)
    button.click()
    expect(page.locator(".rs-message-good")).to_contain_text("3 recordings imported", timeout=_PATIENCE_MS)
    expect(page.locator(".rs-message-bad")).to_contain_text("holiday.jpg is not a file of recordings")
    assert len(dataset.recordings) == n_recordings + 3
    page.get_by_role("radio", name="CSV").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download recordings.csv").click()
    assert download.value.suggested_filename == "recordings.csv"
    assert len(download.value.path().read_text().splitlines()) == n_recordings + 3


def test_everything_of_a_person_goes_when_their_name_is_typed(page: Page, dataset: FakeRecordings) -> None:
    _open_section(page, "People and labels")
    row = page.locator("[class*=st-key-named-person]").filter(has_text="Ben")
    row.get_by_role("button", name="Delete").click(timeout=_PATIENCE_MS)
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("20 recordings", timeout=_PATIENCE_MS)
    sure = dialog.get_by_role("button", name="Delete for good")
    name = dialog.get_by_role("textbox")
    name.fill("ben")
    name.press("Enter")
    expect(sure).to_be_disabled()
    name.fill("Ben")
    name.press("Enter")
    expect(sure).to_be_enabled(timeout=_PATIENCE_MS)
    sure.click()
    expect(page.locator(".rs-message-good")).to_contain_text("Everything of Ben is gone", timeout=_PATIENCE_MS)
    expect(dialog).to_have_count(0)
    assert {each["subject"] for each in dataset.recordings.values()} == {"Anna", "Chris"}


def test_names_to_choose_from_are_shown_and_kept_as_they_are(page: Page, dataset: FakeRecordings) -> None:
    dataset.add_recording("squat", subject="Anna_B", session="10:30 *early*")
    page.reload()
    for title, name in (("Person", "Anna_B"), ("Session", "10:30 *early*")):
        field = page.locator(".st-key-data-filters").get_by_role("combobox", name=title)
        field.click(timeout=_PATIENCE_MS)
        page.get_by_role("option", name=name, exact=True).click(timeout=_PATIENCE_MS)
        expect(field).to_have_value(name)


def test_where_the_keyboard_is_can_be_seen(page: Page) -> None:
    expect(page.get_by_test_id("stDataFrame").locator("canvas").first).to_be_visible(timeout=_PATIENCE_MS)
    settle(page, _PATIENCE_MS)
    page.keyboard.press("Tab")
    for field, ring in (
        (page.get_by_role("combobox", name="Activity"), "[data-rac]:has(> input:focus)"),
        (page.get_by_role("switch", name="Trash"), "label:has(input:focus)"),
        (page.get_by_role("tab", name="Recordings"), "[role=tab]:focus"),
    ):
        field.focus()
        expect(page.locator(ring)).to_have_css("outline", re.compile(r"3px"), timeout=_PATIENCE_MS)
    tools = page.get_by_test_id("stElementToolbar").first
    expect(tools).to_have_css("opacity", "0")
    tools.get_by_role("button").first.focus()
    expect(tools).to_have_css("opacity", "1")


@pytest.mark.parametrize("section", _SECTIONS)
def test_nothing_is_wider_than_a_phone(
    browser: Browser, dashboard_url: str, dataset: FakeRecordings, section: str
) -> None:
    long = "Maximiliane-Friederike-of-somewhere-far-away-with-a-name"
    dataset.add_recording(
        "bulgarian-split-squat-on-the-left-foot", "heel-lifted-far-too-high", subject=long, session=long,
        ago=timedelta(0), started_at=datetime.now(UTC).isoformat(),
    )  # fmt: skip
    page = browser.new_page(viewport=_PHONE)
    page.goto(f"{dashboard_url}/data?section={section}")
    expect(page.get_by_role("tab", name=section)).to_have_attribute("aria-selected", "true", timeout=_PATIENCE_MS)
    settle(page, _PATIENCE_MS)
    if section == "Recordings":
        _select_row(page, 0)
        expect(page.locator(".rs-editor canvas")).to_be_visible(timeout=_PATIENCE_MS)
    assert page.evaluate("() => document.documentElement.scrollWidth") == _PHONE["width"]
    main = page.get_by_test_id("stMain").evaluate("element => [element.scrollWidth, element.clientWidth]")
    assert main[0] == main[1]
    page.close()
