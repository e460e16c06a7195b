from pathlib import Path

import pytest

from repsense_ble_gateway.configuration import SensorConfiguration
from repsense_ble_gateway.sensors_file import SensorsFileError, add_sensor, read_sensors

_TWO = """\
# The attic.
[[sensors]]
id = "left-wrist"
name = "Left wrist"   # mine
address = "F0:F1:F2:F3:F4:F5"
profile = "witmotion"
rate_hz = 50
mounting = ["-y", "x", "z"]

[[sensors]]
id = "ankle"
ble_name = "Movesense 1234"
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "gateway.toml"


def test_sensors_are_read_in_their_order(path: Path) -> None:
    path.write_text(_TWO)
    wrist, ankle = read_sensors(path)
    assert (wrist.id, wrist.title, wrist.place) == ("left-wrist", "Left wrist", "F0:F1:F2:F3:F4:F5")
    assert (wrist.profile, wrist.rate_hz, wrist.mounting) == ("witmotion", 50, ("-y", "x", "z"))
    assert (ankle.id, ankle.title, ankle.place) == ("ankle", "ankle", 'a sensor named "Movesense 1234"')


@pytest.mark.parametrize(
    ("before", "after", "line", "reason"),
    [
        ('"left-wrist"', '"Left Wrist"', 3, "id: String should match pattern"),
        ("rate_hz = 50", "rate_hz = -1", 7, "rate_hz: Input should be greater than 0"),
        ("rate_hz = 50", "rate_hz = 60", 6, "60"),
        ('["-y", "x", "z"]', '["-y", "x", "-z"]', 8, "mounting: the mounting -y, x, -z would mirror"),
        ('["-y", "x", "z"]', '["y", "x"]', 8, "mounting: Field required"),
        ('"witmotion"', '"fitbit"', 6, "witmotion"),
        ("rate_hz = 50", "rate = 50", 7, "rate: Extra inputs are not permitted"),
        ('id = "ankle"', 'id = "left-wrist"', 11, "id 'left-wrist' is taken by the sensor on line 3"),
        (
            'ble_name = "Movesense 1234"',
            'address = "f0:f1:f2:f3:f4:f5"',
            12,
            "address 'f0:f1:f2:f3:f4:f5' is taken by the sensor on line 5",
        ),
        ('ble_name = "Movesense 1234"', "", 10, "give either address or ble_name"),
        ('[[sensors]]\nid = "ankle"', '[[sensor]]\nid = "ankle"', 10, "sensor: Extra inputs"),
        ("rate_hz = 50", "rate_hz = fifty", 7, "this is not TOML"),
    ],
)
def test_a_mistake_is_named_with_its_line(path: Path, before: str, after: str, line: int, reason: str) -> None:
    assert before in _TWO
    path.write_text(_TWO.replace(before, after))
    with pytest.raises(SensorsFileError) as caught:
        read_sensors(path)
    assert str(caught.value).startswith(f"{path}, line {line}: ")
    assert reason in str(caught.value)


def test_a_file_that_is_not_there_is_made_by_add(path: Path) -> None:
    with pytest.raises(SensorsFileError, match=r"repsense-gateway add"):
        read_sensors(path)
    sensor = SensorConfiguration(
        id="wrist", address="AA:BB:CC:DD:EE:FF", name='The "big" one', mounting=("y", "-x", "z")
    )
    add_sensor(path, sensor)
    assert read_sensors(path) == (sensor,)


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_add_leaves_what_is_there_as_it_is(path: Path, newline: str) -> None:
    there = _TWO.replace("\n", newline).encode()
    path.write_bytes(there)
    add_sensor(path, SensorConfiguration(id="chest", address="AA:BB:CC:DD:EE:FF"))
    assert path.read_bytes().startswith(there)
    assert [sensor.id for sensor in read_sensors(path)] == ["left-wrist", "ankle", "chest"]


def test_a_sensor_that_would_be_a_mistake_is_not_added(path: Path) -> None:
    path.write_text(_TWO)
    with pytest.raises(SensorsFileError, match="is taken by the sensor on line 11"):
        add_sensor(path, SensorConfiguration(id="ankle", address="AA:BB:CC:DD:EE:FF"))
    assert path.read_text() == _TWO


def test_a_file_that_is_wrong_already_is_not_made_longer(path: Path) -> None:
    path.write_text("[[sensors]]\nid = 3\n")
    with pytest.raises(SensorsFileError, match="line 2"):
        add_sensor(path, SensorConfiguration(id="chest", address="AA:BB:CC:DD:EE:FF"))
    assert path.read_text() == "[[sensors]]\nid = 3\n"


def test_a_file_that_is_no_text_is_refused(path: Path) -> None:
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(SensorsFileError, match="cannot be read"):
        read_sensors(path)
    with pytest.raises(SensorsFileError, match="cannot be read"):
        add_sensor(path, SensorConfiguration(id="chest", address="AA:BB:CC:DD:EE:FF"))
