"""Where a model comes from: the code and the libraries that computed it."""

import os
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

__all__ = ["commit", "libraries"]

_LIBRARIES = ("keras", "numpy", "onnx", "repsense-trainer")
_TIMEOUT_S = 10


def libraries() -> dict[str, str]:
    """Name and version of everything that a network's numbers depend on."""
    return {name: version(name) for name in _LIBRARIES} | {"tensorflow": _tensorflow_version()}


def commit() -> str | None:
    """The commit of the code that runs, with "-dirty" if it was changed since.

    An image has no checkout: there, the environment variable REPSENSE_COMMIT says it. None if nobody does.
    """
    if named := os.environ.get("REPSENSE_COMMIT"):
        return named
    here = Path(__file__).resolve()
    # Git would find any repository around this file, such as that of a user whose virtual environment holds it.
    if _git(here.parent, "ls-files", here.name) != here.name:
        return None
    return _git(here.parent, "describe", "--always", "--abbrev=40", "--match=", "--dirty")


def _git(folder: Path, *arguments: str) -> str | None:
    """What git says, or None where there is no git or no repository."""
    try:
        answer = subprocess.run(  # noqa: S603 - our own words
            ["git", "-C", str(folder), *arguments],  # noqa: S607 - wherever the user has it
            check=True,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip() or None


def _tensorflow_version() -> str:
    try:
        return version("tensorflow")
    except PackageNotFoundError:
        # The same without its part for graphics cards, as in the image.
        return version("tensorflow-cpu")
