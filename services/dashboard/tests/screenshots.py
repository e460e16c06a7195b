"""Pictures of the live page, against the stand-in for the API.

`PYTHONPATH=tests python -m services.dashboard.tests.screenshots FOLDER`, from the root of the repository. Without more
arguments it makes those for the README; `--all` adds every state that the page knows.
"""

import argparse
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright
from services.dashboard.tests import fake_api
from services.dashboard.tests.browser import find_chromium, launch, serve_dashboard
from services.dashboard.tests.fake_api import World

_SIZES = {"desktop": (1280, 800), "phone": (390, 844)}
_SCHEMES = ("light", "dark")


def _correct(world: World) -> None:
    fake_api.show_push_ups(world)


def _incorrect(world: World) -> None:
    fake_api.show_push_ups(world, simulated=False)
    world.classification = fake_api.make_classification("squat", "incorrect", 0.78)


def _without_form(world: World) -> None:
    fake_api.show_push_ups(world, simulated=False)
    world.sensors[0]["channels"] = list(fake_api.CHANNELS[:6])
    world.classification = fake_api.make_classification("mountain climber", None, 0.88)


def _resting(world: World) -> None:
    fake_api.show_push_ups(world)
    world.running_set = None
    world.sets[0] |= {"ended_at": fake_api.iso(datetime.now(UTC) - timedelta(seconds=64))}
    world.classification = fake_api.make_classification(
        None, unclassified_reason="still", probabilities=None, confidence=None, simulated=True
    )


def _unsure(world: World) -> None:
    fake_api.show_push_ups(world, simulated=False)
    world.running_set = None
    world.sets = []
    world.classification = fake_api.make_classification(None, confidence=0.41)


def _gap(world: World) -> None:
    _unsure(world)
    world.classification = fake_api.make_classification(None, unclassified_reason="gap", probabilities=None)


def _several(world: World) -> None:
    fake_api.show_push_ups(world)
    world.sensors += [
        fake_api.make_sensor("ankle", name="Left ankle", loss_share=0.08),
        fake_api.make_sensor("spare", name="Spare sensor with a long name", state="offline"),
    ]


def _offline(world: World) -> None:
    fake_api.show_push_ups(world, simulated=False)
    last = fake_api.iso(datetime.now(UTC) - timedelta(minutes=12))
    world.sensors = [fake_api.make_sensor(state="offline", state_reason="the sensor disconnected", last_sample_at=last)]


def _connecting(world: World) -> None:
    world.sensors = [fake_api.make_sensor(state="connecting", last_sample_at=None, loss_share=None)]


def _problem(world: World) -> None:
    world.sensors = [
        fake_api.make_sensor(
            channels=list(fake_api.CHANNELS[:6]),
            problem="the model bodyweight needs the channels mx, my and mz, which this sensor does not deliver",
        )
    ]


def _waiting(world: World) -> None:
    world.sensors = [fake_api.make_sensor()]


def _no_model(world: World) -> None:
    world.sensors = [fake_api.make_sensor()]
    world.models = []


def _no_sensor(world: World) -> None:
    world.sensors = []


def _error(world: World) -> None:
    world.problem = {"status": 503, "title": "No database", "detail": "The document database does not answer."}


_README: dict[str, Callable[[World], None]] = {"live": _correct}
_ALL = _README | {
    "incorrect": _incorrect,
    "without-form": _without_form,
    "resting": _resting,
    "unsure": _unsure,
    "gap": _gap,
    "several": _several,
    "offline": _offline,
    "connecting": _connecting,
    "problem": _problem,
    "waiting": _waiting,
    "no-model": _no_model,
    "no-sensor": _no_sensor,
    "error": _error,
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Make pictures of the live page.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--all", action="store_true", help="every state of the page, not only the README's")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    executable = find_chromium()
    if executable is None:
        parser.exit(2, "There is no Chromium here to make pictures with.\n")
    world = World()
    with (
        fake_api.serve(world) as api_url,
        serve_dashboard(api_url) as url,
        sync_playwright() as playwright,
        launch(playwright, executable) as browser,
    ):
        for name, arrange in (_ALL if arguments.all else _README).items():
            world.clear()
            arrange(world)
            for device in _SIZES:
                for scheme in _SCHEMES:
                    _take(browser, url, device, scheme, arguments.folder / f"{name}-{device}-{scheme}.png")


def _take(browser: Browser, url: str, device: str, scheme: str, path: Path) -> None:
    width, height = _SIZES[device]
    page = browser.new_page(
        viewport={"width": width, "height": height},
        color_scheme="dark" if scheme == "dark" else "light",
        timezone_id="Europe/Berlin",
        device_scale_factor=2 if device == "phone" else 1,
        # Two pictures of one signal should be alike.
        reduced_motion="reduce",
    )
    try:
        page.goto(url)
        page.wait_for_selector(".rs-hero, .rs-notice")
        page.evaluate("() => document.fonts.ready")
        # The third refresh has every part in its place.
        page.wait_for_function("() => Number(document.querySelector('[data-refresh]')?.dataset.refresh) >= 3")
        page.screenshot(path=path)
    finally:
        page.close()


if __name__ == "__main__":
    # Chromium asks for a desktop's bus otherwise.
    os.environ.setdefault("DBUS_SESSION_BUS_ADDRESS", "disabled:")
    main()
