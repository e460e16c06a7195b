"""The labels that the numbers of a stored classification stand for."""

import logging
from collections.abc import Sequence

from repsense.documents import ClassificationDocument, ModelDocument, model_key
from repsense.errors import ManifestError
from repsense.labels import Label
from repsense.manifest import ModelManifest
from repsense_inference.ports import ModelReader

__all__ = ["ModelLabels", "decode_manifest"]

_LOGGER = logging.getLogger(__name__)


class ModelLabels:
    """Looks up the labels of model versions; they never change, so those of each version are read once."""

    def __init__(self, models: ModelReader) -> None:
        self._models = models
        self._known: dict[str, tuple[Label, ...]] = {}

    def of(self, documents: Sequence[ClassificationDocument]) -> list[tuple[Label, ...] | None]:
        """For each classification a label per stored probability; None if it has none or its model is not known."""
        keys = [model_key(one["model_name"], one["model_version"]) for one in documents]
        labels = {key: self._read(key) for key in set(keys)}
        return [
            found if found is not None and len(found) == len(document["probabilities"] or ()) else None
            for document, found in zip(documents, map(labels.get, keys), strict=True)
        ]

    def _read(self, key: str) -> tuple[Label, ...] | None:
        if key not in self._known:
            model = self._models.get(key)
            manifest = model and decode_manifest(model)
            if not manifest:
                return None
            self._known[key] = manifest.labels
        return self._known[key]


def decode_manifest(model: ModelDocument) -> ModelManifest | None:
    """The manifest of a stored model; None, with a warning, if this version cannot read it."""
    try:
        return ModelManifest.decode(model["manifest"], f"the stored model {model['_id']}")
    except ManifestError as error:
        _LOGGER.warning("%s", error)
        return None
