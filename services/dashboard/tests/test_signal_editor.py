"""The editor's data, and what the person has selected in it."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from repsense_dashboard.components.signal_editor import (
    Band,
    EditorView,
    Selection,
    _encode,
    _selection_of,
    editor_movement,
    editor_signal,
)


def _view(**changes: Any) -> EditorView:  # noqa: ANN401 - the view's own
    return replace(EditorView(editor_movement([1.0], step_s=1), duration_s=10.0, label="Take"), **changes)


def _state(**changes: object) -> dict[str, object]:
    return {"start_s": 1.5, "end_s": 4, "band_key": None, "revision": 0} | changes


def test_channels_of_one_kind_share_a_chart_and_a_gap_interrupts_the_lines() -> None:
    offsets_s = [0.0, 0.02, 0.04, 0.06, 0.5, 0.52]
    signal = editor_signal(("ax", "gx", "gy"), offsets_s, [[1.0, 2.0, 3.0]] * 6)
    assert [chart["title"] for chart in signal.charts] == ["Acceleration", "Angular rate"]
    assert signal.offsets_s == [0.0, 0.02, 0.04, 0.06, None, 0.5, 0.52]
    assert signal.charts[1]["lines"][1] == {"axis": "y", "values": [3.0] * 4 + [None] + [3.0] * 2}


def test_a_signal_without_samples_has_no_charts() -> None:
    assert editor_signal(("ax",), [], []).charts == []


def test_movement_is_one_line_that_begins_where_it_is_told() -> None:
    signal = editor_movement([0.1, None, 0.30004], step_s=0.5, start_s=60)
    assert signal.offsets_s == [60, 60.5, 61]
    assert signal.charts[0]["lines"] == [{"axis": "movement", "values": [0.1, None, 0.3]}]


def test_bands_that_overlap_lie_below_each_other() -> None:
    #   0    5    10   15   20
    #   a---------a    d----d
    #        b---------b
    #             c----c           c begins where a ends
    bands = [
        Band(15, 20, "d", "d"),
        Band(0, 10, "a", "a"),
        Band(5, 15, "b", "b"),
        Band(10, 15, "c", "c"),
    ]
    document = json.loads(_encode(_view(bands=bands)))
    assert {band["key"]: band["lane"] for band in document["bands"]} == {"a": 0, "b": 1, "c": 0, "d": 0}
    assert document["n_lanes"] == 2
    assert json.loads(_encode(_view()))["n_lanes"] == 0


def test_the_browser_gets_the_time_as_it_counts_it() -> None:
    assert json.loads(_encode(_view(start_at=datetime(2026, 3, 5, 10, tzinfo=UTC))))["start_ms"] == 1_772_704_800_000


def test_an_element_that_is_made_anew_learns_what_the_person_had_selected() -> None:
    assert json.loads(_encode(_view(), _state()))["chosen"] == _state()
    assert json.loads(_encode(_view(revision=1), _state()))["chosen"] is None
    assert json.loads(_encode(_view()))["chosen"] is None


@pytest.mark.parametrize(
    ("view", "state", "selected"),
    [
        ({}, None, None),
        ({"selection": (2, 8)}, None, Selection(2, 8)),
        ({"selection": (2, 8)}, _state(), Selection(1.5, 4.0)),
        ({}, _state(band_key="r1"), Selection(1.5, 4.0, "r1")),
        ({"selection": (2, 8)}, _state(start_s=None, end_s=None), None),
        ({"selection": (2, 8), "revision": 1}, _state(), Selection(2, 8)),
        ({"selection": (2, 8), "revision": 1}, _state(revision=1), Selection(1.5, 4.0)),
    ],
)
def test_the_persons_selection_counts_until_the_page_asks_for_another(
    view: dict[str, Any], state: dict[str, object] | None, selected: Selection | None
) -> None:
    assert _selection_of(_view(**view), state) == selected
