"""Pictures of the pages, against the stand-in for the API: `make screenshots`.

`PYTHONPATH=tests python -m services.dashboard.tests.screenshots FOLDER`, from the root of the repository, makes one of
each scene on a desktop and a phone, light and dark. Behind the folder may stand pages and scenes: `live` or
`live/several`. The whole height of a page is taken with `--full`.

The scenes are in the modules `scenes_<page>.py` beside this one.
"""

import argparse
import importlib
import os
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright
from services.dashboard.tests import fake_api
from services.dashboard.tests.browser import serve_dashboard, settle
from services.dashboard.tests.fake_api import World
from services.dashboard.tests.scenes import Scene
from support.browser import find_chromium, launch

_SIZES = {"desktop": (1280, 800), "phone": (390, 844)}
_SCHEMES = ("light", "dark")
_PATIENCE_MS = 20_000


def find_scenes() -> dict[str, Scene]:
    """Return the scenes of every page, by names such as "live/several"."""
    found: dict[str, Scene] = {}
    for path in sorted(Path(__file__).parent.glob("scenes_*.py")):
        scenes = importlib.import_module(f"services.dashboard.tests.{path.stem}").SCENES
        found |= {f"{path.stem.removeprefix('scenes_')}/{name}": scene for name, scene in scenes.items()}
    return found


def main() -> None:
    """Make the pictures that the command line asks for."""
    parser = argparse.ArgumentParser(description="Make pictures of the dashboard's pages.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("wanted", nargs="*", help="pages (live) or scenes (live/several); all of them without any")
    parser.add_argument("--full", action="store_true", help="the whole page, not only what is seen of it at first")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    executable = find_chromium()
    if executable is None:
        parser.exit(2, "There is no Chromium here to make pictures with.\n")
    wanted = set(arguments.wanted)
    scenes = find_scenes()
    unknown = wanted - scenes.keys() - {name.partition("/")[0] for name in scenes}
    if unknown:
        parser.exit(2, f"There is no scene {', '.join(sorted(unknown))}. There are: {', '.join(scenes)}\n")
    world = World()
    with (
        fake_api.serve(world) as api_url,
        serve_dashboard(api_url) as url,
        sync_playwright() as playwright,
        launch(playwright, executable) as browser,
    ):
        for name, scene in scenes.items():
            if wanted and not wanted & {name, name.partition("/")[0]}:
                continue
            for device in _SIZES:
                for scheme in _SCHEMES:
                    # Anew for each picture, as the steps of a scene may change the world.
                    world.clear()
                    scene.arrange(world)
                    path = arguments.folder / f"{name.replace('/', '-')}-{device}-{scheme}.png"
                    _take(browser, url, scene, device=device, scheme=scheme, path=path, full=arguments.full)


def _take(browser: Browser, url: str, scene: Scene, *, device: str, scheme: str, path: Path, full: bool) -> None:
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
        page.goto(f"{url}/{scene.path}")
        page.wait_for_selector(scene.ready, timeout=_PATIENCE_MS)
        if scene.steps is not None:
            scene.steps(page)
        _wait_until_calm(page)
        if full:
            content = page.get_by_test_id("stMainBlockContainer").bounding_box()
            assert content is not None
            page.set_viewport_size({"width": width, "height": max(height, round(content["height"]) + 60)})
            _wait_until_calm(page)
        page.screenshot(path=path)
    finally:
        page.close()


def _wait_until_calm(page: Page) -> None:
    """Wait for type faces and charts, the end of the script's run and, on a page that goes on, a third refresh."""
    page.evaluate("() => document.fonts.ready")
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0, timeout=_PATIENCE_MS)
    expect(page.locator(".stVegaLiteChart:not(:has(svg))")).to_have_count(0, timeout=_PATIENCE_MS)
    settle(page, _PATIENCE_MS)
    page.wait_for_function(
        "() => Number(document.querySelector('[data-refresh]')?.dataset.refresh ?? 3) >= 3", timeout=_PATIENCE_MS
    )


if __name__ == "__main__":
    # Chromium asks for a desktop's bus otherwise.
    os.environ.setdefault("DBUS_SESSION_BUS_ADDRESS", "disabled:")
    main()
