"""Following a model: which version should be used now, opened and tried before it is handed over.

The highest version is the one to use, as TensorFlow Serving's default has it; `registry` changes which one that is, up
or down.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from repsense.classifiers import Classifier, NewestVersion, find_versions, open_version
from repsense.errors import ClassifierError, ClassifierUnavailableError, ManifestError
from repsense.manifest import ModelManifest

__all__ = ["POLL_INTERVAL_S", "ModelFollower", "Refusal"]

_LOGGER = logging.getLogger(__name__)

POLL_INTERVAL_S = 1.0
"""How often to look: with TensorFlow Serving's own second (`--file_system_poll_wait_seconds`) and the time that it
takes to load a version, a promotion is in use within 5 s."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A version that is there to be used and is not.

    Attributes:
        version: Its number; None if not even that could be found.
        reason: In a sentence, why not.
    """

    version: int | None
    reason: str


class ModelFollower:
    """Looks after the versions of one model for somebody who has a classifier in hand; not for several threads."""

    def __init__(self, url: str) -> None:
        """Prepare to follow the model at a URL; see `open_classifier`.

        Raises:
            ClassifierError: If the URL cannot be used.
        """
        self._versions = find_versions(url)
        self._candidate: Classifier | None = None
        """Opened and sound, but perhaps refused by whoever is to use it."""
        self._unsound: NewestVersion | None = None
        """Is not opened again before its files change."""
        self._refusal: Refusal | None = None

    @property
    def refusal(self) -> Refusal | None:
        """Why the newest version is not used; None if it is, as far as is known."""
        return self._refusal

    def choose(self, in_hand: Classifier, misfit: Callable[[ModelManifest], str | None] = lambda _: None) -> Classifier:
        """Find the classifier to use from now on; to be called about once a second.

        Args:
            in_hand: The classifier in use.
            misfit: Says, in words, why a model cannot be used although nothing is wrong with it; asked at each call.

        Returns:
            The one in hand, if it is right or if there is nothing better; else another one, which was tried and is the
            caller's from now on, as closing the one in hand is.
        """
        try:
            newest = self._versions.newest()
        except ClassifierUnavailableError:
            return in_hand
        except (ManifestError, ClassifierError) as error:
            self._refuse(None, in_hand, str(error))
            return in_hand
        if newest.version == in_hand.manifest.version:
            self._drop_candidate()
            self._unsound = self._refusal = None
            return in_hand
        candidate = self._opened(newest, in_hand)
        if candidate is None:
            return in_hand
        reason = misfit(candidate.manifest)
        if reason is not None:
            self._refuse(newest.version, in_hand, reason)
            return in_hand
        self._candidate = self._refusal = None
        return candidate

    def close(self) -> None:
        """Release what is held, except what was handed over."""
        self._drop_candidate()
        self._versions.close()

    def _opened(self, newest: NewestVersion, in_hand: Classifier) -> Classifier | None:
        """The newest version, tried; None if it cannot be used."""
        if self._candidate is not None and self._candidate.manifest.version == newest.version:
            return self._candidate
        self._drop_candidate()
        if newest == self._unsound:
            return None
        try:
            self._candidate = open_version(self._versions, newest.version)
            _check_name(self._candidate, in_hand)
        except ClassifierUnavailableError:
            return None
        except (ManifestError, ClassifierError) as error:
            self._drop_candidate()
            self._unsound = newest
            self._refuse(newest.version, in_hand, str(error))
            return None
        self._unsound = None
        return self._candidate

    def _refuse(self, version: int | None, in_hand: Classifier, reason: str) -> None:
        which = "the newest version" if version is None else f"version {version}"
        refusal = Refusal(version, f"{which} of {in_hand.manifest.name} is not used: {reason}")
        if refusal != self._refusal:
            self._refusal = refusal
            _LOGGER.warning("%s", refusal.reason)

    def _drop_candidate(self) -> None:
        if self._candidate is not None:
            self._candidate.close()
            self._candidate = None


def _check_name(candidate: Classifier, in_hand: Classifier) -> None:
    """Refuse a version of another model.

    Raises:
        ManifestError: If it is one.
    """
    name, expected = candidate.manifest.name, in_hand.manifest.name
    if name != expected:
        msg = f"its manifest speaks of {name}, not of {expected}: the model was copied to a wrong place"
        raise ManifestError(msg)
