from datetime import UTC, datetime

from repsense.channels import CHANNELS
from repsense.documents import SensorDocument
from repsense.messages import GatewayStatusMessage, SensorStatusMessage
from repsense_inference.presence import effective_status, merge_sensor

_NOW = datetime(2026, 3, 1, 17, tzinfo=UTC)
_STATUS = SensorStatusMessage(
    sensor_id="wrist",
    gateway_id="laptop",
    state="online",
    name="Left wrist",
    stream_id="one",
    channels=CHANNELS[:6],
    sample_rate_hz=50.0,
    at=_NOW,
)
_DOCUMENT = SensorDocument(
    _id="wrist",
    stream_id="one",
    channels=["ax", "ay", "az"],
    sample_rate_hz=25.0,
    first_seen_us=1_000_000,
    last_sample_us=61_000_000,
    n_samples=900,
    n_lost=100,
    n_duplicate=7,
    problem="too slow",
    simulated=True,
)


def test_a_gateway_that_died_takes_its_sensors_with_it() -> None:
    gateway = GatewayStatusMessage(gateway_id="laptop", state="offline", reason="connection lost")

    status = effective_status(_STATUS, gateway)

    assert status.state == "offline"
    assert status.reason == "its gateway laptop is offline: connection lost"
    assert status.at == _NOW


def test_a_gateway_that_lives_changes_nothing() -> None:
    gateway = GatewayStatusMessage(gateway_id="laptop", state="online", at=_NOW)

    assert effective_status(_STATUS, gateway) == effective_status(_STATUS, None) == _STATUS


def test_a_sensor_is_what_its_status_says_and_counts_what_is_stored() -> None:
    sensor = merge_sensor("wrist", _DOCUMENT, _STATUS, broker_connected=True)

    assert (sensor.state, sensor.state_reason, sensor.name) == ("online", None, "Left wrist")
    assert (sensor.channels, sensor.sample_rate_hz, sensor.simulated) == (CHANNELS[:6], 50.0, False)
    assert (sensor.n_samples, sensor.n_lost, sensor.n_duplicate, sensor.loss_share) == (900, 100, 7, 0.1)
    assert sensor.problem == "too slow"
    assert sensor.last_sample_at == datetime(1970, 1, 1, 0, 1, 1, tzinfo=UTC)


def test_what_the_gateway_measures_is_passed_on() -> None:
    status = _STATUS.model_copy(
        update={"effective_rate_hz": 49.98, "loss": 0.0, "rssi_dbm": -61, "battery_percent": 0, "n_reconnects": 2}
    )

    sensor = merge_sensor("wrist", _DOCUMENT, status, broker_connected=True)

    assert (sensor.effective_rate_hz, sensor.loss, sensor.rssi_dbm) == (49.98, 0.0, -61)
    assert (sensor.battery_percent, sensor.n_reconnects) == (0, 2)


def test_the_status_of_an_older_gateway_says_less() -> None:
    older = SensorStatusMessage.decode(
        b'{"schema_version": 1, "sensor_id": "wrist", "gateway_id": "laptop", "state": "online", "reason": null,'
        b' "name": null, "stream_id": "one", "channels": ["ax"], "sample_rate_hz": 50.0, "simulated": false,'
        b' "at": "2026-03-01T17:00:00Z"}'
    )

    sensor = merge_sensor("wrist", None, older, broker_connected=True)

    assert (sensor.state, sensor.sample_rate_hz) == ("online", 50.0)
    assert (sensor.effective_rate_hz, sensor.loss, sensor.rssi_dbm, sensor.battery_percent) == (None,) * 4
    assert sensor.n_reconnects == 0


def test_the_counts_of_another_stream_are_not_those_of_the_current_one() -> None:
    status = _STATUS.model_copy(update={"stream_id": "two"})

    sensor = merge_sensor("wrist", _DOCUMENT, status, broker_connected=True)

    assert sensor.stream_id == "two"
    assert (sensor.n_samples, sensor.n_lost, sensor.loss_share, sensor.problem) == (0, 0, 0.0, None)
    assert sensor.last_sample_at is not None


def test_a_sensor_that_only_the_database_knows_is_unknown_and_described_by_it() -> None:
    sensor = merge_sensor("wrist", _DOCUMENT, None, broker_connected=True)

    assert (sensor.state, sensor.state_reason) == ("unknown", "no gateway reports this sensor")
    assert (sensor.name, sensor.gateway_id) == ("wrist", None)
    assert (sensor.effective_rate_hz, sensor.loss, sensor.n_reconnects) == (None, None, None)
    assert (sensor.channels, sensor.sample_rate_hz, sensor.simulated) == (("ax", "ay", "az"), 25.0, True)


def test_a_sensor_that_never_sent_a_sample_has_no_times() -> None:
    sensor = merge_sensor("wrist", None, _STATUS, broker_connected=True)

    assert sensor.state == "online"
    assert (sensor.first_seen_at, sensor.last_sample_at, sensor.n_samples) == (None, None, 0)


def test_nobody_knows_the_state_while_the_broker_is_away() -> None:
    sensor = merge_sensor("wrist", _DOCUMENT, None, broker_connected=False)

    assert (sensor.state, sensor.state_reason) == ("unknown", "the message broker cannot be reached")
