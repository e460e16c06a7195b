"""Altair charts in the visual language of base.css.

Colours are the style sheet's own variables, and charts are drawn as SVG, so that they follow the theme by themselves.
Instants are shown in the browser's time zone, as Vega does by itself.
"""

from collections.abc import Sequence
from datetime import date
from typing import Any

import altair as alt
import streamlit as st

__all__ = [
    "CORRECT",
    "HEAT",
    "INCORRECT",
    "INK",
    "MUTED",
    "SERIES",
    "TIME_FORMAT",
    "local_day",
    "series_scale",
    "show_chart",
    "time_axis",
]

INK = "var(--rs-ink)"
MUTED = "var(--rs-muted)"
CORRECT = "var(--rs-correct)"
INCORRECT = "var(--rs-incorrect)"

SERIES = tuple(f"var(--rs-series-{number})" for number in range(1, 9))
"""For things of equal standing, such as exercises; told apart in every form of colour blindness."""

HEAT = tuple(f"var(--rs-heat-{number})" for number in range(6))
"""From nothing to the most; for a quantize or threshold scale."""

TIME_FORMAT = {
    "year": "%Y",
    "quarter": "%b",
    "month": "%b",
    "week": "%-d %b",
    "day": "%-d %b",
    "date": "%-d %b",
    "hours": "%H:%M",
    "minutes": "%H:%M",
    "seconds": "%H:%M:%S",
    "milliseconds": "%S.%L",
}
"""How the labels of an axis of time are written, by how far apart they are: the day has 24 hours."""

_CONFIG: dict[str, Any] = {
    "background": "transparent",
    "font": '"Source Sans", sans-serif',
    "padding": {"left": 0, "top": 4, "right": 14, "bottom": 0},
    "axis": {
        "domain": False,
        "ticks": False,
        "gridColor": "var(--rs-line)",
        "labelColor": MUTED,
        "labelFontSize": 13,
        "labelPadding": 6,
        "titleColor": MUTED,
        "titleFontSize": 13,
        "titleFontWeight": "normal",
        "titlePadding": 10,
    },
    "axisX": {"grid": False},
    "bar": {"cornerRadius": 3},
    "header": {"labelColor": MUTED, "labelFontSize": 13, "titleColor": MUTED},
    "legend": {
        "labelColor": INK,
        "labelFontSize": 13,
        "orient": "top",
        "symbolSize": 110,
        "symbolType": "circle",
        "title": None,
        "titleColor": MUTED,
    },
    "line": {"strokeCap": "round", "strokeWidth": 2.5},
    "mark": {"color": "var(--rs-bar)"},
    "range": {"category": list(SERIES), "ordinal": list(HEAT)},
    "rule": {"color": "var(--rs-line)"},
    "text": {"color": INK, "fontSize": 13},
    "title": {"anchor": "start", "color": INK, "fontSize": 15, "fontWeight": 600},
    "view": {"stroke": None},
}


def show_chart(
    chart: alt.Chart | alt.LayerChart | alt.FacetChart,
    *,
    height: int,
    description: str,
    key: str,
) -> None:
    """Show a chart in the width that there is.

    Args:
        chart: The chart; its colours by the names of this module.
        height: With axes and legend, in pixels; kept free until the chart is drawn, so that nothing below it moves.
        description: What it shows, for those who do not see it.
        key: Unique on the page.
    """
    specification = chart.to_dict()
    specification["config"] = _CONFIG | {
        name: value for name, value in specification.get("config", {}).items() if name != "view"
    }
    specification["usermeta"] = {"embedOptions": {"renderer": "svg"}}
    st.vega_lite_chart(spec=specification, theme=None, alt=description, key=key, width="stretch", height=height)


def time_axis(title: str | None = None) -> alt.Axis:
    """Return the axis of instants, with a day of 24 hours in the browser's zone."""
    return alt.Axis(title=title, format=TIME_FORMAT, labelOverlap="parity", labelSeparation=8)


def local_day(day: date) -> str:
    """Return a day as a chart needs it; a bare date would begin in Greenwich."""
    return f"{day.isoformat()}T00:00:00"


def series_scale(names: Sequence[str]) -> alt.Scale:
    """Return colours for names, the same for the same names in every chart; the ninth and later are grey."""
    domain = sorted(set(names))
    colours = [SERIES[number] if number < len(SERIES) else MUTED for number in range(len(domain))]
    return alt.Scale(domain=domain, range=colours)
