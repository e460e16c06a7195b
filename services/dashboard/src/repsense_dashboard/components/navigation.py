"""Ways from one page to another: the bar with all of them, and links in their texts."""

from collections.abc import Iterable, Mapping, Sequence

import streamlit as st

__all__ = ["page_link", "show_navigation"]

_KEY = "pages"

_ICONS = {
    "live": ":material/sensors:",
    "record": ":material/radio_button_checked:",
    "data": ":material/table_rows:",
    "train": ":material/model_training:",
    "workouts": ":material/calendar_month:",
}


def show_navigation(pages: Sequence[st.Page], current: st.Page, *, logout_path: str | None = None) -> None:
    """Show the bar: at the head of a wide screen, at the foot of a phone, where a thumb is (base.css).

    Args:
        pages: All of them, in order; made known to `page_link`.
        current: The one that is shown.
        logout_path: Where one leaves, if there is a password.
    """
    by_path = st.session_state[_KEY] = _by_path(pages)
    with st.container(key="nav"):
        for path, page in by_path.items():
            is_here = page.url_path == current.url_path
            with st.container(key=f"nav-{path}{'-here' if is_here else ''}", width="content"):
                # Streamlit begins a page anew and loses what is chosen meanwhile, so the way from a page to itself is
                # open only where it leads back, as from one workout to all.
                disabled = is_here and not st.query_params
                st.page_link(page, label=page.title, icon=_ICONS.get(path), disabled=disabled)
    if logout_path is not None:
        st.html(f'<a class="rs-logout" href="{logout_path}" target="_self">Log out</a>')


def _by_path(pages: Iterable[st.Page]) -> dict[str, st.Page]:
    # Streamlit forgets the path of the default page: it is the root.
    return {page.url_path or "live": page for page in pages}


def page_link(page: str, label: str, *, query: Mapping[str, str] | None = None) -> None:
    """Show a link to a page; nothing where this dashboard has no such page."""
    known = st.session_state.get(_KEY, {})
    if page in known:
        st.page_link(known[page], label=label, icon="", query_params=dict(query) if query else None)
