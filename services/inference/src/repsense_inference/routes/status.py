"""`/v1/status`: what is wrong with RepSense as a whole."""

from fastapi import APIRouter

from repsense_inference.dependencies import PartsDependency
from repsense_inference.schemas.status import Status

__all__ = ["router"]

router = APIRouter(tags=["operations"])


@router.get("/v1/status")
async def get_status(parts: PartsDependency) -> Status:
    """What is wrong, since when, and what to do about it; from memory, whatever is missing."""
    return Status.of(parts.watch.situation)
