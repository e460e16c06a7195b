"""Starts the dashboard: `repsense-dashboard` or `python -m repsense_dashboard`."""

import asyncio
import contextlib
import logging
import signal
import socket
import sys
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from types import FrameType

import streamlit as st
from prometheus_client import REGISTRY
from pydantic import ValidationError
from pydantic_settings import SettingsError

from repsense.condition import Condition
from repsense.errors import RepSenseError
from repsense.logs import configure_logging
from repsense.operations import serving_operations, show_build
from repsense_dashboard.access import Access
from repsense_dashboard.appearance import streamlit_config
from repsense_dashboard.components.notice import notice
from repsense_dashboard.gate import gates, login_routes
from repsense_dashboard.metrics import SessionFigures, pages_problem
from repsense_dashboard.settings import Settings
from repsense_dashboard.streamlit_logs import hand_over_logs

_LOGGER = logging.getLogger(__name__)

_LOG_LINE = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_PULSE_S = 1.0
_SECRETS = ("API_KEY", "DASHBOARD_PASSWORD")


def main() -> None:
    """Serve the dashboard until SIGINT or SIGTERM; exit with 2 if the settings or the port do not allow it."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _exit)
    try:
        settings = Settings()
    except ValidationError as error:
        sys.exit(_fail(_in_words(error)))
    except (SettingsError, RepSenseError) as error:
        sys.exit(_fail(f"{error}."))
    except OSError as error:
        sys.exit(_fail(f"SECRETS_DIR: {error.filename} cannot be read: {error.strerror}."))
    configure_logging(settings.log_level, settings.log_format, text=_LOG_LINE, stream=sys.stderr)
    if settings.log_format == "json":
        hand_over_logs()
    # One line per request would be five per second and page.
    logging.getLogger("httpx").setLevel(logging.WARNING)

    host, port = settings.dashboard_host, settings.dashboard_port
    try:
        _check_address(host, port)
    except OSError as error:
        reason = error.strerror or str(error)
        sys.exit(_fail(f"The dashboard cannot listen on {host}:{port}: {reason}. Choose another DASHBOARD_PORT."))

    _LOGGER.info("dashboard on http://%s:%d, API %s", host, port, settings.api_url)
    access = Access(settings.dashboard_password.get_secret_value()) if settings.dashboard_password else None
    condition = Condition(("pages",))
    condition.watch("pages", pages_problem)
    app = st.App(
        Path(__file__).with_name("app.py"),
        lifespan=partial(_pulse, condition),
        routes=login_routes(access) if access else None,
        middleware=gates(access),
        on_script_error=_show_script_error,
    )
    with contextlib.ExitStack() as opened:
        if settings.metrics_port:
            show_build("dashboard")
            REGISTRY.register(SessionFigures())
            try:
                opened.enter_context(serving_operations(settings.metrics_host, settings.metrics_port, condition))
            except RepSenseError as error:
                sys.exit(_fail(f"The dashboard {error}."))
        app.run(config=streamlit_config(host=host, port=port, log_level=settings.log_level))


@contextlib.asynccontextmanager
async def _pulse(condition: Condition, _app: st.App) -> AsyncIterator[None]:
    """Note, for as long as the server runs, that its event loop does."""

    async def beat() -> None:
        while True:
            condition.move()
            await asyncio.sleep(_PULSE_S)

    beating = asyncio.create_task(beat(), name="pulse")
    try:
        yield
    finally:
        beating.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await beating


def _exit(_number: int, _frame: FrameType | None) -> None:
    """Also what the server raises again once it has stopped: a dashboard that was told to end ended well."""
    sys.exit(0)


def _in_words(error: ValidationError) -> str:
    """Return what is wrong with the settings in one sentence, without the secrets among them."""
    first = error.errors()[0]
    reason = first["msg"].removeprefix("Value error, ")
    if not first["loc"]:
        return f"{reason}."
    name = str(first["loc"][0]).upper()
    value = "" if name in _SECRETS else f" (it is {first['input']!r})"
    return f"{name} is not usable: {reason}{value}."


def _fail(sentence: str) -> int:
    """Say in one sentence why there is no dashboard."""
    print(f"repsense-dashboard: {sentence}", file=sys.stderr)  # noqa: T201  (a command's answer, not a log line)
    return 2


def _check_address(host: str, port: int) -> None:
    """Bind and let go: Streamlit reports a taken port in the middle of its start, with its own words.

    Raises:
        OSError: If nothing can listen there.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)


def _show_script_error(_error: Exception) -> bool:
    """Show a sentence in place of a page that failed; Streamlit has written the rest to the log."""
    advice = "This is a fault of the dashboard; its log says more. Reload the page if it does not come back by itself."
    st.html(notice("alert", "This page failed", advice))
    return True


if __name__ == "__main__":
    main()
