"""What sets add up to by exercise: as the network saw them, and with what people said of them.

A correction is a sum too: the set as it was seen is taken away, and what it really was is added. So a workout's totals
follow from its document and its edits alone, and its sets need not be read.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from repsense.documents import ExerciseTotalDocument, SetDocument, SetEditDocument

__all__ = ["ExerciseTotal", "add_up", "incorrect_share", "sums_of_edit", "total_of_set", "total_seen"]

_INCORRECT = "incorrect"


@dataclass(frozen=True, slots=True)
class ExerciseTotal:
    """What some sets of one exercise add up to, or the difference that a correction makes.

    Attributes:
        exercise: The exercise.
        n_sets: How many sets.
        duration_us: How long they lasted together.
        n_form_windows: Windows whose form is known.
        n_incorrect: Those of them with incorrect form.
        repetitions: As far as they were counted; None if they were not at all.
    """

    exercise: str
    n_sets: int
    duration_us: int
    n_form_windows: int
    n_incorrect: int
    repetitions: int | None = None

    @property
    def incorrect_share(self) -> float | None:
        """Of the windows whose form is known, 0 to 1; None if there is none."""
        return self.n_incorrect / self.n_form_windows if self.n_form_windows > 0 else None


def incorrect_share(form_windows: Mapping[str, int]) -> float | None:
    """Share of the windows with incorrect form, of those whose form is known; None if there is none."""
    n_windows = sum(form_windows.values())
    return form_windows.get(_INCORRECT, 0) / n_windows if n_windows else None


def total_of_set(document: SetDocument) -> ExerciseTotalDocument:
    """A set as the network saw it, as a part of its workout's totals."""
    return ExerciseTotalDocument(
        exercise=document["exercise"],
        n_sets=1,
        duration_us=document["ended_us"] - document["started_us"],
        form_windows=document["form_windows"],
    )


def total_seen(document: ExerciseTotalDocument) -> ExerciseTotal:
    """A stored total."""
    form_windows = document["form_windows"]
    return ExerciseTotal(
        document["exercise"],
        document["n_sets"],
        document["duration_us"],
        sum(form_windows.values()),
        form_windows.get(_INCORRECT, 0),
    )


def sums_of_edit(edit: SetEditDocument) -> list[ExerciseTotal]:
    """What a correction adds to the totals of a workout, in which the set is contained as the network saw it."""
    seen = total_seen(edit["original"])
    taken_away = ExerciseTotal(seen.exercise, -seen.n_sets, -seen.duration_us, -seen.n_form_windows, -seen.n_incorrect)
    if edit["discarded"]:
        return [taken_away]
    exercise, n_form_windows, n_incorrect = seen.exercise, seen.n_form_windows, seen.n_incorrect
    if edit["label"] is not None:
        exercise, form = edit["label"]["exercise"], edit["label"]["form"]
        n_form_windows = 0 if form is None else edit["n_windows"]
        n_incorrect = n_form_windows if form == _INCORRECT else 0
    added = ExerciseTotal(exercise, seen.n_sets, seen.duration_us, n_form_windows, n_incorrect, edit["repetitions"])
    return [taken_away, added]


def add_up(totals: Iterable[ExerciseTotal]) -> tuple[ExerciseTotal, ...]:
    """One total per exercise of which a set is left, in alphabetical order."""
    sums: dict[str, _Sum] = {}
    for total in totals:
        one = sums.get(total.exercise)
        if one is None:
            one = sums[total.exercise] = _Sum()
        one.add(total)
    return tuple(sums[exercise].total(exercise) for exercise in sorted(sums) if sums[exercise].n_sets > 0)


class _Sum:
    """Adds up in place: a history of years is tens of thousands of totals."""

    __slots__ = ("duration_us", "n_form_windows", "n_incorrect", "n_sets", "repetitions")

    def __init__(self) -> None:
        self.n_sets = self.duration_us = self.n_form_windows = self.n_incorrect = 0
        self.repetitions: int | None = None

    def add(self, total: ExerciseTotal) -> None:
        self.n_sets += total.n_sets
        self.duration_us += total.duration_us
        self.n_form_windows += total.n_form_windows
        self.n_incorrect += total.n_incorrect
        if total.repetitions is not None:
            self.repetitions = (self.repetitions or 0) + total.repetitions

    def total(self, exercise: str) -> ExerciseTotal:
        return ExerciseTotal(
            exercise, self.n_sets, self.duration_us, self.n_form_windows, self.n_incorrect, self.repetitions
        )
