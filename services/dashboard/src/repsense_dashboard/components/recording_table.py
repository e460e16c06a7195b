"""Recordings as a table with small pictures."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from repsense_dashboard.api.recordings import Recording
from repsense_dashboard.reader import ReaderZone
from repsense_dashboard.wording import as_title

__all__ = ["recording_columns", "recording_table"]

_PICTURE_POINTS = 60
_HEAD_PX, _ROW_PX = 36, 44
_MOST_ROWS = 6
"""So that what can be done with the chosen ones is in sight on a phone."""


def recording_columns(recordings: Sequence[Recording]) -> dict[str, list[Any]]:
    """Return the table's columns, one value per recording."""
    return {
        "activity": [as_title(each.label.exercise) if each.label else "No label" for each in recordings],
        "form": [(each.label.form if each.label else None) or "" for each in recordings],
        "movement": [_thinned(each.preview) for each in recordings],
        "seconds": [round(each.duration_s, 1) for each in recordings],
        "person": [each.subject or "" for each in recordings],
        "session": [each.session or "" for each in recordings],
        "when": [each.started_at or each.created_at for each in recordings],
        "remark": [_remark(each) for each in recordings],
    }


def recording_table(
    recordings: Sequence[Recording], selected_ids: Sequence[str], *, zone: ReaderZone, key: str
) -> list[Recording]:
    """Show the recordings, of which several can be selected, and return those that are.

    Args:
        recordings: Rows in this order.
        selected_ids: Those that are selected at first.
        zone: Where the reader is.
        key: Unique on the page; the selection is kept as long as the rows stay the same.
    """
    ids = [each.recording_id for each in recordings]
    event = st.dataframe(
        recording_columns(recordings),
        column_config=_configuration(zone),
        hide_index=True,
        row_height=_ROW_PX,
        height="content" if len(recordings) <= _MOST_ROWS else _HEAD_PX + _MOST_ROWS * _ROW_PX,
        on_select="rerun",
        selection_mode="multi-row",
        selection_default={"selection": {"rows": [ids.index(each) for each in selected_ids if each in ids]}},
        key=f"{key}-{hash(tuple(ids))}",
        alt="Recordings. Choose rows to change them.",
    )
    return [recordings[row] for row in event["selection"]["rows"] if row < len(recordings)]


def _configuration(zone: ReaderZone) -> Mapping[str, Any]:
    columns = st.column_config
    return {
        "activity": columns.TextColumn("Activity", width=120),
        "form": columns.TextColumn("Form", width=85),
        "movement": columns.AreaChartColumn("Movement", width=140, y_min=0, color="gray"),
        "seconds": columns.NumberColumn("Length", format="%.1f s", width=70),
        "person": columns.TextColumn("Person", width=80),
        "session": columns.TextColumn("Session", width=100),
        "when": columns.DatetimeColumn("Recorded", format="D MMM, HH:mm", timezone=zone.name, width=110),
        "remark": columns.TextColumn("Remark", width="medium"),
    }


def _thinned(preview: Sequence[float]) -> list[float]:
    step = max(1, len(preview) // _PICTURE_POINTS)
    return [round(max(preview[start : start + step]), 2) for start in range(0, len(preview), step)]


def _remark(recording: Recording) -> str:
    parts = [f"cut short: {recording.interruption}"] if recording.interruption else []
    return ". ".join([*parts, *([recording.note] if recording.note else [])])
