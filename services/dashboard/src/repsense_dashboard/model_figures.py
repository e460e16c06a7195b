"""What a model's figures say, in words, and what two of them say beside each other. Pure functions, no I/O."""

from collections.abc import Sequence
from dataclasses import dataclass

from repsense_dashboard.api.training import Evaluation, Manifest
from repsense_dashboard.wording import counted, label_words, listed, percent

__all__ = [
    "ComparedLabel",
    "Comparison",
    "Mistake",
    "compare",
    "group_name",
    "group_noun",
    "groups_tested",
    "interval_words",
    "mistakes",
    "verdict",
]

_WORTH_SAYING = 0.01
"""Of a label's windows: rarer mistakes say more about the recordings than about the model."""
_SAME = 0.005


def group_noun(evaluation: Evaluation) -> str:
    """Return what was left out in the tests: "person" or "session"."""
    return "person" if evaluation.group_by == "subject" else "session"


def group_name(group: str) -> str:
    """Return a group as people write it; the trainer writes a person's session as "Anna/monday"."""
    return group.replace("/", ", ")


def verdict(evaluation: Evaluation) -> str:
    """Return what the accuracy is a share of, to go on after the figure."""
    whom = "people whom" if evaluation.group_by == "subject" else "sessions that"
    return f"of all moments are recognised right, of {whom} the network had never seen."


def interval_words(evaluation: Evaluation) -> str:
    """Return how sure that is."""
    word = group_noun(evaluation)
    if evaluation.accuracy_interval is None:
        return f"{len(evaluation.groups)} {word}s are too few to tell how it will be with the next one."
    low, high = evaluation.accuracy_interval
    return f"With other {word}s like these it would be between {percent(low)} and {percent(high)}, 19 times out of 20."


@dataclass(frozen=True)
class Mistake:
    """One label that is taken for another.

    Attributes:
        label: What it was.
        said: What the networks said.
        share: Of the label's windows, from 0 to 1.
    """

    label: str
    said: str
    share: float


def mistakes(manifest: Manifest, *, most: int = 3) -> tuple[Mistake, ...]:
    """Return the commonest mistakes, the worst first; none where there are only rare ones."""
    evaluation = manifest.evaluation
    if evaluation is None:
        return ()
    texts = [label_words(label) for label in manifest.labels]
    found = [
        Mistake(texts[row], texts[column], n_windows / sum(counts))
        for row, counts in enumerate(evaluation.confusion)
        for column, n_windows in enumerate(counts)
        if row != column and n_windows
    ]
    found = [mistake for mistake in found if mistake.share >= _WORTH_SAYING]
    return tuple(sorted(found, key=lambda mistake: -mistake.share)[:most])


def groups_tested(evaluation: Evaluation) -> str:
    """Return on whom a model was tested: "5 persons (Anna, Ben, Chris and 2 more)"."""
    word, groups = group_noun(evaluation), evaluation.groups
    names = listed(group_name(one.group) for one in groups)
    return f"{counted(len(groups), word)} ({names})"


@dataclass(frozen=True)
class ComparedLabel:
    """How often a label is recognised by two models; None where one does not know it or did not test it."""

    label: str
    candidate: float | None
    current: float | None

    @property
    def gain(self) -> float | None:
        """Return by how much the candidate is better, from -1 to 1; 0 where nobody would notice."""
        if self.candidate is None or self.current is None:
            return None
        gain = self.candidate - self.current
        return 0.0 if abs(gain) < _SAME else gain


@dataclass(frozen=True)
class Comparison:
    """Two models side by side.

    Attributes:
        labels: Those of either, by name.
        added: Labels that only the candidate knows.
        dropped: Labels that only the other one knows.
        gain: By how much the candidate's accuracy is better; None where it means nothing.
        caution: In a sentence, why the figures must not be compared, or only with care; empty if they may.
    """

    labels: tuple[ComparedLabel, ...]
    added: tuple[str, ...]
    dropped: tuple[str, ...]
    gain: float | None
    caution: str


def compare(candidate: Manifest, current: Manifest) -> Comparison:
    """Put a model beside the one in use."""
    (ours, theirs) = ([label_words(label) for label in manifest.labels] for manifest in (candidate, current))
    mine, other = candidate.evaluation, current.evaluation
    is_comparable = mine is not None and other is not None and bool(set(ours) & set(theirs))
    return Comparison(
        labels=tuple(
            ComparedLabel(label, mine.recall.get(label) if mine else None, other.recall.get(label) if other else None)
            for label in sorted({*ours, *theirs})
        ),
        added=tuple(label for label in ours if label not in theirs),
        dropped=tuple(label for label in theirs if label not in ours),
        gain=mine.accuracy - other.accuracy if mine and other and is_comparable else None,
        caution=_caution(candidate, current, ours, theirs),
    )


def _caution(candidate: Manifest, current: Manifest, ours: Sequence[str], theirs: Sequence[str]) -> str:
    mine, other = candidate.evaluation, current.evaluation
    untested = [f"version {one.version}" for one in (candidate, current) if one.evaluation is None]
    if mine is None or other is None:
        return f"They cannot be compared: {listed(untested)} {'was' if len(untested) == 1 else 'were'} never tested."
    if not set(ours) & set(theirs):
        return "They cannot be compared: there is no activity that both know."
    if candidate.training.dataset_fingerprint == current.training.dataset_fingerprint:
        return ""
    if mine.group_by != other.group_by:
        harder = "version " + str((candidate if mine.group_by == "subject" else current).version)
        return (
            f"Compare with care: {harder} was tested on persons that it had not seen, which is harder than the "
            "sessions that the other one was tested on."
        )
    return (
        "Compare with care: each was tested on its own recordings, so a difference may come from the recordings as "
        "well as from the model."
    )
