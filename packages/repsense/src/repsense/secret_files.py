"""Where a service finds its secrets as files, as containers hand them on."""

import os
from pathlib import Path

from repsense.errors import RepSenseError

__all__ = ["secrets_directory"]


def secrets_directory() -> Path | None:
    """The folder that the environment names as `SECRETS_DIR`, with a file for each setting; None if it names none.

    Raises:
        RepSenseError: If there is no such folder. Pydantic would go on without the secrets.
    """
    named = os.environ.get("SECRETS_DIR")
    if not named:
        return None
    directory = Path(named)
    if not directory.is_dir():
        msg = (
            f"SECRETS_DIR: there is no folder {directory}: create it with the secrets in it, or do not set SECRETS_DIR"
        )
        raise RepSenseError(msg)
    return directory
