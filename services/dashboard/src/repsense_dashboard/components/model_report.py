"""What is known of a model, as pictures: pure functions from its manifest to HTML, and one chart."""

import altair as alt

from repsense_dashboard.api.training import Evaluation, Manifest
from repsense_dashboard.components import charts
from repsense_dashboard.components.markup import icon, text
from repsense_dashboard.components.meters import Meter, meters, span_meter
from repsense_dashboard.model_figures import group_name, group_noun, groups_tested, interval_words, mistakes, verdict
from repsense_dashboard.wording import as_title, label_words, percent

__all__ = [
    "accuracy_card",
    "confusion_card",
    "groups_card",
    "recall_card",
    "show_few_shot",
    "unknown_card",
    "untested_card",
]

_FAINTEST = 0.12
"""Of a cell's colour: a single mistake must be seen."""
_WORTH_A_NUMBER = 0.005


def accuracy_card(evaluation: Evaluation) -> str:
    """Return the one figure that matters, in words."""
    soon = next((point for point in evaluation.by_second if point.accuracy_so_far >= evaluation.accuracy), None)
    speed = (
        f"<p>{soon.seconds:g} s after somebody begins, {percent(soon.accuracy_so_far)} are recognised.</p>"
        if soon is not None
        else ""
    )
    return (
        '<section class="rs-card rs-accuracy"><header><span class="rs-overline">How good it is</span></header>'
        f'<p class="rs-figure">{percent(evaluation.accuracy)}</p>'
        f"{span_meter(evaluation.accuracy, evaluation.accuracy_interval)}"
        f'<p class="rs-lead">{text(verdict(evaluation))}</p><p>{text(interval_words(evaluation))}</p>{speed}'
        f'<p class="rs-aside">Tested on {text(groups_tested(evaluation))}: each with a network that was trained on all '
        "the others.</p></section>"
    )


def untested_card(manifest: Manifest) -> str:
    """Return what stands in place of figures that nobody has worked out."""
    return (
        '<section class="rs-card rs-accuracy"><header><span class="rs-overline">How good it is</span></header>'
        f'<p class="rs-lead">{icon("question")} Nobody knows: version {manifest.version} was trained without a '
        "test.</p>"
        "<p>Try it live, or train it once more with an honest test.</p></section>"
    )


def confusion_card(manifest: Manifest) -> str:
    """Return what was taken for what: a row for what it was, a column for what the networks said."""
    evaluation = manifest.evaluation
    if evaluation is None or not evaluation.confusion:
        return ""
    names = [label_words(label) for label in manifest.labels]
    head = "".join(f'<th scope="col"><abbr title="{text(name)}">{n}</abbr></th>' for n, name in enumerate(names, 1))
    rows = "".join(
        f'<tr><th scope="row"><b>{row + 1}</b> {text(names[row])}</th>{_cells(counts, row)}</tr>'
        for row, counts in enumerate(evaluation.confusion)
    )
    common = "".join(
        f"<li><b>{text(as_title(one.label))}</b> is taken for <b>{text(one.said)}</b> {percent(one.share)} of the time."
        "</li>"
        for one in mistakes(manifest)
    )
    return (
        '<section class="rs-card"><header><span class="rs-overline">What is taken for what</span></header>'
        + (f'<ul class="rs-mistakes">{common}</ul>' if common else "<p>There is no mistake worth mentioning.</p>")
        + '<table class="rs-confusion"><caption>Each row is what it really was, each column what the network said; '
        "numbers are per cent of the row.</caption>"
        f'<thead><tr><th scope="col"><span>it was</span><span>it said</span></th>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></section>"
    )


def _cells(counts: tuple[int, ...], row: int) -> str:
    total = sum(counts)
    cells = []
    for column, count in enumerate(counts):
        share = count / total if total else 0.0
        kind = "right" if column == row else "wrong"
        if share < _WORTH_A_NUMBER:
            cells.append(f'<td class="rs-cell-{kind}"></td>' if column == row else "<td></td>")
            continue
        depth = max(_FAINTEST, share)
        cells.append(f'<td class="rs-cell-{kind}" style="--depth:{depth:.0%}">{share * 100:.0f}</td>')
    return "".join(cells)


