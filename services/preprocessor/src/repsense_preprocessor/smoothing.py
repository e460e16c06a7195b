"""From the probabilities of single windows to a label that a person can trust."""

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["LabelSmoother", "Smoothed"]


@dataclass(frozen=True, slots=True)
class Smoothed:
    """What to tell a person after a window.

    Attributes:
        label: Index of the label in the manifest; None is "unknown".
        confidence: Mean probability of the label over the recent windows; 0 for "unknown".
    """

    label: int | None
    confidence: float


class LabelSmoother:
    """Changes its mind only when windows in a row agree.

    A window speaks for its most probable label, or for "unknown" where that probability is below the threshold, the
    label is no exercise or the window was not classified. With `min_windows` 2:

        windows speak for   A A B A A B B B ? A ? ?
        comes out           ? A A A A A B B B B B ?

    Windows overlap, so two in a row are evidence of more than one window's length but not twice as much.
    """

    def __init__(self, threshold: float, min_windows: int, background: Collection[int] = ()) -> None:
        """Begin with "unknown".

        Args:
            threshold: The probability below which a window speaks for "unknown".
            min_windows: How many windows in a row must agree before the label changes.
            background: Indices of the labels that are no exercise; a window that is one of these speaks for "unknown".
        """
        self._threshold = threshold
        self._background = frozenset(background)
        self._min_windows = min_windows
        self._label: int | None = None
        self._votes: deque[int | None] = deque(maxlen=min_windows)
        self._recent: deque[NDArray[np.floating]] = deque(maxlen=min_windows)

    def update(self, probabilities: NDArray[np.floating] | None) -> Smoothed:
        """Take the next window.

        Args:
            probabilities: (n_classes,), or None if the window was not classified.
        """
        vote = None
        if probabilities is None:
            self._recent.clear()
        else:
            self._recent.append(probabilities)
            best = int(np.argmax(probabilities))
            if probabilities[best] >= self._threshold and best not in self._background:
                vote = best
        self._votes.append(vote)
        if len(self._votes) == self._min_windows and all(v == vote for v in self._votes):
            self._label = vote
        return self._smoothed()

    def restore(self, label: int | None, probabilities: NDArray[np.floating] | None) -> Smoothed:
        """Take a window whose outcome is already stored, so that neither a restart nor another model changes it."""
        self.update(probabilities)
        self._label = label
        return self._smoothed()

    def _smoothed(self) -> Smoothed:
        if self._label is None or not self._recent:
            return Smoothed(self._label, 0.0)
        return Smoothed(self._label, float(np.mean([p[self._label] for p in self._recent])))
