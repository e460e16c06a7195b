"""Patience with the database or the model server while it is away; needs the extra `mongodb`."""

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

from repsense.errors import ClassifierUnavailableError

__all__ = ["StoppedError", "first_line", "retry_while_away"]

_LOGGER = logging.getLogger(__name__)
_MAX_LENGTH = 200

_Result = TypeVar("_Result")


class StoppedError(Exception):
    """The process was told to stop while it waited for a part that is away."""


def retry_while_away(
    stop: Event, part: str, call: Callable[[], _Result], on_retry: Callable[[], None] | None = None
) -> _Result:
    """Call until it works, with growing pauses, while the database or the model server is away.

    Args:
        stop: Ends the waiting.
        part: What is called, for the log.
        call: What to do; it may be done more than once.
        on_retry: Called before each pause.

    Raises:
        StoppedError: If `stop` was set before it worked.
    """

    def report(state: RetryCallState) -> None:
        if on_retry is not None:
            on_retry()
        error = state.outcome.exception() if state.outcome is not None else None
        if state.attempt_number == 1:
            _LOGGER.warning("the %s is away, trying again until it is back: %s", part, first_line(error))

    retrying = Retrying(
        retry=retry_if_exception_type((PyMongoError, ClassifierUnavailableError)),
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


def first_line(error: BaseException | None) -> str:
    """The beginning of an error's text; the database's driver adds its settings and its view of the whole topology."""
    text = str(error) if error is not None else ""
    return text.split(" (configured timeouts", maxsplit=1)[0].splitlines()[0][:_MAX_LENGTH] if text else repr(error)
