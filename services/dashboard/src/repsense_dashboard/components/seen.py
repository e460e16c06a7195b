"""What a person had before their eyes when they acted; meanwhile somebody else may have changed it."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import streamlit as st

__all__ = ["as_seen", "remember_seen"]

_Thing = TypeVar("_Thing")


def as_seen(name: str, things: Sequence[_Thing], identify: Callable[[_Thing], str]) -> list[_Thing]:
    """Return things as they were when the page was drawn last; as they are where they were not there.

    Args:
        name: Of what is drawn.
        things: As they are.
        identify: Returns a thing's id.
    """
    seen: dict[str, _Thing] = st.session_state.get(f"seen-{name}", {})
    return [seen.get(identify(thing), thing) for thing in things]


def remember_seen(name: str, things: Sequence[_Thing], identify: Callable[[_Thing], str]) -> None:
    """Take note of what is on the page now."""
    st.session_state[f"seen-{name}"] = {identify(thing): thing for thing in things}
