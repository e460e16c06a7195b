"""A person's day in a real browser on the whole stack: record, correct, train, watch, look back, leave."""

import csv
import io
import json
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect, sync_playwright
from support.browser import find_chromium, launch
from support.servers import ROOT
from support.stack import NativeStack, native_stack

from repsense.database import connect_database
from repsense.manifest import latest_version

_CHROMIUM = find_chromium()

pytestmark = [
    pytest.mark.alone,
    pytest.mark.skipif(_CHROMIUM is None, reason="no chromium, chromium-browser or google-chrome here"),
    pytest.mark.timeout(500),
]

_SENSOR = "wrist"
_PATIENCE_S = 90.0
"""For what follows from a movement or a click, where both cores are busy."""
_TRAINING_S = 300.0
"""TensorFlow alone takes half a minute to load where both cores are busy."""
_N_TAKES = 3
_PERSON = "Anna"


@dataclass
class Visit:
    """A person in front of the dashboard.

    Attributes:
        page: What they see.
        stack: What runs behind it.
    """

    page: Page
    stack: NativeStack

    def go(self, name: str, title: str) -> None:
        """Go to a page by the bar that all pages have, unless it is the one that is shown."""
        link = self.page.get_by_role("link", name=name, exact=True)
        if link.get_attribute("disabled") is None:
            link.click()
        expect(self.page.get_by_role("heading", level=1, name=title)).to_be_visible(timeout=20_000)

    def part(self, key: str) -> Locator:
        """A part of the page by its key."""
        return self.page.locator(f".st-key-{key}")

    def until(self, found: Callable[[], Any]) -> Any:  # noqa: ANN401 - JSON
        """What the API says once it says something; the page goes on living meanwhile."""
        deadline_s = time.monotonic() + _PATIENCE_S
        while not (result := found()):
            assert time.monotonic() < deadline_s, "it did not come about"
            self.page.wait_for_timeout(400)
        return result

    def await_recordings(self, number: int) -> None:
        """Wait until there are as many recordings as expected."""
        self.until(lambda: len(self.recordings()) == number)

    def recordings(self, query: str = "") -> list[dict[str, Any]]:
        """The recordings, newest first."""
        items: list[dict[str, Any]] = self.stack.get(f"/v1/recordings?{query}")["items"]
        return items


@pytest.fixture(scope="module")
def visit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visit]:
    folder = tmp_path_factory.mktemp("day")
    shipped = latest_version(ROOT / "models" / "bodyweight")
    shutil.copytree(shipped, folder / "models" / "bodyweight" / shipped.name)
    assert _CHROMIUM is not None
    with (
        # The stack's own gateway only prints its help: others are started when somebody is to move.
        native_stack(folder, SENSOR="--help", MODELS_DIR=str(folder / "models")) as stack,
        sync_playwright() as playwright,
        launch(playwright, _CHROMIUM) as browser,
    ):
        page = browser.new_page(
            viewport={"width": 1280, "height": 900}, timezone_id="Europe/Berlin", accept_downloads=True
        )
        page.goto(stack.dashboard)
        yield Visit(page, stack)


@contextmanager
def _somebody_doing(stack: NativeStack, activity: str, seed: int) -> Iterator[None]:
    """A simulated person who does one activity without a rest, until the block ends."""
    arguments = ("--sensor-id", _SENSOR, "--only", activity, "--rest-s", "0", "--seed", str(seed))
    with stack.run_gateway("simulator", *arguments) as gateway:
        try:
            yield
        finally:
            gateway.terminate()


def _await_movement(visit: Visit, exercise: str) -> None:
    """Wait until somebody does an exercise."""

    def is_doing() -> bool:
        sensors = {sensor["sensor_id"] for sensor in visit.stack.get("/v1/sensors")["items"]}
        live = visit.stack.get(f"/v1/sensors/{_SENSOR}/live") if _SENSOR in sensors else {}
        running = live.get("running_set")
        return bool(running and running["exercise"] == exercise)

    visit.until(is_doing)


