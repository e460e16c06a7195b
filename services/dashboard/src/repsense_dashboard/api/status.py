"""What every page asks: whether something is wrong with RepSense as a whole."""

import time
from http import HTTPStatus
from threading import Lock
from typing import Literal

from pydantic import AwareDatetime

from repsense_dashboard.api.connection import Connection, Resource
from repsense_dashboard.api.errors import ApiError, ApiProblemError

__all__ = ["Fault", "StatusApi"]

_KEPT_S = 2.0
"""The service itself looks no more often."""


class Fault(Resource):
    """Something that is wrong, in words."""

    kind: str
    part: str
    severity: Literal["error", "remark"]
    title: str
    detail: str
    advice: str
    since: AwareDatetime


class _Status(Resource):
    faults: tuple[Fault, ...] = ()


class StatusApi:
    """Reads what is wrong; raises `ApiError` if there is no usable answer."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = Lock()
        self._known: tuple[Fault, ...] | ApiError = ()
        self._asked_s = float("-inf")

    def faults(self) -> tuple[Fault, ...]:
        """Return what is wrong, errors first; asked once for all pages that want to know it at the same time."""
        with self._lock:
            if time.monotonic() - self._asked_s >= _KEPT_S:
                self._known = self._ask()
                self._asked_s = time.monotonic()
            known = self._known
        if isinstance(known, ApiError):
            raise known.with_traceback(None)
        return known

    def _ask(self) -> tuple[Fault, ...] | ApiError:
        """Return the answer, or why there is none: each page waiting for that by itself would wait for all others."""
        try:
            return self._connection.get(_Status, "/v1/status").faults
        except ApiError as error:
            # A service of an older version does not know the question.
            is_unknown = isinstance(error, ApiProblemError) and error.status == HTTPStatus.NOT_FOUND
            return () if is_unknown else error
