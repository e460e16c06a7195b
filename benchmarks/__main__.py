"""`python -m benchmarks [NAME …] [--quick]`; all without a name. `--quick` shortens the yardsticks to a few splits."""

import functools
import platform
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import psutil

from benchmarks import (
    ablation,
    accuracy,
    capacity,
    footprint,
    gateway,
    history,
    images,
    latency,
    live_page,
    scaling,
    throughput,
    yardsticks,
)

_QUICK = "--quick"
_BENCHMARKS: dict[str, Callable[[Path], None]] = {
    "latency": latency.run,
    "gateway": gateway.run,
    "capacity": capacity.run,
    "footprint": footprint.run,
    "accuracy": accuracy.run,
    "live-page": live_page.run,
    "history": history.run,
    "images": images.run,
    "scaling": scaling.run,
    "throughput": throughput.run,
    "ablation": ablation.run,
    "yardsticks": functools.partial(yardsticks.run, quick=_QUICK in sys.argv),
}


def main() -> None:
    """Run the chosen benchmarks one after another."""
    chosen = [name for name in sys.argv[1:] if name != _QUICK] or list(_BENCHMARKS)
    unknown = set(chosen) - set(_BENCHMARKS)
    if unknown:
        sys.exit(f"no benchmark named {', '.join(sorted(unknown))}; there is {', '.join(_BENCHMARKS)}")
    print(f"Python {platform.python_version()}, {platform.system()}, {psutil.cpu_count()} cores")
    for name in chosen:
        with tempfile.TemporaryDirectory() as folder:
            _BENCHMARKS[name](Path(folder) / name)


if __name__ == "__main__":
    main()
