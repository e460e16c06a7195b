import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from repsense.topics import ID_PATTERN
from repsense_ble_gateway import __main__ as command_line
from repsense_ble_gateway.options import as_id
from repsense_ble_gateway.sensors_file import read_sensors

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
        (["simulator", "--only", "yoga"], "nobody is simulated doing that; there is push-up (correct)"),
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


def test_a_sensor_that_is_added_is_in_the_configuration(tmp_path: Path) -> None:
    config = tmp_path / "settings" / "gateway.toml"
    arguments = ["add", "F0:F1:F2:F3:F4:F5", "--id", "left-wrist", "--mounting=-y,x,z", "--config", str(config)]
    result = _RUNNER.invoke(command_line._app, arguments)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith(f"left-wrist (F0:F1:F2:F3:F4:F5) is in {config}")
    [sensor] = read_sensors(config)
    assert (sensor.id, sensor.address, sensor.mounting) == ("left-wrist", "F0:F1:F2:F3:F4:F5", ("-y", "x", "z"))


def test_a_sensor_may_be_added_by_the_name_that_it_advertises(tmp_path: Path) -> None:
    config = tmp_path / "gateway.toml"
    result = _RUNNER.invoke(command_line._app, ["add", "Movesense 1234", "--rate-hz", "52", "--config", str(config)])
    assert result.exit_code == 0, result.stderr
    [sensor] = read_sensors(config)
    assert (sensor.id, sensor.ble_name, sensor.rate_hz) == ("movesense-1234", "Movesense 1234", 52)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["run", "--config", "{config}"], "`repsense-gateway scan` finds sensors"),
        (["run", "--config", "{empty}"], "names no sensor"),
        (["run", "--config", "{wrong}"], "line 2: id: "),
        (
            ["add", "F0:F1:F2:F3:F4:F5", "--mounting", "x,y,up", "--config", "{config}"],
            "a mounting names three",
        ),
        (["add", "F0:F1:F2:F3:F4:F5", "--profile", "fitbit", "--config", "{config}"], "witmotion"),
        (["add", "F0:F1:F2:F3:F4:F5", "--id", "Left Wrist", "--config", "{config}"], "id: "),
    ],
)
def test_a_mistake_about_sensors_is_one_sentence(tmp_path: Path, arguments: list[str], sentence: str) -> None:
    files = {name: tmp_path / f"{name}.toml" for name in ("config", "empty", "wrong")}
    files["empty"].write_text("")
    files["wrong"].write_text("[[sensors]]\nid = 3\n")
    result = _RUNNER.invoke(command_line._app, [text.format(**files) for text in arguments])
    assert result.exit_code == 2
    assert sentence in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not files["config"].exists()


@pytest.mark.parametrize("name", ["MQTT_URL", "GATEWAY_ID", "SENSOR_ID"])
def test_options_come_from_the_environment_too(name: str) -> None:
    result = _RUNNER.invoke(command_line._app, ["simulator"], env={name: "not/valid/"})
    assert result.exit_code == 2


def test_the_broker_is_found_in_a_file_of_secrets(tmp_path: Path) -> None:
    (tmp_path / "mqtt_url").write_text("mqtts://gateway-attic:hush@gym.local:port\n")
    result = _RUNNER.invoke(command_line._app, ["simulator"], env={"SECRETS_DIR": str(tmp_path)})
    assert (result.exit_code, "MQTT_URL must look like" in result.stderr) == (2, True)
    assert "hush" not in result.stderr


def test_an_authority_that_is_not_there_is_a_mistake_in_words(tmp_path: Path) -> None:
    arguments = ["simulator", "--mqtt-url", "mqtts://gym.local", "--mqtt-ca-file", str(tmp_path / "broker-ca.crt")]
    result = _RUNNER.invoke(command_line._app, arguments)
    assert result.exit_code == 2
    assert result.stderr == f"error: MQTT_CA_FILE: cannot read {tmp_path}/broker-ca.crt (No such file or directory).\n"


def test_an_id_made_of_any_text_is_safe() -> None:
    for text in ("Ann's MacBook.local", "x" * 100, "pi-4", "F0:F1:F2:F3:F4:F5"):
        assert re.fullmatch(ID_PATTERN, as_id(text))
    assert as_id("___") == ""
