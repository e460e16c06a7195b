"""One recording: its signal to be trimmed and split, and what is known of it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial

import streamlit as st

from repsense_dashboard.api import ApiClient, Label
from repsense_dashboard.api.recordings import Recording, RecordingSignal
from repsense_dashboard.components.label_fields import label_fields, person_field
from repsense_dashboard.components.markup import form_chip, text
from repsense_dashboard.components.page import attempt, conflict_notice
from repsense_dashboard.components.seen import as_seen, remember_seen
from repsense_dashboard.components.take_review import count_kept, interruption_words, recording_editor, review_words
from repsense_dashboard.reader import reader_zone
from repsense_dashboard.recording_edits import RecordingEdits
from repsense_dashboard.wording import as_title, local_time

__all__ = ["show_recording"]

_SIGNAL_POINTS = 1500
_LEAST_PART_S = 0.5
_N_REFUSED = "data-refused"


def show_recording(
    client: ApiClient,
    edits: RecordingEdits,
    recording: Recording,
    *,
    labels: Sequence[Label],
    subjects: Sequence[str],
) -> None:
    """Show a recording with everything that can be done with it.

    Args:
        client: For its signal.
        edits: Makes the changes.
        recording: Which.
        labels: What can be chosen.
        subjects: Who can be chosen.
    """
    signal = client.recordings.get_signal(recording.recording_id, max_points=_SIGNAL_POINTS)
    with st.container(key="card-detail"):
        st.html(_head(recording, count_kept(recording, signal)))
        if recording.deleted_at is not None:
            _show_editor(edits, recording, signal, None)
            st.html('<p class="rs-quiet">It is in the trash. Restore it to change it.</p>')
            return
        cut_at_s = _ask_cut(recording)
        _show_editor(edits, recording, signal, cut_at_s)
        _show_actions(edits, recording, cut_at_s)
        with st.expander("What it is", key=f"facts-{recording.recording_id}"):
            _show_facts(edits, recording, labels, subjects)


def _head(recording: Recording, n_repetitions: int) -> str:
    title = as_title(recording.label.exercise) if recording.label else "No label yet"
    zone, now = reader_zone(), datetime.now(UTC)
    start = recording.started_at or recording.created_at
    facts = [
        recording.subject,
        f"session {recording.session}" if recording.session else None,
        f"{local_time(start, now, zone.zone)} ({zone.name})",
        f"sensor {recording.sensor_id}" if recording.sensor_id else None,
        f"{recording.sample_rate_hz:.3g} Hz",
    ]
    note = f'<p class="rs-note">{text(recording.note)}</p>' if recording.note else ""
    return (
        f'<header class="rs-review-head"><h2>{text(title)}'
        f"{form_chip(recording.label.form if recording.label else None)}</h2>"
        f"<p>{text(review_words(recording, n_repetitions))}</p>"
        f'<p class="rs-quiet">{text(" · ".join(fact for fact in facts if fact))}</p>{note}'
        f"{interruption_words([recording])}</header>"
    )


def _show_editor(edits: RecordingEdits, recording: Recording, signal: RecordingSignal, cut_at_s: float | None) -> None:
    trashed = recording.deleted_at is not None
    recording_editor(
        recording,
        signal,
        revision=recording.version + int(st.session_state.get(_N_REFUSED, 0)),
        key=f"editor-{recording.recording_id}-{trashed}",
        on_trim=None if trashed else partial(_trim, edits, recording),
        cut_at_s=cut_at_s,
    )


def _trim(edits: RecordingEdits, recording: Recording, start_s: float, end_s: float) -> None:
    n_refused = int(st.session_state.get(_N_REFUSED, 0))
    # Another number: the editor shows what is kept again if this is refused.
    st.session_state[_N_REFUSED] = n_refused + 1
    with attempt("The recording was not trimmed"):
        edits.trim(recording, start_s, end_s)
        st.session_state[_N_REFUSED] = n_refused


def _ask_cut(recording: Recording) -> float | None:
    """Return where the recording is to be cut in two, None if it is not."""
    if not st.session_state.get(f"splitting-{recording.recording_id}"):
        return None
    key = f"cut-{recording.recording_id}"
    return float(st.session_state.get(key, round(recording.captured_s / 2, 1)))


def _show_actions(edits: RecordingEdits, recording: Recording, cut_at_s: float | None) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key="detail-actions"):
        st.button("Trim to the movement", on_click=_trim_to_movement, args=(edits, recording), key="detail-auto")
        st.button(
            "Keep all",
            on_click=_untrim,
            args=(edits, recording),
            key="detail-all",
            disabled=recording.captured_s - recording.duration_s < _LEAST_PART_S / 10,
        )
        if recording.captured_s > 2 * _LEAST_PART_S:
            st.toggle("Cut in two", key=f"splitting-{recording.recording_id}")
    if cut_at_s is not None:
        with st.container(horizontal=True, key="detail-cut", vertical_alignment="bottom"):
            st.slider(
                "Where",
                _LEAST_PART_S,
                round(recording.captured_s - _LEAST_PART_S, 1),
                value=cut_at_s,
                step=0.1,
                format="%.1f s",
                key=f"cut-{recording.recording_id}",
            )
            st.button(
                f"Cut at {cut_at_s:.1f} s", on_click=_split, args=(edits, recording, cut_at_s), key="detail-split"
            )


def _trim_to_movement(edits: RecordingEdits, recording: Recording) -> None:
    with attempt("The recording was not trimmed"):
        edits.trim_to_movement(recording)


def _untrim(edits: RecordingEdits, recording: Recording) -> None:
    with attempt("The recording was not changed"):
        edits.untrim(recording)


def _split(edits: RecordingEdits, recording: Recording, at_s: float) -> None:
    with attempt("The recording was not cut"):
        edits.split(recording, at_s)


def _show_facts(edits: RecordingEdits, recording: Recording, labels: Sequence[Label], subjects: Sequence[str]) -> None:
    # Another version, other fields: they begin with what is known now.
    key = f"facts-{recording.recording_id}-{recording.version}"
    with st.container(horizontal=True, key="detail-facts"):
        label = label_fields(labels, recording.label, key=key)
        subject = person_field(subjects, recording.subject, key=f"{key}-person")
        session = st.text_input("Session", recording.session or "", max_chars=60, key=f"{key}-session")
    note = st.text_area("Note", recording.note or "", max_chars=1000, height=80, key=f"{key}-note")
    # Not by a callback: that would store what the fields said when the page was drawn last.
    pressed = st.button("Save", type="primary", key="detail-save")
    (seen,) = as_seen("detail", [recording], _identify)
    remember_seen("detail", [recording], _identify)
    if pressed and seen.version != recording.version:
        conflict_notice("The recording was not changed")
    elif pressed:
        with attempt("The recording was not changed"):
            edits.describe(
                recording, label=label, subject=subject, session=session.strip() or None, note=note.strip() or None
            )
        st.rerun()


def _identify(recording: Recording) -> str:
    return recording.recording_id
