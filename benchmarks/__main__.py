"""`python -m benchmarks [latency] [capacity] [footprint] [accuracy]`; all without a name."""

import platform
import sys
import tempfile
from pathlib import Path

import psutil

from benchmarks import accuracy, capacity, footprint, latency

_BENCHMARKS = {
    "latency": latency.run,
    "capacity": capacity.run,
    "footprint": footprint.run,
    "accuracy": accuracy.run,
}


def main() -> None:
    """Run the chosen benchmarks one after another."""
    chosen = sys.argv[1:] or list(_BENCHMARKS)
    unknown = set(chosen) - set(_BENCHMARKS)
    if unknown:
        sys.exit(f"no benchmark named {', '.join(sorted(unknown))}; there is {', '.join(_BENCHMARKS)}")
    print(f"Python {platform.python_version()}, {platform.system()}, {psutil.cpu_count()} cores")
    for name in chosen:
        with tempfile.TemporaryDirectory() as folder:
            _BENCHMARKS[name](Path(folder) / name)


if __name__ == "__main__":
    main()
