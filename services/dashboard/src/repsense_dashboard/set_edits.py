"""Corrections of sets and workouts, with their way back."""

from collections.abc import Mapping
from typing import Any

from repsense_dashboard.api import ApiClient, Label
from repsense_dashboard.api.workouts import Workout, WorkoutSet
from repsense_dashboard.components.page import Changes
from repsense_dashboard.wording import label_words

__all__ = ["WorkoutEdits", "set_changes"]


def set_changes(
    entry: WorkoutSet, *, label: Label | None, discarded: bool, repetitions: int | None, note: str
) -> dict[str, Any]:
    """Return what of a set is to be different; empty if nothing is.

    Args:
        entry: The set as it is.
        label: What it really was; None leaves it as it is.
        discarded: Whether it was no set at all.
        repetitions: How many were counted.
        note: Whatever is to be remembered.
    """
    changes: dict[str, Any] = {}
    if label is not None and label != Label(exercise=entry.exercise, form=entry.form):
        changes["label"] = None if label == entry.recognised else label.model_dump()
    if discarded != entry.discarded:
        changes["discarded"] = discarded
    if repetitions != entry.repetitions:
        changes["repetitions"] = repetitions
    if (note.strip() or None) != entry.note:
        changes["note"] = note.strip() or None
    return changes


class WorkoutEdits:
    """Edits sets and workouts, and remembers how to take that back.

    It knows each as it was after its own last edit. So an edit that is taken back overwrites nothing that somebody
    else has changed since.
    """

    def __init__(self, client: ApiClient, changes: Changes) -> None:
        self._client = client
        self._changes = changes
        self._sets: dict[str, WorkoutSet] = {}
        self._workouts: dict[str, Workout] = {}

    def edit_set(self, entry: WorkoutSet, changes: Mapping[str, Any]) -> WorkoutSet:
        """Change a set.

        Raises:
            ApiError: If it was not changed.
        """
        before = {
            "label": Label(exercise=entry.exercise, form=entry.form).model_dump() if entry.corrected else None,
            "discarded": entry.discarded,
            "repetitions": entry.repetitions,
            "note": entry.note,
        }
        edited = self._edit_set(entry, changes)

        def undo() -> None:
            self._edit_set(self._sets[entry.set_id], {name: before[name] for name in changes})

        self._changes.remember(_words(edited, changes), undo)
        return edited

    def edit_workout(self, workout: Workout, changes: Mapping[str, Any], words: str) -> Workout:
        """Change a workout; `words` say what was done.

        Raises:
            ApiError: If it was not changed.
        """
        before = {"subject": workout.subject, "note": workout.note}
        edited = self._edit_workout(workout, changes)

        def undo() -> None:
            self._edit_workout(self._workouts[workout.workout_id], {name: before[name] for name in changes})

        self._changes.remember(words, undo)
        return edited

    def _edit_set(self, entry: WorkoutSet, changes: Mapping[str, Any]) -> WorkoutSet:
        edited = self._client.workouts.edit_set(entry, dict(changes))
        self._sets[entry.set_id] = edited
        return edited

    def _edit_workout(self, workout: Workout, changes: Mapping[str, Any]) -> Workout:
        edited = self._client.workouts.edit_workout(workout, dict(changes))
        self._workouts[workout.workout_id] = edited
        return edited


def _words(edited: WorkoutSet, changes: Mapping[str, Any]) -> str:
    """Return what was done to a set, by what matters most."""
    label = label_words(Label(exercise=edited.exercise, form=edited.form))
    if "discarded" in changes:
        return f"{label} {'does not count any more' if edited.discarded else 'counts again'}"
    if "label" in changes:
        return f"Set corrected to {label}"
    if "repetitions" in changes and edited.repetitions is not None:
        return f"{edited.repetitions} repetitions of {label}"
    return f"Set changed: {label}"
