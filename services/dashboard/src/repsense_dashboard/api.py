"""The typed client of the RepSense REST API, the only source of what the dashboard shows.

Its errors:

    ApiError                    what a page shows: a title and a detail
    ├── ApiUnreachableError     nobody answers, or not in time
    ├── ApiProblemError         an RFC 9457 problem, with its status
    └── ApiMismatchError        an answer that this version does not understand
"""

from types import TracebackType
from typing import Any, Literal, Self, TypeVar

import httpx
from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

__all__ = [
    "ApiClient",
    "ApiError",
    "ApiMismatchError",
    "ApiProblemError",
    "ApiUnreachableError",
    "Candidate",
    "Classification",
    "ExerciseSet",
    "Label",
    "Live",
    "Sensor",
    "SignalWindow",
]

# The page asks several times per second, so an answer later than this is no use to it.
_TIMEOUT = httpx.Timeout(2.0, connect=1.0)

_Model = TypeVar("_Model", bound=BaseModel)


class ApiError(Exception):
    """The API gave no usable answer.

    Attributes:
        title: What is wrong, in a few words.
        detail: What a person can do about it, or what the service said.
    """

    def __init__(self, title: str, detail: str) -> None:
        super().__init__(f"{title}: {detail}")
        self.title = title
        self.detail = detail


class ApiUnreachableError(ApiError):
    """Nobody answers at the address, or not in time."""


class ApiProblemError(ApiError):
    """The service answered with an error.

    Attributes:
        status: HTTP status.
    """

    def __init__(self, status: int, title: str, detail: str) -> None:
        super().__init__(title, detail)
        self.status = status


class ApiMismatchError(ApiError):
    """The service answered in a form that this dashboard does not know."""


class _Resource(BaseModel):
    """Base of everything the API returns; fields that a newer service adds are no error."""

    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())


class Label(_Resource):
    """An activity and, where it was taught, how it is done."""

    exercise: str
    form: str | None = None


class Candidate(_Resource):
    """One label with its probability."""

    label: Label
    probability: float


class Sensor(_Resource):
    """A sensor, its connection and what it has sent."""

    sensor_id: str
    name: str
    state: Literal["online", "connecting", "offline", "unknown"]
    state_reason: str | None = None
    gateway_id: str | None = None
    simulated: bool = False
    stream_id: str | None = None
    channels: tuple[str, ...] | None = None
    sample_rate_hz: float | None = None
    first_seen_at: AwareDatetime | None = None
    last_sample_at: AwareDatetime | None = None
    n_samples: int = 0
    n_lost: int = 0
    n_duplicate: int = 0
    loss_share: float | None = None
    problem: str | None = None


class Classification(_Resource):
    """What the network says about one window; `label` is None where it does not know."""

    sensor_id: str
    model_name: str
    model_version: int
    window_start_at: AwareDatetime
    window_end_at: AwareDatetime
    label: Label | None = None
    confidence: float | None = None
    window_label: Label | None = None
    probabilities: tuple[Candidate, ...] | None = None
    unclassified_reason: str | None = None
    set_id: str | None = None
    simulated: bool = False


class ExerciseSet(_Resource):
    """Uninterrupted repetitions of one exercise."""

    set_id: str
    sensor_id: str
    workout_id: str | None = None
    state: Literal["open", "closed"]
    exercise: str
    form: str | None = None
    incorrect_share: float | None = None
    started_at: AwareDatetime
    ended_at: AwareDatetime | None = None
    duration_s: float
    n_windows: int = 0
    confidence: float | None = None
    simulated: bool = False


class Live(_Resource):
    """The present of one sensor."""

    sensor: Sensor
    classification: Classification | None = None
    running_set: ExerciseSet | None = None


class SignalWindow(_Resource):
    """The last seconds of a sensor's signal.

    `samples` has shape (len(offsets_s), len(channels)), in the unit of each channel; `offsets_s` counts from
    `start_at`.
    """

    sensor_id: str
    channels: tuple[str, ...]
    units: dict[str, str]
    start_at: AwareDatetime | None = None
    offsets_s: list[float]
    samples: list[list[float | None]]


class _Sensors(_Resource):
    items: tuple[Sensor, ...]


class _Sets(_Resource):
    items: tuple[ExerciseSet, ...]


class _Models(_Resource):
    items: tuple[dict[str, Any], ...]


class ApiClient:
    """Asks the API and translates its answers and errors.

    One client serves all sessions: httpx clients may be used from several threads.
    """

    def __init__(self, base_url: str, *, transport: httpx.BaseTransport | None = None) -> None:
        self.base_url = base_url.rstrip("/")
        # A proxy of the environment is for the internet, not for a service next door.
        self._http = httpx.Client(base_url=self.base_url, timeout=_TIMEOUT, transport=transport, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def list_sensors(self) -> tuple[Sensor, ...]:
        """Return every sensor that was ever seen.

        Raises:
            ApiError: If there is no usable answer.
        """
        return self._get(_Sensors, "/v1/sensors").items

    def get_live(self, sensor_id: str) -> Live:
        """Return the present of one sensor.

        Raises:
            ApiError: If there is no usable answer; an ApiProblemError with status 404 if the sensor is gone.
        """
        return self._get(Live, f"/v1/sensors/{sensor_id}/live")

    def get_signal(self, sensor_id: str, *, seconds: float, max_points: int) -> SignalWindow:
        """Return the last `seconds` of the signal, thinned to at most `max_points` samples.

        Raises:
            ApiError: If there is no usable answer.
        """
        return self._get(
            SignalWindow, f"/v1/sensors/{sensor_id}/samples", {"seconds": seconds, "max_points": max_points}
        )

    def list_sets(self, sensor_id: str, *, limit: int) -> tuple[ExerciseSet, ...]:
        """Return the last sets of one sensor, newest first.

        Raises:
            ApiError: If there is no usable answer.
        """
        return self._get(_Sets, "/v1/sets", {"sensor_id": sensor_id, "limit": limit}).items

    def has_model(self) -> bool:
        """Tell whether there is any model to classify with.

        Raises:
            ApiError: If there is no usable answer.
        """
        return bool(self._get(_Models, "/v1/models").items)

    def _get(self, model: type[_Model], path: str, params: dict[str, str | float] | None = None) -> _Model:
        try:
            response = self._http.get(path, params=params)
        except httpx.TimeoutException as error:
            title = "The service is too slow"
            raise ApiUnreachableError(title, f"{self.base_url} did not answer in {_TIMEOUT.read:g} s.") from error
        except httpx.HTTPError as error:
            title = "The service does not answer"
            raise ApiUnreachableError(title, f"Nobody answers at {self.base_url}.") from error
        if response.is_error:
            raise _to_problem(response)
        try:
            return model.model_validate_json(response.content)
        except ValidationError as error:
            title = "The service speaks another language"
            where = ".".join(str(part) for part in error.errors()[0]["loc"]) or "its form"
            detail = f"The answer to {path} is not understood ({where}). Are service and dashboard of one version?"
            raise ApiMismatchError(title, detail) from error


class _ProblemDetails(_Resource):
    title: str = "The service reports an error"
    detail: str = ""


def _to_problem(response: httpx.Response) -> ApiProblemError:
    """Read an RFC 9457 problem; a proxy's error page has none, its status must do."""
    try:
        problem = _ProblemDetails.model_validate_json(response.content)
    except ValidationError:
        problem = _ProblemDetails()
    return ApiProblemError(
        response.status_code, problem.title, problem.detail or f"HTTP status {response.status_code}."
    )
