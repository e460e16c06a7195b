"""Versions of editable resources: two who edit at the same time must not overwrite each other.

A resource says its version in its body and as `ETag`; whoever changes it sends that back as `If-Match`. The database
compares once more in the update itself, so nothing can slip in between.
"""

import re
from typing import Annotated

from fastapi import Depends, Header, Response

from repsense_inference.problems import ProblemError, ProblemKind

__all__ = ["ExpectedVersion", "set_etag", "version_conflict"]

_ENTITY_TAG = re.compile(r'(?:W/)?"(\d{1,15})"')
_NO_VERSION = -1
"""What no resource has: a change for it is a conflict, after everything else about the request was checked."""


def _expected_version(
    if_match: Annotated[
        str | None,
        Header(max_length=40, description="The resource's ETag; * for whatever it is.", examples=['"3"']),
    ] = None,
) -> int | None:
    """The version that a change was made for; None for any.

    Raises:
        ProblemError: If there is none.
    """
    if if_match is None:
        detail = 'send the version that you have seen: If-Match: "3", which is the ETag of the resource'
        raise ProblemError(ProblemKind.VERSION_REQUIRED, detail)
    if if_match.strip() == "*":
        return None
    found = _ENTITY_TAG.fullmatch(if_match.strip())
    return _NO_VERSION if found is None else int(found[1])


ExpectedVersion = Annotated[int | None, Depends(_expected_version)]


def version_conflict() -> ProblemError:
    """The problem of a change to a resource that somebody else has changed meanwhile."""
    detail = "it was changed meanwhile: load it again, then make your change"
    return ProblemError(ProblemKind.VERSION_CONFLICT, detail)


def set_etag(response: Response, version: int) -> None:
    """Say a resource's version in the answer's head."""
    response.headers["ETag"] = f'"{version}"'
