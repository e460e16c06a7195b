"""How every service logs: a line of text for people, or one JSON object per line for what collects logs.

    {"time": "2026-11-26T09:12:20.041Z", "level": "INFO", "logger": "repsense_trainer", "message": "stopped"}

An exception is in `exception`; what is given as `extra` is there under its own name.
"""

import logging
import sys
import threading
from datetime import UTC, datetime
from types import TracebackType
from typing import Literal, TextIO

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

__all__ = ["TEXT", "LogFormat", "configure_logging"]

LogFormat = Literal["text", "json"]
"""The setting LOG_FORMAT."""

TEXT = "%(levelname)s %(message)s"
"""Without the time, which whoever starts a service natively adds."""

_LOGGER = logging.getLogger("repsense")
_COLOURED_COPY = "color_message"
"""An extra of uvicorn's: the message once more, with colours."""


class _JsonFormatter(JsonFormatter):
    def __init__(self) -> None:
        super().__init__(
            ["asctime", "levelname", "name", "message"],
            rename_fields={
                "asctime": "time",
                "levelname": "level",
                "name": "logger",
                "exc_info": "exception",
                "stack_info": "stack",
            },
            reserved_attrs=[*RESERVED_ATTRS, _COLOURED_COPY],
            json_ensure_ascii=False,
        )

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: ARG002, N802 - logging's
        moment = datetime.fromtimestamp(record.created, UTC)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def configure_logging(
    level: int | str, log_format: LogFormat, *, text: str = TEXT, stream: TextIO | None = None
) -> None:
    """Have everything that this process logs written in one form; called once, in `__main__`.

    As JSON, warnings and exceptions that nobody caught are lines too.

    Args:
        level: What is logged, and what is worse.
        log_format: For people or for programs.
        text: The form for people, as `logging.Formatter` takes it.
        stream: Where to; by default standard output.
    """
    handler = logging.StreamHandler(sys.stdout if stream is None else stream)
    handler.setFormatter(_JsonFormatter() if log_format == "json" else logging.Formatter(text))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    if log_format == "json":
        logging.captureWarnings(capture=True)
        sys.excepthook = _log_uncaught
        threading.excepthook = _log_uncaught_in_thread


def _log_uncaught(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, traceback)
    else:
        _LOGGER.critical("the process ends by an error", exc_info=(kind, error, traceback))


def _log_uncaught_in_thread(failure: threading.ExceptHookArgs) -> None:
    if failure.exc_value is not None:
        name = failure.thread.name if failure.thread is not None else "?"
        _LOGGER.critical(
            "the thread %s ends by an error",
            name,
            exc_info=(failure.exc_type, failure.exc_value, failure.exc_traceback),
        )
