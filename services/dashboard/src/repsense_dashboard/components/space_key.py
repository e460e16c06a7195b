"""The space bar as a second main button, a Streamlit component.

Streamlit's own shortcut for buttons also takes a space that is meant for the button in focus.
"""

import streamlit as st

from repsense_dashboard.components.scripts import script

__all__ = ["space_presses"]

_MOUNT = st.components.v2.component("repsense_space_key", js=script("space_key.js"), isolate_styles=False)


def space_presses(keys: str) -> None:
    """Let the space bar press a button as long as this is part of the page.

    Args:
        keys: What the button's key begins with: the main button is another one in each state of the page, and a click
            on one must not count for the next.
    """
    _MOUNT(data={"target": keys}, key="space-key")
