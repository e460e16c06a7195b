"""The sensors of a gateway as one small TOML file: read with the line of every mistake, written by `add`.

[[sensors]]
id = "left-wrist"
name = "Left wrist"
address = "F0:F1:F2:F3:F4:F5"
profile = "witmotion"
rate_hz = 50
mounting = ["-y", "x", "z"]
"""

import re
from collections.abc import Sequence
from pathlib import Path

import tomlkit
from pydantic import ValidationError
from tomlkit.exceptions import ParseError

from repsense.errors import RepSenseError
from repsense_ble_gateway.configuration import GatewayConfiguration, SensorConfiguration
from repsense_ble_gateway.profiles import ProfileError
from repsense_ble_gateway.profiles.registry import profile_named

__all__ = ["SensorsFileError", "add_sensor", "read_sensors"]

_HEADING = re.compile(r"\s*\[\[\s*sensors\s*\]\]")
_UNIQUE = ("id", "address", "ble_name")


class SensorsFileError(RepSenseError):
    """The file cannot be read, or what it says cannot be used; the text names the line."""


def read_sensors(path: Path) -> tuple[SensorConfiguration, ...]:
    """The sensors that a file names, in its order.

    Raises:
        SensorsFileError: If there is no such file, or anything in it is wrong.
    """
    text = _read(path)
    if text is None:
        msg = f"there is no {path}; `repsense-gateway scan` finds sensors and `repsense-gateway add` writes it"
        raise SensorsFileError(msg)
    return _parse(text, path)


def add_sensor(path: Path, sensor: SensorConfiguration) -> None:
    """Write a sensor at the end of a file, which is made if need be; what is there stays as it is.

    Raises:
        SensorsFileError: If the file is wrong already, or would be with this sensor.
        OSError: If it cannot be written.
    """
    text = _read(path) or ""
    _parse(text, path)
    table = tomlkit.table()
    table.update(sensor.model_dump(exclude_defaults=True))
    sensors = tomlkit.aot()
    sensors.append(table)
    section = tomlkit.document()
    section.append("sensors", sensors)
    separator = "" if not text else "\n" if text.endswith("\n") else "\n\n"
    addition = separator + section.as_string()
    _parse(text + addition, path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not the whole file anew: what somebody wrote must outlive a full disk.
    with path.open("a", encoding="utf-8") as file:
        file.write(addition)


def _read(path: Path) -> str | None:
    """What a file says; None if there is none."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path} cannot be read: {error}"
        raise SensorsFileError(msg) from error


def _parse(text: str, path: Path) -> tuple[SensorConfiguration, ...]:
    try:
        configuration = GatewayConfiguration.model_validate(tomlkit.parse(text).unwrap(), strict=False)
    except ParseError as error:
        msg = f"{path}, line {error.line}: this is not TOML ({str(error).partition(' at line')[0]})"
        raise SensorsFileError(msg) from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = first["loc"]
        key = ".".join(str(part) for part in place[2:] if isinstance(part, str)) or str(place[0] if place else "")
        reason = first["msg"].removeprefix("Value error, ")
        msg = f"{path}, line {_line(text, place)}: {key}: {reason}"
        raise SensorsFileError(msg) from error
    _check(configuration.sensors, text, path)
    return configuration.sensors


def _check(sensors: Sequence[SensorConfiguration], text: str, path: Path) -> None:
    """Refuse what is wrong between sensors, or with a sensor of its kind."""
    seen: dict[tuple[str, str], int] = {}
    for index, sensor in enumerate(sensors):
        for key in _UNIQUE:
            value = getattr(sensor, key)
            if value is None:
                continue
            first = seen.setdefault((key, value.lower()), index)
            if first != index:
                lines = [_line(text, ("sensors", place, key)) for place in (first, index)]
                msg = f"{path}, line {lines[1]}: {key} {value!r} is taken by the sensor on line {lines[0]}"
                raise SensorsFileError(msg)
        try:
            if sensor.profile is not None:
                profile_named(sensor.profile).check(sensor)
        except ProfileError as error:
            msg = f"{path}, line {_line(text, ('sensors', index, 'profile'))}: {error}"
            raise SensorsFileError(msg) from error


def _line(text: str, place: Sequence[str | int]) -> int:
    """The line of a value, counted from 1; that of its sensor's heading if the value is not there."""
    lines = text.splitlines()
    headings = [number for number, line in enumerate(lines) if _HEADING.match(line)]
    keys = [part for part in place if isinstance(part, str)]
    index = next((part for part in place if isinstance(part, int)), None)
    begin, end = 0, len(lines)
    if index is not None and index < len(headings):
        begin = headings[index]
        end = next((number for number in headings if number > begin), end)
    key = re.compile(rf"[\s\[]*[\"']?{re.escape(keys[-1] if keys else '')}[\"']?\s*[=\]]")
    return 1 + next((number for number in range(begin, end) if key.match(lines[number])), begin)
