"""What is missing for a good model, and what to record next. Pure functions, no I/O."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil

from repsense_dashboard.api import Label
from repsense_dashboard.api.labels import StoredLabel
from repsense_dashboard.api.recordings import RecordingSummary
from repsense_dashboard.wording import counted, label_words, spoken_duration

__all__ = ["ENOUGH_S", "TAKE_S", "Advice", "recorded_seconds", "takes_missing", "tell_advice"]

ENOUGH_S = 120.0
"""Of each label. The trainer warns below 30 s; a few sessions of some takes each make it about this."""
TAKE_S = 20.0
"""What most takes last."""

_MIN_LABELS = 2
_MOST_ADVICE = 5
_REST = Label(exercise="rest")


@dataclass(frozen=True)
class Advice:
    """One thing to do next."""

    title: str
    reason: str
    label: Label | None = None
    """What to record."""


def takes_missing(recorded_s: float, *, take_s: float = TAKE_S) -> int:
    """Return how many more takes make enough of a label."""
    return max(0, ceil((ENOUGH_S - recorded_s) / take_s - 0.25))


def recorded_seconds(summary: RecordingSummary) -> dict[Label, float]:
    """Return how much there is of each label."""
    return {each.label: each.minutes * 60 for each in summary.labels if each.label is not None}


def tell_advice(
    summary: RecordingSummary, labels: Iterable[StoredLabel], *, take_s: float = TAKE_S
) -> Sequence[Advice]:
    """Return what to do next, the most useful first; empty where there is enough of everything."""
    stored = {each.label: each for each in labels}
    recorded = recorded_seconds(summary)
    advice = [*_scarce(recorded, stored, take_s)]
    exercises = {label for label in recorded if not (label in stored and stored[label].background)}
    waiting = [label for label, each in stored.items() if label not in recorded and not each.background]
    if exercises and len(exercises) + len(waiting) < _MIN_LABELS:
        reason = "A network learns by telling things apart: it needs at least two activities."
        advice.insert(0, Advice("Record a second activity", reason))
    if exercises and not any(label.background for label in stored.values()):
        reason = "Standing, walking, drinking: with it, the network knows when nothing is being exercised."
        advice.append(Advice("Record rest, too", reason, _REST))
    persons = [each for each in summary.persons if each.subject is not None]
    if exercises and len(persons) == 1:
        reason = f"So far only {persons[0].subject} was recorded; others may move differently."
        advice.append(Advice("Record somebody else, too", reason))
    unlabelled = next((each for each in summary.labels if each.label is None), None)
    if unlabelled is not None:
        words = f"Label {counted(unlabelled.n_recordings, 'recording')}"
        advice.append(Advice(words, "Nothing can be learned from what has no label."))
    return advice[:_MOST_ADVICE]


def _scarce(recorded: dict[Label, float], stored: dict[Label, StoredLabel], take_s: float) -> Iterable[Advice]:
    """Return a piece of advice for each label of which there is too little, the scarcest first."""
    amounts = dict.fromkeys(stored, 0.0) | recorded
    for label, amount_s in sorted(amounts.items(), key=lambda item: (item[1], label_words(item[0]))):
        n_takes = takes_missing(amount_s, take_s=take_s)
        if n_takes:
            there = f"There are {spoken_duration(amount_s)} of it" if amount_s else "There is nothing of it yet"
            reason = f"{there}; about {spoken_duration(ENOUGH_S)} make a good start."
            yield Advice(f"{label_words(label)}: {counted(n_takes, 'more take')}", reason, label)
