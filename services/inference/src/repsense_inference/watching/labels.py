"""Whether the model in use knows what it should."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta

from repsense.documents import ModelDocument
from repsense.manifest import ModelManifest
from repsense.timestamps import from_epoch_us
from repsense_inference.faults import Fault, FaultKind
from repsense_inference.model_labels import decode_manifest
from repsense_inference.watching.words import name_some

__all__ = ["labels_fault"]

NEWS = timedelta(days=1)
"""After that, everybody who wanted to know knows that the new version has other labels."""


def labels_fault(
    manifest: ModelManifest, used: Iterable[ModelDocument], recorded: Collection[str], now: datetime
) -> Fault | None:
    """That the model in use lacks exercises that the one before knew, or knows nothing of what was recorded.

    Args:
        manifest: Of the model in use.
        used: The versions that have classified.
        recorded: The exercises of which there are recordings.
        now: The time here.
    """
    known = {label.exercise for label in manifest.labels}
    by_age = sorted((one for one in used if one["name"] == manifest.name), key=lambda one: one["first_used_us"])
    current = next((one for one in by_age if one["version"] == manifest.version), None)
    if current is not None and now - from_epoch_us(current["first_used_us"]) < NEWS:
        lost = _lost(known, by_age[: by_age.index(current)])
        if lost:
            detail = f"version {manifest.version} of {manifest.name} does not know {name_some(lost)} any more"
            return Fault(FaultKind.MODEL_LABELS, detail)
    if recorded and not known & set(recorded):
        detail = (
            f"{manifest.name} {manifest.version} knows {name_some(sorted(known))}; recorded was "
            f"{name_some(sorted(recorded))}"
        )
        return Fault(FaultKind.MODEL_LABELS, detail)
    return None


def _lost(known: Collection[str], before: Sequence[ModelDocument]) -> list[str]:
    manifest = decode_manifest(before[-1]) if before else None
    return [] if manifest is None else sorted({label.exercise for label in manifest.labels} - set(known))
