"""What the next take is to be: who, what, how long."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import streamlit as st

from repsense_dashboard.api import Label, Sensor
from repsense_dashboard.api.labels import StoredLabel
from repsense_dashboard.components.choices import choose_name
from repsense_dashboard.components.label_fields import USUAL_FORMS
from repsense_dashboard.components.sensor_bar import sensor_choice
from repsense_dashboard.reader import reader_zone
from repsense_dashboard.session_name import current_session, next_session
from repsense_dashboard.take import Plan

__all__ = ["NewNames", "ask_plan", "chosen_sensor", "chosen_subject", "preset"]

_SENSOR, _SUBJECT, _EXERCISE, _FORM = "record-sensor", "record-person", "record-activity", "record-form"
_SESSION, _DURATION = "record-session", "record-duration"
_FORM_OF, _SESSION_OF = "record-form-of", "record-session-of"

_DURATIONS_S = (10, 20, 30, 60, 0)
_UNTIL_STOPPED = 0
_USUAL_S = 20
_NO_FORM = ""


@dataclass
class NewNames:
    """Names that were added on this page and that no recording has yet."""

    subjects: list[str] = field(default_factory=list)
    exercises: list[str] = field(default_factory=list)
    forms: list[str] = field(default_factory=list)


def preset(*, exercise: str | None, form: str | None, subject: str | None) -> None:
    """Choose in the person's place what the way to this page has named."""
    if exercise is not None:
        st.session_state[_EXERCISE], st.session_state[_FORM] = exercise, form or _NO_FORM
    if subject is not None:
        st.session_state[_SUBJECT] = subject


def chosen_sensor(sensors: Sequence[Sensor]) -> Sensor:
    """Return the sensor chosen so far, or one that is online."""
    by_id = {sensor.sensor_id: sensor for sensor in sensors}
    chosen = by_id.get(str(st.session_state.get(_SENSOR)))
    return chosen or next((sensor for sensor in sensors if sensor.state == "online"), sensors[0])


def chosen_subject(names: Sequence[str]) -> str | None:
    """Return the person chosen so far."""
    chosen = st.session_state.get(_SUBJECT)
    return str(chosen) if chosen in names else next(iter(names), None)


def ask_plan(
    sensors: Sequence[Sensor],
    subjects: Sequence[str],
    labels: Iterable[StoredLabel | Label],
    sessions: Iterable[str | None],
    new: NewNames,
) -> Plan:
    """Show the choices and return what was chosen.

    Args:
        sensors: At least one.
        subjects: The persons that are known.
        labels: What was recorded before, and what the model in use knows.
        sessions: The sessions of the person chosen so far.
        new: Names added on this page.
    """
    known = list(labels)
    sensor_id = _ask_sensor(sensors)
    exercise = choose_name(
        "Activity",
        _joined((label.exercise for label in known), new.exercises),
        key=_EXERCISE,
        new="New activity",
        on_new=new.exercises.append,
        placeholder="For instance squat, then Enter",
    )
    form = _ask_form(exercise, known, new) if exercise else None
    duration_s = st.segmented_control(
        "How long",
        _DURATIONS_S,
        format_func=lambda seconds: f"{seconds} s" if seconds else "Until I stop",
        default=_USUAL_S,
        required=True,
        key=_DURATION,
        persist_state="session",
    )
    subject = choose_name(
        "Who",
        _joined(subjects, new.subjects),
        key=_SUBJECT,
        new="New person",
        on_new=new.subjects.append,
        placeholder="A name, then Enter",
        required=True,
    )
    session = _ask_session(subject, list(sessions))
    return Plan(
        sensor_id=sensor_id,
        label=Label(exercise=exercise, form=form) if exercise else None,
        subject=subject,
        session=session,
        duration_s=None if duration_s == _UNTIL_STOPPED else duration_s,
    )


def _joined(*names: Iterable[str]) -> list[str]:
    """Return names without repetition, in order."""
    return list(dict.fromkeys(name for each in names for name in each))


def _ask_sensor(sensors: Sequence[Sensor]) -> str:
    chosen = chosen_sensor(sensors).sensor_id
    if len(sensors) == 1:
        return chosen
    by_id = {sensor.sensor_id: sensor for sensor in sensors}
    st.session_state[_SENSOR] = chosen
    st.pills(
        "Sensor",
        list(by_id),
        key=_SENSOR,
        format_func=lambda sensor_id: sensor_choice(by_id[sensor_id]),
        required=True,
        persist_state="session",
    )
    return str(st.session_state[_SENSOR])


def _ask_form(exercise: str, known: Iterable[StoredLabel | Label], new: NewNames) -> str | None:
    known = [label for label in known if label.exercise == exercise]
    if any(isinstance(label, StoredLabel) and label.background for label in known):
        return None
    forms = _joined([_NO_FORM, *USUAL_FORMS], (label.form for label in known if label.form), new.forms)
    if st.session_state.get(_FORM_OF) != exercise:
        st.session_state[_FORM_OF] = exercise
        if not st.session_state.get(_FORM) and known and all(label.form for label in known):
            # Where the activity is told apart by its form, recording it without would blur it.
            st.session_state[_FORM] = known[0].form
    form = choose_name(
        "Form",
        forms,
        key=_FORM,
        new="New form",
        on_new=new.forms.append,
        placeholder="For instance too shallow, then Enter",
        shown=lambda name: name or "not told apart",
        required=True,
    )
    return form or None


def _ask_session(subject: str | None, known: Sequence[str | None]) -> str | None:
    today = datetime.now(reader_zone().zone).date()
    if st.session_state.get(_SESSION_OF) != subject or not st.session_state.get(_SESSION):
        st.session_state[_SESSION], st.session_state[_SESSION_OF] = current_session(today, known), subject

    def _begin() -> None:
        st.session_state[_SESSION] = next_session(today, [*known, st.session_state[_SESSION]])

    with st.container(horizontal=True, vertical_alignment="bottom", key="record-session-line"):
        st.text_input(
            "Session",
            key=_SESSION,
            max_chars=60,
            persist_state="session",
            help="Takes of one session were recorded without taking the sensor off. A network is tested on sessions "
            "that it has not seen, so two or three make honest figures.",
        )
        st.button(
            "New session",
            on_click=_begin,
            key="record-new-session",
            help="The sensor was taken off and put on again, or it is another day.",
        )
    return str(st.session_state[_SESSION]).strip() or None
