"""The connection to the document database: MongoDB, or anything that speaks its wire protocol."""

from typing import Any

from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import ConfigurationError, InvalidURI

from repsense.documents import INDEXES, SAMPLES
from repsense.errors import RepSenseError

__all__ = ["DATABASE_NAME", "Documents", "connect_database", "delete_expired_samples", "ensure_indexes"]

DATABASE_NAME = "repsense"
"""Used where the URL names no database."""

_SELECTION_TIMEOUT_MS = 3_000
"""How long an operation looks for a server before it fails; the callers try again."""
_OPERATION_TIMEOUT_MS = 10_000
"""How long an operation may take in all, so that a server that hangs is noticed too."""

Documents = Database[dict[str, Any]]


def connect_database(url: str) -> Documents:
    """Prepare a connection; nothing is sent until the first operation.

    Args:
        url: For instance `mongodb://127.0.0.1:27017/repsense`.

    Raises:
        RepSenseError: If the URL is malformed.
    """
    try:
        client: MongoClient[dict[str, Any]] = MongoClient(
            url,
            serverSelectionTimeoutMS=_SELECTION_TIMEOUT_MS,
            connectTimeoutMS=_SELECTION_TIMEOUT_MS,
            timeoutMS=_OPERATION_TIMEOUT_MS,
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


def delete_expired_samples(database: Documents, before_us: int) -> int:
    """Delete stored samples that begin before a time; return how many documents went."""
    return database[SAMPLES].delete_many({"first_sample_us": {"$lt": before_us}}).deleted_count
