"""The schema of a database: which one it has, and bringing it to the one that this code reads and writes.

Whoever connects calls `ensure_schema`. In most cases that is one read. Otherwise the first one to come claims the
work, and the others wait; a claim expires unless it is renewed, so that one who was killed at it is replaced.

A schema gets a new number when documents of the one before are not what the code expects any more. An index more is no
other schema: it is created by the same claim.
"""

import contextlib
import logging
import uuid
from collections.abc import Iterator
from threading import Event, Thread
from typing import cast

import pymongo
from pymongo.errors import DuplicateKeyError, OperationFailure, PyMongoError

from repsense.database import Documents, ensure_indexes
from repsense.documents import INDEXES, MODELS, SCHEMA, UNIQUE_INDEXES, SchemaDocument
from repsense.errors import SchemaError
from repsense.migrations import MIGRATIONS
from repsense.migrations.schema_2 import holds_schema_1
from repsense.timestamps import MICROSECONDS, now_us

__all__ = [
    "RESTORING",
    "SCHEMA_VERSION",
    "check_schema",
    "ensure_schema",
    "holds_data",
    "read_schema",
    "schema_version",
    "write_schema",
]

_LOGGER = logging.getLogger(__name__)

SCHEMA_VERSION = 2
"""What this code reads and writes."""
RESTORING = 0
"""In place of a version: a backup is being restored, or that was interrupted."""

_KEY = "schema"
_CLAIM_S = 20.0
"""How long a claim holds unless it is renewed. The embedded database does one thing at a time, so it is generous."""
_RENEWAL_S = 4.0
_STEP_TIMEOUT_S = 600.0
"""An index of millions of documents takes minutes."""
_UNAUTHORIZED = 13
"""MongoDB's error code for what the user has no right to do."""


def ensure_schema(database: Documents) -> None:
    """Bring a database to `SCHEMA_VERSION`, and create the indexes that it lacks; one read if it has everything.

    Raises:
        SchemaError: If that cannot be done now: somebody else is at it, or its text says what a person must do.
        pymongo.errors.PyMongoError: If the database does not answer. The call can be repeated.
    """
    found = read_schema(database)
    if found is not None and _is_current(found):
        return
    try:
        with pymongo.timeout(_STEP_TIMEOUT_S), _claimed(database, found) as (claim, version):
            _bring_up(database, claim, version)
    except OperationFailure as error:
        if error.code != _UNAUTHORIZED:
            raise
        has = "does not say its schema" if found is None else f"has schema {found['version']} or lacks an index"
        msg = (
            f"the database {has}, and this service's user may not change that: run `repsense-admin prepare`, which "
            f"brings it to schema {SCHEMA_VERSION}"
        )
        raise SchemaError(msg) from error


def check_schema(found: SchemaDocument | None) -> None:
    """Refuse a database that must not be used by this code.

    Raises:
        SchemaError: If its schema is a newer one, or a backup is being restored into it.
    """
    if found is None:
        return
    if found["version"] > SCHEMA_VERSION:
        msg = (
            f"the database has schema {found['version']}, which a newer RepSense wrote, and this one knows "
            f"{SCHEMA_VERSION}: start that version again, or restore a backup from before"
        )
        raise SchemaError(msg)
    if found["version"] == RESTORING:
        msg = "a backup is being restored into the database; if that was interrupted, run it once more"
        raise SchemaError(msg)


def read_schema(database: Documents) -> SchemaDocument | None:
    """What a database says of its schema."""
    return cast("SchemaDocument | None", database[SCHEMA].find_one({"_id": _KEY}))


def schema_version(database: Documents) -> int:
    """The schema that a database's documents have, whether it says so or not; nothing is changed.

    Raises:
        SchemaError: If it is being changed, or is not for this code.
    """
    found = read_schema(database)
    if found is None:
        return _version_of_content(database)
    check_schema(found)
    if found["claimed_until_us"] > now_us():
        raise _somebody_else()
    return found["version"]


def write_schema(database: Documents, version: int) -> None:
    """Have a database say its schema, without any claim; its indexes are looked after by the next `ensure_schema`."""
    database[SCHEMA].replace_one({"_id": _KEY}, dict(_document(version)), upsert=True)


