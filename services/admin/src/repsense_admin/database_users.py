"""The database's users: one for each service, with the rights to what that service does and no others.

A service reads the schema's document and changes nothing of the schema; it creates no index: `prepare` has done
that before.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pymongo.errors import OperationFailure

from repsense.database import Documents
from repsense.documents import (
    CLASSIFICATIONS,
    ERASURES,
    LABELS,
    MODELS,
    PARTITIONS,
    PERSONS,
    PREPROCESSORS,
    RECORDING_SAMPLES,
    RECORDINGS,
    REPLICAS,
    SAMPLES,
    SCHEMA,
    SENSORS,
    SET_EDITS,
    SETS,
    TRAINING_JOBS,
    WORKOUT_EDITS,
    WORKOUTS,
    WRITE_PROBES,
)

__all__ = ["RIGHTS", "UsersUnknownError", "ensure_users"]

_FIND = ("find",)
_ADD = ("find", "insert")
_CHANGE = ("find", "insert", "update")
_DELETE = ("find", "remove")
_ALL = ("find", "insert", "remove", "update")
_EVERY_COLLECTION = ""
"""As in MongoDB's privileges; it stands for the database itself too."""

RIGHTS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "preprocessor": {
        SCHEMA: _FIND,
        SAMPLES: (*_ADD, "remove"),
        CLASSIFICATIONS: (*_ADD, "remove"),
        SETS: _CHANGE,
        WORKOUTS: _CHANGE,
        SENSORS: _CHANGE,
        MODELS: _CHANGE,
        PARTITIONS: _ALL,
        REPLICAS: _ALL,
        PREPROCESSORS: _ALL,
        # How much is stored, for the metrics.
        _EVERY_COLLECTION: ("collStats", "dbStats"),
    },
    "inference": {
        SCHEMA: _FIND,
        SENSORS: _FIND,
        MODELS: _FIND,
        PREPROCESSORS: _FIND,
        SAMPLES: _DELETE,
        CLASSIFICATIONS: _DELETE,
        SETS: _DELETE,
        WORKOUTS: _DELETE,
        SET_EDITS: _ALL,
        WORKOUT_EDITS: _ALL,
        ERASURES: _ALL,
        RECORDINGS: _ALL,
        RECORDING_SAMPLES: (*_ADD, "remove"),
        PERSONS: _ALL,
        LABELS: _ALL,
        TRAINING_JOBS: _ALL,
        WRITE_PROBES: _CHANGE,
    },
    "trainer": {
        SCHEMA: _FIND,
        RECORDINGS: _FIND,
        RECORDING_SAMPLES: _FIND,
        TRAINING_JOBS: ("find", "remove", "update"),
    },
}
"""MongoDB's actions by service and collection."""

_ROLE_NOT_FOUND = 31
_USER_NOT_FOUND = 11


class UsersUnknownError(Exception):
    """The server has no users, as the embedded database of the native mode."""


@dataclass(frozen=True, slots=True)
class _Change:
    """The same command in two forms."""

    create: str
    update: str
    not_found: int


_ROLE = _Change("createRole", "updateRole", _ROLE_NOT_FOUND)
_USER = _Change("createUser", "updateUser", _USER_NOT_FOUND)


def ensure_users(database: Documents, passwords: Mapping[str, str]) -> list[str]:
    """Create the users and their roles, or bring them up to date; harmless to repeat.

    Users and roles are the database's own, so a service's URL needs no `authSource`.

    Args:
        database: By a user who may do so.
        passwords: By service; a service without one gets no user.

    Returns:
        The users that were not there before.

    Raises:
        UsersUnknownError: If the server has no users.
        pymongo.errors.PyMongoError: If the database does not answer or refuses.
    """
    # nx-27017 says "ok" to whatever it does not know, without the answer.
    if "users" not in database.command("usersInfo", 1):
        raise UsersUnknownError
    new = []
    for service, password in passwords.items():
        role = f"repsense-{service}"
        privileges = [
            {"resource": {"db": database.name, "collection": collection}, "actions": list(actions)}
            for collection, actions in RIGHTS[service].items()
        ]
        _ensure(database, _ROLE, role, {"privileges": privileges, "roles": []})
        granted = [{"role": role, "db": database.name}]
        if _ensure(database, _USER, service, {"pwd": password, "roles": granted}):
            new.append(service)
    return new


def _ensure(database: Documents, change: _Change, name: str, fields: Mapping[str, Any]) -> bool:
    """Change a user or a role, or create it; return whether it was not there."""
    try:
        database.command(change.update, name, **fields)
    except OperationFailure as error:
        if error.code != change.not_found:
            raise
        database.command(change.create, name, **fields)
        return True
    return False