def _record(visit: Visit, exercise: str, form: str | None) -> None:
    """Record takes of ten seconds of an activity, one after another."""
    page = visit.page
    visit.go("Record", "Record")
    expect(visit.part("record-go").get_by_role("button", name="Start")).to_be_enabled(timeout=30_000)
    name = visit.part("record-person-new").get_by_role("textbox")
    if name.is_visible():
        name.fill(_PERSON)
        name.press("Enter")
    expect(visit.part("record-person").get_by_text(_PERSON, exact=True)).to_be_visible()
    for part, choice in (("activity", exercise), ("form", form or "not told apart"), ("duration", "10 s")):
        visit.part(f"record-{part}").get_by_text(choice, exact=True).click()
        expect(visit.part(f"record-{part}").get_by_role("radio", name=choice, exact=True)).to_be_checked()
    n_before = len(visit.recordings())
    _await_movement(visit, exercise)
    for number in range(1, _N_TAKES + 1):
        if number == 1:
            page.get_by_role("button", name="Start").click()
        else:
            page.get_by_role("button", name="Keep and next take").click()
        expect(page.get_by_text("Recording", exact=True)).to_be_visible(timeout=15_000)
        visit.await_recordings(n_before + number)
        expect(page.get_by_role("button", name="Keep and next take")).to_be_visible(timeout=20_000)
    page.get_by_role("button", name="Keep", exact=True).click()
    expect(page.get_by_text("This session")).to_be_visible()


def test_takes_are_recorded_one_after_another(visit: Visit) -> None:
    with _somebody_doing(visit.stack, "squat", seed=5):
        _record(visit, "squat", None)
    with _somebody_doing(visit.stack, "push-up (correct)", seed=5):
        _record(visit, "push-up", "correct")

    recordings = visit.recordings()
    assert [one["label"]["exercise"] for one in recordings] == ["push-up"] * _N_TAKES + ["squat"] * _N_TAKES
    assert {one["subject"] for one in recordings} == {_PERSON}
    assert all(8 < one["captured_s"] < 11 and one["interruption"] is None for one in recordings)


def _choose_newest_recording(visit: Visit) -> None:
    """Tick the first box of the table, which is drawn on a canvas."""
    table = visit.page.get_by_test_id("stDataFrame")
    expect(table).to_be_visible(timeout=20_000)
    table.scroll_into_view_if_needed()
    table.click(position={"x": 18, "y": 62})
    expect(visit.part("card-detail")).to_be_visible(timeout=20_000)


def test_a_take_is_relabelled_trimmed_and_the_mistake_undone(visit: Visit) -> None:
    visit.go("Data", "Data")
    _choose_newest_recording(visit)
    page, newest = visit.page, visit.recordings()[0]

    def now() -> dict[str, Any]:
        found: dict[str, Any] = visit.stack.get(f"/v1/recordings/{newest['recording_id']}")
        return found

    editor = visit.part("card-detail").get_by_role("slider").first
    editor.focus()
    for _ in range(6):
        editor.press("ArrowRight")
    visit.until(lambda: now()["trim_start_s"] > newest["trim_start_s"])

    page.get_by_role("button", name="Relabel").click()
    activity = page.get_by_role("dialog").get_by_role("combobox", name="Activity")
    activity.click()
    page.get_by_role("option", name="squat", exact=True).click()
    expect(activity).to_have_value("squat")
    page.get_by_role("button", name=re.compile("Relabel 1 recording")).click()
    visit.until(lambda: now()["label"]["exercise"] == "squat")
    page.get_by_role("button", name="Undo").click()
    visit.until(lambda: now()["label"] == newest["label"])


def test_a_model_is_trained_from_the_takes_and_put_in_use(visit: Visit) -> None:
    visit.go("Train", "Train")
    page = visit.page
    page.get_by_role("button", name="Start training").click()
    expect(page.get_by_role("button", name="Use this model now")).to_be_visible(timeout=_TRAINING_S * 1e3)
    page.get_by_role("button", name="Use this model now").click()
    expect(page.get_by_text("bodyweight 2 is live")).to_be_visible(timeout=30_000)
    (in_use,) = [model for model in visit.stack.get("/v1/models")["items"] if model["in_use"]]
    assert {label["exercise"] for label in in_use["manifest"]["labels"]} == {"push-up", "squat"}


