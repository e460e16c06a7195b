"""What is wrong with RepSense as a whole, as clients see it."""

from typing import Annotated, Literal

from pydantic import AwareDatetime, ConfigDict, Field

from repsense_inference.faults import FaultKind, Part, Severity
from repsense_inference.schemas.base import Resource
from repsense_inference.watching import Situation, StandingFault

__all__ = ["Status", "StatusFault"]


class StatusFault(Resource):
    """Something that is wrong, in words."""

    kind: Annotated[FaultKind, Field(examples=["database-away"])]
    part: Annotated[Part, Field(description="Where to look.")]
    severity: Annotated[Severity, Field(description="An error keeps something from working; a remark does not.")]
    title: Annotated[str, Field(examples=["The database is away"])]
    detail: Annotated[
        str, Field(description="A clause, without a full stop.", examples=["the database does not answer"])
    ]
    advice: Annotated[str, Field(description="What to do, in sentences.")]
    since: Annotated[AwareDatetime, Field(description="Since when this service sees it.")]
    subjects: Annotated[list[str], Field(description="Ids of the sensors or gateways that it is about.")]

    @classmethod
    def of(cls, standing: StandingFault) -> "StatusFault":
        """A fault as a resource."""
        fault = standing.fault
        return cls(
            kind=fault.kind,
            part=fault.part,
            severity=fault.severity,
            title=fault.title,
            detail=fault.inside or fault.detail,
            advice=fault.advice,
            since=standing.since,
            subjects=list(fault.subjects),
        )


class Status(Resource):
    """How RepSense is."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "state": "impaired",
                    "checked_at": "2026-03-01T17:42:10Z",
                    "faults": [
                        {
                            "kind": "database-away",
                            "part": "database",
                            "severity": "error",
                            "title": "The database is away",
                            "detail": "the database does not answer",
                            "advice": "See whether it runs, and what its log says.",
                            "since": "2026-03-01T17:41:52Z",
                            "subjects": [],
                        }
                    ],
                }
            ]
        }
    )

    state: Annotated[Literal["ok", "impaired"], Field(description="Impaired while there is an error.")]
    checked_at: Annotated[AwareDatetime, Field(description="When this service last looked; it does every 2 s.")]
    faults: Annotated[list[StatusFault], Field(description="Errors first; of those what others need first.")]

    @classmethod
    def of(cls, situation: Situation) -> "Status":
        """A situation as a resource."""
        faults = [StatusFault.of(standing) for standing in situation.faults]
        is_impaired = any(fault.severity == "error" for fault in faults)
        return cls(state="impaired" if is_impaired else "ok", checked_at=situation.checked_at, faults=faults)
