"""The dialog in which a set is corrected."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import streamlit as st

from repsense_dashboard.api import Label
from repsense_dashboard.api.workouts import WorkoutSet
from repsense_dashboard.components.label_fields import label_fields
from repsense_dashboard.components.markup import text
from repsense_dashboard.components.workout_timeline import set_words
from repsense_dashboard.reader import ReaderZone
from repsense_dashboard.set_edits import set_changes
from repsense_dashboard.wording import as_title, label_words, percent

__all__ = ["SaveSet", "set_dialog"]

_MAX_REPETITIONS = 10_000


class SaveSet(Protocol):
    """What the dialog does in the end."""

    def __call__(self, entry: WorkoutSet, changes: Mapping[str, Any], *, keep: bool) -> None:
        """Change a set, and make training data of it if `keep`."""
        ...


def set_dialog(
    entry: WorkoutSet,
    labels: Sequence[Label],
    *,
    zone: ReaderZone,
    on_save: SaveSet,
    on_dismiss: Callable[[], None],
) -> None:
    """Open the dialog over the page.

    Args:
        entry: The set as it is.
        labels: What it may have been.
        zone: Where the reader is.
        on_save: Called with what is to be different.
        on_dismiss: Called when the dialog was closed without that.
    """

    @st.dialog("What was it?", on_dismiss=on_dismiss)
    def _dialog() -> None:
        sure = f", {percent(entry.confidence)} sure" if entry.confidence is not None else ""
        st.html(
            f'<p class="rs-lead">{text(as_title(set_words(entry, zone)))}</p><p class="rs-quiet">Recognised as '
            f"{text(label_words(entry.recognised))}{sure}, by {text(entry.model_name)} {entry.model_version}.</p>"
        )
        key = f"set-{entry.set_id}-{entry.version}"
        discarded = st.toggle("It was no exercise at all", value=entry.discarded, key=f"{key}-discarded")
        label: Label | None = None
        if not discarded:
            label = label_fields(labels, Label(exercise=entry.exercise, form=entry.form), key=key)
        repetitions = None if discarded else _ask_repetitions(entry, key)
        note = st.text_input("Note", value=entry.note or "", max_chars=2000, key=f"{key}-note")
        keep = not discarded and st.checkbox(
            "Also use it as training data",
            key=f"{key}-keep",
            help="The signal of the set becomes a recording with this label, for the next training.",
        )
        changes = set_changes(
            entry,
            label=label,
            discarded=discarded,
            repetitions=entry.repetitions if discarded else repetitions,
            note=note,
        )
        with st.container(horizontal=True, key="set-dialog-actions"):
            if st.button("Save", key=f"{key}-save", type="primary", disabled=not changes and not keep):
                on_save(entry, changes, keep=keep)
                st.rerun()
            is_changed = entry.corrected or entry.discarded
            if is_changed and st.button("Back to what was recognised", key=f"{key}-reset"):
                on_save(entry, {"label": None, "discarded": False}, keep=False)
                st.rerun()

    _dialog()


def _ask_repetitions(entry: WorkoutSet, key: str) -> int | None:
    return st.number_input(
        "Repetitions",
        min_value=0,
        max_value=_MAX_REPETITIONS,
        value=entry.repetitions,
        placeholder="Not counted",
        key=f"{key}-repetitions",
    )
