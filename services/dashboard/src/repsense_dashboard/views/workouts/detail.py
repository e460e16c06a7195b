"""One workout: its timeline, its sets and what is to be said about them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import streamlit as st

from repsense_dashboard.api import ApiClient, ApiProblemError, Label
from repsense_dashboard.api.workouts import Workout, WorkoutSet, WorkoutTimeline
from repsense_dashboard.components.label_fields import person_field
from repsense_dashboard.components.markup import row_label, simulated_badge, text
from repsense_dashboard.components.page import Action, attempt, empty_state, say
from repsense_dashboard.components.pickable import pickable
from repsense_dashboard.components.set_dialog import set_dialog
from repsense_dashboard.components.workout_cards import set_row, workout_tiles, workout_when
from repsense_dashboard.components.workout_timeline import timeline_picture
from repsense_dashboard.reader import ReaderZone
from repsense_dashboard.views.workouts.session import Session

__all__ = ["show_detail"]

_MAX_POINTS = 600
_NOTE_HEIGHT = 90


def show_detail(client: ApiClient, session: Session, workout_id: str, now: datetime, zone: ReaderZone) -> None:
    """Show the page with a workout in its address."""
    st.button("All workouts", key="workout-back", type="tertiary", icon=":material/arrow_back:", on_click=_go_back)
    try:
        workout = client.workouts.get_workout(workout_id)
        timeline = client.workouts.get_timeline(workout_id, max_points=_MAX_POINTS)
    except ApiProblemError as error:
        if error.kind != "not-found":
            raise
        empty_state(
            "calendar",
            "This workout is not there",
            "It was deleted, or the address is not whole.",
            [Action("All workouts", on_click=_go_back)],
            key="workout-gone",
        )
        return
    badge = simulated_badge(small=True) if workout.simulated else ""
    st.html(
        f'<header class="rs-workout-head"><h2>{workout_when(workout, now, zone)}</h2>{badge}'
        f'<span class="rs-aside">sensor {text(workout.sensor_id)}, times in {text(zone.name)}</span></header>'
    )
    st.html(workout_tiles(workout))
    with st.container(key="card-workout-timeline"):
        st.html('<header class="rs-list-head"><span class="rs-overline">Timeline</span></header>')
        picture = timeline_picture(timeline, selected=session.editing, zone=zone)
        pickable(picture, key="workout-timeline", on_pick=partial(_edit, session))
    with st.container(key="workout-parts"):
        _show_sets(session, timeline, zone)
        _show_about(client, session, workout)
    _show_dialog(client, session, workout, timeline.sets, zone)


def _go_back() -> None:
    st.query_params.clear()


def _show_sets(session: Session, timeline: WorkoutTimeline, zone: ReaderZone) -> None:
    with st.container(key="card-workout-sets"):
        st.html('<header class="rs-list-head"><span class="rs-overline">Sets</span></header>')
        for entry in timeline.sets:
            with st.container(key=f"set-{entry.set_id}-row", horizontal=True, vertical_alignment="center"):
                st.html(set_row(entry, zone))
                st.button(
                    row_label("Change", f"{entry.exercise}, {entry.started_at.astimezone(zone.zone):%H:%M}"),
                    key=f"set-{entry.set_id}",
                    type="tertiary",
                    disabled=entry.state == "open",
                    help="It goes on: change it when it is done." if entry.state == "open" else None,
                    on_click=_edit,
                    args=(session, entry.set_id),
                )


def _edit(session: Session, set_id: str) -> None:
    session.editing = set_id


def _show_about(client: ApiClient, session: Session, workout: Workout) -> None:
    """Show who it was and what is to be remembered, and the way to delete it."""
    persons = client.persons.list_persons()
    names = [person.name for person in persons]
    key = f"workout-{workout.workout_id}-{workout.version}"
    with st.container(key="card-workout-about"):
        st.html('<header class="rs-list-head"><span class="rs-overline">About it</span></header>')
        # Another number for each refusal: the field then shows again who is known, and nobody is assigned twice.
        revision = workout.version + session.n_refused
        subject = person_field(names, workout.subject, key=f"workout-{workout.workout_id}-{revision}-person")
        if subject != workout.subject:
            _assign(client, session, workout, subject, names)
            st.rerun()
        st.text_area(
            "Note",
            value=workout.note or "",
            max_chars=2000,
            height=_NOTE_HEIGHT,
            placeholder="How it felt, what was different",
            key=f"{key}-note",
            on_change=_note,
            args=(session, workout, f"{key}-note"),
        )
        with st.popover("Delete this workout", icon=":material/delete:", key=f"{key}-delete-ask"):
            st.write("Its sets and everything that was recognised in its time are deleted for good.")
            with st.container(key=f"danger-{key}"):
                st.button(
                    "Delete for good",
                    key=f"{key}-delete",
                    type="primary",
                    on_click=_delete,
                    args=(client, session, workout),
                )


def _assign(client: ApiClient, session: Session, workout: Workout, subject: str | None, names: Sequence[str]) -> None:
    session.n_refused += 1
    with attempt("The workout was not assigned"):
        if subject is not None and subject not in names:
            client.persons.add(subject)
        words = f"Workout assigned to {subject}" if subject else "Workout assigned to nobody"
        session.edits.edit_workout(workout, {"subject": subject}, words)
        session.answers.forget()
        session.n_refused -= 1


def _note(session: Session, workout: Workout, field: str) -> None:
    note = str(st.session_state[field]).strip() or None
    if note != workout.note:
        with attempt("The note was not stored"):
            session.edits.edit_workout(workout, {"note": note}, "Note changed" if note else "Note deleted")
            session.answers.forget()


def _delete(client: ApiClient, session: Session, workout: Workout) -> None:
    with attempt("The workout was not deleted"):
        client.workouts.delete_workout(workout)
        session.answers.forget()
        st.query_params.clear()
        say("good", "The workout is deleted")


def _show_dialog(
    client: ApiClient, session: Session, workout: Workout, sets: Sequence[WorkoutSet], zone: ReaderZone
) -> None:
    entry = next((one for one in sets if one.set_id == session.editing and one.state == "closed"), None)
    if entry is None:
        session.editing = None
        return

    def save(entry: WorkoutSet, changes: Mapping[str, Any], *, keep: bool) -> None:
        session.editing = None
        with attempt("The set was not corrected"):
            if changes:
                session.edits.edit_set(entry, changes)
                session.answers.forget()
            if keep:
                _keep(client, workout, entry, zone)

    def dismiss() -> None:
        session.editing = None

    stored = [stored.label for stored in client.labels.list_labels()]
    known = [Label(exercise=one.exercise, form=one.form) for one in sets]
    labels = sorted({*stored, *known}, key=lambda label: (label.exercise, label.form or ""))
    set_dialog(entry, labels, zone=zone, on_save=save, on_dismiss=dismiss)


def _keep(client: ApiClient, workout: Workout, entry: WorkoutSet, zone: ReaderZone) -> None:
    """Make training data of a set; that its signal is gone by now is nobody's fault."""
    try:
        # Without a session nothing could be held out together with it, and the trainer would refuse everything.
        session = f"{workout.started_at.astimezone(zone.zone):%Y-%m-%d} workout"
        number = client.workouts.keep_as_recording(entry.set_id, subject=workout.subject, session=session)
    except ApiProblemError as error:
        if error.kind != "samples-gone":
            raise
        say("neutral", "The set cannot become training data any more", f"Its signal is gone: {error.detail}.")
        return
    what = "a recording" if number == 1 else f"{number} recordings"
    say("good", "The set is training data now", f"It became {what}, and is there for the next training.")
