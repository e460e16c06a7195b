"""A page of HTML within a page: in Streamlit's own frames it could run scripts with the rights of the dashboard."""

import streamlit as st

from repsense_dashboard.components.scripts import script

__all__ = ["report_frame"]

_MOUNT = st.components.v2.component("repsense_report", js=script("report_frame.js"), isolate_styles=False)


def report_frame(html: bytes, *, key: str) -> None:
    """Show a page of HTML in UTF-8."""
    _MOUNT(data=html, key=key)
