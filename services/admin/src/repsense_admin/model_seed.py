"""The shipped models, put where there is none."""

import shutil
from pathlib import Path

from repsense.errors import RepSenseError

__all__ = ["seed_models"]

_UNFINISHED = ".seeding"
"""Hidden from TensorFlow Serving and the registry, as all that begins with a dot."""


def seed_models(shipped: Path, models: Path) -> list[str]:
    """Copy the shipped models into a folder that holds none; what is in there is never touched.

    Returns:
        The names of the models that were copied.

    Raises:
        RepSenseError: If the folder cannot be written to.
    """
    if not shipped.is_dir():
        return []
    unfinished = models / _UNFINISHED
    try:
        models.mkdir(parents=True, exist_ok=True)
        if any(not entry.name.startswith(".") and entry.name != "lost+found" for entry in models.iterdir()):
            return []
        shutil.rmtree(unfinished, ignore_errors=True)
        # Without the shipped files' rights: those of an image may be read-only.
        shutil.copytree(shipped, unfinished, copy_function=shutil.copyfile)
        names = sorted(entry.name for entry in unfinished.iterdir() if entry.is_dir())
        for name in names:
            (unfinished / name).rename(models / name)
        shutil.rmtree(unfinished)
    except OSError as error:
        msg = f"the models cannot be put into {models} ({error.strerror}): it must be writable for this user"
        raise RepSenseError(msg) from error
    return names
