"""A stand-in for the part of the API that trains and that knows models; a test says how a training goes on.

Put into the world with `world.routes.append(FakeTraining())`.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from services.dashboard.tests.fake_api import Request, Response, iso, make_label, problem

_Document = dict[str, Any]
_Label = tuple[str, str | None]

LABELS: Sequence[_Label] = (
    ("jumping jack", None),
    ("lunge", None),
    ("push-up", "correct"),
    ("push-up", "incorrect"),
    ("sit-up", "correct"),
    ("sit-up", "incorrect"),
    ("squat", "correct"),
    ("squat", "incorrect"),
    ("rest", None),
)
_PERSONS = ("Anna", "Ben", "Chris", "Dana", "Eve")

# How often the networks of the fake are wrong about a label, and what they then take it for.
_MISTAKES: dict[int, tuple[float, tuple[int, ...]]] = {
    0: (0.02, (1,)),
    1: (0.05, (6, 7)),
    2: (0.04, (3,)),
    3: (0.13, (2, 2, 5)),
    4: (0.03, (5,)),
    5: (0.11, (4,)),
    6: (0.05, (7, 1)),
    7: (0.17, (6, 6, 1)),
    8: (0.01, (0,)),
}


def make_holding(
    exercise: str | None = "squat",
    form: str | None = None,
    *,
    subject: str | None = "Anna",
    session: str | None = "monday",
    **changes: object,
) -> _Document:
    label = None if exercise is None else make_label(exercise, form)
    return {
        "label": label,
        "subject": subject,
        "session": session,
        "sensor_id": "wrist",
        "minutes": 1.5,
        "n_recordings": 3,
    } | changes


def make_holdings(persons: Sequence[str] = _PERSONS, labels: Sequence[_Label] = LABELS) -> list[_Document]:
    """Return what five people might have recorded on two occasions each."""
    chance = random.Random(5)  # noqa: S311
    return [
        make_holding(
            *label, subject=person, session=session, minutes=round(chance.uniform(0.8, 2.4), 2), n_recordings=3
        )
        for person in persons
        for session in ("monday", "thursday")
        for label in labels
    ]


def make_evaluation(
    labels: Sequence[_Label] = LABELS,
    groups: Sequence[str] = _PERSONS,
    *,
    skill: float = 1.0,
    few_shot: bool = True,
    group_by: str = "subject",
) -> _Document:
    """Return figures that belong together; with a higher `skill` there are fewer mistakes."""
    n_windows = 24 * len(groups)
    confusion = [[0] * len(labels) for _ in labels]
    for row in range(len(labels)):
        share, taken_for = _MISTAKES[row % len(_MISTAKES)]
        n_wrong = round(n_windows * share / skill)
        columns = [column % len(labels) for column in taken_for if column % len(labels) != row]
        confusion[row][row] = n_windows - (n_wrong if columns else 0)
        for number in range(n_wrong if columns else 0):
            confusion[row][columns[number % len(columns)]] += 1
    n_right = sum(confusion[row][row] for row in range(len(labels)))
    accuracy = n_right / (n_windows * len(labels))
    chance = random.Random(len(groups))  # noqa: S311
    texts = [_label_text(label) for label in labels]
    return {
        "method": f"leave one {group_by} out",
        "group_by": group_by,
        "accuracy": accuracy,
        "accuracy_interval": [accuracy - 0.03, min(1.0, accuracy + 0.02)] if len(groups) > 2 else None,
        "macro_f1": accuracy,
        "recall": {text: confusion[row][row] / n_windows for row, text in enumerate(texts)},
        "untested": {},
        "groups": [
            {
                "group": group,
                "n_windows": 24 * len(labels),
                "accuracy": min(1.0, accuracy + chance.uniform(-0.05, 0.035)),
            }
            for group in groups
        ],
        "confusion": confusion,
        "lost_share": 0.031,
        "by_second": [
            {"seconds": float(second), "n_windows": 90, "accuracy": accuracy, "accuracy_so_far": 1 - 0.2 / second}
            for second in range(3, 11)
        ],
        "calibration": {"temperature": 0.8, "error": 0.03, "error_before": 0.07},
        "unknown": {
            "auroc": 0.97,
            "lost_share": 0.02,
            "rejected_share": 0.84,
            "labels": [
                {"label": text, "auroc": 0.97, "rejected_share": round(chance.uniform(0.6, 1.0), 3)}
                for text in texts
                if text != "rest"
            ],
        },
        "few_shot": [
            {
                "n_groups": n_groups,
                "n_trials": 5,
                "accuracy": accuracy - 0.16 / n_groups,
                "lowest": accuracy - 0.27 / n_groups,
                "highest": accuracy - 0.06 / n_groups,
            }
            for n_groups in (1, 2, 4)
            if few_shot and n_groups < len(groups)
        ],
    }


def make_manifest(
    version: int = 1,
    name: str = "bodyweight",
    *,
    labels: Sequence[_Label] = LABELS,
    groups: Sequence[str] = _PERSONS,
    evaluation: _Document | None = None,
    **changes: object,
) -> _Document:
    return {
        "schema_version": 1,
        "name": name,
        "version": version,
        "created_at": iso(datetime.now(UTC) - timedelta(days=20 - version)),
        "labels": [make_label(*label) for label in labels],
        "background": [make_label(*label) for label in labels if label[0] == "rest"],
        "channels": ["ax", "ay", "az", "gx", "gy", "gz"],
        "sample_rate_hz": 12.5,
        "window_size": 31,
        "stride": 6,
        "confidence_threshold": 0.5,
        "training": {
            "dataset": name,
            "dataset_fingerprint": f"{version:064x}",
            "groups": list(groups),
            "n_windows": 9_800,
            "duration_s": 21.0,
        },
        "evaluation": evaluation,
    } | changes


def make_model(manifest: _Document, state: str = "standby", **changes: object) -> _Document:
    return {
        "in_use": state == "in_use",
        "state": state,
        "has_report": manifest["evaluation"] is not None,
        "problem": None,
        "manifest": manifest,
    } | changes


def make_job(job_id: str, state: str = "queued", *, ago_s: float = 600, **changes: object) -> _Document:
    created_at = datetime.now(UTC) - timedelta(seconds=ago_s)
    return {
        "job_id": job_id,
        "state": state,
        "queue_position": 1 if state == "queued" else None,
        "model_name": "bodyweight",
        "selection": {},
        "configuration": {"evaluation": {}, "background": []},
        "promote": False,
        "created_at": iso(created_at),
        "started_at": None if state == "queued" else iso(created_at + timedelta(seconds=1)),
        "ended_at": None if state in {"queued", "running"} else iso(created_at + timedelta(seconds=190)),
        "worker_id": None,
        "n_attempts": 0 if state == "queued" else 1,
        "cancel_requested": False,
        "progress": None,
        "error": None,
        "model_version": None,
    } | changes


def make_progress(step: int = 1, n_steps: int = 6, *, epoch: int = 0, **changes: object) -> _Document:
    """Return how far a training is: each step before this one has left a person out."""
    chance = random.Random(step)  # noqa: S311
    stage = f"leaving out subject {_PERSONS[step - 1]}" if step <= len(_PERSONS) else "training on everything"
    return {
        "stage": stage,
        "n_steps": n_steps,
        "step": step,
        "n_epochs": 25,
        "epoch": epoch,
        "losses": [round(0.28 + 1.7 * 0.83**number + chance.uniform(-0.03, 0.03), 4) for number in range(epoch)],
        "groups": {person: round(0.955 - 0.013 * number, 3) for number, person in enumerate(_PERSONS[: step - 1])},
    } | changes


@dataclass
class FakeTraining:
    """Recordings to train on, training jobs, and models; what has the highest promoted number is in use."""

    holdings: list[_Document] = field(default_factory=list)
    background: set[str] = field(default_factory=lambda: {"rest"})
    """The exercises whose labels are flagged."""
    jobs: list[_Document] = field(default_factory=list)
    """Newest first."""
    logs: dict[str, list[str]] = field(default_factory=dict)
    models: list[_Document] = field(default_factory=list)
    """The one in use first."""
    broken: list[_Document] = field(default_factory=list)
    """Versions that cannot be read."""
    name_in_use: str = "bodyweight"
    refusal: str | None = None
    follows: bool = True
    """Whether the service takes up at once what is promoted."""
    keys: dict[str, str] = field(default_factory=dict)
    """Ids of jobs by the Idempotency-Key that they were asked for with."""
    history: list[int] = field(default_factory=list)
    """The versions that were in use before, oldest first."""

    def __call__(self, request: Request) -> Response | None:
        match [request.method, *request.path.strip("/").split("/")]:
            case ["GET", "v1", "recordings", "summary"]:
                return Response(document=self._summary())
            case ["GET", "v1", "labels"]:
                return Response(document={"items": self._labels()})
            case [method, "v1", "training-jobs", *rest]:
                return self._training_jobs([method, *rest], request)
            case ["GET", "v1", "models"]:
                items = sorted(self.models, key=lambda one: (not one["in_use"], -one["manifest"]["version"]))
                return Response(
                    document={
                        "items": items,
                        "broken": self.broken,
                        "refusal": self.refusal,
                        "name_in_use": self.name_in_use,
                    }
                )
            case [method, "v1", "models", name, *rest]:
                return self._models(name, [method, *rest])
            case _:
                return None

    def job(self, job_id: str) -> _Document:
        """Return a job, to be changed."""
        return next(job for job in self.jobs if job["job_id"] == job_id)

    def succeed(self, job_id: str, manifest: _Document) -> None:
        """End a training with a version."""
        ended = {"state": "succeeded", "ended_at": iso(datetime.now(UTC)), "queue_position": None}
        self.job(job_id).update(ended | {"model_version": manifest["version"]})
        self.models.append(make_model(manifest))

    def take_up(self) -> None:
        """Have the service answer with what the registry says is in use."""
        for model in self.models:
            model["in_use"] = model["state"] == "in_use" and model["manifest"]["name"] == self.name_in_use

    def _summary(self) -> _Document:
        return {
            "minutes": sum(one["minutes"] for one in self.holdings),
            "n_recordings": sum(one["n_recordings"] for one in self.holdings),
            "labels": [],
            "persons": [],
            "cells": [],
            "parts": self.holdings,
        }

    def _labels(self) -> list[_Document]:
        words = {(one["label"]["exercise"], one["label"]["form"]) for one in self.holdings if one["label"]}
        return [
            {
                "label_id": f"id-of-{exercise}-{form}",
                "exercise": exercise,
                "form": form,
                "background": exercise in self.background,
                "version": 1,
                "created_at": iso(datetime(2026, 1, 1, tzinfo=UTC)),
            }
            for exercise, form in sorted(words, key=str)
        ]

    def _training_jobs(self, path: list[str], request: Request) -> Response | None:
        match path:
            case ["POST"]:
                return Response(201, self._start(request))
            case ["GET"]:
                limit = int(request.value("limit") or 100)
                return Response(document={"items": self.jobs[:limit], "next_cursor": None})
            case ["GET", job_id]:
                return Response(document=self.job(job_id))
            case ["GET", job_id, "log"]:
                return Response(document={"lines": self.logs.get(job_id, [])})
            case ["POST", job_id, "cancel"]:
                job = self.job(job_id)
                is_queued = job["state"] == "queued"
                job.update({"cancel_requested": True} | ({"state": "cancelled"} if is_queued else {}))
                return Response(document=job)
            case _:
                return None

    def _start(self, request: Request) -> _Document:
        key = request.headers["idempotency-key"]
        if key not in self.keys:
            wanted = request.json()
            self.keys[key] = f"{len(self.jobs) + 1:032x}"
            self.jobs.insert(0, make_job(self.keys[key], ago_s=0) | wanted)
        return self.job(self.keys[key])

    def _models(self, name: str, path: list[str]) -> Response | None:
        match path:
            case ["POST", "versions", version, "promote"]:
                return self._promote(name, int(version))
            case ["POST", "rollback"]:
                if not self.history:
                    return problem(409, "Refused", "it is the first that was in use", "registry-refuses")
                return self._promote(name, self.history.pop(), is_new=False)
            case ["DELETE", "versions", version]:
                known = (name, int(version))
                self.models = [one for one in self.models if _version(one["manifest"]) != known]
                self.broken = [one for one in self.broken if _version(one) != known]
                return Response(204)
            case ["GET", "versions", version, "report"]:
                page = f"<!doctype html><title>Report</title><h1>Report of {name} {version}</h1>".encode()
                return Response(document=page, headers={"Content-Type": "text/html"})
            case _:
                return None

    def _model(self, name: str, version: int) -> _Document:
        return next(one for one in self.models if _version(one["manifest"]) == (name, version))

    def _promote(self, name: str, version: int, *, is_new: bool = True) -> Response:
        """Put a version in use: lower ones that were stay promoted, higher ones go on standby."""
        for model in self.models:
            if model["manifest"]["name"] == name and model["state"] in {"in_use", "promoted"}:
                if model["state"] == "in_use" and is_new:
                    self.history.append(model["manifest"]["version"])
                model["state"] = "promoted" if model["manifest"]["version"] < version else "standby"
        promoted = self._model(name, version)
        promoted["state"] = "in_use"
        if self.follows:
            self.take_up()
        return Response(document=promoted)


def _version(document: _Document) -> tuple[str, int]:
    return document["name"], document["version"]


def _label_text(label: _Label) -> str:
    exercise, form = label
    return exercise if form is None else f"{exercise} ({form})"
