import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from support.recordings import any_recordings, make_recording

from repsense.channels import Channel
from repsense.errors import RecordingError
from repsense.labels import Label
from repsense.recordings import Recording
from repsense.recordings.edge_impulse import edge_impulse_name, read_edge_impulse, write_edge_impulse


def write(path: Path, *, alg: str = "none", **payload: object) -> Path:
    """A file as the documentation shows it, with changes to its payload."""
    document = {
        "protected": {"ver": "v1", "alg": alg, "iat": 1_564_128_599},
        "signature": "0" * 64,
        "payload": {
            "device_name": "ac:87:a3:0a:2d:1b",
            "device_type": "DISCO-L475VG-IOT01A",
            "interval_ms": 10,
            "sensors": [{"name": f"acc{axis}", "units": "m/s2"} for axis in "XYZ"],
            "values": [[-9.81, 0.03, 1.21], [-9.83, 0.04, 1.27]],
        }
        | payload,
    }
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def test_a_file_as_the_documentation_shows_it_is_read(tmp_path: Path) -> None:
    recording = read_edge_impulse(write(tmp_path / "wave.2abc.json", alg="HS256"))

    assert recording.channels == (Channel.AX, Channel.AY, Channel.AZ)
    assert recording.sample_rate_hz == 100
    assert recording.label == Label(exercise="wave")
    assert (recording.subject, recording.session) == (None, None)
    assert recording.sensor == "DISCO-L475VG-IOT01A"
    assert recording.attributes == {"device_name": "ac:87:a3:0a:2d:1b"}
    np.testing.assert_allclose(recording.samples, [[-9.81, 0.03, 1.21], [-9.83, 0.04, 1.27]], rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "unit", "channel", "factor"),
    [
        ("accX", "m/s2", Channel.AX, 1),
        ("accel_y", "g", Channel.AY, 9.80665),
        ("AccZ", "mg", Channel.AZ, 0.00980665),
        ("gyrX", "dps", Channel.GX, math.pi / 180),
        ("gyrY", "degrees/s", Channel.GY, math.pi / 180),
        ("gyro.z", "rad/s", Channel.GZ, 1),
        # Firmware pads units.
        ("magX", "uT  ", Channel.MX, 1),
        ("magY", "Gauss", Channel.MY, 100),
        ("magZ", "mT", Channel.MZ, 1000),
    ],
)
def test_names_and_units_become_channels_in_si_units(
    tmp_path: Path, name: str, unit: str, channel: Channel, factor: float
) -> None:
    path = write(tmp_path / "a.json", sensors=[{"name": name, "units": unit}], values=[1, -2.5])

    recording = read_edge_impulse(path)

    assert recording.channels == (channel,)
    np.testing.assert_allclose(recording.samples, [[factor], [-2.5 * factor]], rtol=1e-6)


@pytest.mark.parametrize(
    ("payload", "complaint"),
    [
        ({"sensors": [{"name": "temp", "units": "C"}]}, "does not know the axis 'temp'; it knows accX, accY"),
        ({"sensors": [{"name": "accX", "units": "N/A"}]}, "has the unit 'N/A'; for acceleration it must be one of"),
        ({"sensors": []}, "payload.sensors"),
        ({"sensors": [{"name": "accX", "units": "g"}] * 3}, "every channel once"),
        ({"values": []}, "no samples"),
        ({"values": [[1, 2]]}, "sample 1 has 2 values for 3 axes"),
        ({"values": [[1, 2, "3"]]}, "each sample must be a list of finite numbers"),
        ({"values": [[1, 2, True]]}, "each sample must be a list of finite numbers"),
        ({"values": [[1, 2, float("nan")]]}, "each sample must be a list of finite numbers"),
        ({"values": [[1, 2, 1e39]]}, "is inf"),
        ({"values": "aGVsbG8="}, "each sample must be"),
        ({"interval_ms": 0}, "interval_ms"),
        ({"interval_ms": None}, "interval_ms"),
    ],
)
def test_what_is_not_known_is_refused_in_words(tmp_path: Path, payload: dict[str, Any], complaint: str) -> None:
    with pytest.raises(RecordingError, match=complaint):
        read_edge_impulse(write(tmp_path / "wave.json", **payload))


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[]", b"1", b"[" * 100_000, b'{"payload": {}}'])
def test_another_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.json").write_bytes(content)

    with pytest.raises(RecordingError, match="not in Edge Impulse's format"):
        read_edge_impulse(tmp_path / "a.json")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(any_recordings())
def test_what_is_written_comes_back(tmp_path: Path, recording: Recording) -> None:
    (path,) = write_edge_impulse(tmp_path / "out", [recording])

    back = read_edge_impulse(path, label=recording.label)

    assert back.samples.tobytes() == recording.samples.tobytes()
    assert back.channels == recording.channels
    assert (back.subject, back.session) == (recording.subject, recording.session)
    assert back.sample_rate_hz == pytest.approx(recording.sample_rate_hz, rel=1e-11)
    assert back.sensor == recording.sensor


def test_the_file_name_is_the_label_with_room_for_subject_and_session(tmp_path: Path) -> None:
    recording = make_recording(label=Label(exercise="push-up", form="in/correct"), subject="a.b", session="7")

    (path,) = write_edge_impulse(tmp_path, [recording])

    assert path.name == edge_impulse_name(recording)
    assert path.name.startswith("push-up (in%2Fcorrect).a%2Eb.7.")
    back = read_edge_impulse(path)
    assert (back.label, back.subject, back.session) == (recording.label, "a.b", "7")
    document = json.loads(path.read_text())
    assert document["protected"] == {"ver": "v1", "alg": "none"}
    assert document["signature"] == ""
    assert document["payload"]["interval_ms"] == 40
    assert [axis["units"] for axis in document["payload"]["sensors"]] == ["m/s2"] * 3 + ["rad/s"] * 3


def test_nothing_known_is_nothing_read(tmp_path: Path) -> None:
    (path,) = write_edge_impulse(tmp_path, [make_recording()])

    back = read_edge_impulse(path)

    assert path.name.startswith("unlabelled...")
    assert (back.label, back.subject, back.session, back.sensor, back.attributes) == (None, None, None, None, {})


def test_a_given_label_goes_before_the_name(tmp_path: Path) -> None:
    label = Label(exercise="squat")

    assert read_edge_impulse(write(tmp_path / "wave.1.json"), label=label).label == label
