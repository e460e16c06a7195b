"""Figures of an evaluation, as SVG inside a page or as PNG beside a text.

In a page they are transparent and take their colours from it (`var(--ink)`, ...), so that they follow it into the
dark. The same numbers give the same bytes.
"""

import io
import re
from collections.abc import Sequence
from dataclasses import astuple, dataclass

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter
from numpy.typing import NDArray

from repsense.manifest import FewShotPoint, GroupAccuracy, SecondAccuracy
from repsense_trainer.calibration import ReliabilityPoint

__all__ = [
    "accuracy_by_second",
    "accuracy_of_groups",
    "confidences_of_unknown",
    "confusion_figure",
    "confusion_matrix",
    "few_shot_curve",
    "few_shot_figure",
    "reliability_diagram",
]


@dataclass(frozen=True, slots=True)
class _Palette:
    """Colours by what they are for; blue and orange are told apart in every form of colour blindness."""

    ink: str
    muted: str
    line: str
    blue: str
    orange: str
    on_blue: str


_PAPER = _Palette("#12181f", "#55616e", "#d9dde3", "#0b5cad", "#b83a08", "#ffffff")
# Matplotlib knows no CSS: these stand for the page's colours, which are put in their place afterwards.
_PAGE = _Palette("#000001", "#000002", "#000003", "#000004", "#000005", "#000006")
_VARIABLES = ("ink", "muted", "line", "blue", "orange", "on-blue")

_WIDTH_IN = 4.6
"""About a phone's width at the page's text size, so that nothing shrinks there."""
_MAX_NAME_LENGTH = 22
_MAX_CELLS_WITH_NUMBERS = 16
_DARK_SHARE = 0.55
"""From here on a cell is so blue that ink on it is hard to read."""


def confusion_matrix(confusion: Sequence[Sequence[int]], labels: Sequence[str]) -> str:
    """SVG: which share of each label's windows (rows) was taken for which label (columns)."""
    return _svg(_draw_confusion(confusion, labels, _PAGE), "confusion")


def confusion_figure(confusion: Sequence[Sequence[int]], labels: Sequence[str]) -> bytes:
    """`confusion_matrix` as PNG on white."""
    return _png(_draw_confusion(confusion, labels, _PAPER))


def few_shot_curve(points: Sequence[FewShotPoint], group: str, reference: Sequence[FewShotPoint] = ()) -> str:
    """SVG: accuracy by the number of groups that were trained on.

    Args:
        points: Of the network.
        group: What a group is.
        reference: The same of ExtraTrees on simple statistics of the window, to compare with.
    """
    return _svg(_draw_few_shot(points, group, reference, _PAGE), "few-shot")


def few_shot_figure(points: Sequence[FewShotPoint], group: str, reference: Sequence[FewShotPoint] = ()) -> bytes:
    """`few_shot_curve` as PNG on white."""
    return _png(_draw_few_shot(points, group, reference, _PAPER))


def accuracy_of_groups(groups: Sequence[GroupAccuracy], accuracy: float) -> str:
    """SVG: each group's accuracy, and that of all windows."""
    ordered = sorted(groups, key=lambda one: one.accuracy)
    figure, axes = _axes(_PAGE, 0.65 + 0.2 * len(ordered))
    rows = np.arange(len(ordered))[::-1]
    axes.axvline(accuracy, color=_PAGE.muted, linewidth=1, linestyle=(0, (4, 3)))
    axes.hlines(rows, accuracy, [one.accuracy for one in ordered], color=_PAGE.line, linewidth=2, zorder=1)
    axes.plot([one.accuracy for one in ordered], rows, "o", color=_PAGE.blue, markersize=6, clip_on=False)
    axes.set_yticks(rows, [_shortened(one.group) for one in ordered], parse_math=False)
    axes.set_ylim(-0.7, len(ordered) - 0.3)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    _accuracy_scale(axes, min(one.accuracy for one in ordered), axis="x")
    axes.set_xlabel("windows right")
    return _svg(figure, "groups")


def accuracy_by_second(points: Sequence[SecondAccuracy]) -> str:
    """SVG: accuracy over the seconds since the activity began."""
    figure, axes = _axes(_PAGE, 2.7)
    seconds = [point.seconds for point in points]
    axes.plot(
        seconds,
        [point.accuracy_so_far for point in points],
        "-o",
        color=_PAGE.blue,
        markersize=4,
        label="all windows so far",
    )
    axes.plot(
        seconds,
        [point.accuracy for point in points],
        "--s",
        color=_PAGE.orange,
        markersize=4,
        label="the last one alone",
    )
    lowest = min(min(point.accuracy, point.accuracy_so_far) for point in points)
    _accuracy_scale(axes, lowest, axis="y")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("seconds since the activity began")
    axes.set_ylabel("right")
    _legend(axes, _PAGE)
    return _svg(figure, "seconds")


