"""The smallest pieces of HTML, and the one place where a value becomes HTML.

Names of sensors and activities are made by users: whatever is not a literal of this package goes through `text`.
"""

import re
from html import escape
from typing import Literal

__all__ = ["Icon", "form_chip", "form_icon", "icon", "plain", "row_label", "simulated_badge", "text", "tone_of_form"]

Icon = Literal[
    "alert",
    "box",
    "broken",
    "calendar",
    "check",
    "hourglass",
    "info",
    "key",
    "pause",
    "person",
    "plug",
    "power",
    "question",
    "record",
    "robot",
    "search",
    "trash",
]

_MARKDOWN = re.compile(r"[\\`*_\[\]:$~<>#^|]")

Tone = Literal["correct", "incorrect", "neutral"]


def text(value: str) -> str:
    """Return a value as HTML text, safe between tags and in quoted attributes."""
    return escape(value, quote=True)


def plain(value: str) -> str:
    """Return a value for a label of Streamlit's, which would read it as Markdown, so that it stays what it is.

    Options of pills are such labels; those of a selectbox or multiselect are not.
    """
    return _MARKDOWN.sub(r"\\\g<0>", value)


def row_label(word: str, row: str) -> str:
    """Return the label of a button that stands in each row of a list: its word, and for who does not see it the row.

    The style sheet hides what is emphasised in a button.
    """
    return f"{word} *{plain(row)}*".lstrip()


def icon(name: Icon) -> str:
    """Return an icon in the colour and size of the text around it; it says nothing that a word beside it does not."""
    return f'<span class="rs-icon rs-icon-{name}" aria-hidden="true"></span>'


def simulated_badge(*, small: bool = False) -> str:
    """Return the mark of data that no person produced."""
    size = " rs-simulated-small" if small else ""
    return f'<span class="rs-simulated{size}">{icon("robot")}Simulated</span>'


def tone_of_form(form: str | None) -> Tone:
    """Return how a form is coloured; a form that a user invented has a word but no colour."""
    if form == "correct":
        return "correct"
    return "incorrect" if form == "incorrect" else "neutral"


def form_icon(form: str | None) -> str:
    """Return the sign of a form; nothing for one that a user invented."""
    return {"correct": icon("check"), "incorrect": icon("alert"), "neutral": ""}[tone_of_form(form)]


def form_chip(form: str | None) -> str:
    """Return the form as icon and word, nothing for an exercise that was taught without."""
    if form is None:
        return ""
    return f'<span class="rs-chip rs-chip-{tone_of_form(form)}">{form_icon(form)}{text(form)}</span>'
