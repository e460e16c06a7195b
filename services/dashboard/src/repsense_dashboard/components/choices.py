"""A choice among names that users have made, with room for a new one."""

from collections.abc import Callable, Sequence

import streamlit as st

from repsense_dashboard.components.markup import plain

__all__ = ["choose_name"]

_NEW = "\N{HEAVY PLUS SIGN}"
_LONGEST_NAME = 60
_MOST_PILLS = 9


def choose_name(
    title: str,
    names: Sequence[str],
    *,
    key: str,
    new: str,
    on_new: Callable[[str], None],
    placeholder: str = "",
    shown: Callable[[str], str] = str,
    required: bool = False,
) -> str | None:
    """Show the names, one to be chosen by a tap, and a way to add one.

    Args:
        title: What is chosen.
        names: What there is.
        key: Of the session's state, which holds the chosen name for the whole session.
        new: What the way to a new name is called: "New person".
        on_new: Called with a new name before the page is drawn again.
        placeholder: An example of a name.
        shown: What to call a name on the page.
        required: Whether something is chosen at all times, as far as there is anything.

    Returns:
        The chosen name, None if there is none.
    """
    if not names:
        _ask_name(title, key, on_new, placeholder)
        return None
    if st.session_state.get(key) not in {*names, _NEW, None}:
        del st.session_state[key]
    if required and st.session_state.get(key) is None:
        st.session_state[key] = names[0]
    if len(names) <= _MOST_PILLS:
        chosen = st.pills(
            title,
            [*names, _NEW],
            key=key,
            format_func=lambda name: f":material/add: {new}" if name == _NEW else plain(shown(name)),
            required=required,
            persist_state="session",
        )
    else:
        chosen = st.selectbox(
            title,
            [_NEW, *names],
            key=key,
            format_func=lambda name: f"{_NEW} {new}" if name == _NEW else shown(name),
            index=None,
            placeholder="Choose one",
            persist_state="session",
        )
    if chosen == _NEW:
        _ask_name(new, key, on_new, placeholder)
        return None
    return chosen


def _ask_name(title: str, key: str, on_new: Callable[[str], None], placeholder: str) -> None:
    field = f"{key}-new"

    def _take_name() -> None:
        name = str(st.session_state[field]).strip()
        if name and name != _NEW:
            on_new(name)
            st.session_state[key] = name

    st.text_input(title, key=field, max_chars=_LONGEST_NAME, placeholder=placeholder, on_change=_take_name)
