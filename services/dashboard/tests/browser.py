"""A dashboard process, started and stopped."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
from playwright.sync_api import Page, expect
from support.servers import free_port

from repsense_dashboard.appearance import streamlit_config

_START_TIMEOUT_S = 30.0
_STOP_TIMEOUT_S = 10.0


@contextmanager
def running_dashboard(api_url: str, **settings: str) -> Iterator[tuple["subprocess.Popen[bytes]", str]]:
    """Run the dashboard as its users do, yield process and address when it answers, and stop it."""
    port = free_port()
    address = {"API_URL": api_url, "DASHBOARD_HOST": "127.0.0.1", "DASHBOARD_PORT": str(port)}
    environment = os.environ | address | settings
    url = f"http://127.0.0.1:{port}"
    with _running([sys.executable, "-m", "repsense_dashboard"], environment, f"{url}/_stcore/health") as process:
        yield process, url


@contextmanager
def serve_dashboard(api_url: str, **settings: str) -> Iterator[str]:
    """Run the dashboard as its users do, yield its address when it answers, and stop it."""
    with running_dashboard(api_url, **settings) as (_process, url):
        yield url


@contextmanager
def serve_script(script: Path) -> Iterator[str]:
    """Run a script of the tests as Streamlit runs the dashboard's, and yield its address."""
    port = free_port()
    options = streamlit_config(host="127.0.0.1", port=port, log_level="INFO")
    flags = [f"--{name}={str(value).lower() if isinstance(value, bool) else value}" for name, value in options.items()]
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "streamlit", "run", str(script), *flags]
    with _running(command, os.environ, f"{url}/_stcore/health"):
        yield url


@contextmanager
def _running(
    command: Sequence[str], environment: Mapping[str, str], health_url: str
) -> Iterator["subprocess.Popen[bytes]"]:
    with subprocess.Popen(command, env=environment) as process:
        try:
            _wait_until_up(process, health_url)
            yield process
        finally:
            process.terminate()
            try:
                process.wait(_STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                raise


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


def settle(page: Page, timeout_ms: float) -> None:
    """Wait until a page is drawn to its end: what is clicked before acts on what was there before."""
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning", timeout=timeout_ms)
