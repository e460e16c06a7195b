"""One page of the dashboard by itself, for Streamlit's test runner, which does not know pages that are functions."""

import os
from importlib import import_module

import streamlit as st

from repsense_dashboard.api import ApiClient


@st.cache_resource(on_release=ApiClient.close, show_spinner=False)
def _connect(api_url: str) -> ApiClient:
    return ApiClient(api_url)


import_module(f"repsense_dashboard.views.{os.environ['PAGE']}").show(_connect(os.environ["API_URL"]))
