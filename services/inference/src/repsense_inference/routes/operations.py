"""`/healthz`, `/readyz` and `/metrics`: for those who run the service."""

from typing import Annotated, Literal

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse, Response

from repsense_inference.dependencies import Parts, PartsDependency
from repsense_inference.faults import PARTS, Fault, FaultKind, Part, model_refused
from repsense_inference.problems import ProblemKind, problem_response, problem_responses

__all__ = ["router"]

_ASKED_NOW = frozenset[Part]({"database", "broker", "model"})

router = APIRouter(tags=["operations"])


class Health(BaseModel):
    """The process lives."""

    status: Literal["ok"] = "ok"


class Check(BaseModel):
    """How one thing is that RepSense needs."""

    name: Part
    ok: Annotated[bool, Field(description="Whether it works, perhaps with a remark.")]
    kind: Annotated[FaultKind | None, Field(description="What is wrong or remarkable, for programs.")]
    detail: Annotated[str, Field(description="The same in words.")]


class Readiness(BaseModel):
    """What the service needs itself is there."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"status": "ready", "checks": [{"name": "database", "ok": True, "kind": None, "detail": "ok"}]}
            ]
        }
    )

    status: Annotated[
        Literal["ready", "impaired"], Field(description="Impaired: requests are answered, but something else is wrong.")
    ] = "ready"
    checks: list[Check]


@router.get("/healthz")
async def get_health() -> Health:
    """Whether the process lives."""
    return Health()


@router.get("/readyz", response_model=Readiness, responses=problem_responses(ProblemKind.NOT_READY))
async def get_readiness(parts: PartsDependency) -> Readiness | JSONResponse:
    """Whether database, broker and model are there, without which this service is of no use; a problem if not.

    `checks` tell of the rest as well; `/v1/status` says what to do about it.
    """
    # What this service needs itself is asked now, the rest as it was seen within the last two seconds.
    missing = {
        fault.part: fault
        for fault in (parts.database.absence, parts.hub.broker_fault, parts.model.fault)
        if fault is not None
    }
    checks = [_check(part, missing.get(part), parts) for part in PARTS]
    if not missing:
        return Readiness(status="ready" if all(check.ok for check in checks) else "impaired", checks=checks)
    detail = "; ".join(fault.detail for fault in missing.values())
    return problem_response(ProblemKind.NOT_READY, detail, checks=[check.model_dump() for check in checks])


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def get_metrics(parts: PartsDependency) -> Response:
    """Metrics in Prometheus' text format."""
    return Response(generate_latest(parts.metrics.registry), media_type=CONTENT_TYPE_LATEST)


def _check(part: Part, missing: Fault | None, parts: Parts) -> Check:
    # Database, broker and model may have come back since they were looked at.
    seen = [fault for fault in parts.watch.faults_of(part) if fault.severity == "remark" or part not in _ASKED_NOW]
    if part == "database" and parts.database.fault is not None:
        seen.insert(0, parts.database.fault)
    if part == "model" and parts.model.refusal is not None:
        seen.insert(0, model_refused(parts.model.refusal))
    fault = missing or next(iter(seen), None)
    if fault is None:
        return Check(name=part, ok=True, kind=None, detail="ok")
    return Check(name=part, ok=fault.severity == "remark", kind=fault.kind, detail=fault.detail)
