"""The data page's head and its sections; only the section that is open is drawn."""

from collections.abc import Callable, Mapping

import streamlit as st

from repsense_dashboard.api import ApiClient
from repsense_dashboard.components.page import Changes, guarded, page_head, undo_bar
from repsense_dashboard.views.data.exchange import show_exchange
from repsense_dashboard.views.data.names import show_names
from repsense_dashboard.views.data.overview import show_overview
from repsense_dashboard.views.data.past import show_past
from repsense_dashboard.views.data.recordings import show_recordings

__all__ = ["show"]

_SECTIONS: Mapping[str, Callable[[ApiClient, Changes], None]] = {
    "Recordings": show_recordings,
    "Label the past": show_past,
    "Overview": show_overview,
    "Import and export": show_exchange,
    "People and labels": show_names,
}


def show(client: ApiClient) -> None:
    """Show the page."""
    page_head("Data", "Everything that was recorded: look at it, correct it, take it with you.")
    changes = Changes.of_page("recordings")
    # Always there, so that nothing below loses its place when the first change is made.
    with st.container(key="data-undo"):
        undo_bar(changes)
    tabs = st.tabs(list(_SECTIONS), key="section", bind="query-params")
    for tab, show_section in zip(tabs, _SECTIONS.values(), strict=True):
        if tab.open:
            with tab, guarded():
                show_section(client, changes)
