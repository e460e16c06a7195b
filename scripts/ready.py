"""Says when the native stack is ready, then waits to be stopped; one of the processes of the Procfile."""

import os
import signal
import sys
import time
import urllib.error
import urllib.request

_PATIENCE_S = 60


def main() -> None:
    """Poll the API and the dashboard until both answer."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    api = f"http://127.0.0.1:{os.environ['API_PORT']}"
    dashboard = f"http://127.0.0.1:{os.environ['DASHBOARD_PORT']}"
    began_s = time.monotonic()
    missing = [f"{api}/readyz", f"{dashboard}/_stcore/health"]
    warned = False
    while missing:
        missing = [url for url in missing if not _answers(url)]
        if missing and not warned and time.monotonic() - began_s > _PATIENCE_S:
            warned = True
            print(f"still not ready after {_PATIENCE_S} s: no good answer from {' and '.join(missing)}", flush=True)
        time.sleep(0.1)
    print(f"RepSense is ready after {time.monotonic() - began_s:.1f} s; Ctrl-C stops it", flush=True)
    print(f"  dashboard  {dashboard}", flush=True)
    print(f"  REST API   {api}/docs", flush=True)
    signal.pause()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):  # noqa: S310 - our own addresses
            return True
    except (urllib.error.URLError, OSError):
        return False


if __name__ == "__main__":
    main()
