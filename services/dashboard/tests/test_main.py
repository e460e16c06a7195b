"""Starting and stopping the dashboard."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from services.dashboard.tests.browser import running_dashboard

from repsense_dashboard.appearance import streamlit_config
from repsense_dashboard.settings import Settings

_COMMANDS = [
    pytest.param((sys.executable, "-m", "repsense_dashboard"), id="module"),
    pytest.param((str(Path(sys.executable).with_name("repsense-dashboard")),), id="script"),
]


def _start(command: tuple[str, ...], **settings: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, env=os.environ | settings, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("API_URL", "nonsense"),
        ("API_URL", "ftp://host"),
        ("DASHBOARD_PORT", "0"),
        ("DASHBOARD_PORT", "http"),
        ("LOG_LEVEL", "LOUD"),
    ],
)
def test_a_bad_setting_is_one_sentence(name: str, value: str) -> None:
    done = _start((sys.executable, "-m", "repsense_dashboard"), **{name: value})
    assert done.returncode == 2
    assert done.stderr.startswith(f"repsense-dashboard: {name} is not usable: ")
    assert done.stderr.count("\n") == 1
    assert value in done.stderr


@pytest.mark.parametrize("command", _COMMANDS)
def test_a_port_that_is_taken_is_one_sentence(command: tuple[str, ...]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        done = _start(command, DASHBOARD_PORT=port)
    assert done.returncode == 2
    assert port in done.stderr
    assert "DASHBOARD_PORT" in done.stderr
    assert done.stderr.count("\n") == 1


def test_sigterm_stops_it(api_url: str) -> None:
    with running_dashboard(api_url) as (process, _url):
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) in (0, -signal.SIGTERM)


def test_the_address_of_the_api_has_no_final_slash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_URL", "http://gym.example:8000/")
    assert Settings().api_url == "http://gym.example:8000"


def test_streamlit_knows_every_option() -> None:
    from streamlit import config  # noqa: PLC0415  (reads its configuration as it is imported)

    known = config.get_config_options()
    assert set(streamlit_config(host="127.0.0.1", port=8501, log_level="INFO")) <= set(known)
