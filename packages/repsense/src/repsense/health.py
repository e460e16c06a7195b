"""Asks a service how it is, for the health checks of containers: `python -m repsense.health URL`.

Exit status 0 if it is well, 1 with one sentence if it is not, 2 if the command was used wrongly. Plain HTTP only: it is
asked from within its own container. Nothing but the standard library is loaded, since it is started every few seconds.
"""

import argparse
import json
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence

__all__ = ["ask", "main"]

_TIMEOUT_S = 3.0
_MAX_LENGTH = 500


def ask(url: str, timeout_s: float = _TIMEOUT_S) -> str | None:
    """Return what is wrong with a service, in words; None if it answers that it is well.

    Args:
        url: Of its `/readyz` or `/healthz`, http only.
        timeout_s: How long to wait for each part of the answer.
    """
    try:
        # The scheme was checked by `main`; a proxy of the environment has no business here.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(url, timeout=timeout_s) as answer:
            answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return _reasons(error.read()) or f"{url} answers {error.code} {error.reason}"
    except urllib.error.URLError as error:
        return f"{url} does not answer: {error.reason}"
    except OSError as error:
        return f"{url} does not answer: {error}"
    return None


def main(arguments: Sequence[str] | None = None) -> int:
    """Ask, say what is wrong, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m repsense.health", description="Asks a service how it is.")
    parser.add_argument("url", help="http://127.0.0.1:9101/readyz, for instance")
    parser.add_argument("--timeout", type=float, default=_TIMEOUT_S, help="seconds")
    given = parser.parse_args(arguments)
    if not given.url.startswith("http://"):
        parser.error("the address must begin with http://")
    problem = ask(given.url, given.timeout)
    if problem is not None:
        print(problem)  # noqa: T201 - a command's answer
    return 0 if problem is None else 1


def _reasons(body: bytes) -> str:
    """What the checks of a `/readyz` say is missing; empty if the body is something else."""
    try:
        checks = json.loads(body)["checks"]
        return "; ".join(str(check["detail"]) for check in checks if not check["ok"])[:_MAX_LENGTH]
    except (ValueError, LookupError, TypeError):
        return ""


if __name__ == "__main__":
    sys.exit(main())
