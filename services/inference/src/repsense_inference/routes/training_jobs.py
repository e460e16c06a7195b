"""`/v1/training-jobs`: trainings that somebody asked for, and what becomes of them."""

import hashlib
import uuid
from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Response

from repsense.documents import TrainingJobDocument, TrainingJobState
from repsense.timestamps import now_us
from repsense_inference.dependencies import CursorQuery, LimitQuery, Parts, PartsDependency
from repsense_inference.problems import ProblemError, ProblemKind, or_not_found, problem_responses
from repsense_inference.schemas.base import HEX_ID_PATTERN
from repsense_inference.schemas.training import TrainingJob, TrainingJobPage, TrainingJobRequest, TrainingLog

__all__ = ["router"]

_JobIdPath = Annotated[str, Path(pattern=HEX_ID_PATTERN, examples=["6f1d0c8e5b1f4f0c9a3e2d7b8c9d0e1f"])]
_StateQuery = Annotated[TrainingJobState | None, Query(description="Only jobs in this state.")]
_KeyHeader = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        description="Any text, new for each job: when a request is sent again with its key, there is still one job.",
    ),
]

_JOB = "training job"

router = APIRouter(prefix="/v1/training-jobs", tags=["training"])


@router.post("", status_code=201, responses=problem_responses(422, 503, ProblemKind.IDEMPOTENCY_KEY_REUSED))
def create_training_job(
    request: TrainingJobRequest, parts: PartsDependency, response: Response, idempotency_key: _KeyHeader = None
) -> TrainingJob:
    """Ask for a training; it begins when a worker has time.

    It answers at once with the job, whose address is in `Location`. The new version goes to the model's directory; it
    is put in use only with `promote`.
    """
    wanted = _document(request, idempotency_key)
    job = parts.training_jobs.add(wanted)
    if any(job[part] != wanted[part] for part in ("model_name", "selection", "configuration", "promote")):
        detail = "this Idempotency-Key was sent with another request: give every new job a new one"
        raise ProblemError(ProblemKind.IDEMPOTENCY_KEY_REUSED, detail)
    response.headers["Location"] = f"{router.prefix}/{job['_id']}"
    return _resources([job], parts)[0]


@router.get("", responses=problem_responses(422, 503, ProblemKind.INVALID_CURSOR))
def list_training_jobs(
    parts: PartsDependency, state: _StateQuery = None, limit: LimitQuery = 100, cursor: CursorQuery = None
) -> TrainingJobPage:
    """Training jobs, newest first."""
    page = parts.training_jobs.page(state, limit, cursor)
    return TrainingJobPage(items=_resources(page.items, parts), next_cursor=page.next_cursor)


@router.get("/{job_id}", responses=problem_responses(404, 422, 503))
def get_training_job(job_id: _JobIdPath, parts: PartsDependency) -> TrainingJob:
    """One training job: its state, how far it is and what came of it."""
    return _resources([or_not_found(parts.training_jobs.get(job_id), job_id, _JOB)], parts)[0]


@router.get("/{job_id}/log", responses=problem_responses(404, 422, 503))
def get_training_job_log(job_id: _JobIdPath, parts: PartsDependency) -> TrainingLog:
    """What the training wrote, at most its last 500 lines."""
    return TrainingLog(lines=or_not_found(parts.training_jobs.log(job_id), job_id, _JOB))


@router.post("/{job_id}/cancel", responses=problem_responses(404, 422, 503, ProblemKind.TRAINING_JOB_ENDED))
def cancel_training_job(job_id: _JobIdPath, parts: PartsDependency) -> TrainingJob:
    """End a training job: a queued one at once, a running one when its worker notices, within seconds.

    It may be repeated. A running job that ends before its worker notices ends as it would have ended.
    """
    job = or_not_found(parts.training_jobs.cancel(job_id, now_us()), job_id, _JOB)
    if job["state"] in {"succeeded", "failed"}:
        detail = f"the training job {job_id!r} has {job['state']} already"
        raise ProblemError(ProblemKind.TRAINING_JOB_ENDED, detail)
    return _resources([job], parts)[0]


def _document(request: TrainingJobRequest, idempotency_key: str | None) -> TrainingJobDocument:
    """The job that a request asks for; the same key gives the same id, so that the database keeps only one of them."""
    key = None if idempotency_key is None else hashlib.sha256(idempotency_key.encode()).hexdigest()[:32]
    return TrainingJobDocument(
        _id=key or uuid.uuid4().hex,
        state="queued",
        model_name=request.model_name,
        selection=request.selection.model_dump_json(),
        configuration=request.configuration.model_dump_json(),
        promote=request.promote,
        created_us=now_us(),
        started_us=None,
        ended_us=None,
        worker_id=None,
        lease_until_us=0,
        n_attempts=0,
        cancel_requested=False,
        progress=None,
        error=None,
        model_version=None,
        log=[],
    )


def _resources(jobs: list[TrainingJobDocument], parts: Parts) -> list[TrainingJob]:
    is_one_queued = any(job["state"] == "queued" for job in jobs)
    positions = {job_id: place for place, job_id in enumerate(parts.training_jobs.queue(), 1)} if is_one_queued else {}
    return [TrainingJob.from_document(job, positions.get(job["_id"])) for job in jobs]
