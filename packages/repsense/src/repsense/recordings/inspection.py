"""What a dataset is worth before anything is trained on it: how much of what there is, and what will do harm."""

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from itertools import pairwise
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from repsense.channels import ACCELERATION, ANGULAR_RATE, CHANNELS, MAGNETIC_FIELD, Channel
from repsense.recordings.recording import Recording, recording_id

__all__ = [
    "ChannelSummary",
    "Gap",
    "GroupMinutes",
    "Inspection",
    "LabelSummary",
    "RecordingSummary",
    "Warning",
    "WarningKind",
    "inspect",
    "natural_order",
    "session_name",
]

MIN_LABEL_S = 30.0
"""With less of an activity there are a dozen windows of 2.5 s that do not overlap: too few to learn it from."""
MAX_IMBALANCE = 5.0
"""How many times as long as the rarest label the most frequent one may be recorded."""
MIN_CLIPPED = 0.005
"""Share of a channel's samples at the end of the range above which information is lost that could matter."""
MIN_REPEATED = 0.02
"""Share of samples that equal the one before, above which the sensor is read faster than it measures."""
_MIN_AT_EXTREME = 5
_PILE = 3
"""A range's end is reached if this many times as many samples lie at the extreme as at the next value within: the tail
of a movement that is not cut off thins out."""
_MIN_DEAD_SAMPLES = 10
_SAME_RATE = 1.02
"""Two clocks that differ by less are two of the same kind of sensor."""
_G_RANGE = (0.5, 2.0)
"""Median of the acceleration's magnitude if it is in g: 1 but for offsets."""
_ACCELERATION_RANGE = (5.0, 20.0)
"""The same in m/s^2; gravity is in every sample."""
_MAX_ANGULAR_RATE = 40.0
"""rad/s; the widest range of usual gyroscopes, 2000 degrees/s, is 35 rad/s."""
_FIELD_RANGE = (5.0, 500.0)
"""Median of the field's magnitude, uT; the earth's is 25 to 65, and a board adds its own."""


_Key = TypeVar("_Key")


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class WarningKind(StrEnum):
    """What a warning is about, for programs."""

    NO_GROUPS = "no_groups"
    """Nothing can be held out, so no figure will say how good the network is for another person or day."""
    NO_SESSION = "no_session"
    UNLABELLED = "unlabelled"
    ONE_LABEL = "one_label"
    LITTLE_DATA = "little_data"
    ONE_SESSION = "one_session"
    """A label that only one session has."""
    ONE_SUBJECT = "one_subject"
    """A label that only one of several subjects has."""
    CONFOUNDED = "confounded"
    """Labels that can be told apart by how they were recorded."""
    IMBALANCED = "imbalanced"
    SHORT = "short"
    """Recordings shorter than a window."""
    GAPS = "gaps"
    CLIPPED = "clipped"
    REPEATED = "repeated"
    COPIES = "copies"
    """The same samples in several recordings."""
    DEAD_CHANNEL = "dead_channel"
    MISSING_CHANNEL = "missing_channel"
    UNITS = "units"


class Warning(_Part):  # noqa: A001 - the word for it; nothing here uses Python's warnings
    """What will do harm, and what to do about it."""

    kind: WarningKind
    text: str


class LabelSummary(_Part):
    """How much there is of a label."""

    label: str | None
    minutes: float
    n_recordings: int
    subjects: tuple[str, ...]
    sessions: tuple[str, ...]
    """As `session_name` calls them."""


class GroupMinutes(_Part):
    """How much there is of a label in one session of one subject."""

    label: str | None
    subject: str | None
    session: str | None
    minutes: float


class RecordingSummary(_Part):
    """One recording."""

    id: str
    label: str | None
    subject: str | None
    session: str | None
    sensor: str | None
    sample_rate_hz: float
    channels: tuple[Channel, ...]
    n_samples: int
    duration_s: float


class Gap(_Part):
    """Time that is missing between two recordings of one activity."""

    after: str
    """The id of the recording before it."""
    before: str
    seconds: float


class ChannelSummary(_Part):
    """One channel over all recordings that have it."""

    channel: Channel
    n_recordings: int
    minimum: float
    maximum: float
    clipped: float
    """Share of samples at the end of the sensor's range."""
    n_dead: int
    """Recordings in which it never changes."""