def holds_data(database: Documents) -> bool:
    """Whether there is any document of people and their movements.

    Which models were used does not count: that is written when the services start.
    """
    collections = [collection for collection in INDEXES if collection != MODELS]
    return any(database[collection].find_one({}, {"_id": True}) is not None for collection in collections)


def _is_current(found: SchemaDocument) -> bool:
    check_schema(found)
    return found["version"] == SCHEMA_VERSION and set(_index_names()) <= set(found["indexes"])


def _bring_up(database: Documents, claim: str, version: int) -> None:
    done = version
    while done < SCHEMA_VERSION:
        what = MIGRATIONS[done](database)
        done += 1
        _LOGGER.info("the database was brought from schema %d to %d: %s", done - 1, done, what)
        _update(database, claim, {"version": done})
    ensure_indexes(database)
    _update(database, claim, {"indexes": _index_names()})


@contextlib.contextmanager
def _claimed(database: Documents, found: SchemaDocument | None) -> Iterator[tuple[str, int]]:
    """Hold the right to change the schema; yields the claim and the version to begin with."""
    claim = uuid.uuid4().hex
    until_us = _until_us()
    if found is None:
        version = _version_of_content(database)
        _LOGGER.info("the database does not say its schema: by what is in it, that is %d", version)
        document = SchemaDocument(**{**_document(version), "claimed_by": claim, "claimed_until_us": until_us})
        try:
            database[SCHEMA].insert_one(dict(document))
        except DuplicateKeyError as error:
            raise _somebody_else() from error
    else:
        version = found["version"]
        if found["claimed_until_us"] > now_us():
            raise _somebody_else()
        as_read = {"_id": _KEY, "version": version, "claimed_by": found["claimed_by"]}
        taken = {"$set": {"claimed_by": claim, "claimed_until_us": until_us}}
        if not database[SCHEMA].update_one(as_read, taken).matched_count:
            raise _somebody_else()
        if found["claimed_by"] is not None:
            _LOGGER.info("whoever was changing the database's schema did not end it; it is gone on with")
    ended = Event()
    renewal = Thread(target=_renew, args=(database, claim, ended), name="schema", daemon=True)
    renewal.start()
    try:
        yield claim, version
    finally:
        ended.set()
        renewal.join()
        with contextlib.suppress(PyMongoError):
            released = {"$set": {"claimed_by": None, "claimed_until_us": 0}}
            database[SCHEMA].update_one({"_id": _KEY, "claimed_by": claim}, released)


def _renew(database: Documents, claim: str, ended: Event) -> None:
    while not ended.wait(_RENEWAL_S):
        # If it cannot be renewed, somebody else may take over, which does no harm.
        with contextlib.suppress(PyMongoError):
            renewed = {"$set": {"claimed_until_us": _until_us()}}
            database[SCHEMA].update_one({"_id": _KEY, "claimed_by": claim}, renewed)


def _update(database: Documents, claim: str, changes: dict[str, object]) -> None:
    if not database[SCHEMA].update_one({"_id": _KEY, "claimed_by": claim}, {"$set": changes}).matched_count:
        raise _somebody_else()


def _version_of_content(database: Documents) -> int:
    """The schema of a database that does not say it: an empty one, or one from before it was noted."""
    return 1 if holds_schema_1(database) else SCHEMA_VERSION if not holds_data(database) else 2


def _document(version: int) -> SchemaDocument:
    return SchemaDocument(_id=_KEY, version=version, indexes=[], claimed_by=None, claimed_until_us=0)


def _index_names() -> list[str]:
    names = {f"{collection}.{field}" for collection, fields in INDEXES.items() for field in fields}
    return sorted(names | {f"{collection}.{field} unique" for collection, field in UNIQUE_INDEXES.items()})


def _until_us() -> int:
    return now_us() + round(_CLAIM_S * MICROSECONDS)


def _somebody_else() -> SchemaError:
    msg = f"the database is being brought to schema {SCHEMA_VERSION} by somebody else"
    return SchemaError(msg, is_passing=True)
