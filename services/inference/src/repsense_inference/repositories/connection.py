"""The connection to the database, whether anybody answers, and whether it takes changes."""

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pymongo
from pymongo.collection import Collection
from pymongo.errors import InvalidOperation, PyMongoError

from repsense.database import Documents
from repsense.documents import WRITE_PROBES
from repsense.errors import SchemaError
from repsense.schema import check_schema, ensure_schema, read_schema
from repsense.timestamps import now_us
from repsense_inference.errors import DatabaseUnavailableError
from repsense_inference.faults import Fault, FaultKind
from repsense_inference.repositories.database_faults import fault_of

__all__ = ["DatabaseConnection"]

_LOGGER = logging.getLogger(__name__)

READ_TIMEOUT_S = 3.0
"""The longest read, ten minutes of samples, takes a fraction of this; less would take an embedded database that is busy
with a large write, and does one thing at a time, for one that is away."""
PROBE_INTERVAL_S = 1.0
WRITE_PROBE_INTERVAL_S = 30.0
"""Seldom: on a memory card each write counts."""
WRITE_RETRY_S = 2.0
"""The same while changes are not taken."""
_PADDING = "." * 65_536
"""Written while changes are not taken: where a disk is full, something small may still find room, and the next does
not."""
_STOP_TIMEOUT_S = 1.0

_NOT_ASKED = Fault(FaultKind.DATABASE_AWAY, "the database has not been asked yet")
_WRITE_FAULTS = frozenset({FaultKind.DATABASE_FULL, FaultKind.DATABASE_READ_ONLY, FaultKind.DATABASE_RIGHTS})
"""With these the database can still be read."""


class DatabaseConnection:
    """Gives access to collections and turns failures into `DatabaseUnavailableError`.

    A thread asks the database every second whether it is there, and now and then whether it takes a change. While it
    is not there, reads fail at once: a dashboard that polls would otherwise fill every worker thread with requests
    that wait for a server.
    """

    def __init__(self, database: Documents) -> None:
        self._database = database
        self._absence: Fault | None = _NOT_ASKED
        self._write_fault: Fault | None = None
        self._asked = False
        self._write_due_s = float("-inf")
        self._on_connection: Callable[[], object] | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="database", daemon=True)

    @property
    def absence(self) -> Fault | None:
        """Why the database cannot be read; None if it answered the last time."""
        return self._absence

    @property
    def fault(self) -> Fault | None:
        """Why the database cannot be read or changed; None if it can, as far as is known."""
        return self._absence or self._write_fault

    def start(self, on_connection: Callable[[], object] | None = None) -> None:
        """Begin to watch the database.

        Args:
            on_connection: Called in a thread whenever the database is there again, to read what will be asked for.
        """
        self._on_connection = on_connection
        self._thread.start()

    def stop(self) -> None:
        """Stop watching and close the connection."""
        self._stopped.set()
        self._database.client.close()
        if self._thread.is_alive():
            self._thread.join(_STOP_TIMEOUT_S)

    def doubt_writing(self) -> None:
        """Ask soon whether the database takes changes: somebody else's are missing."""
        self._write_due_s = min(self._write_due_s, time.monotonic())

    @contextlib.contextmanager
    def collection(self, name: str, timeout_s: float = READ_TIMEOUT_S) -> Iterator[Collection[dict[str, Any]]]:
        """Use a collection for a quick read or change while the context lasts.

        Args:
            name: Of the collection.
            timeout_s: How long it may take.

        Raises:
            DatabaseUnavailableError: If the database does not answer, or did not a moment ago.
        """
        with self.documents() as documents, pymongo.timeout(timeout_s):
            yield documents[name]

    @contextlib.contextmanager
    def documents(self) -> Iterator[Documents]:
        """Use the database for many operations, of which each has as long as `database.connect_database` gives it.

        Raises:
            DatabaseUnavailableError: If the database does not answer, or did not a moment ago, or takes no change.
        """
        known = self._absence
        if known is not None and self._asked:
            raise DatabaseUnavailableError(known.detail)
        try:
            yield self._database
        except PyMongoError as error:
            fault = self._fault_of(error)
            if fault is None:
                raise
            self._note(fault, error)
            if fault.kind in _WRITE_FAULTS:
                self.doubt_writing()
            raise DatabaseUnavailableError(fault.detail) from error

    def _watch(self) -> None:
        while not self._stopped.is_set():
            try:
                self._look()
            except PyMongoError as error:
                if not self._stopped.is_set():
                    fault = self._fault_of(error) or Fault(FaultKind.DATABASE_AWAY, "the database answers with errors")
                    self._note(fault, error, reading=True)
            except SchemaError as error:
                self._note(Fault(FaultKind.DATABASE_SCHEMA, str(error)), error)
            except Exception:
                # A mistake of ours, or a damaged document. Nobody waits for this thread, and without it the database
                # would be away for good once it was.
                if not self._stopped.is_set():
                    _LOGGER.exception("the database could not be looked at")
            self._stopped.wait(PROBE_INTERVAL_S)

    def _look(self) -> None:
        with pymongo.timeout(READ_TIMEOUT_S):
            # Not "ping", which needs no rights; and meanwhile a backup may be restored, or a newer version have begun.
            check_schema(read_schema(self._database))
        if self._absence is not None:
            # This service may be the first one that there is.
            ensure_schema(self._database)
            _LOGGER.info("connected to the database")
            self._asked, self._absence = True, None
            if self._on_connection is not None:
                with contextlib.suppress(DatabaseUnavailableError):
                    self._on_connection()
        if time.monotonic() >= self._write_due_s:
            self._try_writing()

    def _try_writing(self) -> None:
        padding = _PADDING if self._write_fault else ""
        self._write_due_s = time.monotonic() + WRITE_RETRY_S
        try:
            with pymongo.timeout(READ_TIMEOUT_S):
                self._database[WRITE_PROBES].update_one(
                    {"_id": "inference"}, {"$set": {"at_us": now_us(), "padding": padding}}, upsert=True
                )
        except PyMongoError as error:
            fault = self._fault_of(error)
            if fault is None or fault.kind not in _WRITE_FAULTS:
                raise
            self._note(fault, error)
        else:
            if self._write_fault is not None:
                _LOGGER.info("the database takes changes again")
            else:
                self._write_due_s = time.monotonic() + WRITE_PROBE_INTERVAL_S
            self._write_fault = None

    def _fault_of(self, error: PyMongoError) -> Fault | None:
        # InvalidOperation is what a read gets that runs into the end of the service.
        if isinstance(error, InvalidOperation):
            return Fault(FaultKind.DATABASE_AWAY, "the database does not answer")
        return fault_of(error, self._database.client.topology_description)

    def _note(self, fault: Fault, error: Exception, *, reading: bool = False) -> None:
        """Remember what is wrong, and log it once."""
        known = self._write_fault if fault.kind in _WRITE_FAULTS and not reading else self._absence
        if known != fault:
            _LOGGER.warning("%s: %s", fault.detail, _first_line(error))
        if fault.kind in _WRITE_FAULTS and not reading:
            self._write_fault = fault
        else:
            self._asked, self._absence = True, fault


def _first_line(error: Exception) -> str:
    # The driver adds its settings and its view of the whole topology.
    return str(error).split(" (configured timeouts", maxsplit=1)[0].partition("\n")[0]
