"""Deleting what is too old to be kept, a little at a time; needs the extra `mongodb`.

A TTL index would do it by itself, but the embedded database then scans with each query (see `documents`), and MongoDB
deletes by its own clock and all at once.
"""

from repsense.database import Documents
from repsense.documents import CLASSIFICATIONS, SAMPLES

__all__ = ["BATCH", "delete_older"]

BATCH = 5_000
"""How many documents go at a time: some 100 ms of the embedded database, which does one thing at a time."""

_TIMES = {SAMPLES: "first_sample_us", CLASSIFICATIONS: "window_start_us"}
"""An indexed field of each collection that has the time by which its documents age."""


def delete_older(database: Documents, collection: str, before_us: int, batch: int = BATCH) -> int:
    """Delete the oldest documents of a collection from before a time.

    Args:
        database: Where.
        collection: `samples` or `classifications`.
        before_us: What began then or later stays; microseconds since 1970.
        batch: About how many go at most, so that neither this call nor others at the database take long.

    Returns:
        How many documents went; if it is `batch` or more, there may be others.

    Raises:
        pymongo.errors.PyMongoError: If the database does not answer. The call can be repeated.
    """
    time = _TIMES[collection]
    old = {time: {"$lt": before_us}}
    last = next(iter(database[collection].find(old, {time: True}).sort(time, 1).skip(batch - 1).limit(1)), None)
    return database[collection].delete_many(old if last is None else {time: {"$lte": last[time]}}).deleted_count
