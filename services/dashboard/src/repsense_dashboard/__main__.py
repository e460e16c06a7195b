"""Starts the dashboard: `repsense-dashboard` or `python -m repsense_dashboard`."""

import logging
import socket
import sys
from pathlib import Path

import streamlit as st
from pydantic import ValidationError

from repsense_dashboard.appearance import streamlit_config
from repsense_dashboard.components.notice import notice
from repsense_dashboard.settings import Settings

_LOGGER = logging.getLogger(__name__)


def main() -> None:
    """Serve the dashboard until SIGINT or SIGTERM; exit with 2 if the settings or the port do not allow it."""
    try:
        settings = Settings()
    except ValidationError as error:
        first = error.errors()[0]
        sys.exit(_fail(f"{str(first['loc'][0]).upper()} is not usable: {first['msg']} (it is {first['input']!r})."))
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    # One line per request would be five per second and page.
    logging.getLogger("httpx").setLevel(logging.WARNING)

    host, port = settings.dashboard_host, settings.dashboard_port
    try:
        _check_address(host, port)
    except OSError as error:
        reason = error.strerror or str(error)
        sys.exit(_fail(f"The dashboard cannot listen on {host}:{port}: {reason}. Choose another DASHBOARD_PORT."))

    _LOGGER.info("dashboard on http://%s:%d, API %s", host, port, settings.api_url)
    st.App(Path(__file__).with_name("app.py"), on_script_error=_show_script_error).run(
        config=streamlit_config(host=host, port=port, log_level=settings.log_level)
    )


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
