"""Edits: made for one version of a resource, and stored only in its place."""

from collections.abc import Callable
from typing import TypeVar

from repsense.documents import SetEditDocument, WorkoutEditDocument
from repsense_inference.versions import version_conflict

__all__ = ["make_edit"]

Edit = TypeVar("Edit", SetEditDocument, WorkoutEditDocument)


def make_edit(
    expected_version: int | None,
    read: Callable[[], Edit | None],
    compose: Callable[[Edit | None, int], Edit],
    put: Callable[[Edit, int], bool],
) -> Edit:
    """Edit something that has version 0 as long as nobody has edited it.

    Args:
        expected_version: The version that the change was made for; None for whichever there is.
        read: Reads the edit before; None if there was none.
        compose: Makes the new one of the one before and its own version.
        put: Stores an edit in place of one of a version; returns whether it was still that one.

    Raises:
        ProblemError: If somebody else has edited it meanwhile.
    """
    while True:
        before = read()
        version = before["version"] if before else 0
        if expected_version not in {None, version}:
            raise version_conflict()
        edit = compose(before, version + 1)
        if put(edit, version):
            return edit
        # Somebody was quicker: if that matters, the next look shows it.
