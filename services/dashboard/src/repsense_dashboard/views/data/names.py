"""People and labels: what they are called, what there is of them, and how to be rid of them."""

from collections.abc import Sequence

import streamlit as st

from repsense_dashboard.api import ApiClient
from repsense_dashboard.api.labels import StoredLabel
from repsense_dashboard.api.persons import Belongings, Person
from repsense_dashboard.components.markup import form_chip, icon, plain, row_label, text
from repsense_dashboard.components.page import Action, Changes, attempt, conflict_notice, empty_state, guarded, say
from repsense_dashboard.components.seen import as_seen, remember_seen
from repsense_dashboard.name_edits import LabelEdits, PersonEdits
from repsense_dashboard.wording import as_title, counted, label_words, spoken_duration

__all__ = ["belongings_words", "show_names"]


def show_names(client: ApiClient, changes: Changes) -> None:
    """Show people and labels."""
    persons, labels = client.persons.list_persons(), client.labels.list_labels()
    if not persons and not labels:
        empty_state(
            "person",
            "Nobody yet",
            "People and labels appear here with the first recording.",
            [Action("Record a take", page="record")],
            key="no-names",
        )
        return
    seen_persons = as_seen("persons", persons, _person_id)
    seen_labels = as_seen("labels", labels, _label_id)
    remember_seen("persons", persons, _person_id)
    remember_seen("labels", labels, _label_id)
    with st.container(key="data-names"):
        with st.container(key="card-people"):
            st.html('<h2 class="rs-section">People</h2>')
            for person, seen in zip(persons, seen_persons, strict=True):
                _show_person(client, PersonEdits(client.persons, changes), person, seen)
        with st.container(key="card-labels"):
            st.html('<h2 class="rs-section">Labels</h2>')
            for label, seen_label in zip(labels, seen_labels, strict=True):
                _show_label(LabelEdits(client.labels, changes), label, seen_label)


def _person_id(person: Person) -> str:
    return person.person_id


def _label_id(label: StoredLabel) -> str:
    return label.label_id


def _row(title: str, note: str, amount: str) -> str:
    return f'<div class="rs-name"><b>{title}</b><span>{text(amount)}</span>{note}</div>'


def _amount(n_recordings: int, minutes: float) -> str:
    return f"{counted(n_recordings, 'recording')}, {spoken_duration(minutes * 60)}" if n_recordings else "no recording"


def _show_person(client: ApiClient, edits: PersonEdits, person: Person, seen: Person) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key=f"named-person-{person.person_id}"):
        note = f"<em>{text(person.note)}</em>" if person.note else ""
        st.html(_row(text(person.name), note, _amount(person.n_recordings, person.recorded_minutes)))
        with st.popover(row_label("Edit", person.name), key=f"edit-person-{person.person_id}"):
            key = f"person-{person.person_id}-{person.version}"
            name = st.text_input("Name", person.name, max_chars=60, key=f"{key}-name").strip()
            words = st.text_input("Note", person.note or "", max_chars=1000, key=f"{key}-note").strip()
            # Not by a callback: that would store what the fields said when the page was drawn last.
            if st.button("Save", key=f"save-person-{person.person_id}", type="primary") and name:
                if seen.version != person.version:
                    conflict_notice(f"{person.name} was not changed")
                    return
                with attempt(f"{person.name} was not changed"):
                    edits.describe(person, name=name, note=words or None)
                st.rerun()
        # Beside the popover and not in it: it would cover the question that follows.
        if st.button(row_label("Delete", person.name), key=f"erase-person-{person.person_id}", type="tertiary"):
            _confirm_erasure(client, person)


def belongings_words(name: str, belongings: Belongings) -> Sequence[str]:
    """Return what goes with a person, and what stays, as HTML sentences."""
    recorded = f"{counted(belongings.n_recordings, 'recording')} ({spoken_duration(belongings.recorded_minutes * 60)})"
    sentences = [
        f"<b>{recorded}</b>, those in the trash too, and the raw signal of their time.",
        f"<b>{counted(belongings.n_workouts, 'workout')}</b> of {text(name)}, with sets, corrections and notes.",
    ]
    if belongings.n_training_jobs:
        jobs = counted(belongings.n_training_jobs, "training")
        sentences.append(f"<b>{jobs}</b> that name {text(name)}: what was asked for, its progress and its log.")
    if belongings.models:
        models = ", ".join(f"{text(model.name)} {model.version}" for model in belongings.models)
        sentences.append(
            f"These models were trained with it and stay as they are: <b>{models}</b>. Train anew without "
            f"{text(name)} and remove them if they must not remember."
        )
    return sentences


@st.dialog("Delete everything of one person", width="medium")
def _confirm_erasure(client: ApiClient, person: Person) -> None:
    with guarded():
        sentences = belongings_words(person.name, client.persons.get_belongings(person))
        items = "".join(f"<li>{icon('trash')}<span>{each}</span></li>" for each in sentences)
        st.html(
            f'<div class="rs-erasure"><p>Everything of <b>{text(person.name)}</b> will be gone for good. There is no '
            f"way back.</p><ul>{items}</ul></div>"
        )
        typed = st.text_input(f"Type the name to confirm: {plain(person.name)}", key="erase-name", live=True)
        with st.container(key="danger-erase"):
            sure = st.button("Delete for good", key="erase-do", type="primary", disabled=typed.strip() != person.name)
        if sure:
            with attempt(f"{person.name} was not deleted"):
                gone = client.persons.erase(person, confirmation=typed.strip())
                say(
                    "good",
                    f"Everything of {person.name} is gone",
                    f"{counted(gone.n_recordings, 'recording')}, {counted(gone.n_workouts, 'workout')} and "
                    f"{counted(gone.n_sets, 'set')}.",
                )
            st.rerun()


def _show_label(edits: LabelEdits, label: StoredLabel, seen: StoredLabel) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key=f"named-label-{label.label_id}"):
        note = "<em>no exercise: shown as unknown</em>" if label.background else ""
        title = f"{text(as_title(label.exercise))} {form_chip(label.form)}"
        st.html(_row(title, note, _amount(label.n_recordings, label.minutes)))
        with st.popover(row_label("Edit", label_words(label.label)), key=f"edit-label-{label.label_id}"):
            key = f"label-{label.label_id}-{label.version}"
            exercise = st.text_input("Activity", label.exercise, max_chars=60, key=f"{key}-exercise").strip()
            form = st.text_input("Form", label.form or "", max_chars=60, key=f"{key}-form").strip()
            background = st.toggle(
                "This is no exercise",
                label.background,
                key=f"{key}-background",
                help="Such as rest or walking around: a network learns to leave it out.",
            )
            if st.button("Save", key=f"save-label-{label.label_id}", type="primary") and exercise:
                if seen.version != label.version:
                    conflict_notice("The label was not changed")
                    return
                with attempt("The label was not changed"):
                    edits.describe(label, exercise=exercise, form=form or None, background=background)
                st.rerun()
            st.button(
                "Remove this label",
                key=f"{key}-remove",
                icon=":material/delete:",
                disabled=label.n_recordings > 0,
                help="Recordings have it: relabel or delete them first." if label.n_recordings else None,
                on_click=_remove_label,
                args=(edits, label),
            )


def _remove_label(edits: LabelEdits, label: StoredLabel) -> None:
    with attempt("The label was not removed"):
        edits.remove(label)
