"""The metrics of each sensor: from the counts of its streams to counters that only grow, and gone with the sensor."""

from collections.abc import Iterable

from repsense.timestamps import MICROSECONDS
from repsense_preprocessor import metrics
from repsense_preprocessor.pipeline import StreamFigures

__all__ = ["SensorFigures"]

_BY_SENSOR = (
    metrics.SENSOR_SAMPLES,
    metrics.SENSOR_LOST,
    metrics.SENSOR_DUPLICATES,
    metrics.SENSOR_RATE,
    metrics.SENSOR_LAST_SAMPLE,
    metrics.SENSOR_DELAY,
    metrics.SENSOR_UNUSABLE,
)


class SensorFigures:
    """Shows the streams that are being followed.

    A sensor is shown as long as one of its streams is followed, so there are no more series than that.
    """

    def __init__(self) -> None:
        self._before: dict[str, StreamFigures] = {}
        """By stream."""
        self._sensors: set[str] = set()

    def begin_anew(self) -> None:
        """Note that another pipeline takes over, which counts each stream from 0."""
        self._before = {}

    def show(self, streams: Iterable[StreamFigures]) -> None:
        """Bring the metrics up to date.

        Args:
            streams: All that are being followed, the newest of a sensor last.
        """
        now = {figures.stream_id: figures for figures in streams}
        for figures in now.values():
            self._show(figures, self._before.get(figures.stream_id))
        sensors = {figures.sensor_id for figures in now.values()}
        for sensor_id in self._sensors - sensors:
            for metric in _BY_SENSOR:
                metric.remove(sensor_id)
        self._before, self._sensors = now, sensors

    @staticmethod
    def _show(now: StreamFigures, before: StreamFigures | None) -> None:
        sensor_id = now.sensor_id
        metrics.SENSOR_SAMPLES.labels(sensor_id).inc(now.n_samples - (before.n_samples if before else 0))
        metrics.SENSOR_LOST.labels(sensor_id).inc(now.n_lost - (before.n_lost if before else 0))
        metrics.SENSOR_DUPLICATES.labels(sensor_id).inc(now.n_duplicate - (before.n_duplicate if before else 0))
        metrics.SENSOR_RATE.labels(sensor_id).set(now.sample_rate_hz)
        metrics.SENSOR_LAST_SAMPLE.labels(sensor_id).set(now.last_sample_us / MICROSECONDS)
        metrics.SENSOR_DELAY.labels(sensor_id).set(now.delay_s)
        metrics.SENSOR_UNUSABLE.labels(sensor_id).set(not now.usable)
