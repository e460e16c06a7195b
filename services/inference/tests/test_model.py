from threading import Event

import numpy as np
import pytest
from numpy.typing import NDArray
from support.models import mean_manifest

from repsense.classifiers import Classifier
from repsense.errors import ClassifierUnavailableError, ManifestError
from repsense.manifest import ModelManifest
from repsense_inference import model
from repsense_inference.model import ModelKeeper

_PATIENCE_S = 10


class _Classifier:
    def __init__(self) -> None:
        self.manifest: ModelManifest = mean_manifest()
        self.closed = Event()

    def classify(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        raise NotImplementedError

    def close(self) -> None:
        self.closed.set()


class _Shelf:
    """Where models are opened: empty until one is put there."""

    def __init__(self) -> None:
        self.model: Classifier | None = None
        self.asked = Event()
        self.taken = Event()

    def open(self) -> Classifier:
        self.asked.set()
        if self.model is None:
            msg = "the shelf is empty"
            raise ManifestError(msg)
        self.taken.set()
        return self.model


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "FIRST_RETRY_S", 0.01)
    monkeypatch.setattr(model, "LAST_RETRY_S", 0.01)


def _wait_until_open(keeper: ModelKeeper, shelf: _Shelf) -> None:
    assert shelf.taken.wait(_PATIENCE_S)
    shelf.taken.clear()
    patience = Event()
    while keeper.problem is not None:
        patience.wait(0.001)


def test_a_model_that_comes_later_is_opened() -> None:
    shelf = _Shelf()
    keeper = ModelKeeper(shelf.open)
    assert keeper.problem == "the model is being opened"
    keeper.start()
    try:
        assert shelf.asked.wait(_PATIENCE_S)
        shelf.asked.clear()
        assert shelf.asked.wait(_PATIENCE_S)
        assert keeper.classifier is None
        assert keeper.problem == "the shelf is empty"

        shelf.model = _Classifier()
        _wait_until_open(keeper, shelf)

        assert keeper.classifier is shelf.model
        assert keeper.problem is None
    finally:
        keeper.stop()


def test_a_model_whose_server_went_away_is_opened_again() -> None:
    shelf = _Shelf()
    first, second = _Classifier(), _Classifier()
    shelf.model = first
    keeper = ModelKeeper(shelf.open)
    keeper.start()
    try:
        _wait_until_open(keeper, shelf)
        shelf.model = second

        keeper.lost(first, str(ClassifierUnavailableError("the server is away")))
        _wait_until_open(keeper, shelf)
        # A request that began with the first one fails late.
        keeper.lost(first, "the server is away")

        assert first.closed.is_set()
        assert keeper.classifier is second
    finally:
        keeper.stop()
    assert second.closed.is_set()
    assert keeper.classifier is None
