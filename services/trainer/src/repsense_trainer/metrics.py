"""What an operator can see of a worker, in Prometheus' terms."""

import logging
import time
from collections.abc import Iterable
from typing import get_args

import pymongo
from prometheus_client import Counter, Gauge, Histogram, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from pymongo.errors import PyMongoError

from repsense.database import Documents
from repsense.documents import TRAINING_JOBS, TrainingJobState
from repsense.patience import first_line

__all__ = ["DATABASE_RETRIES", "TRAINING", "TRAINING_SECONDS", "JobFigures"]

_LOGGER = logging.getLogger(__name__)

_INTERVAL_S = 10.0
_TIMEOUT_S = 2.0

TRAINING = Gauge("repsense_trainer_training", "1 while this worker trains, else 0")
TRAINING_SECONDS = Histogram(
    "repsense_trainer_training_seconds",
    "How long trainings took, however they ended",
    buckets=(10, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400),
)
DATABASE_RETRIES = Counter("repsense_trainer_database_retries_total", "Tries that failed because the database was away")


class JobFigures(Collector):
    """The jobs of all workers by their state; read from the database when somebody asks, at most every ten seconds."""

    def __init__(self, database: Documents) -> None:
        self._jobs = database[TRAINING_JOBS]
        self._counts: dict[str, int] = {}
        self._read_s = float("-inf")

    def collect(self) -> Iterable[Metric]:
        """The counts; none while the database is away, since the last ones may be wrong."""
        if time.monotonic() - self._read_s >= _INTERVAL_S:
            self._read_s = time.monotonic()
            self._counts = self._read()
        metric = GaugeMetricFamily("repsense_trainer_jobs", "Training jobs, by state", labels=["state"])
        for state, count in self._counts.items():
            metric.add_metric([state], count)
        yield metric

    def _read(self) -> dict[str, int]:
        try:
            with pymongo.timeout(_TIMEOUT_S):
                return {state: self._jobs.count_documents({"state": state}) for state in get_args(TrainingJobState)}
        except PyMongoError as error:
            _LOGGER.debug("the jobs could not be counted: %s", first_line(error))
            return {}
