"""How much is recorded of whom and what."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from repsense.documents import LabelDocument, RecordingDocument
from repsense.labels import Label
from repsense_inference.schemas.recordings import AmountCell, AmountPart, LabelAmount, PersonAmount, RecordingSummary

__all__ = ["RecordedAmount", "Words", "add_up", "summarize", "words_of"]

_Key = TypeVar("_Key")
_Coarse = TypeVar("_Coarse")
Words = tuple[str, str | None]
"""Exercise and form."""


@dataclass(frozen=True, slots=True)
class RecordedAmount:
    """How much there is.

    Attributes:
        n_recordings: How many recordings.
        minutes: How long they are together, without what is trimmed off.
    """

    n_recordings: int = 0
    minutes: float = 0.0


def words_of(label: LabelDocument | None) -> Words | None:
    """The words of a recording's label; None without one."""
    return None if label is None else (label["exercise"], label["form"])


def add_up(
    recordings: Iterable[RecordingDocument], key: Callable[[RecordingDocument], _Key]
) -> defaultdict[_Key, RecordedAmount]:
    """How much there is of each, without what is in the trash."""
    counts: defaultdict[_Key, int] = defaultdict(int)
    seconds: defaultdict[_Key, float] = defaultdict(float)
    for recording in recordings:
        if not recording["deleted_us"]:
            kind = key(recording)
            counts[kind] += 1
            seconds[kind] += (recording["trim_stop"] - recording["trim_start"]) / recording["sample_rate_hz"]
    amounts = {kind: RecordedAmount(count, seconds[kind] / 60) for kind, count in counts.items()}
    return defaultdict(RecordedAmount, amounts)


def summarize(recordings: Iterable[RecordingDocument]) -> RecordingSummary:
    """How much there is of what, most first, without what is in the trash."""
    parts = add_up(recordings, lambda one: (words_of(one["label"]), one["subject"], one["session"], one["sensor"]))
    return RecordingSummary(
        minutes=sum(amount.minutes for amount in parts.values()),
        n_recordings=sum(amount.n_recordings for amount in parts.values()),
        labels=[
            LabelAmount(label=_label(words), minutes=amount.minutes, n_recordings=amount.n_recordings)
            for words, amount in _most_first(parts, lambda part: part[0])
        ],
        persons=[
            PersonAmount(subject=subject, minutes=amount.minutes, n_recordings=amount.n_recordings)
            for subject, amount in _most_first(parts, lambda part: part[1])
        ],
        cells=[
            AmountCell(label=_label(words), subject=subject, minutes=amount.minutes)
            for (words, subject), amount in _most_first(parts, lambda part: part[:2])
        ],
        parts=[
            AmountPart(
                label=_label(words),
                subject=subject,
                session=session,
                sensor_id=sensor,
                minutes=amount.minutes,
                n_recordings=amount.n_recordings,
            )
            for (words, subject, session, sensor), amount in _most_first(parts, lambda part: part)
        ],
    )


def _most_first(
    amounts: Mapping[_Key, RecordedAmount], key: Callable[[_Key], _Coarse]
) -> list[tuple[_Coarse, RecordedAmount]]:
    """Amounts put together by what they have in common, the largest first."""
    together: defaultdict[_Coarse, RecordedAmount] = defaultdict(RecordedAmount)
    for kind, amount in amounts.items():
        so_far = together[key(kind)]
        together[key(kind)] = RecordedAmount(so_far.n_recordings + amount.n_recordings, so_far.minutes + amount.minutes)
    return sorted(together.items(), key=lambda item: item[1].minutes, reverse=True)


def _label(words: Words | None) -> Label | None:
    return None if words is None else Label(exercise=words[0], form=words[1])
