"""Recordings as a table: to be filtered, relabelled, moved, deleted, and looked at one by one."""

from collections.abc import Callable, Sequence
from functools import partial

import streamlit as st

from repsense_dashboard.api import ApiClient, Label
from repsense_dashboard.api.recordings import Recording, RecordingFilter, Written
from repsense_dashboard.components.label_fields import label_fields, person_field
from repsense_dashboard.components.markup import plain
from repsense_dashboard.components.page import Action, Changes, attempt, empty_state, say
from repsense_dashboard.components.recording_table import recording_table
from repsense_dashboard.components.seen import as_seen, remember_seen
from repsense_dashboard.reader import reader_zone
from repsense_dashboard.recording_edits import RecordingEdits
from repsense_dashboard.views.data.detail import show_recording
from repsense_dashboard.views.data.filters import ask_filter, chosen_filter, clear_filter, filter_words, show_trash
from repsense_dashboard.wording import counted

__all__ = ["show_recordings"]

_AT_ONCE = 100
_PAGE = 1000
"""As many as the API gives at once."""
_LIMIT, _SELECTED = "data-limit", "data-selected"


def show_recordings(client: ApiClient, changes: Changes) -> None:
    """Show the recordings."""
    summary = client.recordings.summarize()
    edits = RecordingEdits(client.recordings, changes)
    if not summary.n_recordings and not chosen_filter().deleted:
        _show_empty()
        return
    which = ask_filter(summary)
    found, has_more = _list(client, which, int(st.session_state.get(_LIMIT, _AT_ONCE)))
    if not found:
        _show_nothing(which)
        return
    if which.deleted:
        st.html('<p class="rs-quiet">What was deleted stays here for seven days.</p>')
    selected = recording_table(found, st.session_state.get(_SELECTED, ()), zone=reader_zone(), key="recordings")
    st.session_state[_SELECTED] = [each.recording_id for each in selected]
    if has_more:
        st.button(f"Show more than the newest {len(found)}", key="data-more", on_click=_show_more)
    if not selected:
        st.html(
            '<p class="rs-quiet">Choose recordings by the boxes on the left: one to look at its signal and trim it, '
            "several to change them together.</p>"
        )
        return
    labels = [each.label for each in client.labels.list_labels()]
    subjects = [each.name for each in client.persons.list_persons()]
    seen = as_seen("recordings", selected, _identify)
    remember_seen("recordings", selected, _identify)
    if which.deleted:
        _show_trash_actions(client, edits, selected)
    else:
        _show_actions(edits, selected, seen, labels=labels, subjects=subjects)
    if len(selected) == 1:
        show_recording(client, edits, selected[0], labels=labels, subjects=subjects)


def _list(client: ApiClient, which: RecordingFilter, most: int) -> tuple[list[Recording], bool]:
    """Return the newest recordings, and whether there are more."""
    found: list[Recording] = []
    cursor = None
    while len(found) < most:
        page = client.recordings.list_recordings(which, limit=min(most - len(found), _PAGE), cursor=cursor)
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            break
    return found, cursor is not None


def _show_more() -> None:
    st.session_state[_LIMIT] = int(st.session_state.get(_LIMIT, _AT_ONCE)) * 4


def _show_empty() -> None:
    empty_state(
        "record",
        "No recording yet",
        "Record a few takes of what you do: about six takes of 20 s of each activity make a good start. Or bring "
        "recordings that you have, as files.",
        [
            Action("Record a take", page="record"),
            Action("Bring files", on_click=partial(_open_section, "Import and export")),
            Action("Look into the trash", on_click=show_trash),
        ],
        key="no-recording",
    )


def _open_section(name: str) -> None:
    st.session_state["section"] = name


def _show_nothing(which: RecordingFilter) -> None:
    if which == RecordingFilter(deleted=True):
        empty_state(
            "trash",
            "The trash is empty",
            "What you delete stays here for seven days and can be restored.",
            [Action("Show all recordings", on_click=clear_filter)],
            key="no-trash",
        )
    else:
        empty_state(
            "search",
            "Nothing fits",
            f"There is no recording: {filter_words(which)}.",
            [Action("Show all recordings", on_click=clear_filter)],
            key="no-match",
        )


