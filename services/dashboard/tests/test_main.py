"""Starting and stopping the dashboard."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr
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


@pytest.mark.parametrize(("name", "value"), [("DASHBOARD_PASSWORD", "secret1"), ("API_KEY", "two secrets")])
def test_a_bad_secret_is_one_sentence_that_does_not_tell_it(name: str, value: str) -> None:
    done = _start((sys.executable, "-m", "repsense_dashboard"), **{name: value})
    assert done.returncode == 2
    assert done.stderr.startswith(f"repsense-dashboard: {name} is not usable: ")
    assert done.stderr.count("\n") == 1
    assert value not in done.stderr


def test_a_folder_of_secrets_that_is_not_there_is_one_sentence() -> None:
    done = _start((sys.executable, "-m", "repsense_dashboard"), SECRETS_DIR="/nowhere/secrets")
    assert done.returncode == 2
    assert done.stderr.startswith("repsense-dashboard: SECRETS_DIR: there is no folder /nowhere/secrets: create it")
    assert done.stderr.count("\n") == 1


def test_secrets_come_from_files_and_the_environment_has_the_last_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "api_key").write_text("the-key-of-the-file\n")
    (tmp_path / "dashboard_password").write_text("barbell-rack")
    monkeypatch.setenv("SECRETS_DIR", str(tmp_path))
    monkeypatch.setenv("API_KEY", "the-key-of-the-environment")
    settings = Settings()
    assert settings.api_key == SecretStr("the-key-of-the-environment")
    assert settings.dashboard_password == SecretStr("barbell-rack")


@pytest.mark.parametrize("host", ["::", "192.168.1.7", "gym.example"])
def test_others_are_let_in_with_a_password_only(host: str) -> None:
    done = _start((sys.executable, "-m", "repsense_dashboard"), DASHBOARD_HOST=host, DASHBOARD_PASSWORD="")
    assert done.returncode == 2
    assert f"On {host} everybody" in done.stderr
    assert "DASHBOARD_PASSWORD" in done.stderr
    assert done.stderr.count("\n") == 1


def test_with_a_password_it_listens_where_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DASHBOARD_HOST", "192.168.1.7")
    monkeypatch.setenv("DASHBOARD_PASSWORD", "barbell-rack")
    settings = Settings()
    assert settings.dashboard_host == "192.168.1.7"
    assert "barbell" not in repr(settings)


@pytest.mark.parametrize("command", _COMMANDS)
def test_a_port_that_is_taken_is_one_sentence(command: tuple[str, ...]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        done = _start(command, DASHBOARD_PORT=port)
    assert done.returncode == 2
    assert port in done.stderr
    assert "DASHBOARD_PORT" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_when_it_is_told_to_and_that_is_no_failure(api_url: str, number: signal.Signals) -> None:
    with running_dashboard(api_url) as (process, _url):
        process.send_signal(number)
        assert process.wait(10) == 0


def test_the_address_of_the_api_has_no_final_slash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_URL", "http://gym.example:8000/")
    assert Settings().api_url == "http://gym.example:8000"


def test_streamlit_knows_every_option() -> None:
    from streamlit import config  # noqa: PLC0415  (reads its configuration as it is imported)

    known = config.get_config_options()
    assert set(streamlit_config(host="127.0.0.1", port=8501, log_level="INFO")) <= set(known)
