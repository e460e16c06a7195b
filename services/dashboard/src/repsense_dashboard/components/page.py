"""What every page has: a head, empty states, errors in words, and a way back from the last change."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Literal

import streamlit as st

from repsense_dashboard.api import ApiError, ApiProblemError
from repsense_dashboard.components.markup import Icon, icon, text
from repsense_dashboard.components.navigation import page_link
from repsense_dashboard.components.notice import api_error_notice

__all__ = [
    "Action",
    "Changes",
    "attempt",
    "conflict_notice",
    "empty_state",
    "guarded",
    "look_again",
    "message",
    "page_head",
    "say",
    "undo_bar",
]

_MESSAGES_KEY = "messages"
_LONGEST_HISTORY = 10
_LOOK_AGAIN_S = 2.0

Tone = Literal["good", "bad", "neutral"]

_SYMBOLS: Mapping[Tone, Icon] = {"good": "check", "bad": "alert", "neutral": "info"}


def page_head(title: str, sentence: str) -> None:
    """Show what the page is for, and below it what the last action has to say."""
    st.html(f'<header class="rs-page-head"><h1>{text(title)}</h1><p>{text(sentence)}</p></header>')
    _show_messages()


@dataclass(frozen=True)
class Action:
    """Something to do next: a link to a page, or a button.

    Attributes:
        label: What it does, as a command: "Record a take".
        page: The `url_path` of the page that it leads to.
        query: Parameters of that page's address.
        on_click: Called before the page is drawn again, where there is no `page`.
    """

    label: str
    page: str | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    on_click: Callable[[], None] | None = None


def empty_state(
    symbol: Icon,
    title: str,
    sentence: str,
    actions: Sequence[Action],
    *,
    key: str,
) -> None:
    """Show what is missing, and what to do about it.

    Args:
        symbol: Icon above the title.
        title: What is missing: "No recording yet".
        sentence: What to do.
        actions: Ways to do it; the first is the usual one.
        key: Unique on the page.
    """
    with st.container(key=f"{key}-state", horizontal_alignment="center"):
        st.html(
            f'<section class="rs-state-card" role="status"><div class="rs-notice-icon">{icon(symbol)}</div>'
            f"<h2>{text(title)}</h2><p>{text(sentence)}</p></section>"
        )
        with st.container(
            horizontal=True, horizontal_alignment="center", vertical_alignment="center", key=f"{key}-actions"
        ):
            for number, action in enumerate(actions):
                _show_action(action, first=number == 0, key=f"{key}-action-{number}")


def _show_action(action: Action, *, first: bool, key: str) -> None:
    if action.page is not None:
        with st.container(key=f"{key}-{'primary' if first else 'secondary'}-link", width="content"):
            page_link(action.page, action.label, query=action.query)
    else:
        st.button(action.label, key=key, type="primary" if first else "secondary", on_click=action.on_click)


@contextmanager
def guarded() -> Iterator[None]:
    """Show in words why something cannot be shown, in its place, instead of a traceback.

    What follows in the block is left out, and tried again after a while; what follows the block goes on.
    """
    try:
        yield
    except ApiError as error:
        st.html(api_error_notice(error))
        look_again()


def look_again() -> None:
    """Draw the page anew after a while, for something that may be there by then."""
    drawn_s = time.monotonic()

    @st.fragment(run_every=_LOOK_AGAIN_S)
    def look() -> None:
        # The first time is that of the page itself.
        if time.monotonic() - drawn_s > _LOOK_AGAIN_S / 2:
            st.rerun()

    look()


@contextmanager
def attempt(failure: str) -> Iterator[None]:
    """Do what a person asked for; if it fails, say so at the head of the page.

    Args:
        failure: What did not happen: "The recording was not changed".
    """
    try:
        yield
    except ApiProblemError as error:
        if error.status == HTTPStatus.PRECONDITION_FAILED:
            say("bad", failure, _CONFLICT)
        else:
            say("bad", failure, error.detail)
    except ApiError as error:
        say("bad", failure, error.detail)


_CONFLICT = (
    "It was changed meanwhile, in another tab or by somebody else. Nothing was overwritten: what you see now is how it "
    "is. Make your change again if you still want it."
)


def conflict_notice(failure: str) -> None:
    """Show that somebody else has changed the same thing."""
    st.html(message("bad", failure, _CONFLICT))


def message(tone: Tone, title: str, detail: str = "") -> str:
    """Return one line of what came of an action."""
    role = "alert" if tone == "bad" else "status"
    return (
        f'<div class="rs-message rs-message-{tone}" role="{role}">{icon(_SYMBOLS[tone])}'
        f"<div><strong>{text(title)}</strong>" + (f" <span>{text(detail)}</span>" if detail else "") + "</div></div>"
    )


def say(tone: Tone, title: str, detail: str = "") -> None:
    """Say something at the head of the page, the next time that it is drawn, once."""
    st.session_state.setdefault(_MESSAGES_KEY, []).append((tone, title, detail))


def _show_messages() -> None:
    # Always one element, so that nothing below loses its place.
    st.html("".join(message(*each) for each in st.session_state.pop(_MESSAGES_KEY, ())) or "<span></span>")


@dataclass(frozen=True)
class _Change:
    words: str
    undo: Callable[[], object]


class Changes:
    """The last changes of one page, each with its inverse."""

    def __init__(self) -> None:
        self._changes: list[_Change] = []

    @classmethod
    def of_page(cls, name: str) -> "Changes":
        """Return the changes of a page in this session."""
        changes: Changes = st.session_state.setdefault(f"changes-{name}", cls())
        return changes

    @property
    def last(self) -> str | None:
        """What was changed last, as a sentence without its full stop."""
        return self._changes[-1].words if self._changes else None

    def remember(self, words: str, undo: Callable[[], object]) -> None:
        """Note a change.

        Args:
            words: What was done: "3 recordings deleted".
            undo: Does the opposite; may raise `ApiError`.
        """
        self._changes = [*self._changes, _Change(words, undo)][-_LONGEST_HISTORY:]

    def undo(self) -> None:
        """Take the last change back, and say so. A change that cannot be taken back any more is forgotten."""
        if not self._changes:
            return
        change = self._changes[-1]
        with attempt(f"Not undone: {change.words}"):
            try:
                change.undo()
            except ApiProblemError:
                self._changes.remove(change)
                raise
            self._changes.remove(change)
            say("good", f"Undone: {change.words}")


def undo_bar(changes: Changes, *, key: str = "undo") -> None:
    """Show the last change and the button that takes it back; nothing while nothing was changed."""
    if changes.last is None:
        return
    with st.container(key=f"{key}-bar", horizontal=True, vertical_alignment="center"):
        st.html(f'<span class="rs-last-change">{icon("check")}{text(changes.last)}</span>', width="content")
        st.button("Undo", key=key, on_click=changes.undo, type="tertiary", icon=":material/undo:")