def test_the_live_page_shows_what_that_model_recognises(visit: Visit) -> None:
    with _somebody_doing(visit.stack, "squat", seed=5):
        visit.page.get_by_role("link", name="Live", exact=True).click()
        expect(visit.page.locator(".rs-title")).to_have_text("Squat", timeout=_PATIENCE_S * 1e3)
        sets = visit.until(lambda: [s for s in visit.stack.get("/v1/sets")["items"] if s["model_version"] > 1])
        assert sets[0]["exercise"] == "squat"
    # A set that is over can be corrected; that nobody sends any more ends it.
    visit.until(lambda: visit.stack.get(f"/v1/sets/{sets[0]['set_id']}")["state"] == "closed")


def _open_newest_workout(visit: Visit) -> dict[str, Any]:
    visit.go("Workouts", "Workouts")
    newest: dict[str, Any] = visit.stack.get("/v1/workouts")["items"][0]
    # Not by the mouse: while charts above grow into their places, it would meet another one.
    visit.part(f"workout-{newest['workout_id']}").get_by_role("button").press("Enter", timeout=20_000)
    expect(visit.part("card-workout-sets")).to_be_visible(timeout=20_000)
    return newest


def test_a_set_is_corrected_and_becomes_training_data(visit: Visit) -> None:
    workout = _open_newest_workout(visit)
    page = visit.page
    sets = visit.stack.get(f"/v1/sets?workout_id={workout['workout_id']}")["items"]
    closed = next(one for one in sets if one["state"] == "closed")
    n_before = len(visit.recordings())
    visit.part(f"set-{closed['set_id']}").get_by_role("button").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Repetitions").fill("12")
    dialog.get_by_label("Repetitions").press("Tab")
    dialog.get_by_text("Also use it as training data").click()
    expect(dialog.get_by_label("Also use it as training data", exact=True)).to_be_checked()
    dialog.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The set is training data now")).to_be_visible(timeout=20_000)

    changed = visit.stack.get(f"/v1/sets/{closed['set_id']}")
    assert (changed["repetitions"], changed["version"]) == (12, 1)
    assert len(visit.recordings()) > n_before


def test_everything_is_exported(visit: Visit) -> None:
    visit.go("Workouts", "Workouts")
    page = visit.page
    sets = visit.stack.get("/v1/sets")["items"]
    contents = {}
    for title in ("CSV", "JSON"):
        page.get_by_role("button", name="Export").click()
        with page.expect_download() as download:
            page.get_by_role("button", name=title).click()
        contents[title] = download.value.path().read_text(encoding="utf-8")
        page.keyboard.press("Escape")
    rows = list(csv.DictReader(io.StringIO(contents["CSV"])))
    exported = {one["set_id"] for workout in json.loads(contents["JSON"])["workouts"] for one in workout["sets"]}

    assert {row["set_id"] for row in rows} == exported == {one["set_id"] for one in sets}


def test_everything_of_a_person_is_deleted_for_good(visit: Visit) -> None:
    visit.go("Data", "Data")
    page = visit.page
    page.get_by_role("tab", name="People and labels").click()
    (person,) = [one for one in visit.stack.get("/v1/persons")["items"] if one["name"] == _PERSON]
    visit.part(f"erase-person-{person['person_id']}").get_by_role("button").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Delete for good")).to_be_disabled()
    dialog.get_by_label(re.compile("Type the name")).fill(_PERSON)
    dialog.get_by_role("button", name="Delete for good").click()
    expect(page.get_by_text(f"Everything of {_PERSON} is gone")).to_be_visible(timeout=20_000)

    assert not [one for one in visit.recordings() if one["subject"] == _PERSON]
    database = connect_database(f"mongodb://127.0.0.1:{visit.stack.ports['MONGODB_PORT']}/repsense")
    with database.client:
        left = {name for name in database.list_collection_names() if _PERSON in str(list(database[name].find()))}
    assert left <= {"models"}, "the manifest of a model that was trained with a person names them, as the page said"


def test_no_page_has_shown_a_traceback(visit: Visit) -> None:
    assert "Traceback" not in Path(visit.stack.log).read_text(encoding="utf-8", errors="replace")
