"""Says in the database, every two seconds, that this preprocessor runs and how it is; see `PreprocessorDocument`.

In the database rather than on the broker, since it must also be able to say that the broker is away, and since replicas
have no connection to the broker of their own but one for each partition. It shows by the way whether the database can
be written.
"""

import contextlib
import logging
import time
from collections.abc import Iterator
from threading import Event, Thread
from typing import Protocol

import pymongo
from pymongo.errors import PyMongoError

from repsense.condition import Condition
from repsense.database import Documents
from repsense.documents import PREPROCESSORS, PreprocessorDocument
from repsense.errors import SchemaError
from repsense.manifest import ModelManifest
from repsense.operations import repsense_version
from repsense.patience import first_line
from repsense.schema import check_schema, read_schema
from repsense.timestamps import MICROSECONDS, now_us
from repsense_preprocessor.storage_figures import StorageFigures

__all__ = ["SignOfLife", "Subject"]

_LOGGER = logging.getLogger(__name__)

_INTERVAL_S = 2.0
_TIMEOUT_S = 2.0
_FORGET_US = 86_400 * MICROSECONDS
"""What a preprocessor leaves behind that was killed can be read for a day."""
_SOURCE = "sign of life"


class Subject(Protocol):
    """Whose life it is; see `service.Service`."""

    @property
    def model(self) -> ModelManifest:
        """Of the model that classifies."""
        ...

    @property
    def n_streams(self) -> int:
        """How many streams are followed."""
        ...

    @property
    def n_waiting(self) -> int:
        """How many messages have come and were not begun with."""
        ...

    @property
    def oldest_waiting_s(self) -> float:
        """How long the oldest message waits that has come and is not stored."""
        ...


class SignOfLife:
    """Writes the document of one preprocessor in a thread of its own."""

    def __init__(self, database: Documents, replica: str, condition: Condition, storage: StorageFigures) -> None:
        """Prepare it.

        Args:
            database: Where to.
            replica: The name of this preprocessor.
            condition: What it lacks; takes note of the database.
            storage: Brought up to date by the same thread.
        """
        self.subject: Subject | None = None
        """Whose life it is; None until it has a model and a database."""
        self._database = database
        self._collection = database[PREPROCESSORS]
        self._replica = replica
        self._condition = condition
        self._storage = storage
        self._started_us = now_us()
        self._beat = 0

    @contextlib.contextmanager
    def shown(self) -> Iterator[None]:
        """Show it for the length of a block, and take it back at the end."""
        stop = Event()
        thread = Thread(target=self._run, args=(stop,), name="sign of life", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
            with contextlib.suppress(PyMongoError), pymongo.timeout(_TIMEOUT_S):
                self._collection.delete_one({"_id": self._replica})

    def _run(self, stop: Event) -> None:
        while True:
            began_s = time.monotonic()
            try:
                with pymongo.timeout(_TIMEOUT_S):
                    self._write()
            except PyMongoError as error:
                _LOGGER.debug("no sign of life: %s", first_line(error))
                self._condition.lacks("database", f"the database is away: {first_line(error)}", _SOURCE)
            except SchemaError as error:
                self._condition.lacks("database", str(error), _SOURCE)
            else:
                self._condition.has("database", _SOURCE)
                self._storage.refresh_if_asked()
            if stop.wait(max(0.0, began_s + _INTERVAL_S - time.monotonic())):
                return

    def _write(self) -> None:
        if self._beat == 0:
            # Nobody else may have looked yet, and in a database that is not for this code nothing is touched.
            check_schema(read_schema(self._database))
            self._collection.delete_many({"at_us": {"$lt": now_us() - _FORGET_US}})
        self._beat += 1
        # The broker is not asked for anything before there is a model.
        unsaid = {"database"} if self.subject is not None else {"database", "broker"}
        problems = {name: text for name, text in self._condition.problems().items() if name not in unsaid}
        document = PreprocessorDocument(
            _id=self._replica,
            beat=self._beat,
            at_us=now_us(),
            started_us=self._started_us,
            version=repsense_version(),
            ready=self.subject is not None and not problems,
            problems=problems,
            model_name=None,
            model_version=None,
            n_streams=0,
            n_waiting=0,
            oldest_waiting_s=0.0,
        )
        if self.subject is not None:
            document["model_name"] = self.subject.model.name
            document["model_version"] = self.subject.model.version
            document["n_streams"] = self.subject.n_streams
            document["n_waiting"] = self.subject.n_waiting
            document["oldest_waiting_s"] = round(self.subject.oldest_waiting_s, 3)
        self._collection.replace_one({"_id": self._replica}, dict(document), upsert=True)
