"""What a training will use and what comes of it, worked out before it is started. Pure functions, no I/O.

The trainer has the last word; what it would refuse for reasons that can be seen from here is said here, in words.
"""

import math
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from repsense_dashboard.api import Label
from repsense_dashboard.api.training import (
    EvaluationSettings,
    Holding,
    Manifest,
    Selection,
    TrainingRequest,
    TrainingSettings,
)
from repsense_dashboard.wording import counted, label_words, listed

__all__ = [
    "NAME_RULE",
    "Choice",
    "Plan",
    "Thoroughness",
    "expected_duration_s",
    "is_model_name",
    "make_plan",
    "n_networks",
    "possible_tests",
    "training_request",
]

Thoroughness = Literal["quick", "honest", "thorough"]

NAME_RULE = "A name has lower-case letters, digits and hyphens, and begins with a letter or digit: garden-work."
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")

_MIN_LABELS = 2
_MIN_GROUPS = 2
_MIN_LABELS_FOR_UNKNOWN = 3
# Of the trainer: so many groups are left out one by one, and so many trainings on one group and on several.
_MAX_FOLDS = 20
_MAX_SINGLE_GROUP_TRIALS = 20
_MAX_TRIALS = 5

_LITTLE_MINUTES = 0.5
"""Below this the trainer's inspection warns, too."""

# Of the trainer's defaults.
_STRIDE_S = 0.5
_WINDOW_SIZE = 31


@dataclass(frozen=True)
class Choice:
    """What somebody picked; None is everything, whatever it will be."""

    persons: frozenset[str] | None = None
    sessions: frozenset[str] | None = None
    sensors: frozenset[str] | None = None
    labels: frozenset[Label] | None = None


@dataclass(frozen=True)
class Plan:
    """What a choice comes to.

    Attributes:
        choice: What was picked.
        holdings: What is used.
        labels: Their labels, by name.
        background: Those of them that are no exercise.
        group_by: What is left out together in a test.
        groups: The persons or sessions that there are; empty where they cannot be told apart.
        n_unlabelled: Recordings that would be used if they had a label.
        problems: In sentences, why nothing can be trained; empty if it can.
        hints: In sentences, what will not be as good as it could be.
    """

    choice: Choice
    holdings: tuple[Holding, ...]
    labels: tuple[Label, ...]
    background: tuple[Label, ...]
    group_by: Literal["subject", "session"]
    groups: tuple[str, ...]
    n_unlabelled: int
    problems: tuple[str, ...]
    hints: tuple[str, ...]

    @property
    def minutes(self) -> float:
        """Return how much there is."""
        return sum(holding.minutes for holding in self.holdings)

    @property
    def n_recordings(self) -> int:
        """Return how many recordings there are."""
        return sum(holding.n_recordings for holding in self.holdings)

    @property
    def group_word(self) -> str:
        """Return what a group is called: "person" or "session"."""
        return "person" if self.group_by == "subject" else "session"

    def minutes_by_label(self) -> dict[Label, float]:
        """Return how much there is of each label, in the order of `labels`."""
        minutes = dict.fromkeys(self.labels, 0.0)
        for holding in self.holdings:
            if holding.label is not None:
                minutes[holding.label] += holding.minutes
        return minutes


def make_plan(holdings: Sequence[Holding], choice: Choice, background: Collection[Label]) -> Plan:
    """Work out what a choice comes to.

    Args:
        holdings: All that is stored.
        choice: What of it was picked.
        background: Labels that are no exercise.
    """
    chosen = [holding for holding in holdings if _is_chosen(holding, choice)]
    used = tuple(holding for holding in chosen if holding.label is not None)
    labels = tuple(sorted({holding.label for holding in used if holding.label is not None}, key=label_words))
    persons = {holding.subject for holding in used}
    by_person = None not in persons and len(persons) >= _MIN_GROUPS
    groups = tuple(sorted({group for group in _groups(used, by_person=by_person) if group is not None}))
    plan = Plan(
        choice=choice,
        holdings=used,
        labels=labels,
        background=tuple(label for label in labels if label in background),
        group_by="subject" if by_person else "session",
        groups=groups,
        n_unlabelled=sum(holding.n_recordings for holding in chosen if holding.label is None),
        problems=tuple(_problems(used, labels, background, by_person=by_person)),
        hints=(),
    )
    return Plan(**(vars(plan) | {"hints": tuple(_hints(plan, holdings))}))


def possible_tests(plan: Plan) -> tuple[tuple[Thoroughness, ...], str]:
    """Return how carefully a plan can be tested, the most usual one first, and why not more carefully."""
    tested = _labels_in_several_groups(plan)
    if len(plan.groups) < _MIN_GROUPS:
        return ("quick",), (
            "A test leaves out a person or a session and tries the network on it: record a second person, or on a "
            "second occasion."
        )
    if len(tested) < _MIN_LABELS:
        return ("quick",), (
            f"A test needs at least two activities that two {plan.group_word}s have both recorded: record the same "
            "ones once more."
        )
    return ("honest", "thorough", "quick"), ""


def n_networks(plan: Plan, thoroughness: Thoroughness) -> int:
    """Return how many networks are trained in all, by the rules of the trainer."""
    if thoroughness == "quick":
        return 1
    n_groups = len(plan.groups)
    n_labels = len(plan.labels) - len(plan.background) if len(plan.labels) >= _MIN_LABELS_FOR_UNKNOWN else 0
    n_tests = min(n_groups, _MAX_FOLDS) + n_labels
    if thoroughness == "honest":
        return n_tests + 1
    sizes = [2**power for power in range(n_groups.bit_length()) if 2**power < n_groups]
    most = {1: _MAX_SINGLE_GROUP_TRIALS}
    n_few_shot = sum(min(math.comb(n_groups, size), most.get(size, _MAX_TRIALS)) for size in sizes)
    return n_tests + n_few_shot + 1


