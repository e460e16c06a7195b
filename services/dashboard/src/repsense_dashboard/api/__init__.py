"""The typed client of the RepSense REST API, a module per group of resources."""

from typing import Self

import httpx

from repsense_dashboard.api.connection import Connection, Download
from repsense_dashboard.api.errors import ApiError, ApiMismatchError, ApiProblemError, ApiUnreachableError
from repsense_dashboard.api.labels import LabelsApi
from repsense_dashboard.api.live import (
    Candidate,
    Classification,
    ExerciseSet,
    Label,
    Live,
    LiveApi,
    Sensor,
    SignalWindow,
)
from repsense_dashboard.api.movement import MovementApi
from repsense_dashboard.api.persons import PersonsApi
from repsense_dashboard.api.recordings import RecordingsApi
from repsense_dashboard.api.status import Fault, StatusApi
from repsense_dashboard.api.training import TrainingApi
from repsense_dashboard.api.workouts import WorkoutsApi

__all__ = [
    "ApiClient",
    "ApiError",
    "ApiMismatchError",
    "ApiProblemError",
    "ApiUnreachableError",
    "Candidate",
    "Classification",
    "Download",
    "ExerciseSet",
    "Fault",
    "Label",
    "Live",
    "Sensor",
    "SignalWindow",
]


class ApiClient(Connection):
    """Everything that the pages ask, by what it is about."""

    def __init__(
        self, base_url: str, *, api_key: str | None = None, transport: httpx.BaseTransport | None = None
    ) -> None:
        super().__init__(base_url, api_key=api_key, transport=transport)
        self.status = StatusApi(self)
        self.live = LiveApi(self)
        self.recordings = RecordingsApi(self)
        self.movement = MovementApi(self)
        self.persons = PersonsApi(self)
        self.labels = LabelsApi(self)
        self.training = TrainingApi(self)
        self.workouts = WorkoutsApi(self)

    def __enter__(self) -> Self:
        return self