def _show_actions(
    edits: RecordingEdits,
    selected: Sequence[Recording],
    seen: Sequence[Recording],
    *,
    labels: Sequence[Label],
    subjects: Sequence[str],
) -> None:
    """Show what can be done with recordings.

    Args:
        edits: Makes the changes.
        selected: The recordings; what a callback changes when the page has been drawn.
        seen: The same as the page showed them until now; what is changed in this run.
        labels: What can be chosen.
        subjects: Who can be chosen.
    """
    words = counted(len(selected), "recording")
    with st.container(horizontal=True, vertical_alignment="center", key="data-actions"):
        st.html(f'<strong class="rs-selected">{words} chosen</strong>', width="content")
        with st.popover("Relabel", key="data-relabel"):
            common = selected[0].label if len({each.label for each in selected}) == 1 else None
            label = label_fields(labels, common, key=f"relabel-{_digest(selected)}")
            # None of these by a callback: that would store what the fields said when the page was drawn last.
            what = f"Relabel {words}" if label else f"Take the label off {words}"
            if st.button(what, type="primary", key="data-relabel-do"):
                _write("Not relabelled", lambda: edits.relabel(seen, label))
                st.rerun()
        with st.popover("Move", key="data-move"):
            _show_moves(edits, seen, subjects)
        st.button(
            "Delete",
            key="data-delete",
            icon=":material/delete:",
            on_click=_write,
            args=("Not deleted", lambda: edits.throw_away(selected)),
        )


def _show_moves(edits: RecordingEdits, seen: Sequence[Recording], subjects: Sequence[str]) -> None:
    words, digest = counted(len(seen), "recording"), _digest(seen)
    subject = person_field(subjects, None, key=f"move-person-{digest}")
    if subject and st.button(f"It was {plain(subject)}", type="primary", key="data-move-person"):
        _write("Not moved", lambda: edits.move_to_person(seen, subject))
        st.rerun()
    session = st.text_input("Session", max_chars=60, key=f"move-session-{digest}").strip()
    if session and st.button(f"Move {words} to session {plain(session)}", type="primary", key="data-move-session"):
        _write("Not moved", lambda: edits.move_to_session(seen, session))
        st.rerun()


def _show_trash_actions(client: ApiClient, edits: RecordingEdits, selected: Sequence[Recording]) -> None:
    words = counted(len(selected), "recording")
    with st.container(horizontal=True, vertical_alignment="center", key="data-actions"):
        st.html(f'<strong class="rs-selected">{words} chosen</strong>', width="content")
        st.button("Restore", key="data-restore", type="primary", on_click=_restore, args=(edits, selected))
        with st.popover("Delete for good", key="data-for-good"):
            st.write(f"{words.capitalize()} will be gone, with signal and label. There is no way back.")
            with st.container(key="danger-for-good"):
                st.button(
                    f"Delete {words} for good",
                    key="data-for-good-do",
                    type="primary",
                    on_click=_delete_for_good,
                    args=(client, selected),
                )


def _write(failure: str, change: Callable[[], Written]) -> None:
    with attempt(failure):
        conflicts = change().conflicts
        if conflicts:
            say(
                "bad",
                f"{failure}: {counted(len(conflicts), 'recording')}",
                "They were changed meanwhile; look at them again.",
            )


def _restore(edits: RecordingEdits, selected: Sequence[Recording]) -> None:
    with attempt("Not restored"):
        edits.restore(selected)


def _delete_for_good(client: ApiClient, selected: Sequence[Recording]) -> None:
    with attempt("Not deleted"):
        for recording in selected:
            client.recordings.delete_for_good(recording)
        say("good", f"{counted(len(selected), 'recording')} deleted for good")


def _digest(selected: Sequence[Recording]) -> int:
    """Return a number for fields that begin anew with another choice."""
    return hash(tuple(map(_identify, selected)))


def _identify(recording: Recording) -> str:
    return recording.recording_id
