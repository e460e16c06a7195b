"""The chart of the last seconds, a Streamlit component.

Streamlit's own charts are rebuilt with every new second of signal; this one is drawn on a canvas that slides on, at a
fraction of the browser's work.
"""

import json
from typing import Any

import streamlit as st

from repsense_dashboard.components.scripts import script

__all__ = ["signal_chart"]

# Not isolated: it takes its colours and type from base.css like everything else.
_MOUNT = st.components.v2.component("repsense_signal", js=script("signal.js"), isolate_styles=False)


def signal_chart(signal: dict[str, Any], *, key: str) -> None:
    """Show what `arrange_signal` returned."""
    # As bytes: Streamlit would look through a dict for data frames, which takes longer than all the rest.
    _MOUNT(data=json.dumps(signal, separators=(",", ":")).encode(), key=key)
