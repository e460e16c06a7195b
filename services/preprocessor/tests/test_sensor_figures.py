from collections.abc import Iterator
from dataclasses import replace

import pytest
from prometheus_client import REGISTRY

from repsense_preprocessor.pipeline import StreamFigures
from repsense_preprocessor.sensor_figures import SensorFigures

WRIST = StreamFigures(
    sensor_id="wrist",
    stream_id="a",
    n_samples=500,
    n_lost=10,
    n_duplicate=20,
    sample_rate_hz=50,
    last_sample_us=1_795_684_340_500_000,
    delay_s=0.2,
    usable=True,
)


@pytest.fixture
def shown() -> Iterator[SensorFigures]:
    figures = SensorFigures()
    yield figures
    figures.show([])


def value(name: str, sensor: str = "wrist") -> float | None:
    return REGISTRY.get_sample_value(f"repsense_preprocessor_sensor_{name}", {"sensor": sensor})


def test_what_a_stream_has_is_shown(shown: SensorFigures) -> None:
    shown.show([WRIST])
    assert value("samples_total") == 500
    assert value("lost_samples_total") == 10
    assert value("duplicate_samples_total") == 20
    assert value("nominal_rate_hz") == 50
    assert value("last_sample_timestamp_seconds") == 1_795_684_340.5
    assert value("delay_seconds") == 0.2
    assert value("unusable") == 0


def test_counters_grow_by_what_came_since(shown: SensorFigures) -> None:
    shown.show([WRIST])
    shown.show([replace(WRIST, n_samples=600, n_lost=12)])
    shown.show([replace(WRIST, n_samples=600, n_lost=12, usable=False)])
    assert value("samples_total") == 600
    assert value("lost_samples_total") == 12
    assert value("unusable") == 1


def test_the_streams_of_a_sensor_add_up_and_the_newest_one_is_described(shown: SensorFigures) -> None:
    shown.show([WRIST])
    shown.show([WRIST, replace(WRIST, stream_id="b", n_samples=40, sample_rate_hz=100)])
    assert value("samples_total") == 540
    assert value("nominal_rate_hz") == 100


def test_another_pipeline_counts_from_nought_and_the_counters_go_on(shown: SensorFigures) -> None:
    shown.show([WRIST])
    shown.begin_anew()
    shown.show([replace(WRIST, n_samples=30, n_lost=0, n_duplicate=0)])
    assert value("samples_total") == 530
    assert value("lost_samples_total") == 10


def test_a_sensor_that_is_gone_is_gone(shown: SensorFigures) -> None:
    ankle = replace(WRIST, sensor_id="ankle", stream_id="c")
    shown.show([WRIST, ankle])
    shown.begin_anew()
    shown.show([ankle])
    assert value("samples_total") is None
    assert value("delay_seconds") is None
    assert value("samples_total", "ankle") == 1000
