"""Has Streamlit and its server log like everything else; by themselves they bring handlers and a form of their own."""

import logging

import streamlit.logger
import uvicorn.config

__all__ = ["hand_over_logs"]


def hand_over_logs() -> None:
    """Let what Streamlit and uvicorn log come to the root logger alone, before either of them starts."""
    # Neither takes a formatter: this is what Streamlit calls for each new logger, and what uvicorn sets up its own by.
    streamlit.logger.setup_formatter = _to_root
    for logger in streamlit.logger._loggers.values():  # noqa: SLF001 - those made when it was imported
        if handler := getattr(logger, "streamlit_console_handler", None):
            logger.removeHandler(handler)
        _to_root(logger)
    uvicorn.config.LOGGING_CONFIG.update(handlers={}, loggers={})


def _to_root(logger: logging.Logger) -> None:
    logger.propagate = True
