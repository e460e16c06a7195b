"""A real browser: where it is, and how it is started in tests, benchmarks and for screenshots."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Playwright, expect

__all__ = ["find_chromium", "launch"]

_CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
# What a test machine lacks (a sandbox as root, a GPU), and what would ask the internet.
_CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

_PATIENCE_MS = 20_000
"""What a page shows after a click where both cores are busy; Playwright's own patience is 5 s."""


def find_chromium() -> str | None:
    """Return the path of a Chromium, if there is one."""
    return next((path for path in map(shutil.which, _CHROMIUM_NAMES) if path), None)


@contextmanager
def launch(playwright: Playwright, executable: str) -> Iterator[Browser]:
    """Start a headless Chromium with a profile of its own, and close it."""
    expect.set_options(timeout=_PATIENCE_MS)
    # It asks for a desktop's bus otherwise.
    environment: dict[str, str | float | bool] = {"DBUS_SESSION_BUS_ADDRESS": "disabled:", **os.environ}
    browser = playwright.chromium.launch(executable_path=executable, args=list(_CHROMIUM_FLAGS), env=environment)
    try:
        yield browser
    finally:
        browser.close()
