"""Charts take their look from the style sheet."""

import json
import re
from collections.abc import Iterator
from datetime import date
from importlib.resources import files
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from repsense_dashboard.components import charts

_READABLE = 4.5
"""The contrast that WCAG 2.2 demands of text."""


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _strings(each)
    elif isinstance(value, list):
        for each in value:
            yield from _strings(each)


def _shown() -> dict[str, Any]:
    def page() -> None:
        import altair as alt  # noqa: PLC0415 - AppTest runs this as a script of its own

        from repsense_dashboard.components import charts  # noqa: PLC0415

        data = alt.InlineData([{"day": "2026-03-05T00:00:00", "minutes": 12, "exercise": "squat"}])
        chart = (
            alt.Chart(data)
            .mark_bar()
            .encode(
                x=alt.X("day:T", axis=charts.time_axis()),
                y="minutes:Q",
                color=alt.Color("exercise:N", scale=charts.series_scale(["squat"])),
            )
            .configure_view(strokeWidth=3)
        )
        charts.show_chart(chart, height=200, description="Minutes by day", key="minutes")

    app = AppTest.from_function(page, default_timeout=30).run()
    assert not app.exception
    specification: dict[str, Any] = json.loads(app.get("vega_lite_chart")[0].proto.spec)
    return specification


def test_every_colour_of_a_chart_is_a_variable_of_the_style_sheet() -> None:
    used = {found for text in _strings(_shown()) for found in re.findall(r"var\((--rs-[\w-]+)\)", text)}
    used |= {name[4:-1] for name in (*charts.SERIES, *charts.HEAT, charts.CORRECT, charts.INCORRECT, charts.INK)}
    defined = set(re.findall(r"(--rs-[\w-]+): light-dark\(", _sheet("base.css")))
    assert used <= defined
    assert "--rs-series-1" in used


def test_a_chart_follows_the_theme_and_is_transparent() -> None:
    specification = _shown()
    assert specification["usermeta"]["embedOptions"]["renderer"] == "svg"
    assert specification["config"]["background"] == "transparent"
    assert specification["encoding"]["x"]["axis"]["format"]["hours"] == "%H:%M"


def test_the_same_names_have_the_same_colours_in_whatever_order_they_come() -> None:
    scale = charts.series_scale(["squat", "lunge", "squat"])
    assert scale.to_dict() == charts.series_scale(["lunge", "squat"]).to_dict()
    assert scale.to_dict()["domain"] == ["lunge", "squat"]


def test_more_names_than_colours_share_grey() -> None:
    scale = charts.series_scale([f"exercise {number:02}" for number in range(10)]).to_dict()
    assert scale["range"][-2:] == [charts.MUTED, charts.MUTED]
    assert len(set(scale["range"])) == 9


def test_a_day_begins_where_the_reader_is() -> None:
    # Without an offset, which is how a browser is told of its own time.
    assert charts.local_day(date(2026, 3, 5)) == "2026-03-05T00:00:00"


def _sheet(name: str) -> str:
    return files("repsense_dashboard").joinpath("assets", name).read_text(encoding="utf-8")


def _variable(name: str) -> list[str]:
    """Return the colour of a variable, light and dark."""
    (found,) = re.findall(rf"{name}: light-dark\((#\w+), (#\w+)\)", _sheet("base.css"))
    return list(found)


def _contrast(one: str, other: str) -> float:
    darker, lighter = sorted(map(_luminance, (one, other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    shares = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _coverage() -> dict[str, Any]:
    def page() -> None:
        from repsense_dashboard.api.recordings import RecordingSummary  # noqa: PLC0415
        from repsense_dashboard.components.coverage import coverage_chart  # noqa: PLC0415

        amount = {"minutes": 1.0, "n_recordings": 1}
        label, person = {"label": {"exercise": "squat"}} | amount, {"subject": "Anna"} | amount
        summary = amount | {"labels": [label], "persons": [person], "cells": [], "parts": []}
        coverage_chart(RecordingSummary.model_validate(summary))

    app = AppTest.from_function(page, default_timeout=30).run()
    assert not app.exception
    specification: dict[str, Any] = json.loads(app.get("vega_lite_chart")[0].proto.spec)
    return specification


@pytest.mark.parametrize("seconds", [0, 15, 45, 90, 200, 400])
def test_an_amount_can_be_read_on_its_square(seconds: int) -> None:
    squares, words = _coverage()["layer"]
    scale = squares["encoding"]["color"]["scale"]
    ground = scale["range"][sum(seconds >= step for step in scale["domain"])]
    ink = words["encoding"]["color"]
    chosen = [each["value"] for each in ink["condition"] if seconds >= float(each["test"].rpartition(" ")[2])]
    colours = [_variable(name[4:-1]) for name in ([*chosen, ink["value"]][0], ground)]
    assert all(_contrast(*pair) >= _READABLE for pair in zip(*colours, strict=True))


def test_a_share_can_be_read_where_it_is_drawn_deepest() -> None:
    found = re.findall(
        r"rs-cell-\w+ \{ background: color-mix\(in srgb, light-dark\((#\w+), (#\w+)\)", _sheet("train.css")
    )
    assert len(found) == 2
    for grounds in found:
        assert all(_contrast(*pair) >= _READABLE for pair in zip(grounds, _variable("--rs-ink"), strict=True))
