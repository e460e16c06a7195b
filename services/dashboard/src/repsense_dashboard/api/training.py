"""What the training page asks: what there is to train on, training jobs, and models with their figures."""

from typing import Literal

from pydantic import AwareDatetime

from repsense_dashboard.api.connection import Connection, Download, Resource
from repsense_dashboard.api.live import Label

__all__ = [
    "BrokenVersion",
    "Evaluation",
    "EvaluationSettings",
    "FewShotPoint",
    "GroupAccuracy",
    "Holding",
    "LeftOutLabel",
    "Manifest",
    "Model",
    "ModelList",
    "Provenance",
    "SecondAccuracy",
    "Selection",
    "TrainingApi",
    "TrainingJob",
    "TrainingJobPage",
    "TrainingProgress",
    "TrainingRequest",
    "TrainingSettings",
    "UnknownEvaluation",
]


class Holding(Resource):
    """Stored recordings that are alike in everything by which they can be chosen."""

    label: Label | None = None
    subject: str | None = None
    session: str | None = None
    sensor_id: str | None = None
    minutes: float
    n_recordings: int


class Selection(Resource):
    """Which of the stored recordings; a filter that is None lets everything pass."""

    subjects: tuple[str, ...] | None = None
    sessions: tuple[str, ...] | None = None
    labels: tuple[Label, ...] | None = None
    sensors: tuple[str, ...] | None = None


class EvaluationSettings(Resource):
    """Which figures are worked out before the network is trained on everything."""

    group_by: Literal["subject", "session"] | None = None
    leave_one_group_out: bool = True
    unknown: bool = True
    few_shot: bool = False


class TrainingSettings(Resource):
    """What of a training's configuration this page decides; the service has a default for the rest."""

    evaluation: EvaluationSettings = EvaluationSettings()
    background: tuple[Label, ...] = ()


class TrainingRequest(Resource):
    """What to train."""

    model_name: str
    selection: Selection
    configuration: TrainingSettings
    promote: bool = False


class TrainingProgress(Resource):
    """How far a training is; the losses are those of the network that is trained now."""

    stage: str
    n_steps: int
    step: int
    n_epochs: int
    epoch: int
    losses: tuple[float, ...] = ()
    groups: dict[str, float]


class TrainingJob(Resource):
    """A training that somebody asked for, and what became of it."""

    job_id: str
    state: Literal["queued", "running", "succeeded", "failed", "cancelled"]
    queue_position: int | None = None
    model_name: str
    selection: Selection | None = None
    configuration: TrainingSettings | None = None
    promote: bool = False
    created_at: AwareDatetime
    started_at: AwareDatetime | None = None
    ended_at: AwareDatetime | None = None
    n_attempts: int = 0
    cancel_requested: bool = False
    progress: TrainingProgress | None = None
    error: str | None = None
    model_version: int | None = None


class TrainingJobPage(Resource):
    """Training jobs, newest first."""

    items: tuple[TrainingJob, ...]
    next_cursor: str | None = None


class GroupAccuracy(Resource):
    """How the network did on one person or session that it had not seen."""

    group: str
    n_windows: int
    accuracy: float


class SecondAccuracy(Resource):
    """How windows did that ended so long after the activity had begun."""

    seconds: float
    n_windows: int
    accuracy: float
    accuracy_so_far: float


class LeftOutLabel(Resource):
    """What became of a label's windows when the network had not been taught it."""

    label: str
    rejected_share: float


class UnknownEvaluation(Resource):
    """Whether what was never taught comes out as unknown."""

    lost_share: float
    rejected_share: float
    labels: tuple[LeftOutLabel, ...] = ()


class FewShotPoint(Resource):
    """Accuracy on all others after training on so many persons or sessions."""

    n_groups: int
    accuracy: float
    lowest: float
    highest: float


class Evaluation(Resource):
    """Figures measured on persons or sessions that the evaluated networks had not seen.

    `confusion` counts windows by true label (rows) and by what was said (columns), both in the manifest's order.
    """

    method: str
    group_by: Literal["subject", "session"] = "session"
    accuracy: float
    accuracy_interval: tuple[float, float] | None = None
    recall: dict[str, float]
    groups: tuple[GroupAccuracy, ...]
    confusion: tuple[tuple[int, ...], ...] = ()
    lost_share: float | None = None
    by_second: tuple[SecondAccuracy, ...] = ()
    unknown: UnknownEvaluation | None = None
    few_shot: tuple[FewShotPoint, ...] = ()