def expected_duration_s(plan: Plan, thoroughness: Thoroughness, known: Iterable[Manifest]) -> float | None:
    """Return how long a training might take, judging by the newest network of which it is known.

    Args:
        plan: What is trained.
        thoroughness: How carefully it is tested.
        known: Of models that were trained on the same machine.
    """
    usable = [one for one in known if one.training.n_windows and one.training.duration_s]
    if not usable:
        return None
    newest = max(usable, key=lambda one: one.created_at)
    per_value_s = newest.training.duration_s / (newest.training.n_windows * newest.window_size)
    n_windows = plan.minutes * 60 / _STRIDE_S
    return n_networks(plan, thoroughness) * n_windows * _WINDOW_SIZE * per_value_s


def training_request(plan: Plan, thoroughness: Thoroughness, model_name: str) -> TrainingRequest:
    """Return what to ask the service for."""
    choice = plan.choice
    # The trainer refuses recordings without a label, so they are left out by naming the labels.
    labels = plan.labels if choice.labels is not None or plan.n_unlabelled else None
    return TrainingRequest(
        model_name=model_name,
        selection=Selection(
            subjects=_filter(choice.persons),
            sessions=_filter(choice.sessions),
            sensors=_filter(choice.sensors),
            labels=labels,
        ),
        configuration=TrainingSettings(
            evaluation=EvaluationSettings(
                leave_one_group_out=thoroughness != "quick",
                unknown=thoroughness != "quick",
                few_shot=thoroughness == "thorough",
            ),
            background=plan.background,
        ),
    )


def is_model_name(name: str) -> bool:
    """Tell whether a model may have this name."""
    return _NAME.fullmatch(name) is not None


def _is_chosen(holding: Holding, choice: Choice) -> bool:
    """Tell whether a holding is wanted; what has no label is looked at as if it had a wanted one."""
    return (
        (choice.persons is None or holding.subject in choice.persons)
        and (choice.sessions is None or holding.session in choice.sessions)
        and (choice.sensors is None or holding.sensor_id in choice.sensors)
        and (choice.labels is None or holding.label in choice.labels or holding.label is None)
    )


def _filter(names: frozenset[str] | None) -> tuple[str, ...] | None:
    return None if names is None else tuple(sorted(names))


def _groups(holdings: Sequence[Holding], *, by_person: bool) -> list[str | None]:
    """Return what each holding is left out with, as the trainer names it; None if that cannot be told."""
    if by_person:
        return [holding.subject for holding in holdings]
    # Of nobody known: they may be the sessions that others have under the same name.
    nobodys = {holding.session for holding in holdings if holding.subject is None}
    return [
        holding.session if holding.session in {None, *nobodys} else f"{holding.subject}/{holding.session}"
        for holding in holdings
    ]


def _problems(
    used: Sequence[Holding], labels: Sequence[Label], background: Collection[Label], *, by_person: bool
) -> Iterable[str]:
    if not used:
        yield "Nothing is selected: pick at least two activities that were recorded."
        return
    if len(labels) < _MIN_LABELS:
        only = label_words(labels[0])
        yield f"A network learns to tell activities apart, but all of this is {only}: add another one."
    elif all(label in background for label in labels):
        yield "All of this is marked as no exercise: add at least one exercise."
    of_groups = zip(used, _groups(used, by_person=by_person), strict=True)
    n_alone = sum(holding.n_recordings for holding, group in of_groups if group is None)
    if n_alone:
        yield (
            f"{counted(n_alone, 'recording')} {'names' if n_alone == 1 else 'name'} no session, and not everything "
            "names one of several persons. Say on the Data page when or by whom each was recorded, or take “no "
            "session” or “no person” out of the choice."
        )


def _hints(plan: Plan, holdings: Sequence[Holding]) -> Iterable[str]:
    if plan.n_unlabelled:
        yield f"{counted(plan.n_unlabelled, 'recording')} without a label {_is(plan.n_unlabelled)} left out."
    n_nobody = sum(one.n_recordings for one in holdings if one.subject is None and one.label is not None)
    if plan.choice.persons is not None and n_nobody:
        yield f"{counted(n_nobody, 'recording')} of nobody known {_is(n_nobody)} left out, since persons were picked."
    little = [label_words(label) for label, minutes in plan.minutes_by_label().items() if minutes < _LITTLE_MINUTES]
    if little:
        yield f"There is less than half a minute of {listed(little)}: record more of it."
    if len(plan.groups) >= _MIN_GROUPS:
        several = _labels_in_several_groups(plan)
        alone = [label_words(label) for label in plan.labels if label not in several]
        if alone:
            yield f"{listed(alone)}: recorded by one {plan.group_word} only, so learned but not tested."
    if plan.labels and not plan.background:
        yield "Nothing shows it what is no exercise: record some rest or walking about, and mark it so."


def _labels_in_several_groups(plan: Plan) -> set[Label]:
    groups: dict[Label, set[str | None]] = defaultdict(set)
    for holding, group in zip(plan.holdings, _groups(plan.holdings, by_person=plan.group_by == "subject"), strict=True):
        if holding.label is not None:
            groups[holding.label].add(group)
    return {label for label, of_label in groups.items() if len(of_label) >= _MIN_GROUPS}


def _is(number: int) -> str:
    return "is" if number == 1 else "are"
