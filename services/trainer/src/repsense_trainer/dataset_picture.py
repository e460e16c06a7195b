"""A dataset in one picture: how much there is of what, and what it looks like."""

import io
import math
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, cast

import numpy as np

from repsense.channels import ACCELERATION, ANGULAR_RATE, MAGNETIC_FIELD, UNITS, Channel
from repsense.recordings import Recording
from repsense.recordings.inspection import GroupMinutes, Inspection, natural_order, session_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import SubFigure

__all__ = ["plot"]

_WIDTH_IN = 11.0
_ROW_IN = 0.34
"""Of the table."""
_SIGNAL_IN = 1.75
_N_COLUMNS = 3
"""Of signals."""
_MAX_SIGNALS = 24
_MAX_GROUPS = 40
"""More sessions are too narrow to read; the last column then holds the rest."""
_MAX_NUMBERED = 20
"""With more columns there is no room for numbers in them."""
_MIN_SHOWN_S = 8.0
_MIN_SHOWN_SAMPLES = 40
_COLOURS = ("#0072b2", "#d55e00", "#009e73")
"""Blue, vermilion and green of Okabe and Ito, which colour-blind people can tell apart; for x, y and z."""
_STYLES = ("-", "--", "-.")
"""So that they can also be told apart without any colour."""
_INK = "#333333"
_FAINT = "#d9d9d9"
_UNLABELLED = "(no label)"


def plot(recordings: Sequence[Recording], inspection: Inspection, form: Literal["png", "svg"] = "png") -> bytes:
    """Draw minutes per label and group, and a few seconds of each label.

    Args:
        recordings: Those that were inspected.
        inspection: What was found.
        form: The picture's format.

    Returns:
        The picture's file.
    """
    # matplotlib takes half a second to import, which the other commands need not wait for. No pyplot: a figure of its
    # own needs neither a screen nor global state.
    from matplotlib.figure import Figure  # noqa: PLC0415

    labels = [summary.label for summary in inspection.labels]
    shown = labels[:_MAX_SIGNALS]
    table_in = 1.3 + _ROW_IN * len(labels)
    signals_in = 0.5 + _SIGNAL_IN * math.ceil(len(shown) / _N_COLUMNS)
    figure = Figure(figsize=(_WIDTH_IN, table_in + signals_in), dpi=110, layout="constrained", facecolor="white")
    halves = figure.subfigures(2, 1, height_ratios=[table_in, signals_in], hspace=0.03)
    upper, lower = cast("Sequence[SubFigure]", halves)
    _draw_minutes(upper, inspection)
    _draw_signals(lower, recordings, shown)
    file = io.BytesIO()
    with warnings.catch_warnings():
        # A script that the font lacks comes out as boxes, which is no reason to complain to a user.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure.savefig(file, format=form)
    return file.getvalue()


def _draw_minutes(figure: "SubFigure", inspection: Inspection) -> None:
    labels = [summary.label for summary in inspection.labels]
    n_subjects = len({group.subject for group in inspection.groups})
    by_subject = n_subjects > 1 and all(group.subject is not None for group in inspection.groups)

    def column(group: GroupMinutes) -> str:
        return (group.subject if by_subject else session_name(group)) or "not named"

    names = list(
        dict.fromkeys(column(group) for group in sorted(inspection.groups, key=lambda g: natural_order(column(g))))
    )
    if len(names) > _MAX_GROUPS:
        names = [*names[: _MAX_GROUPS - 1], "others"]
    minutes = np.zeros((len(labels), len(names)))
    for group in inspection.groups:
        name = column(group)
        minutes[labels.index(group.label), names.index(name) if name in names else -1] += group.minutes

    # A few columns need not fill the width.
    axes = figure.subplots(1, 2, width_ratios=[width := min(0.2 + 0.08 * len(names), 1.0), 1.0001 - width])[0]
    figure.axes[1].set_axis_off()
    image = axes.imshow(minutes, cmap="Blues", aspect="auto", vmin=0, vmax=1.25 * max(float(minutes.max()), 1e-9))
    figure.suptitle(
        f"{inspection.minutes:.1f} minutes in {len(inspection.recordings)} recordings: minutes per label and "
        f"{'subject' if by_subject else 'session'}",
        x=0.01,
        ha="left",
        fontsize=11,
        color=_INK,
    )
    axes.set_yticks(range(len(labels)), [_short(label or _UNLABELLED) for label in labels], fontsize=9)
    axes.set_xticks(range(len(names)), [_short(name) for name in names], fontsize=8)
    if max(map(len, names)) * len(names) > 120:  # noqa: PLR2004 - characters side by side in this width
        axes.tick_params(axis="x", labelrotation=90)
    axes.tick_params(length=0, colors=_INK)
    axes.set_xticks(np.arange(len(names) - 1) + 0.5, minor=True)
    axes.set_yticks(np.arange(len(labels) - 1) + 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=1.5)
    axes.tick_params(which="minor", length=0)
    axes.spines[:].set_visible(False)
    if len(names) <= _MAX_NUMBERED:
        for (row, place), value in np.ndenumerate(minutes):
            is_dark = value > 0.7 * minutes.max()
            text = f"{value:.1f}" if value >= 0.05 else "–" if value == 0 else "<0.1"  # noqa: PLR2004, RUF001
            axes.text(place, row, text, ha="center", va="center", fontsize=8, color="white" if is_dark else _INK)
    else:
        figure.colorbar(image, ax=axes, label="minutes", pad=0.01)


