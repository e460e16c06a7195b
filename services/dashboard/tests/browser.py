"""A dashboard process and a real browser, started and stopped."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from playwright.sync_api import Browser, Playwright
from support.servers import free_port

_START_TIMEOUT_S = 30.0
_STOP_TIMEOUT_S = 10.0

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


def find_chromium() -> str | None:
    """Return the path of a Chromium, if there is one."""
    return next((path for path in map(shutil.which, _CHROMIUM_NAMES) if path), None)


@contextmanager
def launch(playwright: Playwright, executable: str) -> Iterator[Browser]:
    """Start a headless Chromium with a profile of its own, and close it."""
    browser = playwright.chromium.launch(executable_path=executable, args=list(_CHROMIUM_FLAGS))
    try:
        yield browser
    finally:
        browser.close()


@contextmanager
def running_dashboard(api_url: str) -> Iterator[tuple["subprocess.Popen[bytes]", str]]:
    """Run the dashboard as its users do, yield process and address when it answers, and stop it."""
    port = free_port()
    environment = os.environ | {"API_URL": api_url, "DASHBOARD_HOST": "127.0.0.1", "DASHBOARD_PORT": str(port)}
    url = f"http://127.0.0.1:{port}"
    with subprocess.Popen([sys.executable, "-m", "repsense_dashboard"], env=environment) as process:
        try:
            _wait_until_up(process, f"{url}/_stcore/health")
            yield process, url
        finally:
            process.terminate()
            try:
                process.wait(_STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                raise


@contextmanager
def serve_dashboard(api_url: str) -> Iterator[str]:
    """Run the dashboard as its users do, yield its address when it answers, and stop it."""
    with running_dashboard(api_url) as (_process, url):
        yield url


def _wait_until_up(process: "subprocess.Popen[bytes]", url: str) -> None:
    # Nothing announces that a port is open, so it has to be asked.
    deadline = time.monotonic() + _START_TIMEOUT_S
    while True:
        try:
            httpx.get(url, timeout=2.0, trust_env=False).raise_for_status()
        except httpx.HTTPError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return
