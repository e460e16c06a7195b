"""What the data page can look like: each of its sections, full and empty."""

from datetime import timedelta
from urllib.parse import quote

from playwright.sync_api import FilePayload, Page, expect
from services.dashboard.tests import fake_api
from services.dashboard.tests.fake_api import World
from services.dashboard.tests.fake_recordings import FakeRecordings, show_dataset
from services.dashboard.tests.scenes import Scene

__all__ = ["SCENES"]

_PATIENCE_MS = 30_000
_HEAD_PX, _ROW_PX = 36, 44


def _dataset(world: World) -> None:
    fake = FakeRecordings(world)
    world.routes.append(fake)
    world.sensors = [fake_api.make_sensor()]
    show_dataset(fake)


def _trash(world: World) -> None:
    _dataset(world)
    fake = next(each for each in world.routes if isinstance(each, FakeRecordings))
    for number in range(3):
        fake.add_recording("squat", ago=timedelta(hours=number), deleted_at="2026-03-05T10:00:00Z")


def _empty(world: World) -> None:
    world.routes.append(FakeRecordings(world))
    world.sensors = [fake_api.make_sensor()]


def _section(name: str) -> str:
    return f"data?section={quote(name)}"


def _tick(page: Page, *rows: int) -> None:
    """Tick rows of the table, which is drawn on a canvas."""
    table = page.get_by_test_id("stDataFrame").locator("canvas").first
    expect(table).to_be_visible(timeout=_PATIENCE_MS)
    for number, row in enumerate(rows):
        table.click(position={"x": 16, "y": _HEAD_PX + _ROW_PX * row + _ROW_PX // 2}, force=True)
        words = "1 recording chosen" if number == 0 else f"{number + 1} recordings chosen"
        expect(page.locator(".rs-selected")).to_have_text(words, timeout=_PATIENCE_MS)
    # The table's own tools go with the mouse.
    page.mouse.move(0, 0)


def _several(page: Page) -> None:
    _tick(page, 0, 3, 4)


def _one(page: Page) -> None:
    _tick(page, 1)
    detail = page.locator(".st-key-card-detail")
    expect(detail.locator(".rs-editor canvas")).to_be_visible(timeout=_PATIENCE_MS)
    detail.evaluate("element => element.scrollIntoView()")


def _cut(page: Page) -> None:
    _one(page)
    page.get_by_text("Cut in two").click()
    expect(page.locator(".st-key-detail-cut")).to_be_visible(timeout=_PATIENCE_MS)
    page.get_by_text("What it is", exact=True).click()
    page.locator(".st-key-card-detail").evaluate("element => element.scrollIntoView()")


def _in_trash(page: Page) -> None:
    page.get_by_text("Trash", exact=True).click()
    expect(page.locator(".rs-quiet").first).to_be_visible(timeout=_PATIENCE_MS)


def _brush(page: Page) -> None:
    band = page.locator(".rs-band").filter(has_text="squat (incorrect)").first
    expect(band).to_be_attached(timeout=_PATIENCE_MS)
    band.click()
    expect(page.locator(".st-key-card-stretch")).to_be_visible(timeout=_PATIENCE_MS)
    for _each in range(4):
        page.get_by_role("button", name="Zoom in").click()
    page.mouse.move(0, 0)


def _import(page: Page) -> None:
    files: list[FilePayload] = [
        {"name": "takes.csv", "mimeType": "text/csv", "buffer": b"# sample_rate_hz: 50"},
        {"name": "holiday.jpg", "mimeType": "image/jpeg", "buffer": b"\xff"},
        {"name": "old-takes.csv", "mimeType": "text/csv", "buffer": b"0.1;0.2"},
    ]
    page.locator("input[type=file]").set_input_files(files, timeout=_PATIENCE_MS)
    button = page.get_by_role("button", name="Import", exact=True)
    expect(button).to_be_enabled(timeout=_PATIENCE_MS)
    button.click()
    expect(page.locator(".rs-message-bad").first).to_be_visible(timeout=_PATIENCE_MS)


def _erase(page: Page) -> None:
    row = page.locator("[class*=st-key-named-person]").filter(has_text="Anna")
    row.get_by_role("button", name="Delete").click(timeout=_PATIENCE_MS)
    expect(page.get_by_role("dialog").get_by_role("textbox")).to_be_visible(timeout=_PATIENCE_MS)


_TABLE = "[data-testid=stDataFrame] canvas"

SCENES = {
    "recordings": Scene(_dataset, path="data", ready=_TABLE),
    "several": Scene(_dataset, path="data", ready=_TABLE, steps=_several),
    "one": Scene(_dataset, path="data", ready=_TABLE, steps=_one),
    "cut": Scene(_dataset, path="data", ready=_TABLE, steps=_cut),
    "trash": Scene(_trash, path="data", ready=_TABLE, steps=_in_trash),
    "empty": Scene(_empty, path="data", ready=".rs-state-card"),
    "past": Scene(_dataset, path=_section("Label the past"), ready=".rs-editor canvas"),
    "past-set": Scene(_dataset, path=_section("Label the past"), ready=".rs-editor canvas", steps=_brush),
    "overview": Scene(_dataset, path=_section("Overview"), ready=".rs-warnings"),
    "exchange": Scene(_dataset, path=_section("Import and export"), ready=".st-key-card-export"),
    "imported": Scene(_dataset, path=_section("Import and export"), ready=".st-key-card-export", steps=_import),
    "names": Scene(_dataset, path=_section("People and labels"), ready=".rs-name"),
    "erase": Scene(_dataset, path=_section("People and labels"), ready=".rs-name", steps=_erase),
}
