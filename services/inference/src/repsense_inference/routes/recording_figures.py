"""`/v1/recordings/summary` and `/v1/recordings/inspection`: what there is, and what is wrong with it."""

from typing import Annotated

from fastapi import APIRouter, Query

from repsense.recordings.inspection import Inspection
from repsense_inference.dependencies import PartsDependency
from repsense_inference.problems import ProblemKind, problem_responses
from repsense_inference.recording_amounts import summarize
from repsense_inference.schemas.recordings import RecordingSummary

__all__ = ["router"]

router = APIRouter(prefix="/v1/recordings", tags=["recordings"])


@router.get("/summary", responses=problem_responses(503))
def get_recording_summary(parts: PartsDependency) -> RecordingSummary:
    """How much there is of whom and what, without what is in the trash."""
    return summarize(parts.recordings.overview())


@router.get("/inspection", responses=problem_responses(422, 503, ProblemKind.UNUSABLE_RECORDING))
def get_inspection(
    parts: PartsDependency,
    window_s: Annotated[
        float, Query(gt=0, le=60, allow_inf_nan=False, description="How long the network's windows will be.")
    ] = 2.5,
) -> Inspection:
    """What will do harm when a model is trained on the recordings, and what to do about it.

    The first time after a change all samples are looked at, which takes a while with thousands of recordings.
    """
    return parts.inspections.of(window_s)
