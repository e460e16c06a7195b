import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from repsense.topics import ID_PATTERN
from repsense_ble_gateway import __main__ as command_line
from repsense_ble_gateway.options import as_id

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


def test_an_id_made_of_any_text_is_safe() -> None:
    for text in ("Ann's MacBook.local", "x" * 100, "pi-4", "F0:F1:F2:F3:F4:F5"):
        assert re.fullmatch(ID_PATTERN, as_id(text))
    assert as_id("___") == ""
