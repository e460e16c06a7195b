"""A take that was just stored: what there is of it, with its trim to be corrected."""

from collections.abc import Callable, Sequence

import streamlit as st

from repsense_dashboard.api.recordings import Recording, RecordingSignal
from repsense_dashboard.components.markup import form_chip, icon, text
from repsense_dashboard.components.session_strip import short_seconds
from repsense_dashboard.components.signal_editor import EditorView, Mark, editor_signal, signal_editor
from repsense_dashboard.wording import as_title, counted

__all__ = [
    "count_kept",
    "interruption_words",
    "new_trim",
    "part_choice",
    "recording_editor",
    "review_head",
    "review_words",
]

_UNTRIMMED_S = 0.15
"""What nobody would call trimmed."""
_SAME_S = 0.005
"""Less than nobody moves a handle by."""


def review_words(recording: Recording, n_repetitions: int, *, n_parts: int = 1) -> str:
    """Return what there is of a take: "18.4 s kept of 20 s, about 9 repetitions".

    Args:
        recording: The take.
        n_repetitions: In what is kept of it.
        n_parts: How many recordings the take became.
    """
    if recording.captured_s - recording.duration_s < _UNTRIMMED_S:
        kept = f"All {short_seconds(recording.captured_s)} kept"
    else:
        kept = f"{short_seconds(recording.duration_s)} kept of {short_seconds(recording.captured_s)}"
    if n_repetitions:
        kept += f", about {counted(n_repetitions, 'repetition')}"
    return f"{kept}, in part 1 of {n_parts}" if n_parts > 1 else kept


def review_head(recordings: Sequence[Recording], n_repetitions: int) -> str:
    """Return what was stored, and what went wrong with it."""
    shown = recordings[0]
    title = as_title(shown.label.exercise) if shown.label else "Without a label"
    return (
        '<header class="rs-review-head" role="status"><span class="rs-overline">Stored</span>'
        f"<h1>{text(title)}{form_chip(shown.label.form if shown.label else None)}</h1>"
        f"<p>{text(review_words(shown, n_repetitions, n_parts=len(recordings)))}</p>{interruption_words(recordings)}"
        "</header>"
    )


def interruption_words(recordings: Sequence[Recording]) -> str:
    """Return why a take is shorter than was meant, as HTML; nothing if it is not."""
    reason = next((each.interruption for each in recordings if each.interruption), None)
    if reason is None:
        return ""
    what = "It is shorter than planned" if len(recordings) == 1 else f"It was stored in {len(recordings)} parts"
    return f'<p class="rs-interruption">{icon("broken")}<span>{what}: {text(reason)}.</span></p>'


def recording_editor(
    recording: Recording,
    signal: RecordingSignal,
    *,
    revision: int,
    key: str,
    on_trim: Callable[[float, float], None] | None,
    cut_at_s: float | None = None,
) -> None:
    """Show the signal of a recording with what is kept of it as the selection.

    Args:
        recording: The recording.
        signal: Its signal, all that was captured.
        revision: Another number forgets what the person had selected.
        key: Unique on the page.
        on_trim: Called with another part to be kept, before the page is drawn again; None where it is only looked at.
        cut_at_s: Where it will be cut in two.
    """
    cut = [Mark(cut_at_s, "note", "cut here")] if cut_at_s is not None else []
    view = EditorView(
        signal=editor_signal(signal.channels, signal.offsets_s, signal.samples),
        duration_s=signal.captured_s,
        label="Signal of the recording, what is kept of it selected",
        start_at=signal.start_at,
        selection=(recording.trim_start_s, recording.trim_end_s),
        revision=revision,
        required=True,
        selectable=on_trim is not None,
        marks=[*(Mark(at_s) for at_s in signal.repetitions_s), *cut],
    )

    def _trim() -> None:
        selection = st.session_state[key]["selection"]
        trim = new_trim(recording, float(selection["start_s"]), float(selection["end_s"]))
        if trim is not None and on_trim is not None:
            on_trim(*trim)

    signal_editor(view, key=key, on_change=_trim)


def new_trim(recording: Recording, start_s: float, end_s: float) -> tuple[float, float] | None:
    """Return what the person wants to keep, within what there is; None if it is what is kept."""
    start_s, end_s = max(0.0, start_s), min(recording.captured_s, end_s)
    moved_s = max(abs(start_s - recording.trim_start_s), abs(end_s - recording.trim_end_s))
    return (start_s, end_s) if moved_s > _SAME_S else None


def count_kept(recording: Recording, signal: RecordingSignal) -> int:
    """Return how many repetitions are in what is kept."""
    return sum(recording.trim_start_s <= at_s <= recording.trim_end_s for at_s in signal.repetitions_s)


def part_choice(recordings: Sequence[Recording], *, key: str) -> Recording:
    """Let the person choose among the parts of a take; nothing is shown of a whole one."""
    if len(recordings) == 1:
        return recordings[0]
    number = st.segmented_control(
        "Part",
        range(len(recordings)),
        format_func=lambda number: f"Part {number + 1} · {short_seconds(recordings[number].captured_s)}",
        default=0,
        required=True,
        key=key,
    )
    return recordings[number or 0]
