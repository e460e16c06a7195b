"""The network that the service keeps open, and the thread that opens it."""

import logging
import threading
from collections.abc import Callable

from repsense.classifiers import Classifier
from repsense.errors import RepSenseError

__all__ = ["ModelKeeper"]

_LOGGER = logging.getLogger(__name__)

FIRST_RETRY_S = 0.5
LAST_RETRY_S = 5.0
"""Waiting doubles from the first to the last: a model is usable at most this long after it is there."""


class ModelKeeper:
    """Opens the classifier, however long that takes, and again when its server went away.

    The opening blocks and may take seconds, so it has a thread of its own; a daemon, so that a model server that
    hangs cannot keep the process from stopping.
    """

    def __init__(self, open_model: Callable[[], Classifier]) -> None:
        self._open_model = open_model
        self._classifier: Classifier | None = None
        self._problem = "the model is being opened"
        self._wanted = threading.Event()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="model", daemon=True)

    @property
    def classifier(self) -> Classifier | None:
        """The open classifier; None while there is none."""
        return self._classifier

    @property
    def problem(self) -> str | None:
        """In words, why there is no classifier."""
        return self._problem if self._classifier is None else None

    def start(self) -> None:
        """Begin to open the model."""
        self._wanted.set()
        self._thread.start()

    def stop(self) -> None:
        """Close the model and stop looking for it."""
        self._stopped.set()
        self._wanted.set()
        if self._classifier is not None:
            self._classifier.close()
            self._classifier = None

    def lost(self, classifier: Classifier, reason: str) -> None:
        """Take a classifier whose server went away out of use and open it again."""
        # Several requests can fail at once; only the first one's classifier is still the current one.
        if classifier is self._classifier:
            self._problem = reason
            self._classifier = None
            _LOGGER.warning("model lost: %s", reason)
            classifier.close()
            self._wanted.set()

    def _run(self) -> None:
        while self._wanted.wait() and not self._stopped.is_set():
            self._wanted.clear()
            self._open()

    def _open(self) -> None:
        retry_s = FIRST_RETRY_S
        while not self._stopped.is_set():
            try:
                classifier = self._open_model()
            except RepSenseError as error:
                if str(error) != self._problem:
                    _LOGGER.warning("no model yet, trying on: %s", error)
                self._problem = str(error)
                self._stopped.wait(retry_s)
                retry_s = min(2 * retry_s, LAST_RETRY_S)
                continue
            if self._stopped.is_set():
                classifier.close()
                return
            self._classifier = classifier
            _LOGGER.info("model %s version %d is open", classifier.manifest.name, classifier.manifest.version)
            return
