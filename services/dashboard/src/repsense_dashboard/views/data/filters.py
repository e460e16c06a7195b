"""Which recordings are looked at."""

from collections.abc import Iterable

import streamlit as st

from repsense_dashboard.api import Label
from repsense_dashboard.api.recordings import RecordingFilter, RecordingSummary
from repsense_dashboard.wording import label_words

__all__ = ["ask_filter", "chosen_filter", "clear_filter", "filter_words", "show_trash"]

_EXERCISE, _FORM, _PERSON, _SESSION, _SENSOR, _TRASH = (
    f"data-{name}" for name in ("activity", "form", "person", "session", "sensor", "trash")
)
_UNLABELLED = "\N{EM DASH} no label"


def chosen_filter() -> RecordingFilter:
    """Return which recordings were chosen last."""
    exercise = st.session_state.get(_EXERCISE)
    unlabelled = exercise == _UNLABELLED
    return RecordingFilter(
        exercise=None if unlabelled else exercise,
        form=st.session_state.get(_FORM) if exercise and not unlabelled else None,
        subject=st.session_state.get(_PERSON),
        session=st.session_state.get(_SESSION),
        sensor_id=st.session_state.get(_SENSOR),
        unlabelled=unlabelled,
        deleted=bool(st.session_state.get(_TRASH)),
    )


def clear_filter() -> None:
    """Look at all recordings again."""
    for key in (_EXERCISE, _FORM, _PERSON, _SESSION, _SENSOR, _TRASH):
        st.session_state.pop(key, None)


def show_trash() -> None:
    """Look at what was deleted."""
    clear_filter()
    st.session_state[_TRASH] = True


def filter_words(which: RecordingFilter) -> str:
    """Return a filter in words: "squat (correct), by Anna", "all recordings"."""
    label = Label(exercise=which.exercise, form=which.form) if which.exercise else None
    parts = [
        "without label" if which.unlabelled else None,
        label and label_words(label),
        which.subject and f"by {which.subject}",
        which.session and f"session {which.session}",
        which.sensor_id and f"sensor {which.sensor_id}",
        "in the trash" if which.deleted else None,
    ]
    return ", ".join(part for part in parts if part) or "all recordings"


def ask_filter(summary: RecordingSummary) -> RecordingFilter:
    """Show the fields of the filter, and return what they say."""
    labels = [each.label for each in summary.labels if each.label is not None]
    persons = [each.subject for each in summary.persons if each.subject is not None]
    with st.container(horizontal=True, key="data-filters", vertical_alignment="bottom"):
        exercise = _choice("Activity", [*dict.fromkeys(label.exercise for label in labels), _UNLABELLED], _EXERCISE)
        if exercise and exercise != _UNLABELLED:
            _choice("Form", [label.form for label in labels if label.exercise == exercise and label.form], _FORM)
        _choice("Person", persons, _PERSON)
        _choice("Session", _sessions(summary, st.session_state.get(_PERSON)), _SESSION)
        sensor_ids = sorted({part.sensor_id for part in summary.parts if part.sensor_id})
        if len(sensor_ids) > 1:
            _choice("Sensor", sensor_ids, _SENSOR)
        st.toggle("Trash", key=_TRASH, persist_state="session", help="What was deleted in the last seven days.")
    return chosen_filter()


def _choice(title: str, options: Iterable[str], key: str) -> str | None:
    options = list(options)
    if st.session_state.get(key) not in {*options, None}:
        options.append(st.session_state[key])
    chosen: str | None = st.selectbox(title, options, index=None, placeholder="All", key=key, persist_state="session")
    return chosen


def _sessions(summary: RecordingSummary, subject: str | None) -> list[str]:
    """Return the sessions of a person, or of everybody, the newest day first."""
    sessions = {part.session for part in summary.parts if part.session and subject in {None, part.subject}}
    return sorted(sessions, reverse=True)
