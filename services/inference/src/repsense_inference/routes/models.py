"""`/v1/models`: the networks that classify, have classified or may classify."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Response

from repsense.manifest import ModelManifest, report_path
from repsense.registry import RegisteredVersion
from repsense.topics import ID_PATTERN
from repsense_inference.dependencies import Parts, PartsDependency
from repsense_inference.model_labels import decode_manifest
from repsense_inference.problems import ProblemError, ProblemKind, not_found, problem_responses
from repsense_inference.schemas.models import BrokenVersion, Model, ModelList

__all__ = ["router"]

_NamePath = Annotated[str, Path(pattern=ID_PATTERN, examples=["bodyweight"])]
_VersionPath = Annotated[int, Path(ge=1, le=10**9, examples=[1])]

_REPORT_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'"
"""A report holds names that anybody may have chosen: whatever it contains, it may do nothing but be looked at."""

router = APIRouter(prefix="/v1/models", tags=["models"])


@router.get("", responses=problem_responses(503, ProblemKind.MODELS_UNAVAILABLE))
def list_models(parts: PartsDependency) -> ModelList:
    """Every model version on disk or known from what it has classified, the one in use by this service first."""
    found = {(one.name, one.version): one for one in parts.model_directory.versions()}
    manifests = _known_manifests(parts) | {key: one.manifest for key, one in found.items() if one.manifest is not None}
    models = [_model(manifest, found.get(key), parts) for key, manifest in manifests.items()]
    models.sort(key=lambda one: (not one.in_use, one.manifest.name, -one.manifest.version))
    return ModelList(
        items=models,
        broken=[
            BrokenVersion(
                name=one.name,
                version=one.version,
                state=one.state,
                problem=parts.model_directory.in_words(one.problem or "it cannot be read"),
            )
            for one in found.values()
            if one.manifest is None
        ],
        name_in_use=parts.model_directory.name_in_use,
        refusal=parts.model.refusal,
    )


@router.get(
    "/{name}/versions/{version}",
    responses=problem_responses(404, 422, 503, ProblemKind.VERSION_BROKEN, ProblemKind.MODELS_UNAVAILABLE),
)
def get_model(name: _NamePath, version: _VersionPath, parts: PartsDependency) -> Model:
    """One version of a model."""
    found = parts.model_directory.find(name, version)
    if found is not None and found.manifest is not None:
        return _model(found.manifest, found, parts)
    manifest = _known_manifests(parts).get((name, version))
    if manifest is not None:
        return _model(manifest, found, parts)
    if found is None:
        raise _missing(name, version)
    detail = parts.model_directory.in_words(found.problem or "it cannot be read")
    raise ProblemError(ProblemKind.VERSION_BROKEN, detail)


@router.get(
    "/{name}/versions/{version}/report",
    response_class=Response,
    responses={
        200: {"description": "A page", "content": {"text/html": {"schema": {"type": "string"}}}},
        **problem_responses(404, 422, ProblemKind.MODELS_UNAVAILABLE),
    },
)
def get_report(name: _NamePath, version: _VersionPath, parts: PartsDependency) -> Response:
    """How a version was evaluated, as a page for people."""
    report = parts.model_directory.report(name, version)
    if report is None:
        raise _missing(name, version, "report of the model version")
    headers = {"Content-Security-Policy": _REPORT_POLICY}
    return Response(report, media_type="text/html; charset=utf-8", headers=headers)


@router.post(
    "/{name}/versions/{version}/promote",
    responses=problem_responses(
        404, 422, 503, ProblemKind.REGISTRY_REFUSES, ProblemKind.VERSION_BROKEN, ProblemKind.MODELS_UNAVAILABLE
    ),
)
def promote_version(name: _NamePath, version: _VersionPath, parts: PartsDependency) -> Model:
    """Put a version in use, after it was tried; versions with higher numbers go on standby.

    It may be repeated. This service and the preprocessor take it up within five seconds.
    """
    if not parts.model_directory.promote(name, version):
        raise _missing(name, version)
    return get_model(name, version, parts)


@router.post(
    "/{name}/rollback",
    responses=problem_responses(422, 503, ProblemKind.REGISTRY_REFUSES, ProblemKind.MODELS_UNAVAILABLE),
)
def roll_back(name: _NamePath, parts: PartsDependency) -> Model:
    """Go back to the version that was in use before the last promotion, and each time one further; return it."""
    return get_model(name, parts.model_directory.roll_back(name), parts)


@router.delete(
    "/{name}/versions/{version}",
    status_code=204,
    responses=problem_responses(404, 422, ProblemKind.REGISTRY_REFUSES, ProblemKind.MODELS_UNAVAILABLE),
)
def delete_version(name: _NamePath, version: _VersionPath, parts: PartsDependency) -> None:
    """Delete a version on standby for good."""
    if not parts.model_directory.delete(name, version):
        raise _missing(name, version)


def _known_manifests(parts: Parts) -> dict[tuple[str, int], ModelManifest]:
    """Of the versions that have classified, and of the one that this service has open."""
    known = [decode_manifest(document) for document in parts.models.all()]
    if classifier := parts.model.classifier:
        known.append(classifier.manifest)
    return {(one.name, one.version): one for one in known if one is not None}


def _model(manifest: ModelManifest, found: RegisteredVersion | None, parts: Parts) -> Model:
    classifier = parts.model.classifier
    in_use = classifier is not None and (classifier.manifest.name, classifier.manifest.version) == (
        manifest.name,
        manifest.version,
    )
    # A model server's versions need not be on this machine's disk.
    absent: Literal["in_use", "retired"] = "in_use" if in_use else "retired"
    state = absent if found is None else found.state
    is_wanted = state == "in_use" and manifest.name == parts.model_directory.name_in_use
    return Model(
        in_use=in_use,
        state=state,
        has_report=found is not None and report_path(found.path).is_file(),
        problem=parts.model.refusal if is_wanted and not in_use else None,
        manifest=manifest,
    )


def _missing(name: str, version: int, what: str = "model version") -> ProblemError:
    return not_found(f"{name} {version}", what)