class Provenance(Resource):
    """Where a network comes from."""

    dataset_fingerprint: str
    groups: tuple[str, ...]
    n_windows: int
    duration_s: float


class Manifest(Resource):
    """What is known of a model version."""

    name: str
    version: int
    created_at: AwareDatetime
    labels: tuple[Label, ...]
    background: tuple[Label, ...] = ()
    channels: tuple[str, ...]
    sample_rate_hz: float
    window_size: int
    training: Provenance
    evaluation: Evaluation | None = None


class Model(Resource):
    """A version of a model.

    `in_use` says whether the service answers with it at this moment, `state` what the registry on disk says: after a
    promotion the two differ for a few seconds.
    """

    in_use: bool
    state: Literal["in_use", "promoted", "standby", "retired"]
    has_report: bool = False
    problem: str | None = None
    manifest: Manifest


class BrokenVersion(Resource):
    """A version that cannot be read."""

    name: str
    version: int
    state: Literal["in_use", "promoted", "standby"]
    problem: str


class ModelList(Resource):
    """Model versions, the one in use first."""

    items: tuple[Model, ...]
    broken: tuple[BrokenVersion, ...] = ()
    refusal: str | None = None
    name_in_use: str | None = None


class _Summary(Resource):
    parts: tuple[Holding, ...]


class _Log(Resource):
    lines: tuple[str, ...]


class TrainingApi:
    """Trains and manages models; every method raises `ApiError` if there is no usable answer."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list_holdings(self) -> tuple[Holding, ...]:
        """Return everything that there is to train on, summed up."""
        return self._connection.get(_Summary, "/v1/recordings/summary", patient=True).parts

    def start(self, request: TrainingRequest, *, key: str) -> TrainingJob:
        """Ask for a training.

        Args:
            request: What to train.
            key: Any text, new for each training: sent again with its key, the request starts nothing more.
        """
        return self._connection.send("POST", TrainingJob, "/v1/training-jobs", request, idempotency_key=key)

    def list_jobs(self, *, limit: int, cursor: str | None = None) -> TrainingJobPage:
        """Return training jobs, newest first."""
        params: dict[str, str | float] = {"limit": limit}
        if cursor is not None:
            params["cursor"] = cursor
        return self._connection.get(TrainingJobPage, "/v1/training-jobs", params)

    def get_job(self, job_id: str) -> TrainingJob:
        """Return one training job."""
        return self._connection.get(TrainingJob, f"/v1/training-jobs/{job_id}")

    def get_log(self, job_id: str) -> tuple[str, ...]:
        """Return the last lines that a training wrote, oldest first."""
        return self._connection.get(_Log, f"/v1/training-jobs/{job_id}/log").lines

    def cancel(self, job_id: str) -> TrainingJob:
        """End a training job; a running one ends within seconds."""
        return self._connection.send("POST", TrainingJob, f"/v1/training-jobs/{job_id}/cancel")

    def list_models(self) -> ModelList:
        """Return every model version."""
        return self._connection.get(ModelList, "/v1/models")

    def promote(self, name: str, version: int) -> Model:
        """Put a version in use."""
        return self._connection.send("POST", Model, f"/v1/models/{name}/versions/{version}/promote", patient=True)

    def roll_back(self, name: str) -> Model:
        """Go back to the version that was in use before; return that one."""
        return self._connection.send("POST", Model, f"/v1/models/{name}/rollback", patient=True)

    def delete_version(self, name: str, version: int) -> None:
        """Delete a version on standby."""
        self._connection.delete(f"/v1/models/{name}/versions/{version}")

    def get_report(self, name: str, version: int) -> Download:
        """Return the report of a version's evaluation, an HTML file."""
        path = f"/v1/models/{name}/versions/{version}/report"
        return self._connection.download(path, default_name=f"{name}-{version}-report.html")
