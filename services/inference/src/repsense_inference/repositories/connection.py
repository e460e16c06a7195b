"""The connection to the database, and whether anybody answers."""

import contextlib
import logging
import threading
from collections.abc import Iterator
from typing import Any

import pymongo
from pymongo.collection import Collection
from pymongo.errors import ConnectionFailure, InvalidOperation, OperationFailure, PyMongoError

from repsense.database import Documents
from repsense_inference.errors import DatabaseUnavailableError

__all__ = ["DatabaseConnection"]

_LOGGER = logging.getLogger(__name__)

READ_TIMEOUT_S = 3.0
"""The longest read, ten minutes of samples, takes a fraction of this; less would take an embedded database that is busy
with a large write, and does one thing at a time, for one that is away."""
PROBE_INTERVAL_S = 1.0
_STOP_TIMEOUT_S = 1.0

_REFUSED_CODES = frozenset({13, 18})
"""Unauthorized, AuthenticationFailed: the database is there but not for us."""


class DatabaseConnection:
    """Gives access to collections and turns failures into `DatabaseUnavailableError`.

    A thread asks the database every second whether it is there. While it is not, reads fail at once: a dashboard
    that polls would otherwise fill every worker thread with requests that wait for a server.
    """

    def __init__(self, database: Documents) -> None:
        self._database = database
        self._problem: str | None = "the database has not been asked yet"
        self._asked = False
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._probe, name="database", daemon=True)

    @property
    def problem(self) -> str | None:
        """In words, why the database cannot be read; None if it answered the last time."""
        return self._problem

    def start(self) -> None:
        """Begin to watch the database."""
        self._thread.start()

    def stop(self) -> None:
        """Stop watching and close the connection."""
        self._stopped.set()
        self._database.client.close()
        if self._thread.is_alive():
            self._thread.join(_STOP_TIMEOUT_S)

    @contextlib.contextmanager
    def collection(self, name: str) -> Iterator[Collection[dict[str, Any]]]:
        """Use a collection while the context lasts.

        Raises:
            DatabaseUnavailableError: If the database does not answer, or did not a moment ago.
        """
        known_problem = self._problem
        if known_problem and self._asked:
            raise DatabaseUnavailableError(known_problem)
        try:
            with pymongo.timeout(READ_TIMEOUT_S):
                yield self._database[name]
        except PyMongoError as error:
            if not _is_absence(error):
                raise
            raise DatabaseUnavailableError(self._lost(error)) from error

    def _probe(self) -> None:
        while not self._stopped.is_set():
            try:
                with pymongo.timeout(READ_TIMEOUT_S):
                    # Not "ping", which needs no rights.
                    self._database["sensors"].find_one({"_id": ""})
            except PyMongoError as error:
                if not self._stopped.is_set():
                    self._lost(error)
            else:
                if self._problem is not None:
                    _LOGGER.info("connected to the database")
                self._asked, self._problem = True, None
            self._stopped.wait(PROBE_INTERVAL_S)

    def _lost(self, error: PyMongoError) -> str:
        """Remember that the database cannot be read, log it once and return it in words."""
        is_refusal = isinstance(error, OperationFailure) and not error.timeout
        # No address and no driver's words: clients see this.
        problem = "the database refuses this service" if is_refusal else "the database does not answer"
        if self._problem != problem:
            _LOGGER.warning("%s: %s", problem, _first_line(error))
        self._asked, self._problem = True, problem
        return problem


def _is_absence(error: PyMongoError) -> bool:
    """Whether an error means that the database is away, rather than a mistake of ours."""
    # InvalidOperation is what a read gets that runs into the end of the service.
    return (
        error.timeout
        or isinstance(error, (ConnectionFailure, InvalidOperation))
        or (isinstance(error, OperationFailure) and error.code in _REFUSED_CODES)
    )


def _first_line(error: PyMongoError) -> str:
    # The driver adds its settings and its view of the whole topology.
    return str(error).split(" (configured timeouts", maxsplit=1)[0].splitlines()[0]
