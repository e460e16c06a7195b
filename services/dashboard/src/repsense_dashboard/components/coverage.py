"""How much there is of each activity by each person, as a heat map."""

from typing import Any

import altair as alt

from repsense_dashboard.api.recordings import RecordingSummary
from repsense_dashboard.components.charts import HEAT, INK, show_chart
from repsense_dashboard.goals import ENOUGH_S
from repsense_dashboard.wording import label_words, spoken_duration

__all__ = ["coverage_chart", "coverage_rows"]

_HEAD_PX, _ROW_PX = 26, 44
_NOBODY = "nobody known"
_STEPS_S = (1.0, 30.0, ENOUGH_S / 2, ENOUGH_S, 2.5 * ENOUGH_S)
"""Where the colour changes: something, as much as can be learned from, half enough, enough, plenty."""


def coverage_rows(summary: RecordingSummary) -> list[dict[str, Any]]:
    """Return a row per label and person, also where there is nothing."""
    recorded = {(each.label, each.subject): each.minutes * 60 for each in summary.cells}
    rows = []
    for label in summary.labels:
        for person in summary.persons:
            seconds = recorded.get((label.label, person.subject), 0.0)
            rows.append(
                {
                    "label": label_words(label.label),
                    "person": person.subject or _NOBODY,
                    "seconds": round(seconds, 1),
                    "words": spoken_duration(seconds) if seconds else "",
                }
            )
    return rows


def coverage_chart(summary: RecordingSummary) -> None:
    """Show the heat map."""
    rows = coverage_rows(summary)
    base = alt.Chart(alt.InlineData(values=rows)).encode(
        x=alt.X("person:N", title=None, axis=alt.Axis(orient="top", labelAngle=0, labelLimit=90)),
        y=alt.Y("label:N", title=None, axis=alt.Axis(labelLimit=140)),
        tooltip=[
            alt.Tooltip("label:N", title="Activity"),
            alt.Tooltip("person:N", title="Person"),
            alt.Tooltip("words:N", title="Recorded"),
        ],
    )
    cells = base.mark_rect(cornerRadius=6, stroke="var(--rs-card)", strokeWidth=3).encode(
        color=alt.Color(
            "seconds:Q", scale=alt.Scale(type="threshold", domain=list(_STEPS_S), range=list(HEAT)), legend=None
        )
    )
    words = base.mark_text(fontSize=13).encode(
        text="words:N",
        color=alt.when(f"datum.seconds >= {ENOUGH_S}")
        .then(alt.value("var(--rs-card)"))
        .when(f"datum.seconds >= {ENOUGH_S / 2}")
        .then(alt.value("var(--rs-on-heat-3)"))
        .otherwise(alt.value(INK)),
    )
    n_empty = sum(not row["words"] for row in rows)
    description = f"{len(summary.labels)} activities by {len(summary.persons)} persons; {n_empty} of them empty"
    height = _HEAD_PX + _ROW_PX * len(summary.labels)
    show_chart(cells + words, height=height, description=description, key="coverage")
