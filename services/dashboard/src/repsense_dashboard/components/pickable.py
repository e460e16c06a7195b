"""A picture made of HTML in which things can be picked."""

from collections.abc import Callable

import streamlit as st

from repsense_dashboard.components.scripts import script

__all__ = ["pickable"]

_MOUNT = st.components.v2.component("repsense_pickable", js=script("pickable.js"), isolate_styles=False)


def pickable(html: str, *, key: str, on_pick: Callable[[str], None]) -> None:
    """Show a picture.

    Args:
        html: Made by this package, with everything that users have written passed through `markup.text`. Each thing
            that can be picked is a button with `data-pick`, its name, and `aria-label`, which is also shown in the
            element with `data-words` while the thing is looked at.
        key: Unique on the page.
        on_pick: Called with the name of what was picked, before the page is drawn again.
    """

    def _picked() -> None:
        state = st.session_state.get(key)
        name = state.get("pick") if state else None
        if name:
            on_pick(str(name))

    _MOUNT(data=html.encode(), key=key, on_pick_change=_picked)
