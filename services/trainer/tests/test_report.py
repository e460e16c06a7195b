import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from repsense.channels import CHANNELS, UNITS
from repsense.labels import Label
from repsense.manifest import Evaluation, FewShotPoint, ModelManifest, Training
from repsense_trainer.dataset import Cut, Dataset, LabelledRecording
from repsense_trainer.evaluation import HeldOutPredictions, evaluate
from repsense_trainer.figures import confusion_figure, few_shot_figure
from repsense_trainer.report import render_report, write_report

EVIL = '<script>alert("x")</script> & $\\frac{1}{0$'
SWAY, BOW, HOP = LABELS = (Label(exercise="sway"), Label(exercise=EVIL[:60], form="deep"), Label(exercise="hop"))
GROUPS = ("anna", "ben", f"carl {EVIL}", "dora", "emil", "fay")
FEW_SHOT = (
    FewShotPoint(n_groups=1, n_trials=6, accuracy=0.8, lowest=0.7, highest=0.9),
    FewShotPoint(n_groups=2, n_trials=5, accuracy=0.9, lowest=0.85, highest=0.95),
)


def predict(label_indices: list[int], seed: int) -> HeldOutPredictions:
    """For each group and label ten windows of one recording, most of them right; label -1 is anybody's guess."""
    random = np.random.default_rng(seed)
    truth = np.tile(np.repeat(label_indices, 10), len(GROUPS))
    logits = random.normal(0, 1, (len(truth), 3)).astype(np.float32)
    logits[truth >= 0, truth[truth >= 0]] += 3
    n_recordings = len(GROUPS) * len(label_indices)
    return HeldOutPredictions(
        logits,
        random.uniform(0.8, 1, len(truth)).astype(np.float32),
        truth,
        np.repeat(GROUPS, 10 * len(label_indices)),
        np.repeat(np.arange(n_recordings), 10),
        np.tile(2.5 + np.arange(10) / 2, n_recordings),
    )


HELD_OUT = predict([0, 1], seed=0)
LEFT_OUT = {BOW: predict([0, -1], seed=1), SWAY: predict([-1, 1], seed=2)}


@pytest.fixture(scope="module")
def manifest() -> ModelManifest:
    """Of a model with a full evaluation; only one group has hopped."""
    dataset = Dataset(
        tuple(
            LabelledRecording(np.zeros((13, 9), dtype=np.float32), label_index, group)
            for group in GROUPS
            for label_index in (0, 1, *((2,) if group == "anna" else ()))
        ),
        LABELS,
        Cut(2.0, 4, 1, CHANNELS),
        "subject",
    )
    evaluation = evaluate(
        dataset,
        HELD_OUT,
        "leave one subject out",
        temperature=1.3,
        threshold=0.5,
        left_out_labels=LEFT_OUT,
        few_shot=FEW_SHOT,
    )
    return make_manifest(evaluation)


@pytest.fixture(scope="module")
def html(manifest: ModelManifest) -> str:
    return render_report(manifest, HELD_OUT, LEFT_OUT)


def make_manifest(evaluation: Evaluation | None) -> ModelManifest:
    return ModelManifest(
        name="tiny",
        version=3,
        created_at=datetime(2026, 11, 23, 18, 30, tzinfo=UTC),
        labels=LABELS,
        channels=CHANNELS,
        units={channel: UNITS[channel] for channel in CHANNELS},
        sample_rate_hz=2.0,
        window_size=4,
        stride=1,
        confidence_threshold=0.5,
        training=Training(
            dataset="tiny",
            dataset_fingerprint="f1d0" * 16,
            groups=GROUPS,
            n_windows=130,
            seed=0,
            duration_s=7.4,
            configuration={"network": {"units": 50}, "comment": EVIL},
            libraries={"numpy": "2.3.5"},
            commit="0bfee73-dirty",
        ),
        evaluation=evaluation,
    )


