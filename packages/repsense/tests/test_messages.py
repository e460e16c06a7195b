import contextlib
import json
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from repsense.channels import CHANNELS
from repsense.errors import MessageError
from repsense.labels import Label
from repsense.messages import ClassificationMessage, LabelProbability, SamplesMessage


def samples_message(**changes: object) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "sensor_id": "wrist",
        "stream_id": "s1",
        "sequence": 0,
        "first_sample_at": "2026-01-01T00:00:00.020Z",
        "sample_rate_hz": 50.0,
        "channels": ["ax", "ay", "az"],
        "samples": [[0.0, 0.0, 9.81], [0.1, 0.0, 9.80]],
    } | changes


def test_a_samples_message_survives_the_way_over_the_broker() -> None:
    message = SamplesMessage.decode(json.dumps(samples_message()))

    assert SamplesMessage.decode(message.encode()) == message
    assert message.first_sample_at == datetime(2026, 1, 1, 0, 0, 0, 20_000, tzinfo=UTC)
    np.testing.assert_array_equal(message.array(), np.array([[0, 0, 9.81], [0.1, 0, 9.8]], dtype=np.float32))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"samples": []}, "samples"),
        ({"samples": [[1.0, 2.0]]}, "every sample needs 3 values"),
        ({"samples": [[1.0, 2.0, float("nan")]]}, "finite"),
        ({"channels": ["ax", "ax", "az"]}, "twice"),
        ({"channels": ["ax", "ay", "up"]}, "channels.2"),
        ({"sequence": -1}, "sequence"),
        ({"sequence": 2**63}, "sequence"),
        ({"n_lost_before": 2**63}, "n_lost_before"),
        ({"sample_rate_hz": 0}, "sample_rate_hz"),
        ({"sample_rate_hz": 1e-300}, "would take more than a day"),
        ({"sensor_id": "Wrist"}, "sensor_id"),
        ({"first_sample_at": "2026-01-01T00:00:00"}, "first_sample_at"),
        ({"schema_version": 2}, "schema_version"),
        ({"samples": [[1.0, 2.0, -1e300]]}, "no sensor measures"),
        ({"first_sample_at": "1970-01-01T00:00:00Z"}, "set the gateway's clock"),
    ],
)
def test_a_message_that_breaks_the_contract_is_refused_in_one_line(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(MessageError, match=complaint) as refusal:
        SamplesMessage.decode(json.dumps(samples_message(**changes)))

    assert "\n" not in str(refusal.value)


def test_a_field_of_a_later_version_is_ignored() -> None:
    assert SamplesMessage.decode(json.dumps(samples_message(battery=0.9))).sensor_id == "wrist"


@given(st.binary(max_size=200))
def test_any_bytes_give_a_message_or_a_message_error(payload: bytes) -> None:
    with contextlib.suppress(MessageError):
        SamplesMessage.decode(payload)


def test_a_classification_names_its_labels_itself() -> None:
    squat, unknown = Label(exercise="squat"), None
    message = ClassificationMessage(
        sensor_id="wrist",
        stream_id="s1",
        model_name="bodyweight",
        model_version=1,
        window_start_at=datetime(2026, 1, 1, tzinfo=UTC),
        window_end_at=datetime(2026, 1, 1, 0, 0, 2, tzinfo=UTC),
        last_sequence=99,
        label=unknown,
        confidence=0.0,
        window_label=squat,
        probabilities=(LabelProbability(label=squat, probability=0.4),),
    )

    decoded = json.loads(message.encode())

    assert decoded["probabilities"] == [{"label": {"exercise": "squat", "form": None}, "probability": 0.4}]
    assert ClassificationMessage.decode(message.encode()) == message


def test_channels_have_one_order() -> None:
    assert [channel.value for channel in CHANNELS] == ["ax", "ay", "az", "gx", "gy", "gz", "mx", "my", "mz"]
