"""Patience with the database or the model server while it is away; needs the extra `mongodb`."""

import contextlib
import logging
from collections.abc import Callable, Iterator
from threading import Event, Thread
from typing import TypeVar

from pymongo.errors import BulkWriteError, PyMongoError
from tenacity import (
    RetryCallState,
    RetryError,
    Retrying,
    retry_if_exception_type,
    sleep_using_event,
    stop_when_event_set,
    wait_random_exponential,
)

from repsense.database import Documents
from repsense.errors import ClassifierUnavailableError, SchemaError

__all__ = ["StoppedError", "first_line", "giving_up_when_stopped", "retry_while_away"]

_LOGGER = logging.getLogger(__name__)
_MAX_LENGTH = 200
_DRAIN_S = 4.0
"""Enough to store what was begun, and to leave the other half of the usual ten seconds for the rest."""

_Result = TypeVar("_Result")


class StoppedError(Exception):
    """The process was told to stop while it waited for a part that is away."""


def retry_while_away(
    stop: Event, part: str, call: Callable[[], _Result], on_retry: Callable[[str], None] | None = None
) -> _Result:
    """Call until it works, with growing pauses, while the database or the model server is away.

    So is a database whose schema is not this code's: it may be brought to it, or another backup be restored.

    Args:
        stop: Ends the waiting.
        part: What is called, for the log.
        call: What to do; it may be done more than once.
        on_retry: Called before each pause with the reason, in words.

    Raises:
        StoppedError: If `stop` was set before it worked.
    """
    told: set[str] = set()

    def report(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome is not None else None
        if on_retry is not None:
            on_retry(str(error) if isinstance(error, SchemaError) else f"the {part} is away: {first_line(error)}")
        if isinstance(error, SchemaError):
            if str(error) not in told:
                told.add(str(error))
                _LOGGER.log(logging.INFO if error.is_passing else logging.WARNING, "waiting: %s", error)
        elif state.attempt_number == 1:
            _LOGGER.warning("the %s is away, trying again until it is back: %s", part, first_line(error))

    retrying = Retrying(
        retry=retry_if_exception_type((PyMongoError, ClassifierUnavailableError, SchemaError)),
        wait=wait_random_exponential(multiplier=0.2, max=5),
        stop=stop_when_event_set(stop),
        sleep=sleep_using_event(stop),
        before_sleep=report,
    )
    try:
        result = retrying(call)
    except RetryError as error:
        raise StoppedError from error
    if retrying.statistics.get("attempt_number", 1) > 1:
        _LOGGER.info("the %s is back", part)
    return result


@contextlib.contextmanager
def giving_up_when_stopped(database: Documents, stop: Event) -> Iterator[None]:
    """For the length of a block, end the waiting for the database soon after `stop` was set.

    An operation on a database that is away is tried by the driver itself for ten seconds, which is as long as
    containers get to end. What goes well ends long before it is given up.

    Args:
        database: Its connection is closed if the block goes on for too long after `stop`.
        stop: Tells to stop.
    """
    ended = Event()

    def give_up() -> None:
        stop.wait()
        if not ended.wait(_DRAIN_S):
            database.client.close()

    Thread(target=give_up, name="patience", daemon=True).start()
    try:
        yield
    finally:
        ended.set()


def first_line(error: BaseException | None) -> str:
    """The beginning of an error's text, without what the database's driver adds.

    That is its settings, its view of the whole topology, and the server's answer with the documents that it refused.
    """
    text = str(error) if error is not None else ""
    if isinstance(error, BulkWriteError):
        refused = error.details.get("writeErrors") or [{"errmsg": text}]
        text = str(refused[0]["errmsg"])
    text = text.split(" (configured timeouts", maxsplit=1)[0].split(", full error:", maxsplit=1)[0]
    return text.splitlines()[0][:_MAX_LENGTH] if text else repr(error)
