"""`/v1/classify`: samples in, windows with probabilities out."""

from fastapi import APIRouter

from repsense.errors import ClassifierError, ModelVersionGoneError
from repsense.messages import LabelProbability
from repsense_inference.classification import classify_recording
from repsense_inference.dependencies import Parts, PartsDependency
from repsense_inference.problems import ProblemKind, problem_responses
from repsense_inference.schemas.classifications import ClassifiedWindow, ClassifyRequest, ClassifyResponse

__all__ = ["router"]

router = APIRouter(tags=["models"])

SUCCESSOR_PATIENCE_S = 3.0
"""How long a request waits for the version in place of one that was unloaded; it is ready to be opened."""


@router.post(
    "/v1/classify", responses=problem_responses(422, ProblemKind.UNUSABLE_SAMPLES, ProblemKind.MODEL_UNAVAILABLE)
)
def classify(recording: ClassifyRequest, parts: PartsDependency) -> ClassifyResponse:
    """Cut a recording into the model's windows and classify each; nothing is stored.

    The recording needs the model's channels (see `/v1/models`) at its rate or a higher one, at least one window
    and at most ten minutes long, in a body of at most 8 MiB.
    """
    try:
        return _classify(recording, parts)
    except ModelVersionGoneError:
        return _classify(recording, parts, SUCCESSOR_PATIENCE_S)


def _classify(recording: ClassifyRequest, parts: Parts, patience_s: float = 0.0) -> ClassifyResponse:
    with parts.model.use(patience_s) as classifier:
        try:
            results = classify_recording(recording.samples, recording.channels, recording.sample_rate_hz, classifier)
        except ClassifierError as error:
            parts.model.lost(classifier, str(error))
            raise
        manifest = classifier.manifest
    return ClassifyResponse(
        model_name=manifest.name,
        model_version=manifest.version,
        windows=[
            ClassifiedWindow(
                start_s=result.start_s,
                end_s=result.end_s,
                label=result.label,
                confidence=result.confidence,
                probabilities=[
                    LabelProbability(label=label, probability=probability)
                    for label, probability in zip(manifest.labels, result.probabilities, strict=False)
                ],
                unclassified_reason=result.unclassified_reason,
            )
            for result in results
        ],
    )
