"""What an open workouts page remembers from one run to the next."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import TypeVar, cast

import streamlit as st

from repsense_dashboard.api import ApiClient
from repsense_dashboard.components.page import Changes
from repsense_dashboard.set_edits import WorkoutEdits

__all__ = ["Answers", "Session"]

_FRESH_S = 20.0

_Answer = TypeVar("_Answer")


class Answers:
    """Answers of the API that are good for a while: most clicks on the page change only one of them."""

    def __init__(self) -> None:
        self._known: dict[object, tuple[float, object]] = {}

    def get(self, key: object, ask: Callable[[], _Answer]) -> _Answer:
        """Return the answer to a question, asked anew if it is old."""
        now_s = time.monotonic()
        known = self._known.get(key)
        if known is None or now_s - known[0] > _FRESH_S:
            known = self._known[key] = now_s, ask()
        # A key belongs to one question, and so to one kind of answer.
        return cast("_Answer", known[1])

    def forget(self) -> None:
        """Ask everything anew, since something was changed."""
        self._known.clear()


@dataclass
class Session:
    """One open page.

    Attributes:
        changes: What was changed on it, with the way back.
        edits: How it changes things.
        answers: What it knows.
        day: The day that is picked in the calendar.
        editing: The id of the set that is being corrected.
        n_refused: How many assignments to a person the service has refused.
        n_pages: How many pages of the list are shown.
        listed: What the list is about: another filter begins with one page again.
    """

    changes: Changes
    edits: WorkoutEdits
    answers: Answers = field(default_factory=Answers)
    day: date | None = None
    editing: str | None = None
    n_refused: int = 0
    n_pages: int = 1
    listed: object = None

    @classmethod
    def of_page(cls, client: ApiClient) -> "Session":
        """Return what this page remembers."""
        session: Session | None = st.session_state.get("workouts")
        if session is None:
            changes = Changes.of_page("workouts")
            session = st.session_state["workouts"] = cls(changes, WorkoutEdits(client, changes))
        return session
