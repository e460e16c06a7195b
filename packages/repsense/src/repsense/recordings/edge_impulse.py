"""Edge Impulse: its data acquisition format, JSON, one file per recording.

Sources: https://docs.edgeimpulse.com/reference/data-ingestion/data-acquisition-format (the format, which is signed or,
with the algorithm "none", is not) and https://docs.edgeimpulse.com/docs/edge-impulse-studio/data-acquisition/uploader
(the label is the file's name up to its first dot). The names and units of axes are those of Edge Impulse's firmware.
Its binary form, CBOR, is not read.
"""

import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import unquote

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from repsense.channels import ACCELERATION, ANGULAR_RATE, MAGNETIC_FIELD, Channel
from repsense.errors import RecordingError
from repsense.labels import Label
from repsense.recordings.recording import Recording, activity_label, as_samples, check_recording, recording_id
from repsense.recordings.writing import replacing

__all__ = ["edge_impulse_name", "read_edge_impulse", "write_edge_impulse"]

_STANDARD_GRAVITY = 9.80665
_DEGREE = math.pi / 180

_KINDS: dict[str, tuple[str, tuple[Channel, ...], dict[str, float]]] = {
    "acceleration": (
        r"a|acc|accel|accelerometer",
        ACCELERATION,
        {"m/s2": 1, "m/s^2": 1, "m/s²": 1, "g": _STANDARD_GRAVITY, "mg": _STANDARD_GRAVITY / 1000},
    ),
    "angular rate": (
        r"g|gyr|gyro|gyroscope",
        ANGULAR_RATE,
        {"rad/s": 1, "dps": _DEGREE, "deg/s": _DEGREE, "degrees/s": _DEGREE, "°/s": _DEGREE, "mdps": _DEGREE / 1000},
    ),
    "magnetic field": (
        r"m|mag|magn|magnetometer",
        MAGNETIC_FIELD,
        {"ut": 1, "µt": 1, "μt": 1, "mt": 1000, "t": 1e6, "gauss": 100, "g": 100, "gs": 100, "mgauss": 0.1, "mg": 0.1},
    ),
}
"""Per kind of sensor: how its axes are called, its channels, and SI units per unit (in lower case)."""

_NAMES: dict[Channel, str] = {
    channel: f"{prefix}{axis}"
    for prefix, channels in (("acc", ACCELERATION), ("gyr", ANGULAR_RATE), ("mag", MAGNETIC_FIELD))
    for channel, axis in zip(channels, "XYZ", strict=True)
}
_UNITS: dict[Channel, str] = {
    channel: unit
    for unit, channels in (("m/s2", ACCELERATION), ("rad/s", ANGULAR_RATE), ("uT", MAGNETIC_FIELD))
    for channel in channels
}
_DEVICE_TYPE = "REPSENSE"
"""Stands for a sensor of which nothing is known."""
_UNLABELLED = "unlabelled"
_ID_DIGITS = 12
_RATE_DIGITS = 12
"""Significant digits of a rate; the format has the interval, and 1 / (1 / rate) is not always the rate."""


class _Part(BaseModel):
    # Strict: a number that stands in quotes is a mistake, and true is no number.
    model_config = ConfigDict(frozen=True, strict=True)


class _Protected(_Part):
    ver: Literal["v1"]
    alg: str


class _Axis(_Part):
    name: str
    units: str


class _Payload(_Part):
    device_name: str | None = None
    device_type: str
    interval_ms: Annotated[FiniteFloat, Field(gt=0)]
    sensors: Annotated[tuple[_Axis, ...], Field(min_length=1)]
    values: list[list[FiniteFloat]] | list[FiniteFloat]
    """A sensor with one axis may leave out the inner lists."""


class _Acquisition(_Part):
    protected: _Protected
    signature: str = ""
    payload: _Payload


