"""The script that Streamlit runs for every open page: what all pages share, and the navigation between them."""

from functools import partial
from importlib.resources import files

import streamlit as st

from repsense_dashboard.api import ApiClient
from repsense_dashboard.components.fault_banner import show_faults
from repsense_dashboard.components.navigation import show_navigation
from repsense_dashboard.gate import LOGOUT_PATH
from repsense_dashboard.settings import Settings
from repsense_dashboard.views import data, live, record, train, workouts

_ASSETS = files("repsense_dashboard").joinpath("assets")
_SHEETS = (
    "icons.css",
    "base.css",
    "widgets.css",
    "faults.css",
    "editor.css",
    "live.css",
    "record.css",
    "data.css",
    "figures.css",
    "train.css",
    "workouts.css",
)


@st.cache_resource(on_release=ApiClient.close, show_spinner=False)
def _connect(api_url: str, api_key: str | None) -> ApiClient:
    """Return the one client of this process."""
    return ApiClient(api_url, api_key=api_key)


@st.cache_resource(show_spinner=False)
def _style() -> str:
    return "".join(f"<style>{_ASSETS.joinpath(sheet).read_text(encoding='utf-8')}</style>" for sheet in _SHEETS)


def _show() -> None:
    logo = _ASSETS.joinpath("logo.svg").read_text(encoding="utf-8")
    st.set_page_config(page_title="RepSense", page_icon=logo, layout="wide", initial_sidebar_state="collapsed")
    st.html(_style())
    st.logo(logo, size="large")
    # Streamlit calls this script by its path, so nothing can be handed to it: it reads the environment that
    # __main__ has already checked.
    settings = Settings()
    client = _connect(settings.api_url, settings.api_key.get_secret_value() if settings.api_key else None)
    pages = [
        st.Page(partial(live.show, client), title="Live", url_path="live", default=True),
        st.Page(partial(record.show, client), title="Record", url_path="record"),
        st.Page(partial(data.show, client), title="Data", url_path="data"),
        st.Page(partial(train.show, client), title="Train", url_path="train"),
        st.Page(partial(workouts.show, client), title="Workouts", url_path="workouts"),
    ]
    # Streamlit's own bar would be hidden behind a button on a phone.
    current = st.navigation(pages, position="hidden")
    if current.url_path:
        st.set_page_config(page_title=f"{current.title} · RepSense")
    show_navigation(pages, current, logout_path=LOGOUT_PATH if settings.dashboard_password else None)
    show_faults(client)
    current.run()


_show()
