"""What an operator can see of the gateway, in Prometheus' terms."""

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import Counter, Gauge, start_http_server

from repsense.errors import RepSenseError
from repsense.messages import SensorStatusMessage

__all__ = [
    "BAD_PACKETS",
    "BATTERY",
    "BROKER_CONNECTED",
    "CONNECTED",
    "DUPLICATE_PACKETS",
    "EFFECTIVE_RATE",
    "LOST_SAMPLES",
    "PUBLISHED",
    "RECONNECTS",
    "RSSI",
    "SAMPLES",
    "SPOOL_BYTES",
    "SPOOL_DROPPED",
    "SPOOL_OLDEST_AGE",
    "SPOOL_RESENT",
    "SPOOL_UNCONFIRMED",
    "SPOOL_WAITING",
    "Growth",
    "sensor_growth",
    "serving_metrics",
    "show_sensor",
    "show_status",
]

_LOOPBACK = "127.0.0.1"
_SENSOR = ["sensor"]

CONNECTED = Gauge("repsense_gateway_sensor_connected", "1 while the sensor is connected, else 0", _SENSOR)
SAMPLES = Counter("repsense_gateway_samples_total", "Samples received", _SENSOR)
LOST_SAMPLES = Counter("repsense_gateway_lost_samples_total", "Samples lost on the air", _SENSOR)
BAD_PACKETS = Counter("repsense_gateway_bad_packets_total", "Notifications that could not be decoded", _SENSOR)
DUPLICATE_PACKETS = Counter("repsense_gateway_duplicate_packets_total", "Notifications that came again", _SENSOR)
RECONNECTS = Counter("repsense_gateway_reconnects_total", "Connections made anew", _SENSOR)
EFFECTIVE_RATE = Gauge("repsense_gateway_effective_rate_hz", "Sample rate as measured", _SENSOR)
RSSI = Gauge("repsense_gateway_rssi_dbm", "Signal strength of the newest advertisement", _SENSOR)
BATTERY = Gauge("repsense_gateway_battery_percent", "State of the sensor's battery", _SENSOR)

BROKER_CONNECTED = Gauge("repsense_gateway_broker_connected", "1 while the broker is connected, else 0")
PUBLISHED = Counter("repsense_gateway_messages_published_total", "Messages that the broker has acknowledged")
SPOOL_WAITING = Gauge("repsense_gateway_spool_waiting_messages", "Messages that wait to be sent")
SPOOL_UNCONFIRMED = Gauge(
    "repsense_gateway_spool_unconfirmed_messages", "Messages that were sent and not reported as stored yet"
)
SPOOL_DROPPED = Counter("repsense_gateway_spool_dropped_messages_total", "Messages that had to make room")
SPOOL_RESENT = Counter(
    "repsense_gateway_spool_resent_messages_total", "Messages sent again because they were not reported as stored"
)
SPOOL_BYTES = Gauge("repsense_gateway_spool_bytes", "Space that the spool takes")
SPOOL_OLDEST_AGE = Gauge("repsense_gateway_spool_oldest_age_seconds", "Age of the oldest message in the spool, else 0")

_BY_SENSOR = (CONNECTED, SAMPLES, LOST_SAMPLES, BAD_PACKETS, DUPLICATE_PACKETS, RECONNECTS)


class Growth:
    """Brings counters up to totals that are kept elsewhere."""

    def __init__(self, *counters: Counter) -> None:
        self._counters = [(counter, 0) for counter in counters]

    def follow(self, *totals: int) -> None:
        """Take note of the totals as they are now, in the order of the counters."""
        pairs = list(zip(self._counters, totals, strict=True))
        for (counter, before), total in pairs:
            if total > before:
                counter.inc(total - before)
        self._counters = [(counter, total) for (counter, _), total in pairs]


def sensor_growth(sensor_id: str) -> Growth:
    """For a sensor's samples, lost samples, bad packets, duplicate packets and reconnects."""
    counters = (SAMPLES, LOST_SAMPLES, BAD_PACKETS, DUPLICATE_PACKETS, RECONNECTS)
    return Growth(*(counter.labels(sensor_id) for counter in counters))


def show_sensor(sensor_id: str) -> None:
    """Let a sensor's counts begin at nought: a rate cannot be computed from a count that appears out of nothing."""
    for metric in _BY_SENSOR:
        metric.labels(sensor_id)


def show_status(status: SensorStatusMessage) -> None:
    """Show what a sensor's status says; what is not known is not there rather than nought."""
    CONNECTED.labels(status.sensor_id).set(status.state == "online")
    for gauge, value in (
        (EFFECTIVE_RATE, status.effective_rate_hz),
        (RSSI, status.rssi_dbm),
        (BATTERY, status.battery_percent),
    ):
        if value is None:
            gauge.remove(status.sensor_id)
        else:
            gauge.labels(status.sensor_id).set(value)


@contextmanager
def serving_metrics(port: int, address: str = _LOOPBACK) -> Iterator[int]:
    """Serve all metrics at `/metrics` for the length of a block.

    Args:
        port: 0 for any that is free.
        address: Of the interface; without encryption or password, so by default nobody else can ask.

    Yields:
        The port.

    Raises:
        RepSenseError: If nothing can be served there.
    """
    try:
        server, thread = start_http_server(port, address)
    except OSError as error:
        msg = (
            f"metrics cannot be served at {address}:{port} ({error.strerror or error}): choose another port or address"
        )
        raise RepSenseError(msg) from error
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
