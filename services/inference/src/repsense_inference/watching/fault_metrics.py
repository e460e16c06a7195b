"""The faults that stand, for Prometheus."""

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from repsense_inference.watching.watch import Watch

__all__ = ["FaultCollector"]


class FaultCollector(Collector):
    """Shows the faults that stand, and only those: a series for each kind that there could be would say little."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def collect(self) -> Iterator[Metric]:
        """One gauge with a series for each fault."""
        faults = GaugeMetricFamily(
            "repsense_inference_fault", "1 for each kind of fault that stands", labels=["kind", "part", "severity"]
        )
        for standing in self._watch.situation.faults:
            fault = standing.fault
            faults.add_metric([fault.kind, fault.part, fault.severity], 1)
        yield faults