class Inspection(_Part):
    """Everything that was found."""

    minutes: float
    labels: tuple[LabelSummary, ...]
    groups: tuple[GroupMinutes, ...]
    recordings: tuple[RecordingSummary, ...]
    channels: tuple[ChannelSummary, ...]
    gaps: tuple[Gap, ...]
    repeated: float
    """Share of samples that equal the one before in every channel."""
    copies: tuple[tuple[str, ...], ...]
    """Ids of recordings with the same samples."""
    warnings: tuple[Warning, ...]


def session_name(recording: Recording | GroupMinutes) -> str | None:
    """A session with its subject, since each subject may have a session 1; None if it is not known."""
    if recording.session is None:
        return None
    return recording.session if recording.subject is None else f"{recording.subject}/{recording.session}"


def inspect(recordings: Sequence[Recording], *, window_s: float = 2.5, ids: Sequence[str] | None = None) -> Inspection:
    """Look at recordings as at data to train on.

    Args:
        recordings: Any number.
        window_s: How long the network's windows will be.
        ids: What to call each recording; None is by its `recording_id`.
    """
    if ids is None:
        ids = [recording_id(recording) for recording in recordings]
    facts = _Facts(recordings, ids, window_s)
    return Inspection(
        minutes=_minutes(recordings),
        labels=tuple(facts.labels),
        groups=tuple(_groups(recordings)),
        recordings=tuple(
            RecordingSummary(
                id=key,
                label=_label(recording),
                subject=recording.subject,
                session=recording.session,
                sensor=recording.sensor,
                sample_rate_hz=recording.sample_rate_hz,
                channels=recording.channels,
                n_samples=len(recording.samples),
                duration_s=recording.duration_s,
            )
            for key, recording in zip(ids, recordings, strict=True)
        ),
        channels=tuple(facts.channels),
        gaps=tuple(facts.gaps),
        repeated=facts.repeated,
        copies=tuple(tuple(ids[index] for index in group) for group in facts.copies),
        # Of no recordings at all there is nothing to say.
        warnings=tuple(warning for check in _CHECKS for warning in check(facts)) if recordings else (),
    )


class _Facts:
    """What the checks look at."""

    def __init__(self, recordings: Sequence[Recording], ids: Sequence[str], window_s: float) -> None:
        self.recordings = recordings
        self.window_s = window_s
        self.labels = [_label_summary(label, of_label) for label, of_label in _by(recordings, _label).items()]
        self.labels.sort(key=lambda summary: (summary.label is None, summary.label or ""))
        self.sessions = {name for recording in recordings if (name := session_name(recording)) is not None}
        self.subjects = {recording.subject for recording in recordings if recording.subject is not None}
        self.channels = [
            _channel_summary(channel, having)
            for channel in CHANNELS
            if (having := [recording for recording in recordings if channel in recording.channels])
        ]
        self.gaps = list(_gaps(recordings, ids))
        pairs = [(recording.samples[1:] == recording.samples[:-1]).all(axis=1) for recording in recordings]
        n_samples = sum(len(recording.samples) for recording in recordings)
        self.repeated = sum(int(same.sum()) for same in pairs) / max(1, n_samples)
        self.copies = _copies(recordings)


def _minutes(recordings: Iterable[Recording]) -> float:
    return sum(recording.duration_s for recording in recordings) / 60


def _label(recording: Recording) -> str | None:
    return None if recording.label is None else str(recording.label)


def _by(recordings: Iterable[Recording], key: Callable[[Recording], _Key]) -> dict[_Key, list[Recording]]:
    groups: defaultdict[_Key, list[Recording]] = defaultdict(list)
    for recording in recordings:
        groups[key(recording)].append(recording)
    return dict(groups)


