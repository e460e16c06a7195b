"""How much is stored, as metrics: read from the database now and then, and only if somebody asks for metrics at all."""

import contextlib
import logging
import time
from collections.abc import Iterable
from typing import Any

import pymongo
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from pymongo.errors import OperationFailure, PyMongoError

from repsense.database import Documents
from repsense.documents import INDEXES, SchemaDocument
from repsense.patience import first_line
from repsense.schema import read_schema

__all__ = ["StorageFigures"]

_LOGGER = logging.getLogger(__name__)

_SHORTEST_INTERVAL_S = 30.0
_SHARE = 0.005
"""Of the time that reading them may take: MongoDB knows the figures, the embedded database counts, which takes it half
a second for 200,000 samples documents."""
_TIMEOUT_S = 10.0


class StorageFigures(Collector):
    """Documents and bytes of each collection, and the room on the database's disk."""

    def __init__(self, database: Documents) -> None:
        self._database = database
        self._asked = False
        self._next_s = float("-inf")
        self._collections: dict[str, dict[str, Any]] = {}
        self._whole: dict[str, Any] = {}
        self._schema: SchemaDocument | None = None

    def describe(self) -> Iterable[Metric]:
        """Nothing: without this a registry collects when it takes the collector on, which is nobody's asking."""
        return []

    def collect(self) -> Iterable[Metric]:
        """What was read last; nothing before that, and nothing that the user of the database may not know."""
        self._asked = True
        documents = GaugeMetricFamily("repsense_database_documents", "Documents that are stored", labels=["collection"])
        size = GaugeMetricFamily(
            "repsense_database_bytes", "Size of the stored documents, before compression", labels=["collection"]
        )
        for name, figures in self._collections.items():
            documents.add_metric([name], figures["count"])
            size.add_metric([name], figures["size"])
        yield documents
        yield size
        for key, name, text in (
            ("fsTotalSize", "repsense_database_disk_size_bytes", "Size of the disk that the database writes to"),
            ("fsUsedSize", "repsense_database_disk_used_bytes", "What is used of it"),
        ):
            if key in self._whole:
                yield GaugeMetricFamily(name, text, value=self._whole[key])

        if self._schema is not None:
            yield GaugeMetricFamily(
                "repsense_database_schema_version", "Which schema the database has", value=self._schema["version"]
            )

    def refresh_if_asked(self) -> None:
        """Read the figures if metrics were asked for and it is time; what cannot be read keeps its last value."""
        began_s = time.monotonic()
        if not self._asked or began_s < self._next_s:
            return
        try:
            with pymongo.timeout(_TIMEOUT_S):
                self._schema = read_schema(self._database)
                self._whole = self._database.command("dbStats")
                for name in INDEXES:
                    self._read_collection(name)
        except PyMongoError as error:
            _LOGGER.debug("what is stored could not be measured: %s", first_line(error))
        ended_s = time.monotonic()
        self._next_s = ended_s + max(_SHORTEST_INTERVAL_S, (ended_s - began_s) / _SHARE)

    def _read_collection(self, name: str) -> None:
        # The embedded database refuses to speak of a collection that was never written.
        with contextlib.suppress(OperationFailure):
            self._collections[name] = self._database.command("collStats", name)
