"""Patience with a database that is away."""

import logging
from collections.abc import Callable
from threading import Event
from typing import TypeVar

from pymongo.errors import PyMongoError
from tenacity import (
    RetryCallState,
    RetryError,
    Retrying,
    retry_if_exception_type,
    sleep_using_event,
    stop_when_event_set,
    wait_random_exponential,
)

__all__ = ["StoppedError", "first_line", "retry_while_away"]

_LOGGER = logging.getLogger(__name__)

_Result = TypeVar("_Result")


class StoppedError(Exception):
    """The process was told to stop while it waited for the database."""


def retry_while_away(stop: Event, call: Callable[[], _Result]) -> _Result:
    """Call until it works, with growing pauses, while the database is away.

    Args:
        stop: Ends the waiting.
        call: What to do; it may be done more than once.

    Raises:
        StoppedError: If `stop` was set before it worked.
    """

    def report(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome is not None else None
        if state.attempt_number == 1:
            _LOGGER.warning("the database is away, trying again until it is back: %s", first_line(error))

    retrying = Retrying(
        retry=retry_if_exception_type(PyMongoError),
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
        _LOGGER.info("the database is back")
    return result


def first_line(error: BaseException | None) -> str:
    """The beginning of an error's text; the driver adds its settings and its view of the whole topology."""
    return str(error).split(" (configured timeouts", maxsplit=1)[0].split("\n", maxsplit=1)[0]