def groups_card(evaluation: Evaluation) -> str:
    """Return the accuracy on each person or session that was left out, the worst first."""
    word = group_noun(evaluation)
    ordered = sorted(evaluation.groups, key=lambda one: one.accuracy)
    rows = [Meter(group_name(one.group), one.accuracy) for one in ordered]
    return (
        f'<section class="rs-card"><header><span class="rs-overline">By {word}</span>'
        f'<span class="rs-aside">each had not been seen</span></header>{meters(rows)}</section>'
    )


def recall_card(manifest: Manifest) -> str:
    """Return how often each activity is recognised, the worst first."""
    evaluation = manifest.evaluation
    if evaluation is None:
        return ""
    background = {label_words(label) for label in manifest.background}
    known = sorted(evaluation.recall.items(), key=lambda item: item[1])
    rows = [Meter(name, share, note="no exercise" if name in background else "") for name, share in known]
    rows += [
        Meter(name, None, note="only one of them has recorded it")
        for name in map(label_words, manifest.labels)
        if name not in evaluation.recall
    ]
    return (
        '<section class="rs-card"><header><span class="rs-overline">By activity</span>'
        f'<span class="rs-aside">recognised right</span></header>{meters(rows)}</section>'
    )


def unknown_card(evaluation: Evaluation) -> str:
    """Return whether what was never taught comes out as unknown."""
    unknown = evaluation.unknown
    if unknown is None:
        return ""
    rows = [Meter(one.label, one.rejected_share) for one in sorted(unknown.labels, key=lambda one: one.rejected_share)]
    return (
        '<section class="rs-card"><header><span class="rs-overline">What it was never taught</span></header>'
        f'<p class="rs-lead">{percent(unknown.rejected_share)} of unknown movements come out as “not sure”, and so do '
        f"{percent(unknown.lost_share)} of those that it knows.</p>"
        "<p>To find out, each activity was left out of the training once:</p>"
        f"{meters(rows)}</section>"
    )


def show_few_shot(evaluation: Evaluation, *, key: str) -> None:
    """Show how accuracy grows with the number of persons or sessions that are trained on."""
    word = group_noun(evaluation)
    points = [
        {
            "n": one.n_groups,
            "accuracy": one.accuracy,
            "low": one.lowest,
            "high": one.highest,
            "words": f"{percent(one.accuracy)} ({percent(one.lowest)} to {percent(one.highest)})",
        }
        for one in evaluation.few_shot
    ]
    numbers = [one.n_groups for one in evaluation.few_shot]
    base = alt.Chart({"values": points}).encode(
        x=alt.X(
            "n:Q",
            title=f"{word}s that it was trained on",
            scale=alt.Scale(type="log", base=2, nice=False),
            axis=alt.Axis(values=numbers, format="d"),
        ),
        tooltip=[alt.Tooltip("n:Q", title=f"{word}s"), alt.Tooltip("words:N", title="accuracy")],
    )
    scale = alt.Scale(domain=[min(0.5, *(one.lowest for one in evaluation.few_shot)), 1])
    accuracy = alt.Y("accuracy:Q", title=None, axis=alt.Axis(format=".0%", tickCount=5), scale=scale)
    chart = alt.layer(
        base.mark_area(color=charts.CORRECT, opacity=0.15).encode(y=alt.Y("low:Q", scale=scale), y2="high:Q"),
        base.mark_line(color=charts.CORRECT).encode(y=accuracy),
        base.mark_circle(color=charts.CORRECT, size=90, opacity=1).encode(y=accuracy),
    )
    words = ", ".join(f"{percent(one.accuracy)} after {one.n_groups}" for one in evaluation.few_shot)
    description = f"Accuracy by the number of {word}s trained on: {words}."
    charts.show_chart(chart, height=220, description=description, key=key)
