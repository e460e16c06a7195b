"""What an open live page costs: how soon it can be used, and what dashboard, API and browser do for it in a minute."""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
from playwright.sync_api import Page, sync_playwright
from support.browser import find_chromium, launch
from support.stack import NativeStack, native_stack

from benchmarks.tables import print_table

_N_SENSORS = (1, 5)
_MEASURED_S = 60.0
_SETTLED_S = 10.0
_TITLE = ".rs-title"
_N_OPENINGS = 5


def run(folder: Path) -> None:
    """Open the page with one sensor and with five, and print a table."""
    executable = find_chromium()
    if executable is None:
        print("live-page: skipped, there is no Chromium here")
        return
    rows = []
    for n_sensors in _N_SENSORS:
        with (
            native_stack(folder / str(n_sensors), SENSOR="--help") as stack,
            _sensors(stack, n_sensors),
            sync_playwright() as playwright,
            launch(playwright, executable) as browser,
        ):
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            openings_s = [_open(page, stack.dashboard) for _ in range(_N_OPENINGS)]
            page.wait_for_timeout(_SETTLED_S * 1e3)
            before_s = _cpu_s(stack)
            began_s = time.perf_counter()
            page.wait_for_timeout(_MEASURED_S * 1e3)
            lasted_s = time.perf_counter() - began_s
            shares = {name: (now - before_s[name]) / lasted_s for name, now in _cpu_s(stack).items()}
            heap_mb = page.evaluate("() => performance.memory.usedJSHeapSize") / 1e6
        rows.append(
            [
                n_sensors,
                f"{openings_s[0]:.2f} s",
                f"{sorted(openings_s[1:])[len(openings_s[1:]) // 2]:.2f} s",
                *(f"{share:.0%}" for share in shares.values()),
                f"{heap_mb:.0f} MB",
            ]
        )
    print_table(
        f"An open live page, CPU of one core over {_MEASURED_S:.0f} s (the browser draws without a GPU)",
        ["sensors", "first opening", "opened again (median)", "dashboard", "API", "browser", "page's heap"],
        rows,
    )


@contextmanager
def _sensors(stack: NativeStack, n_sensors: int) -> Iterator[None]:
    """Simulated sensors, until the block ends."""
    with ExitStack() as stopping:
        for number in range(n_sensors):
            arguments = ("simulator", "--sensor-id", f"sensor-{number}", "--seed", str(number))
            gateway = stopping.enter_context(stack.run_gateway(*arguments))
            stopping.callback(gateway.terminate)
        while sum(sensor["state"] == "online" for sensor in stack.get("/v1/sensors")["items"]) < n_sensors:
            time.sleep(0.1)
        yield


def _open(page: Page, url: str) -> float:
    """Open the page; return the seconds until the exercise stands there and a click would be answered."""
    began_s = time.perf_counter()
    page.goto(url, wait_until="commit")
    page.wait_for_selector(_TITLE)
    # The browser is at rest between two refreshes once all scripts have run.
    page.evaluate("() => new Promise((resolve) => requestIdleCallback(resolve))")
    return time.perf_counter() - began_s


def _cpu_s(stack: NativeStack) -> dict[str, float]:
    """CPU seconds that dashboard, API and browser have used so far."""
    ours = stack.processes()
    browser = [process for process in psutil.Process().children(recursive=True) if "chrom" in process.name()]
    return {
        "dashboard": _used_s([one for one in ours if _runs(one, "repsense-dashboard")]),
        "API": _used_s([one for one in ours if _runs(one, "repsense-inference")]),
        "browser": _used_s(browser),
    }


def _runs(process: psutil.Process, command: str) -> bool:
    return any(part.endswith(command) for part in process.cmdline()[:2])


def _used_s(processes: Sequence[psutil.Process]) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in processes)