def natural_order(text: str | None) -> tuple[tuple[int, str], ...]:
    """So that session 10 comes after session 9."""
    return tuple((int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", text or ""))


def _groups(recordings: Sequence[Recording]) -> Iterator[GroupMinutes]:
    groups = _by(recordings, lambda recording: (_label(recording), recording.subject, recording.session))
    for label, subject, session in sorted(groups, key=lambda key: tuple(map(natural_order, key))):
        minutes = _minutes(groups[label, subject, session])
        yield GroupMinutes(label=label, subject=subject, session=session, minutes=minutes)


def _label_summary(label: str | None, recordings: Sequence[Recording]) -> LabelSummary:
    sessions = {name for recording in recordings if (name := session_name(recording)) is not None}
    return LabelSummary(
        label=label,
        minutes=_minutes(recordings),
        n_recordings=len(recordings),
        subjects=tuple(sorted({r.subject for r in recordings if r.subject is not None}, key=natural_order)),
        sessions=tuple(sorted(sessions, key=natural_order)),
    )


def _channel_summary(channel: Channel, recordings: Sequence[Recording]) -> ChannelSummary:
    columns = [recording.samples[:, recording.channels.index(channel)] for recording in recordings]
    alive = [len(column) < _MIN_DEAD_SAMPLES or bool((column != column[0]).any()) for column in columns]
    n_clipped = 0
    # Each kind of sensor has a range of its own; where it is not named, its channels and rate may tell.
    kinds = ((recording.sensor, recording.channels, recording.sample_rate_hz) for recording in recordings)
    for indices in _by_index(kinds).values():
        of_sensor = [columns[index] for index in indices if alive[index]]
        n_clipped += _n_clipped(np.concatenate(of_sensor)) if of_sensor else 0
    return ChannelSummary(
        channel=channel,
        n_recordings=len(recordings),
        minimum=min(float(column.min()) for column in columns),
        maximum=max(float(column.max()) for column in columns),
        clipped=n_clipped / sum(map(len, columns)),
        n_dead=alive.count(False),
    )


def _by_index(keys: Iterable[object]) -> dict[object, list[int]]:
    groups: defaultdict[object, list[int]] = defaultdict(list)
    for index, key in enumerate(keys):
        groups[key].append(index)
    return dict(groups)


def _n_clipped(values: NDArray[np.float32]) -> int:
    """How many values lie at an end of the range, if an end was reached; see `_PILE`."""
    n_clipped = 0
    for signed in (values, -values):
        extreme = signed.max()
        at_extreme = int((signed == extreme).sum())
        within = signed[signed < extreme]
        if len(within) and at_extreme >= max(_MIN_AT_EXTREME, _PILE * int((within == within.max()).sum())):
            n_clipped += at_extreme
    return n_clipped


def _gaps(recordings: Sequence[Recording], ids: Sequence[str]) -> Iterator[Gap]:
    def activity(recording: Recording) -> tuple[object, ...]:
        about = (recording.subject, recording.session, recording.label, recording.sensor, recording.channels)
        return (*about, *sorted(recording.attributes.items()))

    for (before, id_before), (after, id_after) in pairwise(zip(recordings, ids, strict=True)):
        missing_s = after.activity_s - (before.activity_s + before.duration_s)
        if after.activity_s > 0 and missing_s > 0 and activity(before) == activity(after):
            yield Gap(after=id_before, before=id_after, seconds=round(missing_s, 3))


def _copies(recordings: Sequence[Recording]) -> list[list[int]]:
    """Indices of recordings with the same samples, whatever is said of them."""
    contents = (
        (recording.channels, hashlib.sha256(np.ascontiguousarray(recording.samples).tobytes()).digest())
        for recording in recordings
    )
    return [indices for indices in _by_index(contents).values() if len(indices) > 1]


def _listed(items: Iterable[object], most: int = 6) -> str:
    texts = [str(item) for item in items]
    return ", ".join(texts[:most]) + (f" and {len(texts) - most} more" if len(texts) > most else "")


def _check_groups(facts: _Facts) -> Iterator[Warning]:
    n_unnamed = sum(recording.session is None for recording in facts.recordings)
    if len(facts.subjects) < 2 and len(facts.sessions) < 2:  # noqa: PLR2004 - one to train on, one to test on
        yield Warning(
            kind=WarningKind.NO_GROUPS,
            text="everything is from one session, so nothing can be held out and no figure can say how well another "
            "day or person will be recognised: record on another occasion, or say which recordings belong to which "
            "session",
        )
    elif n_unnamed and len(facts.subjects) < 2:  # noqa: PLR2004
        yield Warning(
            kind=WarningKind.NO_SESSION,
            text=f"{n_unnamed} of {len(facts.recordings)} recordings name no session, so they cannot be held out with "
            "what was recorded along with them: say which session they belong to",
        )


def _check_labels(facts: _Facts) -> Iterator[Warning]:
    named = [summary for summary in facts.labels if summary.label is not None]
    n_unlabelled = sum(summary.n_recordings for summary in facts.labels if summary.label is None)
    if n_unlabelled:
        text = f"{n_unlabelled} of {len(facts.recordings)} recordings have no label: label them, or leave them out"
        yield Warning(kind=WarningKind.UNLABELLED, text=text)
    if len(named) == 1:
        text = (
            f"all are {named[0].label}, and there is nothing to tell it from: record something else too, such as rest"
        )
        yield Warning(kind=WarningKind.ONE_LABEL, text=text)
    most, least = (choose(named, key=lambda s: s.minutes, default=None) for choose in (max, min))
    if most is not None and least is not None and most.minutes > MAX_IMBALANCE * least.minutes:
        yield Warning(
            kind=WarningKind.IMBALANCED,
            text=f"there is {most.minutes / least.minutes:.0f} times as much of {most.label} ({most.minutes:.1f} min) "
            f"as of {least.label} ({least.minutes:.1f} min): record more of {least.label}",
        )


def _check_each_label(facts: _Facts) -> Iterator[Warning]:
    named = [summary for summary in facts.labels if summary.label is not None]
    for summary in named:
        if summary.minutes * 60 < MIN_LABEL_S:
            yield Warning(
                kind=WarningKind.LITTLE_DATA,
                text=f"of {summary.label} there are only {summary.minutes * 60:.0f} s: record at least "
                f"{MIN_LABEL_S:.0f} s, better several minutes on several days",
            )
    if len(facts.sessions) > 1:
        for summary in named:
            if len(summary.sessions) == 1:
                yield Warning(
                    kind=WarningKind.ONE_SESSION,
                    text=f"{summary.label} was recorded in session {summary.sessions[0]} only: when that is held out, "
                    "nothing is left to learn it from; record it in another session",
                )
    if len(facts.subjects) > 1:
        for summary in named:
            if len(summary.subjects) == 1:
                yield Warning(
                    kind=WarningKind.ONE_SUBJECT,
                    text=f"only {summary.subjects[0]} did {summary.label}: the network will learn the person with the "
                    "movement; record somebody else doing it",
                )


def _check_confounding(facts: _Facts) -> Iterator[Warning]:
    """Whether labels differ in how they were recorded."""
    rates = _rate_kinds(recording.sample_rate_hz for recording in facts.recordings)
    kinds: dict[str, Callable[[Recording], str]] = {
        "sensor": lambda recording: recording.sensor or "unknown",
        "sample rate": lambda recording: f"{rates[recording.sample_rate_hz]:g} Hz",
        "channels": lambda recording: " ".join(sorted(recording.channels, key=CHANNELS.index)),
    }
    labelled = [recording for recording in facts.recordings if recording.label is not None]
    for what, kind in kinds.items():
        labels_by_value = {
            value: {_label(recording) or "" for recording in of_value}
            for value, of_value in _by(labelled, kind).items()
        }
        every = set().union(*labels_by_value.values())
        partial = {value: labels for value, labels in labels_by_value.items() if labels != every}
        if partial:
            value, labels = min(partial.items(), key=lambda item: (len(item[1]), item[0]))
            missing = every - labels
            yield Warning(
                kind=WarningKind.CONFOUNDED,
                text=f"labels differ in their {what}: with {value} there is {_listed(sorted(labels))} but no "
                f"{_listed(sorted(missing))}; the network could learn the {what} in place of the movement: record "
                "every label in the same way",
            )


def _rate_kinds(rates_hz: Iterable[float]) -> Mapping[float, float]:
    """From each rate to the lowest that is nearly the same."""
    kinds: dict[float, float] = {}
    lowest = 0.0
    for rate_hz in sorted(set(rates_hz)):
        if rate_hz > _SAME_RATE * lowest:
            lowest = rate_hz
        kinds[rate_hz] = lowest
    return kinds


def _check_lengths(facts: _Facts) -> Iterator[Warning]:
    short = [recording for recording in facts.recordings if recording.duration_s < facts.window_s]
    if short:
        labels = _listed(sorted({_label(recording) or "unlabelled" for recording in short}))
        yield Warning(
            kind=WarningKind.SHORT,
            text=f"{len(short)} of {len(facts.recordings)} recordings ({labels}) are shorter than a window of "
            f"{facts.window_s:g} s and will not be used: record for longer, or take a shorter window",
        )
    if facts.gaps:
        longest = max(gap.seconds for gap in facts.gaps)
        yield Warning(
            kind=WarningKind.GAPS,
            text=f"{len(facts.gaps)} times samples are missing within an activity, up to {longest:.1f} s (no window "
            "spans a gap): if there are many, bring sensor and receiver closer together",
        )


def _check_channels(facts: _Facts) -> Iterator[Warning]:
    n_recordings = len(facts.recordings)
    missing = [summary for summary in facts.channels if summary.n_recordings < n_recordings]
    if missing:
        common = [summary.channel for summary in facts.channels if summary.n_recordings == n_recordings]
        yield Warning(
            kind=WarningKind.MISSING_CHANNEL,
            text=f"not every recording has {_listed(summary.channel for summary in missing)}: the network will see "
            f"only what all have ({' '.join(common) or 'nothing'}), unless the others are left out",
        )
    dead = [summary for summary in facts.channels if summary.n_dead]
    if dead:
        where = ", ".join(f"{s.channel} in {s.n_dead} of {s.n_recordings} recordings" for s in dead)
        yield Warning(
            kind=WarningKind.DEAD_CHANNEL,
            text=f"{where} never changes: the sensor was switched off or is broken; leave the channel or the "
            "recordings out",
        )
    clipped = [summary for summary in facts.channels if summary.clipped >= MIN_CLIPPED]
    if clipped:
        shares = ", ".join(f"{s.channel} {s.clipped:.1%} ({s.minimum:.1f} to {s.maximum:.1f})" for s in clipped)
        yield Warning(
            kind=WarningKind.CLIPPED,
            text=f"samples at the end of the sensor's range: {shares}; set the sensor to a wider range",
        )
    if facts.repeated >= MIN_REPEATED:
        yield Warning(
            kind=WarningKind.REPEATED,
            text=f"{facts.repeated:.1%} of samples equal the one before: the sensor is read faster than it measures, "
            "or samples were filled in; read it at its own rate",
        )


def _check_copies(facts: _Facts) -> Iterator[Warning]:
    if facts.copies:
        labels = [{_label(facts.recordings[index]) for index in group} for group in facts.copies]
        differing = next((sorted(str(label) for label in group) for group in labels if len(group) > 1), None)
        contradiction = f", even under different labels ({_listed(differing)})" if differing else ""
        yield Warning(
            kind=WarningKind.COPIES,
            text=f"{sum(len(group) - 1 for group in facts.copies)} recordings have the same samples as another"
            f"{contradiction}: keep one of each, or the network is tested on what it has seen",
        )


def _check_units(facts: _Facts) -> Iterator[Warning]:
    """Whether magnitudes are those of SI units."""
    problems: Counter[str] = Counter()
    for recording in facts.recordings:
        acceleration = _median_magnitude(recording, ACCELERATION)
        field = _median_magnitude(recording, MAGNETIC_FIELD)
        rates = [recording.samples[:, recording.channels.index(c)] for c in ANGULAR_RATE if c in recording.channels]
        if acceleration is not None and _G_RANGE[0] <= acceleration <= _G_RANGE[1]:
            problems["the acceleration looks like g instead of m/s^2: multiply it by 9.80665"] += 1
        elif acceleration is not None and not _ACCELERATION_RANGE[0] <= acceleration <= _ACCELERATION_RANGE[1]:
            problems["the acceleration is not about 9.8 m/s^2 as gravity makes it: check its unit and its offset"] += 1
        if rates and max(float(np.abs(rate).max()) for rate in rates) > _MAX_ANGULAR_RATE:
            problems["the angular rate looks like degrees/s instead of rad/s: multiply it by 0.0174533"] += 1
        if field is not None and not _FIELD_RANGE[0] <= field <= _FIELD_RANGE[1]:
            problems["the magnetic field is not about 50 uT as the earth makes it: check its unit"] += 1
    for problem, count in problems.items():
        yield Warning(kind=WarningKind.UNITS, text=f"in {count} of {len(facts.recordings)} recordings {problem}")


def _median_magnitude(recording: Recording, channels: Sequence[Channel]) -> float | None:
    """Of a vector; None if a component is missing."""
    if not all(channel in recording.channels for channel in channels):
        return None
    vectors = recording.samples[:, [recording.channels.index(channel) for channel in channels]]
    return float(np.median(np.linalg.norm(vectors.astype(np.float64), axis=1)))


_CHECKS: tuple[Callable[[_Facts], Iterator[Warning]], ...] = (
    _check_groups,
    _check_labels,
    _check_each_label,
    _check_confounding,
    _check_units,
    _check_channels,
    _check_lengths,
    _check_copies,
)
