"""The network that the service keeps open, and the thread that opens it and follows its versions."""

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from repsense.classifiers import Classifier
from repsense.classifiers.following import POLL_INTERVAL_S, Refusal
from repsense.errors import ClassifierUnavailableError, RepSenseError
from repsense_inference.errors import ModelUnavailableError
from repsense_inference.faults import Fault, FaultKind

__all__ = ["Follower", "ModelKeeper"]

_LOGGER = logging.getLogger(__name__)

FIRST_RETRY_S = 0.5
LAST_RETRY_S = 5.0
"""Waiting doubles from the first to the last: a model is usable at most this long after it is there."""

_IN_SHORT = {
    FaultKind.MODEL_MISSING: "there is no model that can be used",
    FaultKind.MODEL_AWAY: "the model server does not answer",
}
"""Without the files and addresses of what was tried."""


class Follower(Protocol):
    """What must be known of the model's versions; see `following.ModelFollower`."""

    @property
    def refusal(self) -> Refusal | None:
        """Why the newest version is not used."""
        ...

    def choose(self, in_hand: Classifier) -> Classifier:
        """Find the classifier to use from now on."""
        ...

    def close(self) -> None:
        """Release what is held."""
        ...


@dataclass
class _Held:
    """A classifier, closed when it is in use no more and the last request that has begun with it has ended."""

    classifier: Classifier
    n_users: int = 0
    retired: bool = False


class ModelKeeper:
    """Opens the classifier, however long that takes, again when its server went away, and each new version of it.

    The opening blocks and may take seconds, so it has a thread of its own; a daemon, so that a model server that
    hangs cannot keep the process from stopping.
    """

    def __init__(self, open_model: Callable[[], Classifier], follower: Follower) -> None:
        """Prepare to keep a model.

        Args:
            open_model: Opens it, or raises a `RepSenseError`.
            follower: Finds other versions of it; closed in the end.
        """
        self._open_model = open_model
        self._follower = follower
        self._held: _Held | None = None
        self._changed = threading.Condition()
        """Guards what is held."""
        self._problem = "the model is being opened"
        self._problem_kind = FaultKind.MODEL_MISSING
        self._wanted = threading.Event()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="model", daemon=True)

    @property
    def classifier(self) -> Classifier | None:
        """The open classifier, to look at; None while there is none."""
        held = self._held
        return None if held is None else held.classifier

    @property
    def fault(self) -> Fault | None:
        """Why there is no classifier; None if there is one."""
        if self._held is not None:
            return None
        return Fault(self._problem_kind, _IN_SHORT[self._problem_kind], inside=self._problem)

    @property
    def refusal(self) -> str | None:
        """In words, why the newest version of the model is not used."""
        refusal = self._follower.refusal
        return None if refusal is None else refusal.reason

    @contextlib.contextmanager
    def use(self, patience_s: float = 0.0) -> Iterator[Classifier]:
        """The open classifier, which stays open until the block ends, whatever takes its place.

        Args:
            patience_s: How long to wait for one.

        Raises:
            ModelUnavailableError: If there is none.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._held is not None, patience_s)
            held = self._held
            if held is None:
                raise ModelUnavailableError(self._problem)
            held.n_users += 1
        try:
            yield held.classifier
        finally:
            with self._changed:
                held.n_users -= 1
            self._close_unused(held)

    def start(self) -> None:
        """Begin to open the model."""
        self._wanted.set()
        self._thread.start()

    def stop(self) -> None:
        """Close the model and stop looking for it."""
        self._stopped.set()
        self._wanted.set()
        self._hold(None)

    def lost(self, classifier: Classifier, reason: str) -> None:
        """Take a classifier whose server went away out of use and open it again."""
        # Several requests can fail at once; only the first one's classifier is still the current one.
        if classifier is self.classifier:
            self._problem, self._problem_kind = reason, FaultKind.MODEL_AWAY
            _LOGGER.warning("model lost: %s", reason)
            self._hold(None)
            self._wanted.set()

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                if self._wanted.wait(POLL_INTERVAL_S):
                    self._wanted.clear()
                    self._open()
                else:
                    self._follow()
            except Exception:
                # A mistake of ours. Nobody waits for this thread, and another version may do.
                _LOGGER.exception("the model could not be opened or followed")
                if self.classifier is None:
                    self._wanted.set()
                self._stopped.wait(LAST_RETRY_S)
        self._follower.close()

    def _open(self) -> None:
        retry_s = FIRST_RETRY_S
        while not self._stopped.is_set():
            try:
                classifier = self._open_model()
            except RepSenseError as error:
                if str(error) != self._problem:
                    _LOGGER.warning("no model yet, trying on: %s", error)
                self._problem = str(error)
                is_away = isinstance(error, ClassifierUnavailableError)
                self._problem_kind = FaultKind.MODEL_AWAY if is_away else FaultKind.MODEL_MISSING
                self._stopped.wait(retry_s)
                retry_s = min(2 * retry_s, LAST_RETRY_S)
                continue
            self._take_up(classifier)
            return

    def _follow(self) -> None:
        in_hand = self.classifier
        if in_hand is not None:
            chosen = self._follower.choose(in_hand)
            if chosen is not in_hand:
                self._take_up(chosen)

    def _take_up(self, classifier: Classifier) -> None:
        if self._stopped.is_set():
            classifier.close()
            return
        self._hold(classifier)
        _LOGGER.info("model %s version %d is open", classifier.manifest.name, classifier.manifest.version)

    def _hold(self, classifier: Classifier | None) -> None:
        """Put a classifier, or none, in the place of the one that is held."""
        with self._changed:
            before, self._held = self._held, None if classifier is None else _Held(classifier)
            if before is not None:
                before.retired = True
            self._changed.notify_all()
        if before is not None:
            self._close_unused(before)

    def _close_unused(self, held: _Held) -> None:
        with self._changed:
            is_last = held.retired and not held.n_users
            # Two can come here at once; only one may close it.
            held.retired = held.retired and not is_last
        if is_last:
            held.classifier.close()
