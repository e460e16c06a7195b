"""Writing a file so that nobody ever sees half of it."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from repsense.errors import RecordingError

__all__ = ["replacing"]


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a path to write to; what is written there takes the place of `path` if nothing fails, else it is deleted.

    Raises:
        RecordingError: If the file cannot be written.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        yield partial
        partial.replace(path)
    except (OSError, UnicodeEncodeError) as error:
        msg = f"cannot write {path}: {error}"
        raise RecordingError(msg) from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
