"""`/healthz`, `/readyz` and `/metrics`: for those who run the service."""

from typing import Literal

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel
from starlette.responses import JSONResponse, Response

from repsense_inference.dependencies import PartsDependency
from repsense_inference.problems import problem_response, problem_responses

__all__ = ["router"]

router = APIRouter(tags=["operations"])


class Health(BaseModel):
    """The process lives."""

    status: Literal["ok"] = "ok"


class Check(BaseModel):
    """Whether one thing that the service needs is there."""

    name: Literal["database", "broker", "model"]
    ok: bool
    detail: str


class Readiness(BaseModel):
    """Everything that the service needs is there."""

    status: Literal["ready"] = "ready"
    checks: list[Check]


@router.get("/healthz")
async def get_health() -> Health:
    """Whether the process lives."""
    return Health()


@router.get("/readyz", response_model=Readiness, responses=problem_responses(503))
async def get_readiness(parts: PartsDependency) -> Readiness | JSONResponse:
    """Whether database, broker and model are there; a problem with `checks` if not."""
    checks = [
        _check("database", parts.database.problem),
        _check("broker", parts.hub.broker_problem),
        _check("model", parts.model.problem, parts.model.refusal),
    ]
    missing = [check for check in checks if not check.ok]
    if not missing:
        return Readiness(checks=checks)
    detail = "; ".join(check.detail for check in missing)
    return problem_response(503, "not-ready", "Not ready", detail, checks=[check.model_dump() for check in checks])


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def get_metrics(parts: PartsDependency) -> Response:
    """Metrics in Prometheus' text format."""
    return Response(generate_latest(parts.metrics.registry), media_type=CONTENT_TYPE_LATEST)


def _check(name: Literal["database", "broker", "model"], problem: str | None, remark: str | None = None) -> Check:
    return Check(name=name, ok=problem is None, detail=problem or remark or "ok")
