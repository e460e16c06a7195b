"""The script that Streamlit runs for every open page: what all pages share, and the navigation between them."""

from functools import partial
from importlib.resources import files

import streamlit as st

from repsense_dashboard.api import ApiClient
from repsense_dashboard.settings import Settings
from repsense_dashboard.views import live

_ASSETS = files("repsense_dashboard").joinpath("assets")


@st.cache_resource(on_release=ApiClient.close, show_spinner=False)
def _connect(api_url: str) -> ApiClient:
    """Return the one client of this process."""
    return ApiClient(api_url)


def _show() -> None:
    logo = _ASSETS.joinpath("logo.svg").read_text(encoding="utf-8")
    st.set_page_config(page_title="RepSense", page_icon=logo, layout="wide", initial_sidebar_state="collapsed")
    for sheet in ("icons.css", "style.css"):
        st.html(f"<style>{_ASSETS.joinpath(sheet).read_text(encoding='utf-8')}</style>")
    st.logo(logo, size="large")
    # Streamlit calls this script by its path, so nothing can be handed to it: it reads the environment that
    # __main__ has already checked.
    client = _connect(Settings().api_url)
    pages = [st.Page(partial(live.show, client), title="Live", default=True)]
    # A single page gets no menu.
    st.navigation(pages, position="top").run()


_show()
