"""The labels that the numbers of a stored classification stand for."""

import logging

from repsense.documents import ClassificationDocument, ModelDocument, model_key
from repsense.errors import ManifestError
from repsense.labels import Label
from repsense.manifest import ModelManifest
from repsense_inference.ports import ModelReader

__all__ = ["ModelLabels", "decode_manifest"]

_LOGGER = logging.getLogger(__name__)


class ModelLabels:
    """Looks up a model version's labels; they never change, so each version is read once."""

    def __init__(self, models: ModelReader) -> None:
        self._models = models
        self._known: dict[str, tuple[Label, ...]] = {}

    def of(self, document: ClassificationDocument) -> tuple[Label, ...] | None:
        """One label per stored probability; None if there are none or the model is not known any more."""
        probabilities = document["probabilities"]
        if probabilities is None:
            return None
        key = model_key(document["model_name"], document["model_version"])
        labels = self._known.get(key)
        if labels is None:
            model = self._models.get(key)
            manifest = model and decode_manifest(model)
            if not manifest:
                return None
            labels = self._known[key] = manifest.labels
        return labels if len(labels) == len(probabilities) else None


def decode_manifest(model: ModelDocument) -> ModelManifest | None:
    """The manifest of a stored model; None, with a warning, if this version cannot read it."""
    try:
        return ModelManifest.decode(model["manifest"], f"the stored model {model['_id']}")
    except ManifestError as error:
        _LOGGER.warning("%s", error)
        return None
