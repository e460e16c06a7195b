"""The fields in which a label is chosen or written."""

from collections.abc import Sequence

import streamlit as st

from repsense_dashboard.api import Label

__all__ = ["USUAL_FORMS", "label_fields", "person_field"]

USUAL_FORMS = ("correct", "incorrect")
"""What most activities are told apart by."""


def label_fields(labels: Sequence[Label], present: Label | None, *, key: str) -> Label | None:
    """Show the fields of a label, and return what they say.

    Args:
        labels: What can be chosen; anything else can be typed.
        present: What is chosen at first.
        key: Unique on the page, and another one for another recording.
    """
    exercises = _with([label.exercise for label in labels], present.exercise if present else None)
    exercise = st.selectbox(
        "Activity",
        exercises,
        index=exercises.index(present.exercise) if present else None,
        placeholder="Choose, or type a new one",
        accept_new_options=True,
        key=f"{key}-exercise",
    )
    if not exercise or not exercise.strip():
        return None
    own = [label.form for label in labels if label.exercise == exercise and label.form]
    present_form = present.form if present and present.exercise == exercise else None
    forms = _with([*USUAL_FORMS, *own], present_form)
    form = st.selectbox(
        "Form",
        forms,
        index=forms.index(present_form) if present_form else None,
        placeholder="Not told apart",
        accept_new_options=True,
        key=f"{key}-form-of-{exercise}",
    )
    return Label(exercise=exercise.strip(), form=(form or "").strip() or None)


def person_field(names: Sequence[str], present: str | None, *, key: str) -> str | None:
    """Show the field of a person, and return what it says."""
    known = _with(list(names), present)
    name = st.selectbox(
        "Person",
        known,
        index=known.index(present) if present else None,
        placeholder="Choose, or type a name",
        accept_new_options=True,
        key=key,
    )
    return (name or "").strip() or None


def _with(names: list[str], present: str | None) -> list[str]:
    """Return names without repetition, with the present one among them."""
    return list(dict.fromkeys([*names, *([present] if present else [])]))
