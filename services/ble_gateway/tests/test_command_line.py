import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from repsense_ble_gateway import __main__ as command_line

_RUNNER = CliRunner()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "r.csv"
    path.write_text("session,t,ax,ay,az\n1,0.0,0,0,9.8\n1,0.5,0,0,9.8\n")
    return path


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["simulator", "--mqtt-url", "http://x"], "MQTT_URL must look like"),
        (["simulator", "--gateway-id", "My Gateway"], "'My Gateway' cannot be an id"),
        (["simulator", "--sensor-id", "a/b"], "'a/b' cannot be an id"),
        (["replay", "{missing}"], "cannot read"),
        (["replay", "{file}", "--select", "session"], "--select takes COLUMN=VALUE"),
        (["replay", "{file}", "--select", "session=2"], "has session=2; there is 1"),
        (["replay", "{file}", "--speed", "2", "--loop"], "--loop goes with a speed of at most 1"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(file: Path, arguments: list[str], sentence: str) -> None:
    filled = [text.format(missing=file.with_name("missing.csv"), file=file) for text in arguments]
    result = _RUNNER.invoke(command_line._app, filled)
    assert result.exit_code == 2
    assert sentence in result.stderr
    assert result.stderr.startswith("error: ")
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("name", ["MQTT_URL", "GATEWAY_ID", "SENSOR_ID"])
def test_options_come_from_the_environment_too(name: str) -> None:
    result = _RUNNER.invoke(command_line._app, ["simulator"], env={name: "not/valid/"})
    assert result.exit_code == 2


def test_the_default_gateway_id_is_safe_whatever_the_host_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    for hostname in ("Ann's MacBook.local", "___", "x" * 100, "pi-4"):
        monkeypatch.setattr("socket.gethostname", lambda hostname=hostname: hostname)
        assert re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", command_line._hostname_as_id())
