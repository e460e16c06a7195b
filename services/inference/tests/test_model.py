import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event

import numpy as np
import pytest
from numpy.typing import NDArray
from support.models import mean_manifest

from repsense.classifiers import Classifier
from repsense.classifiers.following import Refusal
from repsense.errors import ClassifierUnavailableError, ManifestError
from repsense.manifest import ModelManifest
from repsense_inference import model
from repsense_inference.errors import ModelUnavailableError
from repsense_inference.faults import Fault, FaultKind
from repsense_inference.model import ModelKeeper

_PATIENCE_S = 10


class _Classifier:
    def __init__(self, version: int = 1) -> None:
        self.manifest: ModelManifest = mean_manifest(version=version)
        self.closed = Event()

    def classify(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        raise NotImplementedError

    def close(self) -> None:
        self.closed.set()


class _Shelf:
    """Where models are opened and followed: empty until one is put there."""

    def __init__(self) -> None:
        self.model: Classifier | None = None
        self.newer: Classifier | None = None
        self.refusal: Refusal | None = None
        self.mistake: Exception | None = None
        self.asked = Event()
        self.closed = Event()

    def open(self) -> Classifier:
        self.asked.set()
        self._fail()
        if self.model is None:
            msg = "the shelf is empty"
            raise ManifestError(msg)
        return self.model

    def choose(self, in_hand: Classifier) -> Classifier:
        self._fail()
        newer, self.newer = self.newer, None
        return newer or in_hand

    def close(self) -> None:
        self.closed.set()

    def _fail(self) -> None:
        mistake, self.mistake = self.mistake, None
        if mistake is not None:
            raise mistake


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "FIRST_RETRY_S", 0.01)
    monkeypatch.setattr(model, "LAST_RETRY_S", 0.01)
    monkeypatch.setattr(model, "POLL_INTERVAL_S", 0.01)


@contextmanager
def _keeping(shelf: _Shelf) -> Iterator[ModelKeeper]:
    keeper = ModelKeeper(shelf.open, shelf)
    assert keeper.fault == _missing("the model is being opened")
    keeper.start()
    try:
        yield keeper
    finally:
        keeper.stop()


def _missing(inside: str) -> Fault:
    """What is said of it to those who have no key holds no more than that."""
    return Fault(FaultKind.MODEL_MISSING, "there is no model that can be used", inside=inside)


def _eventually(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + _PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.001)


def test_a_model_that_comes_later_is_opened() -> None:
    shelf = _Shelf()
    with _keeping(shelf) as keeper:
        assert shelf.asked.wait(_PATIENCE_S)
        shelf.asked.clear()
        assert shelf.asked.wait(_PATIENCE_S)
        assert keeper.classifier is None
        assert keeper.fault == _missing("the shelf is empty")
        with pytest.raises(ModelUnavailableError, match="the shelf is empty"), keeper.use():
            pass

        shelf.model = _Classifier()

        with keeper.use(_PATIENCE_S) as classifier:
            assert classifier is shelf.model
        assert keeper.fault is None


def test_a_model_whose_server_went_away_is_opened_again() -> None:
    shelf = _Shelf()
    first, second = _Classifier(), _Classifier()
    shelf.model = first
    with _keeping(shelf) as keeper:
        with keeper.use(_PATIENCE_S) as classifier:
            shelf.model = second
            keeper.lost(classifier, str(ClassifierUnavailableError("the server is away")))
            # Another request may still read from it.
            assert not first.closed.is_set()
        assert first.closed.is_set()

        with keeper.use(_PATIENCE_S) as classifier:
            assert classifier is second
        # A request that began with the first one fails late.
        keeper.lost(first, "the server is away")

        assert keeper.classifier is second
    assert second.closed.is_set()
    assert keeper.classifier is None
    assert shelf.closed.wait(_PATIENCE_S)


def test_a_new_version_takes_over_and_requests_that_began_with_the_old_one_end_with_it() -> None:
    shelf = _Shelf()
    old, new = _Classifier(), _Classifier(version=2)
    shelf.model = old
    with _keeping(shelf) as keeper:
        with keeper.use(_PATIENCE_S) as one, keeper.use() as another:
            shelf.newer = new
            _eventually(lambda: keeper.classifier is new)
            assert one is another is old
            with keeper.use() as later:
                assert later is new
            assert not old.closed.is_set()
        assert old.closed.is_set()
        assert not new.closed.is_set()


def test_a_mistake_of_ours_is_logged_and_does_not_end_the_looking(caplog: pytest.LogCaptureFixture) -> None:
    shelf = _Shelf()
    first, second = _Classifier(), _Classifier(version=2)
    shelf.model, shelf.mistake = first, KeyError("opening")
    with _keeping(shelf) as keeper:
        _eventually(lambda: keeper.classifier is first)
        shelf.mistake = KeyError("following")
        _eventually(lambda: shelf.mistake is None)

        shelf.newer = second

        _eventually(lambda: keeper.classifier is second)
    assert [record.exc_text is not None for record in caplog.records if record.levelname == "ERROR"] == [True, True]


def test_why_a_version_is_not_used_is_passed_on() -> None:
    shelf = _Shelf()
    keeper = ModelKeeper(shelf.open, shelf)
    assert keeper.refusal is None

    shelf.refusal = Refusal(2, "version 2 of mean is not used: it is broken")

    assert keeper.refusal == "version 2 of mean is not used: it is broken"
