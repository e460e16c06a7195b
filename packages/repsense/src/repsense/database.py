"""The connection to the document database: MongoDB, or anything that speaks its wire protocol."""

from typing import Any

from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import BulkWriteError, ConfigurationError, InvalidURI

from repsense.documents import INDEXES, UNIQUE_INDEXES
from repsense.errors import RepSenseError

__all__ = ["DATABASE_NAME", "Documents", "connect_database", "ensure_indexes", "is_repetition"]

DATABASE_NAME = "repsense"
"""Used where the URL names no database."""

_SELECTION_TIMEOUT_MS = 3_000
"""How long an operation looks for a server before it fails; the callers try again. Also how long a sign of life may
take that the driver asks for beside every operation."""
_OPERATION_TIMEOUT_MS = 10_000
"""How long an operation may take in all, so that a server that hangs is noticed too."""
_MILLISECONDS = 1_000

_DUPLICATE_KEY = 11_000
"""MongoDB's error code for a document whose `_id` is there already."""

Documents = Database[dict[str, Any]]


def connect_database(url: str, patience_s: float | None = None) -> Documents:
    """Prepare a connection; nothing is sent until the first operation.

    A write has succeeded when most of a replica set's servers have it in their journals: what one server alone has
    acknowledged is rolled back when another one takes over, and the gateways have forgotten it by then. MongoDB takes
    "majority" to include the journal; to ask for that too would have the embedded database wait for the disk with each
    document (3.6 s for 500 of them instead of 0.3 s).

    Args:
        url: For instance `mongodb://127.0.0.1:27017/repsense`, or `mongodb://user:password@one,two,three/repsense
            ?replicaSet=rs0` with every server of a replica set.
        patience_s: How long an operation and each sign of life may take, for work that keeps the embedded database
            from everything else; by default less than a person would wait.

    Raises:
        RepSenseError: If the URL is malformed.
    """
    patience_ms = None if patience_s is None else round(patience_s * _MILLISECONDS)
    try:
        client: MongoClient[dict[str, Any]] = MongoClient(
            url,
            serverSelectionTimeoutMS=_SELECTION_TIMEOUT_MS,
            connectTimeoutMS=patience_ms or _SELECTION_TIMEOUT_MS,
            timeoutMS=patience_ms or _OPERATION_TIMEOUT_MS,
            w="majority",
            appname="repsense",
            tz_aware=True,
        )
        return client.get_default_database(DATABASE_NAME)
    except (ConfigurationError, InvalidURI, ValueError) as error:  # ValueError: what is no port, for instance
        msg = f"MONGODB_URL {error}; it must look like mongodb://127.0.0.1:27017/repsense"
        raise RepSenseError(msg) from error


def ensure_indexes(database: Documents) -> None:
    """Create the indexes that are not there yet; harmless to repeat."""
    for collection, fields in INDEXES.items():
        for field in fields:
            database[collection].create_index(field)
    for collection, field in UNIQUE_INDEXES.items():
        database[collection].create_index(field, unique=True)


def is_repetition(error: BulkWriteError) -> bool:
    """Whether all that went wrong with several writes is that documents are there already.

    What most servers of a replica set do not have yet (a write concern error, as while another one takes over) is no
    repetition: it may be rolled back.
    """
    failures = error.details
    return not failures["writeConcernErrors"] and all(
        failure["code"] == _DUPLICATE_KEY for failure in failures["writeErrors"]
    )
