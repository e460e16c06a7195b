"""`/v1/models`: the networks that classify or have classified."""

from fastapi import APIRouter

from repsense.manifest import ModelManifest
from repsense_inference.dependencies import PartsDependency
from repsense_inference.model_labels import decode_manifest
from repsense_inference.problems import problem_responses
from repsense_inference.schemas import Model, ModelList

__all__ = ["router"]

router = APIRouter(prefix="/v1/models", tags=["models"])


@router.get("", responses=problem_responses(503))
def list_models(parts: PartsDependency) -> ModelList:
    """Every model version that has classified, and the one that this service has open."""
    found = (decode_manifest(document) for document in parts.models.all())
    manifests = {(one.name, one.version): one for one in found if one is not None}
    in_use: ModelManifest | None = None
    if classifier := parts.model.classifier:
        in_use = classifier.manifest
        manifests[in_use.name, in_use.version] = in_use
    models = [Model(in_use=one is in_use, manifest=one) for one in manifests.values()]
    models.sort(key=lambda one: (not one.in_use, one.manifest.name, -one.manifest.version))
    return ModelList(items=models, refusal=parts.model.refusal)