def read_edge_impulse(path: Path, *, label: Label | None = None) -> Recording:
    """Read a recording in the data acquisition format. The signature is not checked: that would need its secret.

    Args:
        path: A .json file. Its name is `<label>.<anything>.json`, or `<label>.<subject>.<session>.<id>.json` as
            `edge_impulse_name` makes it; "push-up (incorrect)" is an exercise with its form.
        label: Instead of the one in the name.

    Raises:
        RecordingError: If the file is not in this format or has an axis or a unit that RepSense does not know.
    """
    try:
        acquisition = _Acquisition.model_validate_json(path.read_bytes())
    except OSError as error:
        msg = f"cannot read {path}: {error}"
        raise RecordingError(msg) from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        if first["loc"][:2] == ("payload", "values"):
            reason = "payload.values: each sample must be a list of finite numbers"
        else:
            reason = ": ".join([".".join(str(part) for part in first["loc"]), first["msg"]]).removeprefix(": ")
        msg = f"{path} is not in Edge Impulse's format: {reason}"
        raise RecordingError(msg) from error
    payload = acquisition.payload
    axes = [_axis(path, axis) for axis in payload.sensors]
    rows = [row if isinstance(row, list) else [row] for row in payload.values]
    if not rows:
        msg = f"{path} has no samples"
        raise RecordingError(msg)
    for number, row in enumerate(rows, start=1):
        if len(row) != len(axes):
            msg = f"{path}: sample {number} has {len(row)} values for {len(axes)} axes"
            raise RecordingError(msg)
    named_label, subject, session = _named(path)
    recording = Recording(
        as_samples(np.array(rows, dtype=np.float64) * [factor for _, factor in axes]),
        tuple(channel for channel, _ in axes),
        float(f"{1000 / payload.interval_ms:.{_RATE_DIGITS}g}"),
        label or named_label,
        subject,
        session,
        sensor=None if payload.device_type == _DEVICE_TYPE else payload.device_type,
        attributes={"device_name": payload.device_name} if payload.device_name else {},
    )
    try:
        check_recording(recording)
    except RecordingError as error:
        msg = f"{path}: {error}"
        raise RecordingError(msg) from error
    return recording


def edge_impulse_name(recording: Recording) -> str:
    """The name of a recording's file: `<label>.<subject>.<session>.<id>.json`.

    Edge Impulse reads the label from it. Characters that could disturb are written as in URLs.
    """
    label = _UNLABELLED if recording.label is None else str(recording.label)
    parts = [_quoted(text or "") for text in (label, recording.subject, recording.session)]
    return ".".join([*parts, recording_id(recording)[:_ID_DIGITS], "json"])


def write_edge_impulse(folder: Path, recordings: Sequence[Recording]) -> list[Path]:
    """Write each recording to a file in the data acquisition format, unsigned; return the files.

    The format has no room for when a recording began, how long the activity had been going on, and attributes but
    "device_name": these are lost. Of the rate, twelve digits are kept.

    Args:
        folder: Made if it is not there. Files in it that have other names stay.
        recordings: What to write.

    Raises:
        RecordingError: If a recording cannot be written, or a file cannot.
    """
    for recording in recordings:
        check_recording(recording)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"cannot write to {folder}: {error}"
        raise RecordingError(msg) from error
    paths = []
    for recording in recordings:
        path = folder / edge_impulse_name(recording)
        with replacing(path) as partial:
            partial.write_text(json.dumps(_document(recording)), encoding="utf-8")
        paths.append(path)
    return paths


def _document(recording: Recording) -> dict[str, object]:
    payload = {
        "device_type": recording.sensor or _DEVICE_TYPE,
        "interval_ms": 1000 / recording.sample_rate_hz,
        "sensors": [{"name": _NAMES[channel], "units": _UNITS[channel]} for channel in recording.channels],
        # By way of text: as few digits as tell a float32 from its neighbours, not those of the same float64.
        "values": recording.samples.astype(np.str_).astype(np.float64).tolist(),
    }
    if recording.attributes.get("device_name"):
        payload["device_name"] = recording.attributes["device_name"]
    return {"protected": {"ver": "v1", "alg": "none"}, "signature": "", "payload": payload}


def _axis(path: Path, axis: _Axis) -> tuple[Channel, float]:
    """An axis' channel, and SI units per unit."""
    for kind, (names, channels, units) in _KINDS.items():
        match = re.fullmatch(rf"(?:{names})[ ._-]?([xyz])", axis.name.strip().lower())
        if match is None:
            continue
        # Firmware pads units with spaces.
        factor = units.get(axis.units.strip().lower())
        if factor is None:
            known = ", ".join(units)
            msg = f"{path}: axis {axis.name!r} has the unit {axis.units!r}; for {kind} it must be one of {known}"
            raise RecordingError(msg)
        return channels["xyz".index(match[1])], factor
    msg = f"{path}: RepSense does not know the axis {axis.name!r}; it knows {', '.join(_NAMES.values())}"
    raise RecordingError(msg)


def _named(path: Path) -> tuple[Label | None, str | None, str | None]:
    """Label, subject and session, as the name says."""
    parts = path.name.split(".")
    is_own = re.fullmatch(rf"[^.]+(\.[^.]*){{2}}\.[0-9a-f]{{{_ID_DIGITS}}}\.json", path.name) is not None
    text = unquote(parts[0]) if is_own else parts[0]
    subject, session = (unquote(part) or None for part in parts[1:3]) if is_own else (None, None)
    if text == _UNLABELLED:
        return None, subject, session
    with_form = re.fullmatch(r"(.+) \((.+)\)", text)
    return activity_label(*with_form.groups()) if with_form else activity_label(text), subject, session


def _quoted(text: str) -> str:
    return "".join(
        character
        if character.isalnum() or character in " _-()"
        else "".join(f"%{byte:02X}" for byte in character.encode())
        for character in text
    )