class Page(HTMLParser):
    """What a page shows and what it is made of."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1] != "style":
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


def test_the_report_says_what_was_found_and_what_was_not(manifest: ModelManifest, html: str) -> None:
    page = Page(html)

    evaluation = manifest.evaluation
    assert evaluation is not None
    assert evaluation.unknown is not None
    for expected in (
        "tiny, version 3",
        f"On subjects that it has not seen, {100 * evaluation.accuracy:.1f} % of windows are right.",
        "Weakest label: ",
        "Weakest subject: ",
        "95 % interval",
        f"{evaluation.unknown.auroc:.3f}",
        "10 windows of hop could not be tested, since no other subject had the label",
        "The 120 windows from 12 recordings overlap",
        "There were only 6 subjects",
        "f1d0" * 16,
        "0bfee73-dirty",
        "numpy 2.3.5",
        '"units": 50',
        "7.4 s",
    ):
        assert expected in page.text
    assert page.tags.count("svg") == 6
    described = [value for name, value in page.attributes if name == "aria-label"]
    assert len(described) == 6
    assert all(described)


def test_the_report_needs_nothing_from_elsewhere(html: str) -> None:
    page = Page(html)

    assert "://" not in html
    assert "url(" not in re.sub(r"url\(#\w+\)", "", html)
    assert not {"script", "link", "iframe", "object", "img", "metadata"} & {*page.tags}
    assert not [value for name, value in page.attributes if name in {"src", "href"}]
    assert all((value or "").startswith("#") for name, value in page.attributes if name == "xlink:href")


def test_ids_in_the_report_are_unique_and_found(html: str) -> None:
    ids = re.findall(r'\bid="([^"]*)"', html)
    assert len(ids) == len(set(ids))
    assert {*re.findall(r'url\(#(\w+)\)|href="#(\w+)"', html)} <= {pair for i in ids for pair in ((i, ""), ("", i))}


def test_what_users_wrote_is_text(html: str) -> None:
    assert "<script" not in html
    page = Page(html)
    assert "alert" not in {name for name, _ in page.attributes}
    assert f"{EVIL[:60]} (deep)" in page.text
    assert GROUPS[2] in page.text


def test_the_same_model_has_the_same_report(manifest: ModelManifest, html: str, tmp_path: Path) -> None:
    write_report(tmp_path / "report.html", manifest, HELD_OUT, LEFT_OUT)

    assert (tmp_path / "report.html").read_text(encoding="utf-8") == html


def test_colours_are_those_of_the_page(html: str) -> None:
    figures = "".join(re.findall(r"<svg.*?</svg>", html, flags=re.DOTALL))
    assert "var(--blue)" in figures
    assert not re.findall(r"#[0-9a-f]{6}\b", figures)


def test_a_model_without_evaluation_says_so() -> None:
    page = Page(render_report(make_manifest(None)))

    assert "It has not been evaluated" in page.text
    assert "svg" not in page.tags


def test_an_evaluation_without_its_predictions_has_what_the_manifest_has(manifest: ModelManifest) -> None:
    page = Page(render_report(manifest))

    assert page.tags.count("svg") == 4
    assert "Probabilities off by" in page.text


def test_an_evaluation_of_an_older_version_has_fewer_figures(manifest: ModelManifest) -> None:
    assert manifest.evaluation is not None
    old = manifest.evaluation.model_dump(
        include={"method", "accuracy", "macro_f1", "recall", "groups"},
    )

    page = Page(render_report(make_manifest(Evaluation.model_validate(old))))

    assert page.tags.count("svg") == 1
    assert "was not measured" in page.text


@pytest.mark.parametrize("reference", [(), FEW_SHOT])
def test_figures_for_documents_are_pictures(reference: tuple[FewShotPoint, ...]) -> None:
    figure = few_shot_figure(FEW_SHOT, "session", reference)

    assert figure.startswith(b"\x89PNG")
    assert figure == few_shot_figure(FEW_SHOT, "session", reference)
    assert confusion_figure([[5, 1], [0, 4]], ["sway", "$bow"]).startswith(b"\x89PNG")
