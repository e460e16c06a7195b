"""The report of a model's evaluation: one HTML file that opens from a disk, without anything from elsewhere."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from repsense.labels import Label
from repsense.manifest import Evaluation, FewShotPoint, ModelManifest
from repsense_trainer.calibration import cross_fitted_temperatures, reliability
from repsense_trainer.evaluation import HeldOutPredictions
from repsense_trainer.figures import (
    accuracy_by_second,
    accuracy_of_groups,
    confidences_of_unknown,
    confusion_matrix,
    few_shot_curve,
    reliability_diagram,
)

__all__ = ["render_report", "write_report"]

FEW_GROUPS = 10
"""With fewer, one of them more or less changes the figures."""


@dataclass(frozen=True, slots=True)
class _LabelRow:
    index: int
    label: str
    n_windows: int
    recall: float
    precision: float
    f1: float


@dataclass(frozen=True, slots=True)
class _Tile:
    name: str
    value: str
    note: str


def write_report(
    path: Path,
    manifest: ModelManifest,
    held_out: HeldOutPredictions | None = None,
    left_out_labels: Mapping[Label, HeldOutPredictions] | None = None,
    reference: Sequence[FewShotPoint] = (),
) -> None:
    """Write `render_report` to a file.

    Raises:
        OSError: If it cannot be written.
    """
    path.write_text(render_report(manifest, held_out, left_out_labels, reference), encoding="utf-8")


def render_report(
    manifest: ModelManifest,
    held_out: HeldOutPredictions | None = None,
    left_out_labels: Mapping[Label, HeldOutPredictions] | None = None,
    reference: Sequence[FewShotPoint] = (),
) -> str:
    """The report as HTML; the same input gives the same text.

    Args:
        manifest: Of the model; without evaluation the report says so.
        held_out: What the evaluation is made from; without it there is no reliability diagram.
        left_out_labels: The same for the labels left out; without it there is no histogram of them.
        reference: Accuracy of ExtraTrees after training on few groups, to compare with.
    """
    environment = Environment(
        loader=PackageLoader("repsense_trainer"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["percent"] = _percent
    environment.filters["count"] = _count
    evaluation = manifest.evaluation
    group = evaluation.group_by if evaluation else "group"
    context: dict[str, Any] = {
        "manifest": manifest,
        "evaluation": evaluation,
        "group": group,
        "groups": manifest.training.groups,
        "configuration": json.dumps(manifest.training.configuration, indent=2, ensure_ascii=False),
        "verdict": ["It has not been evaluated: how it does on anybody whom it has not seen is not known."],
    }
    if evaluation is not None:
        context |= {
            "verdict": _verdict(evaluation, group),
            "tiles": _tiles(evaluation, group),
            "caveats": _caveats(manifest, evaluation, held_out),
            "labels": _label_rows(manifest, evaluation),
            "pictures": _pictures(manifest, evaluation, held_out, left_out_labels or {}, reference),
            "group_words": ", ".join(f"{one.group} {_percent(one.accuracy)}" for one in evaluation.groups),
            "second_words": ", ".join(
                f"{point.seconds:g} s {_percent(point.accuracy_so_far)}" for point in evaluation.by_second[:6]
            ),
        }
    return environment.get_template("report.html.j2").render(context)


def _verdict(evaluation: Evaluation, group: str) -> list[str]:
    weakest_label, lowest_recall = min(evaluation.recall.items(), key=lambda item: item[1])
    weakest_group = min(evaluation.groups, key=lambda one: one.accuracy)
    right = f"On {group}s that it has not seen, {_percent(evaluation.accuracy)} of windows are right."
    weakest = (
        f"Weakest label: {weakest_label}, of which {_percent(lowest_recall)} is recognised. "
        f"Weakest {group}: {weakest_group.group}, with {_percent(weakest_group.accuracy)}."
    )
    sentences = [right, weakest]
    if evaluation.unknown is not None:
        hardest = min(evaluation.unknown.labels, key=lambda one: one.rejected_share)
        sentences.append(
            f"Of movements that it was never taught, {_percent(evaluation.unknown.rejected_share)} come out as unknown "
            f"(least of {hardest.label}: {_percent(hardest.rejected_share)}), and so do "
            f"{_percent(evaluation.unknown.lost_share)} of those that it knows."
        )
    if evaluation.untested:
        sentences.append(f"Not tested at all or in part: {', '.join(evaluation.untested)}.")
    return sentences


def _tiles(evaluation: Evaluation, group: str) -> list[_Tile]:
    interval = evaluation.accuracy_interval
    worst = min(evaluation.groups, key=lambda one: one.accuracy)
    tiles = [
        _Tile(
            "Windows right",
            _percent(evaluation.accuracy),
            f"95 % interval: {_percent(interval[0])} to {_percent(interval[1])}"
            if interval
            else f"{len(evaluation.groups)} {group}s are too few for an interval",
        ),
        _Tile("Macro-F1", f"{evaluation.macro_f1:.3f}", "mean over the labels, however common"),
        _Tile(f"Worst {group}", _percent(worst.accuracy), f"{group} {worst.group}"),
    ]
    if evaluation.unknown is not None:
        tiles.append(
            _Tile("Unknown told apart", f"{evaluation.unknown.auroc:.3f}", "AUROC; 1 is perfect, 0.5 is chance")
        )
    if evaluation.calibration is not None:
        tiles.append(_Tile("Probabilities off by", _percent(evaluation.calibration.error), "on average"))
    if evaluation.lost_share is not None:
        tiles.append(_Tile("Lost", _percent(evaluation.lost_share), "known, but below the threshold"))
    return tiles


def _caveats(manifest: ModelManifest, evaluation: Evaluation, held_out: HeldOutPredictions | None) -> list[str]:
    group, n_groups = evaluation.group_by, len(evaluation.groups)
    windows = f"{_count(sum(one.n_windows for one in evaluation.groups))} windows"
    recordings = f" from {_count(len(np.unique(held_out.recordings)))} recordings" if held_out is not None else ""
    held_out_means = (
        f"Each window was classified by a network that was trained without anything of its {group} "
        f"({evaluation.method}). The model itself was trained on every {group} afterwards, so it cannot be tested on "
        "them; it is one more network of this kind."
    )
    overlap = (
        f"The {windows}{recordings} overlap, and those of a {group} are alike: they say less than so many independent "
        f"windows would. The interval therefore comes from drawing {group}s anew, not windows."
    )
    caveats = [held_out_means, overlap]
    if n_groups < FEW_GROUPS:
        caveats.append(f"There were only {n_groups} {group}s: the next one may differ from all of them.")
    if group == "session":
        caveats.append(
            "Sessions may be of the same person. How it does on somebody new is only known if each session was "
            "somebody else's."
        )
    caveats.append(
        f"The temperature and the threshold ({manifest.confidence_threshold:g}) were chosen on these windows. If the "
        f"settings were, too, by comparing reports like this one, expect a new {group} to do somewhat worse."
    )
    for label, n_windows in evaluation.untested.items():
        caveats.append(
            f"{_count(n_windows)} windows of {label} could not be tested, since no other {group} had the label to "
            f"learn it from: record it in a second {group}."
        )
    if evaluation.unknown is None:
        caveats.append(
            "How it takes a movement that it was never taught was not measured: that needs three labels and two "
            f"{group}s, and to be asked for."
        )
    else:
        caveats.append(
            "The labels themselves stood in for unknown movements, each left out of the training once. The other form "
            "of a known exercise is the hardest of them; a movement that no recording has may do better or worse."
        )
    return caveats


def _label_rows(manifest: ModelManifest, evaluation: Evaluation) -> list[_LabelRow]:
    if not evaluation.confusion:
        return []
    confusion = np.array(evaluation.confusion)
    hits, true, said = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
    return [
        _LabelRow(
            index=index,
            label=str(label),
            n_windows=int(true[index]),
            recall=hits[index] / max(true[index], 1),
            precision=hits[index] / max(said[index], 1),
            f1=2 * hits[index] / max(true[index] + said[index], 1),
        )
        for index, label in enumerate(manifest.labels)
    ]


def _pictures(
    manifest: ModelManifest,
    evaluation: Evaluation,
    held_out: HeldOutPredictions | None,
    left_out_labels: Mapping[Label, HeldOutPredictions],
    reference: Sequence[FewShotPoint],
) -> dict[str, Markup | None]:
    """SVG by name; None for those that there is nothing to draw from."""
    pictures: dict[str, str | None] = dict.fromkeys(("confusion", "seconds", "reliability", "unknown", "few_shot"))
    pictures["groups"] = accuracy_of_groups(evaluation.groups, evaluation.accuracy)
    if evaluation.confusion:
        pictures["confusion"] = confusion_matrix(evaluation.confusion, [str(label) for label in manifest.labels])
    if evaluation.by_second:
        pictures["seconds"] = accuracy_by_second(evaluation.by_second)
    if held_out is not None and evaluation.calibration is not None:
        temperatures = cross_fitted_temperatures(held_out.logits, held_out.label_indices, held_out.groups)
        before, after = (
            reliability(held_out.probabilities(temperature).max(axis=1), held_out.is_correct)
            for temperature in (1.0, temperatures)
        )
        pictures["reliability"] = reliability_diagram(before, after)
    if left_out_labels and evaluation.calibration is not None:
        temperature = evaluation.calibration.temperature
        is_exercise = [index for index, label in enumerate(manifest.labels) if label not in manifest.background]
        known, unknown = [], []
        for predictions in left_out_labels.values():
            confidences = predictions.confidences(manifest.labels, manifest.background, temperature)
            known.append(confidences[np.isin(predictions.label_indices, is_exercise)])
            unknown.append(confidences[predictions.label_indices < 0])
        pictures["unknown"] = confidences_of_unknown(
            np.concatenate(known), np.concatenate(unknown), manifest.confidence_threshold
        )
    if evaluation.few_shot:
        pictures["few_shot"] = few_shot_curve(evaluation.few_shot, evaluation.group_by, reference)
    # Made by this package: Matplotlib has escaped the texts in them.
    return {name: None if svg is None else Markup(svg) for name, svg in pictures.items()}  # noqa: S704


def _percent(share: float) -> str:
    """A share with one decimal; only what is all or nothing is called 100 % or 0 %."""
    percent = 100 * share
    if percent in {0, 100}:
        text = f"{percent:.0f}"
    else:
        text = f"{percent:.1f}"
        if text in {"0.0", "100.0"}:
            text = "over 99.9" if percent > 50 else "under 0.1"  # noqa: PLR2004
    return f"{text}\N{NO-BREAK SPACE}%"


def _count(number: int) -> str:
    return f"{number:,}"
