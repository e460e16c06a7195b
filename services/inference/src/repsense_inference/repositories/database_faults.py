"""What an error of the database's driver means to a person."""

from pymongo.errors import ConnectionFailure, NotPrimaryError, OperationFailure, PyMongoError
from pymongo.server_type import SERVER_TYPE
from pymongo.topology_description import TopologyDescription

from repsense_inference.faults import Fault, FaultKind

__all__ = ["fault_of"]

# Of MongoDB's error codes.
_UNAUTHORIZED = 13
_AUTHENTICATION_FAILED = 18
_READ_ONLY = frozenset({371})
"""UserWritesBlocked; that a disk cannot be written to is said in the text alone."""
_FULL = frozenset({8000, 14031})
"""Of a hosted database that its space is used up; OutOfDiskSpace."""

_FULL_WORDS = ("no space left", "is full", "out of disk space", "quota")
_READ_ONLY_WORDS = ("readonly", "read-only", "read only")


def fault_of(error: PyMongoError, topology: TopologyDescription) -> Fault | None:
    """What is wrong with the database; None if it is no fault of the database but a mistake of ours.

    Args:
        error: What an operation ended with.
        topology: What the driver knows of the database's servers.
    """
    if isinstance(error, NotPrimaryError):
        return _electing()
    if isinstance(error, OperationFailure) and not error.timeout:
        return _refusal(error)
    if error.timeout or isinstance(error, ConnectionFailure):
        is_waiting_for_primary = (
            any(server.server_type == SERVER_TYPE.RSSecondary for server in topology.server_descriptions().values())
            and not topology.has_writable_server()
        )
        return _electing() if is_waiting_for_primary else _away()
    return None


def _refusal(error: OperationFailure) -> Fault | None:
    text = str(error).lower()
    if error.code == _AUTHENTICATION_FAILED:
        return Fault(FaultKind.DATABASE_PASSWORD, "the database does not accept user and password")
    if error.code == _UNAUTHORIZED:
        return Fault(FaultKind.DATABASE_RIGHTS, "the database refuses this service")
    if error.code in _FULL or any(words in text for words in _FULL_WORDS):
        return Fault(FaultKind.DATABASE_FULL, "the database has no room left on its disk")
    if error.code in _READ_ONLY or any(words in text for words in _READ_ONLY_WORDS):
        return Fault(FaultKind.DATABASE_READ_ONLY, "the database can be read, but takes no changes")
    return None


def _electing() -> Fault:
    return Fault(FaultKind.DATABASE_ELECTING, "the database's servers are choosing which of them takes changes")


def _away() -> Fault:
    return Fault(FaultKind.DATABASE_AWAY, "the database does not answer")