def reliability_diagram(before: Sequence[ReliabilityPoint], after: Sequence[ReliabilityPoint]) -> str:
    """SVG: accuracy against confidence, without and with the temperature."""
    figure, axes = _axes(_PAGE, 3.4)
    axes.plot([0, 1], [0, 1], color=_PAGE.muted, linewidth=1, linestyle=(0, (4, 3)))
    for points, style, colour, label in (
        (before, "--s", _PAGE.orange, "without temperature"),
        (after, "-o", _PAGE.blue, "with it"),
    ):
        confidences, accuracies = [one.confidence for one in points], [one.accuracy for one in points]
        axes.plot(confidences, accuracies, style, color=colour, markersize=4.5, label=label, clip_on=False)
    lowest = min(min(one.confidence, one.accuracy) for one in (*before, *after))
    for axis in ("x", "y"):
        _accuracy_scale(axes, lowest, axis=axis)
    axes.set_xlabel("confidence")
    axes.set_ylabel("right")
    _legend(axes, _PAGE)
    return _svg(figure, "reliability")


def confidences_of_unknown(known: NDArray[np.float32], unknown: NDArray[np.float32], threshold: float) -> str:
    """SVG: how sure the network was of windows of known exercises, and of those left out.

    Args:
        known: (n_known,) float32.
        unknown: (n_unknown,) float32.
        threshold: Below it a window counts as unknown.
    """
    figure, axes = _axes(_PAGE, 2.7)
    bins = np.linspace(0, 1, 26)
    for confidences, colour, label in ((known, _PAGE.blue, "known"), (unknown, _PAGE.orange, "left out")):
        shares = np.histogram(confidences, bins)[0] / max(1, len(confidences))
        axes.stairs(shares, bins, color=colour, linewidth=1.8, label=label)
        axes.stairs(shares, bins, color=colour, alpha=0.15, fill=True)
    axes.axvline(threshold, color=_PAGE.ink, linewidth=1, linestyle=(0, (2, 2)), label=f"threshold {threshold:g}")
    axes.set_xlim(0, 1)
    axes.set_ylim(0)
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
    axes.set_xlabel("largest probability of an exercise")
    axes.set_ylabel("windows")
    _legend(axes, _PAGE)
    return _svg(figure, "unknown")


