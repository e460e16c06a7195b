import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.error import URLError

import pytest
from prometheus_client import REGISTRY

from repsense.errors import RepSenseError
from repsense.messages import SensorStatusMessage
from repsense_ble_gateway import metrics
from repsense_ble_gateway.metrics import serving_metrics, show_sensor, show_status

_GAUGES = (metrics.CONNECTED, metrics.EFFECTIVE_RATE, metrics.RSSI, metrics.BATTERY)


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    """Metrics belong to the process: what a test shows must not be there for the next one."""
    yield
    for gauge in _GAUGES:
        gauge.clear()


def _status(**changes: object) -> SensorStatusMessage:
    fields = {"sensor_id": "wrist", "gateway_id": "pi", "state": "online", "at": datetime(2026, 3, 1, tzinfo=UTC)}
    return SensorStatusMessage.model_validate(fields | changes)


def _shown(name: str, sensor_id: str = "wrist") -> float | None:
    return REGISTRY.get_sample_value(f"repsense_gateway_{name}", {"sensor": sensor_id})


def _fetched(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text: str = answer.read().decode()
    return text


def test_a_status_is_shown() -> None:
    show_status(_status(effective_rate_hz=49.98, rssi_dbm=-61, battery_percent=83))

    assert _shown("sensor_connected") == 1
    assert (_shown("effective_rate_hz"), _shown("rssi_dbm"), _shown("battery_percent")) == (49.98, -61, 83)


@pytest.mark.parametrize("state", ["offline", "connecting"])
def test_a_sensor_that_is_not_online_is_not_connected(state: str) -> None:
    show_status(_status())

    show_status(_status(state=state))

    assert _shown("sensor_connected") == 0


def test_what_is_not_known_any_more_is_not_shown() -> None:
    show_status(_status(effective_rate_hz=49.98, rssi_dbm=-61, battery_percent=0))
    assert _shown("battery_percent") == 0

    show_status(_status())

    assert (_shown("effective_rate_hz"), _shown("rssi_dbm"), _shown("battery_percent")) == (None, None, None)


def test_sensors_are_told_apart() -> None:
    show_status(_status(battery_percent=83))
    show_status(_status(sensor_id="ankle", state="offline", battery_percent=20))

    assert (_shown("battery_percent"), _shown("battery_percent", "ankle")) == (83, 20)
    assert (_shown("sensor_connected"), _shown("sensor_connected", "ankle")) == (1, 0)


def test_the_counts_of_a_sensor_begin_at_nought_and_are_not_reset() -> None:
    names = [f"{name}_total" for name in ("samples", "lost_samples", "bad_packets", "duplicate_packets", "reconnects")]
    assert [_shown(name, "new") for name in names] == [None] * 5

    show_sensor("new")
    assert [_shown(name, "new") for name in names] == [0.0] * 5
    assert _shown("sensor_connected", "new") == 0

    metrics.SAMPLES.labels("new").inc(10)
    show_sensor("new")
    assert _shown("samples_total", "new") == 10


def test_metrics_are_served_until_the_block_ends() -> None:
    show_status(_status(battery_percent=83))

    with serving_metrics(0) as port:
        page = _fetched(port)

    assert 'repsense_gateway_battery_percent{sensor="wrist"} 83.0' in page
    for name in ("spool_waiting_messages", "spool_unconfirmed_messages", "spool_bytes", "spool_oldest_age_seconds"):
        assert f"\nrepsense_gateway_{name} " in page
    with pytest.raises(URLError):
        _fetched(port)


def test_a_port_that_is_taken_is_said_in_words() -> None:
    with (
        serving_metrics(0) as port,
        pytest.raises(RepSenseError, match=f"cannot be served at 127.0.0.1:{port} .*: choose another port"),
        serving_metrics(port),
    ):
        pytest.fail("two servers at one port")
