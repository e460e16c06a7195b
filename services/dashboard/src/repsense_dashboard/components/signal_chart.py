"""The chart of the last seconds, a Streamlit component.

Streamlit's own charts are rebuilt with every new second of signal; this one is drawn on a canvas that slides on, at a
fraction of the browser's work.
"""

import json
from importlib.resources import files
from typing import Any

import streamlit as st

__all__ = ["signal_chart"]

# Not isolated: it takes its colours and type from style.css like everything else.
_MOUNT = st.components.v2.component(
    "repsense_signal",
    js=files("repsense_dashboard.components").joinpath("signal.js").read_text(encoding="utf-8"),
    isolate_styles=False,
)


def signal_chart(signal: dict[str, Any], *, key: str) -> None:
    """Show what `arrange_signal` returned."""
    # As bytes: Streamlit would look through a dict for data frames, which takes longer than all the rest.
    _MOUNT(data=json.dumps(signal, separators=(",", ":")).encode(), key=key)
