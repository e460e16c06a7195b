"""What a training tells of itself while it runs."""

from typing import Protocol

__all__ = ["TrainingProgress"]


class TrainingProgress(Protocol):
    """Told how far a training is; any call may raise `TrainingCancelledError`, which ends it."""

    def begin(self, n_steps: int) -> None:
        """Say how many trainings there will be in all, before the first."""
        ...

    def stage(self, step: int, text: str, n_epochs: int) -> None:
        """Begin a training.

        Args:
            step: Its number, from 1.
            text: What it is for, in words.
            n_epochs: How many epochs it will take.
        """
        ...

    def epoch(self, epoch: int, loss: float) -> None:
        """Say that an epoch, counted from 1, is done, and its mean loss."""
        ...

    def group(self, group: str, accuracy: float) -> None:
        """Say how the network did on a group that it had not seen: 0 to 1."""
        ...