def _draw_signals(figure: "SubFigure", recordings: Sequence[Recording], labels: Sequence[str | None]) -> None:
    n_rows = math.ceil(len(labels) / _N_COLUMNS)
    grid = figure.subplots(n_rows, _N_COLUMNS, squeeze=False)
    for axes in grid.flat[len(labels) :]:
        axes.set_axis_off()
    for axes, label in zip(grid.flat, labels, strict=False):
        of_label = [r for r in recordings if (None if r.label is None else str(r.label)) == label]
        _draw_signal(axes, label or _UNLABELLED, _typical(of_label))
    lines = max((axes.get_lines() for axes in grid.flat[: len(labels)]), key=len)
    figure.suptitle("A few seconds of each", x=0.01, ha="left", fontsize=11, color=_INK)
    figure.legend(handles=lines, loc="upper right", ncols=len(lines), fontsize=8, frameon=False, handlelength=3)


def _typical(recordings: Sequence[Recording]) -> Recording:
    """The one of median length, so that neither a stub nor a curiosity stands for the label."""
    return sorted(recordings, key=lambda recording: recording.duration_s)[len(recordings) // 2]


def _draw_signal(axes: "Axes", label: str, recording: Recording) -> None:
    channels = _shown_channels(recording)
    n_shown = max(round(_MIN_SHOWN_S * recording.sample_rate_hz), _MIN_SHOWN_SAMPLES)
    # From the middle: at its ends a recording often shows somebody reaching for the sensor.
    first = max((len(recording.samples) - n_shown) // 2, 0)
    shown = recording.samples[first : first + n_shown]
    times_s = (first + np.arange(len(shown))) / recording.sample_rate_hz
    for channel, colour, style in zip(channels, _COLOURS, _STYLES, strict=False):
        values = shown[:, recording.channels.index(channel)]
        axes.plot(times_s, values, color=colour, linestyle=style, linewidth=1.2, label=channel.value[-1])
    session = session_name(recording)
    origin = f"session {session}" if session else recording.subject or ""
    axes.set_title(_short(label), loc="left", fontsize=9, color=_INK)
    axes.set_title(_short(origin), loc="right", fontsize=7, color="#777777")
    axes.set_ylabel(UNITS[channels[0]].replace("^2", "²").replace("uT", "µT"), fontsize=7, color=_INK)
    axes.set_xlabel("s", fontsize=7, color=_INK, labelpad=1)
    axes.tick_params(labelsize=7, colors=_INK, length=2)
    axes.margins(x=0)
    axes.grid(color=_FAINT, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#999999")


def _shown_channels(recording: Recording) -> tuple[Channel, ...]:
    """The acceleration if there is any, which shows most movements best."""
    kinds = [[c for c in kind if c in recording.channels] for kind in (ACCELERATION, ANGULAR_RATE, MAGNETIC_FIELD)]
    return tuple(next(kind for kind in kinds if kind))


def _short(text: str) -> str:
    longest = 34
    # Dollar signs would be taken for formulas.
    return (text if len(text) <= longest else f"{text[: longest - 1]}…").replace("$", r"\$")