def _draw_confusion(confusion: Sequence[Sequence[int]], labels: Sequence[str], palette: _Palette) -> Figure:
    counts = np.asarray(confusion, dtype=np.float64)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    n_labels = len(labels)
    figure, axes = _axes(palette, _WIDTH_IN * 0.95)
    for row, column in np.argwhere(shares > 0):
        share = shares[row, column]
        colour = palette.blue if row == column else palette.orange
        # A mistake of one in a hundred must still be seen.
        axes.add_patch(
            Rectangle((column - 0.5, row - 0.5), 1, 1, facecolor=colour, alpha=0.12 + 0.88 * share, linewidth=0)
        )
        if n_labels <= _MAX_CELLS_WITH_NUMBERS:
            ink = palette.on_blue if share > _DARK_SHARE else palette.ink
            axes.text(column, row, _cell(share), ha="center", va="center", color=ink, fontsize=8.5)
    names = [_shortened(label) for label in labels]
    axes.set_xticks(range(n_labels), names, rotation=45, ha="right", rotation_mode="anchor", parse_math=False)
    axes.set_yticks(range(n_labels), names, parse_math=False)
    axes.set_xticks(np.arange(n_labels + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(n_labels + 1) - 0.5, minor=True)
    axes.grid(visible=False)
    axes.grid(which="minor", color=palette.line, linewidth=0.6)
    axes.tick_params(which="both", length=0)
    axes.set_xlim(-0.5, n_labels - 0.5)
    axes.set_ylim(n_labels - 0.5, -0.5)
    axes.set_aspect("equal")
    axes.set_xlabel("taken for (% of the label's windows)")
    axes.spines[:].set_visible(False)
    return figure


def _draw_few_shot(
    points: Sequence[FewShotPoint], group: str, reference: Sequence[FewShotPoint], palette: _Palette
) -> Figure:
    figure, axes = _axes(palette, 2.8)
    for curve, style, colour, label in (
        (reference, "--s", palette.orange, "ExtraTrees"),
        (points, "-o", palette.blue, "this network"),
    ):
        if curve:
            sizes = [point.n_groups for point in curve]
            lowest, highest = [point.lowest for point in curve], [point.highest for point in curve]
            axes.fill_between(sizes, lowest, highest, color=colour, alpha=0.15, linewidth=0)
            axes.vlines(sizes, lowest, highest, color=colour, linewidth=1)
            axes.plot(sizes, [one.accuracy for one in curve], style, color=colour, markersize=5, label=label)
    sizes = sorted({point.n_groups for point in (*points, *reference)})
    axes.set_xscale("log", base=2)
    axes.set_xticks(sizes, [str(size) for size in sizes])
    axes.set_xticks([], minor=True)
    axes.set_xlim(sizes[0] / 1.15, sizes[-1] * 1.15)
    _accuracy_scale(axes, min(point.lowest for point in (*points, *reference)), axis="y")
    axes.set_xlabel(f"{group}s trained on")
    axes.set_ylabel(f"right, on other {group}s")
    if reference:
        _legend(axes, palette)
    return figure


def _axes(palette: _Palette, height_in: float) -> tuple[Figure, Axes]:
    # Not in Matplotlib's settings, which are global: an Axes makes some of its ticks only when it is drawn.
    figure = Figure((_WIDTH_IN, height_in), layout="constrained", facecolor="none")
    axes = figure.add_subplot(facecolor="none")
    axes.set_axisbelow(True)
    axes.grid(color=palette.line, linewidth=0.6)
    axes.tick_params(color=palette.line, labelcolor=palette.ink)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["bottom", "left"]].set_color(palette.line)
    axes.xaxis.label.set_color(palette.muted)
    axes.yaxis.label.set_color(palette.muted)
    return figure, axes


def _accuracy_scale(axes: Axes, lowest: float, *, axis: str) -> None:
    """In percent, from a little below the lowest value to 100 %: what matters are the last few percent."""
    floor = max(0.0, np.floor(lowest * 20 - 0.5) / 20) if lowest < 0.9 else np.floor(lowest * 100 - 0.5) / 100  # noqa: PLR2004
    limits = (floor, 1 + 0.02 * (1 - floor))
    scale = axes.xaxis if axis == "x" else axes.yaxis
    (axes.set_xlim if axis == "x" else axes.set_ylim)(*limits)
    scale.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    scale.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g} %"))


def _legend(axes: Axes, palette: _Palette) -> None:
    """Above the axes, where it hides nothing."""
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=3,
        frameon=False,
        borderaxespad=0.2,
        handlelength=2.2,
        columnspacing=1.2,
        labelcolor=palette.ink,
    )


def _cell(share: float) -> str:
    """Percent in as few characters as tell all, nearly all and hardly any apart."""
    percent = 100 * share
    if percent < 1:
        return "<1"
    return f"{percent:.1f}" if 99 < percent < 100 else f"{percent:.0f}"  # noqa: PLR2004


def _shortened(name: str) -> str:
    return name if len(name) <= _MAX_NAME_LENGTH else f"{name[: _MAX_NAME_LENGTH - 1]}…"


def _svg(figure: Figure, salt: str) -> str:
    """The figure as an element of an HTML page.

    Args:
        figure: Drawn in the colours that stand for the page's.
        salt: Makes its ids differ from those of the other figures in the page.
    """
    file = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": salt}):
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    svg = file.getvalue()
    svg = svg[svg.index("<svg") :]
    # What only a file of its own needs: namespaces, metadata, ids that nothing refers to, a size.
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    width, height = (re.search(rf'{side}="([\d.]+)pt"', svg) for side in ("width", "height"))
    view = f"0 0 {width[1] if width else 0} {height[1] if height else 0}"
    svg = re.sub(r"<svg[^>]*>", f'<svg viewBox="{view}" aria-hidden="true">', svg, count=1)
    for stand_in, variable in zip(astuple(_PAGE), _VARIABLES, strict=True):
        svg = re.sub(rf"\b(fill|stroke): {stand_in}\b", rf"\1: var(--{variable})", svg)
    return svg


def _png(figure: Figure) -> bytes:
    file = io.BytesIO()
    # Without its version, which would change the bytes.
    figure.savefig(file, format="png", dpi=160, facecolor="white", metadata={"Software": None})
    return file.getvalue()
