"""A stand-in for what the API knows of recordings, persons and labels: a small one, but it remembers.

Put into the world with `world.routes.append(FakeRecordings(world))`.
"""

import math
import random
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from services.dashboard.tests.fake_api import CHANNELS, Request, Response, World, iso, make_label, problem

_UNITS = {"a": "m/s^2", "g": "rad/s", "m": "uT"}
_REST = {"ax": -1.6, "ay": 2.1, "az": 9.4, "gx": 0.0, "gy": 0.0, "gz": 0.0, "mx": 21.0, "my": -30.0, "mz": 14.0}
_NOISE = {"a": 0.12, "g": 0.04, "m": 0.5}
_RATE_HZ = 50.0
_KEPT = timedelta(hours=26)
_CONFLICT = problem(412, "Changed meanwhile", "It was changed meanwhile: load it again.", "version-conflict")
_NO_VERSION = problem(428, "Which version?", "Send the version with If-Match.", "version-required")

_Document = dict[str, Any]


def _seeded(seed: int | str) -> random.Random:
    """Return what makes the same picture every time."""
    return random.Random(seed)  # noqa: S311 - nothing secret


@dataclass(frozen=True)
class Motion:
    """What somebody did in front of the sensor: rest, repetitions, rest."""

    exercise: str
    captured_s: float
    onset_s: float
    end_s: float
    period_s: float = 2.1
    seed: int = 0

    def repetitions_s(self) -> list[float]:
        """Return the middle of each repetition."""
        n_whole = int((self.end_s - self.onset_s) / self.period_s + 0.15)
        return [self.onset_s + self.period_s * (number + 0.5) for number in range(n_whole)]

    def value(self, channel: str, at_s: float) -> float:
        """Return one sample, without noise of more than a sensor has."""
        group, axis = channel[0], "xyz".index(channel[1])
        manner = _seeded(f"{self.exercise}{channel}")
        swing = {"a": 3.4, "g": 1.6, "m": 9.0}[group] * manner.uniform(0.25, 1.0)
        wave = 0.0
        if self.onset_s <= at_s < self.end_s:
            turn = math.tau * (at_s - self.onset_s) / self.period_s
            effort = 1 + 0.18 * math.sin(0.37 * turn + self.seed)
            wave = effort * (1 - math.cos(turn)) / 2 * math.cos(axis + 0.4)
            wave += 0.35 * math.sin(2 * turn + manner.uniform(0, 3)) * effort
        noise = _seeded(f"{self.seed}{channel}{at_s:.3f}").gauss(0, _NOISE[group])
        return round(_REST[channel] + swing * wave + noise, 4)

    def strength(self, at_s: float) -> float:
        """Return how strong the movement is."""
        noise = _seeded(f"{self.seed}{at_s:.3f}").uniform(0.02, 0.12)
        if not self.onset_s <= at_s < self.end_s:
            return round(noise, 3)
        turn = math.tau * (at_s - self.onset_s) / self.period_s
        return round(
            2.6 * math.pow(abs(math.sin(turn / 2)), 1.4) * (1 + 0.15 * math.sin(turn / 3 + self.seed)) + noise, 3
        )

    def between(self, start_s: float, end_s: float) -> "Motion":
        """Return a part of it."""
        return replace(
            self,
            captured_s=end_s - start_s,
            onset_s=min(max(self.onset_s - start_s, 0.0), end_s - start_s),
            end_s=min(max(self.end_s - start_s, 0.0), end_s - start_s),
        )


@dataclass
class FakeRecordings:
    """Recordings, persons and labels, and what is stored of the sensors' streams."""

    world: World
    recordings: dict[str, _Document] = field(default_factory=dict)
    motions: dict[str, Motion] = field(default_factory=dict)
    persons: dict[str, _Document] = field(default_factory=dict)
    labels: dict[str, _Document] = field(default_factory=dict)
    warnings: list[dict[str, str]] = field(default_factory=list)
    bouts: list[tuple[datetime, datetime]] = field(default_factory=list)
    """When somebody moved in the last hours; apart from that the sensor lay still."""
    past_sets: list[_Document] = field(default_factory=list)
    interruption_after_s: float | None = None
    """Where the stream of the next take is interrupted."""
    onset_s: float = 1.4
    """How long somebody hesitates after "go"."""

    _n: int = 0

    def __call__(self, request: Request) -> Response | None:
        match [request.method, *request.path.strip("/").split("/")]:
            case [method, "v1", "recordings", *rest]:
                return self._answer_recordings(method, rest, request)
            case [method, "v1", "persons", *rest]:
                return self._answer_persons(method, rest, request)
            case [method, "v1", "labels", *rest]:
                return self._answer_labels(method, rest, request)
            case ["GET", "v1", "sensors", sensor_id, "movement"]:
                return Response(document=self._movement(sensor_id, *_interval(request)))
            case ["GET", "v1", "sensors", sensor_id, "timeline"]:
                return Response(document=self._timeline(sensor_id, request))
            case _:
                return None

    # Building ----------------------------------------------------------------------------------------------------

    def add_person(self, name: str, note: str | None = None) -> _Document:
        """Add a person, or return the one of this name."""
        for person in self.persons.values():
            if person["name"] == name:
                return person
        person_id = self._id("p")
        now = iso(datetime.now(UTC))
        self.persons[person_id] = {
            "person_id": person_id,
            "name": name,
            "note": note,
            "version": 1,
            "created_at": now,
        }
        return self.persons[person_id]

    def add_label(self, exercise: str, form: str | None = None, *, background: bool = False) -> _Document:
        """Add a label, or return the one of these words."""
        for label in self.labels.values():
            if (label["exercise"], label["form"]) == (exercise, form):
                return label
        label_id = self._id("l")
        self.labels[label_id] = {
            "label_id": label_id,
            "exercise": exercise,
            "form": form,
            "background": background,
            "version": 1,
            "created_at": iso(datetime.now(UTC)),
        }
        return self.labels[label_id]

    def add_recording(
        self,
        exercise: str | None,
        form: str | None = None,
        *,
        subject: str | None = "Anna",
        session: str | None = "1",
        ago: timedelta = timedelta(hours=3),
        motion: Motion | None = None,
        **changes: object,
    ) -> _Document:
        """Add a recording with a signal that fits its label."""
        motion = motion or Motion(exercise or "somebody", 20.0, 1.3, 18.9, seed=self._n)
        recording_id = self._id("r")
        created_at = datetime.now(UTC) - ago
        if exercise is not None:
            self.add_label(exercise, form)
        if subject is not None:
            self.add_person(subject)
        recording = {
            "recording_id": recording_id,
            "version": 1,
            "label": make_label(exercise, form) if exercise else None,
            "subject": subject,
            "session": session,
            "sensor_id": "wrist",
            "channels": list(CHANNELS),
            "sample_rate_hz": _RATE_HZ,
            "captured_s": motion.captured_s,
            "trim_start_s": round(motion.onset_s, 2),
            "trim_end_s": round(motion.end_s, 2),
            "activity_s": 0.0,
            "attributes": {},
            "interruption": None,
            "note": None,
            "created_at": iso(created_at),
            "changed_at": iso(created_at),
            "captured_at": iso(created_at - timedelta(seconds=motion.captured_s)),
            "deleted_at": None,
        } | changes
        self.recordings[recording_id] = recording
        self.motions[recording_id] = motion
        return recording

    def _id(self, letter: str) -> str:
        self._n += 1
        return f"{letter}{self._n}"

    # Recordings --------------------------------------------------------------------------------------------------

    def _answer_recordings(self, method: str, rest: list[str], request: Request) -> Response | None:  # noqa: PLR0911 - a table
        match [method, *rest]:
            case ["GET"]:
                return self._list(request)
            case ["POST"]:
                return self._keep(request.json())
            case ["GET", "summary"]:
                return Response(document=self._summary())
            case ["GET", "inspection"]:
                return Response(document={"minutes": 0.0, "warnings": self.warnings})
            case ["GET", "export"]:
                return self._export(request)
            case ["POST", "import"]:
                return self._import(request)
            case ["POST", "changes" | "trash" | "restore" as what]:
                return self._write_several(what, request.json())
            case [_, recording_id, *more]:
                recording = self.recordings.get(recording_id)
                if recording is None:
                    return problem(404, "No such recording", f"There is no recording {recording_id}.", "not-found")
                return self._answer_recording(recording, [method, *more], request)
            case _:
                return None

    def _answer_recording(  # noqa: PLR0911 - a table
        self, recording: _Document, what: list[str], request: Request
    ) -> Response | None:
        match what:
            case ["GET"]:
                return self._one(recording)
            case ["GET", "signal"]:
                return Response(document=self._signal(recording, int(request.value("max_points") or 600)))
        refusal = _refusal(recording, request)
        if refusal is not None:
            return refusal
        match what:
            case ["PATCH"]:
                self._change(recording, request.json())
                return self._one(recording)
            case ["DELETE"]:
                if request.value("for_good") == "true":
                    del self.recordings[recording["recording_id"]]
                else:
                    self._mark(recording, deleted_at=iso(datetime.now(UTC)))
                return Response(204)
            case ["POST", "split"]:
                return self._split(recording, request.json()["at_s"])
            case _:
                return None

    def _one(self, recording: _Document, status: int = 200) -> Response:
        return Response(status, self.resource(recording), {"ETag": f'"{recording["version"]}"'})

    def resource(self, recording: _Document) -> _Document:
        """Return a recording as the API shows it."""
        motion = self.motions[recording["recording_id"]]
        duration_s = recording["trim_end_s"] - recording["trim_start_s"]
        started_at = datetime.fromisoformat(recording["captured_at"]) + timedelta(seconds=recording["trim_start_s"])
        shown = {key: value for key, value in recording.items() if key != "captured_at"}
        return shown | {
            "n_samples": round(duration_s * _RATE_HZ),
            "duration_s": round(duration_s, 3),
            "started_at": iso(started_at),
            "preview": [motion.strength(number * motion.captured_s / 80) for number in range(80)],
        }

    def chosen(self, request: Request) -> list[_Document]:
        """Return the recordings of a filter, newest first."""
        return sorted(
            (each for each in self.recordings.values() if _matches(each, request)),
            key=lambda each: (each["created_at"], each["recording_id"]),
            reverse=True,
        )

    def _list(self, request: Request) -> Response:
        start, limit = int(request.value("cursor") or 0), int(request.value("limit") or 100)
        found = self.chosen(request)
        more = str(start + limit) if len(found) > start + limit else None
        items = [self.resource(each) for each in found[start : start + limit]]
        return Response(document={"items": items, "next_cursor": more})

    def _keep(self, take: _Document) -> Response:
        begin, end = datetime.fromisoformat(take["from"]), datetime.fromisoformat(take["to"])
        whole_s = round((end - begin).total_seconds(), 3)
        if datetime.now(UTC) - begin > _KEPT:
            detail = "Nothing is stored of this time any more: signal is kept for 26 hours."
            return problem(409, "The signal is gone", detail, "samples-gone")
        captured_s = min(whole_s, self.interruption_after_s or whole_s)
        end_s = captured_s if self.interruption_after_s else max(captured_s - 0.6, captured_s / 2)
        label = take["label"] or {}
        onset_s = min(self.onset_s, captured_s / 4)
        exercise = label.get("exercise")
        made = self.add_recording(
            exercise,
            label.get("form"),
            subject=take["subject"],
            session=take["session"],
            ago=timedelta(0),
            motion=Motion(exercise or "somebody", captured_s, onset_s, end_s, seed=self._n),
            sensor_id=take["sensor_id"],
            captured_at=take["from"],
            interruption="the sensor was disconnected" if self.interruption_after_s else None,
        )
        self.interruption_after_s = None
        if take["trim"] == "none":
            made |= {"trim_start_s": 0.0, "trim_end_s": captured_s}
        return Response(201, {"items": [self.resource(made)]})

    def _signal(self, recording: _Document, max_points: int) -> _Document:
        motion = self.motions[recording["recording_id"]]
        n_points = min(max_points, round(motion.captured_s * _RATE_HZ))
        offsets = [round(number * motion.captured_s / n_points, 4) for number in range(n_points)]
        channels = recording["channels"]
        return {
            "channels": channels,
            "units": {channel: _UNITS[channel[0]] for channel in channels},
            "start_at": recording["captured_at"],
            "offsets_s": offsets,
            "samples": [[motion.value(channel, at_s) for channel in channels] for at_s in offsets],
            "trim_start_s": recording["trim_start_s"],
            "trim_end_s": recording["trim_end_s"],
            "captured_s": motion.captured_s,
            "repetitions_s": [
                at_s for at_s in motion.repetitions_s() if recording["trim_start_s"] <= at_s <= recording["trim_end_s"]
            ],
        }

    def _mark(self, recording: _Document, **changes: object) -> None:
        recording |= {"version": recording["version"] + 1, "changed_at": iso(datetime.now(UTC))} | changes

    def _change(self, recording: _Document, changes: _Document) -> None:
        motion = self.motions[recording["recording_id"]]
        changes = dict(changes)
        trim = changes.pop("trim", None)
        if trim == "auto":
            changes |= {"trim_start_s": motion.onset_s, "trim_end_s": motion.end_s}
        elif trim == "none":
            changes |= {"trim_start_s": 0.0, "trim_end_s": motion.captured_s}
        elif trim is not None:
            changes |= {"trim_start_s": trim["start_s"], "trim_end_s": trim["end_s"]}
        if changes.get("label"):
            changes["label"] = make_label(changes["label"]["exercise"], changes["label"].get("form"))
            self.add_label(**changes["label"])
        if changes.get("subject"):
            self.add_person(changes["subject"])
        self._mark(recording, **changes)

    def _split(self, recording: _Document, at_s: list[float]) -> Response:
        edges = [0.0, *at_s, recording["captured_s"]]
        motion = self.motions[recording["recording_id"]]
        parts = []
        for start_s, end_s in pairwise(edges):
            label = recording["label"] or {}
            trim_start_s, trim_end_s = (
                min(max(recording[key] - start_s, 0.0), end_s - start_s) for key in ("trim_start_s", "trim_end_s")
            )
            captured_at = datetime.fromisoformat(recording["captured_at"]) + timedelta(seconds=start_s)
            part = self.add_recording(
                label.get("exercise"),
                label.get("form"),
                subject=recording["subject"],
                session=recording["session"],
                ago=timedelta(0),
                motion=motion.between(start_s, end_s),
                captured_at=iso(captured_at),
                trim_start_s=trim_start_s,
                trim_end_s=trim_end_s,
            )
            parts.append(self.resource(part))
        self._mark(recording, deleted_at=iso(datetime.now(UTC)))
        return Response(201, {"items": parts})

    def _write_several(self, what: str, body: _Document) -> Response:
        asked = body.get("recordings") or [{"recording_id": each} for each in body["recording_ids"]]
        items, conflicts = [], []
        for each in asked:
            recording = self.recordings[each["recording_id"]]
            if each.get("version") not in {None, recording["version"]}:
                conflicts.append(recording["recording_id"])
                continue
            if what == "changes":
                self._change(recording, body["changes"])
            else:
                self._mark(recording, deleted_at=iso(datetime.now(UTC)) if what == "trash" else None)
            items.append(self.resource(recording))
        return Response(document={"items": items, "conflicts": conflicts})

    def _import(self, request: Request) -> Response:
        name = request.value("filename") or ""
        if not re.search(r"\.(csv|parquet|json|zip)$", name):
            detail = f"{name} is not a file of recordings: CSV, Parquet and Edge Impulse's JSON can be read."
            return problem(422, "The file cannot be read", detail, "unreadable-file")
        if b"sample_rate_hz" not in request.body and request.value("sample_rate_hz") is None:
            detail = f"{name} does not say how many samples there are in a second: give the rate."
            return problem(422, "The file cannot be read", detail, "unreadable-file")
        subject, session = request.value("subject"), request.value("session")
        made = [
            self.add_recording("plank", None, subject=subject, session=session, ago=timedelta(0)) for _each in range(3)
        ]
        items = [self.resource(each) for each in made]
        return Response(201, {"n_found": len(items), "n_new": len(items), "items": items})

    def _export(self, request: Request) -> Response:
        form = request.value("format")
        name = f"recordings.{'zip' if form == 'edge-impulse' else form}"
        content = "\n".join(each["recording_id"] for each in self.chosen(request)).encode()
        return Response(200, content, {"Content-Disposition": f'attachment; filename="{name}"'})

    def _kept(self) -> Iterator[_Document]:
        yield from (each for each in self.recordings.values() if each["deleted_at"] is None)

    def _summary(self) -> _Document:
        kept = list(self._kept())
        labels = {_label_key(each): each["label"] for each in kept}
        subjects = sorted({each["subject"] for each in kept}, key=str)
        return {
            "minutes": _minutes(kept),
            "n_recordings": len(kept),
            "labels": [
                {"label": label, "minutes": _minutes(having), "n_recordings": len(having)}
                for key, label in sorted(labels.items())
                for having in [[each for each in kept if _label_key(each) == key]]
            ],
            "persons": [
                {"subject": subject, "minutes": _minutes(having), "n_recordings": len(having)}
                for subject in subjects
                for having in [[each for each in kept if each["subject"] == subject]]
            ],
            "cells": [
                {"label": label, "subject": subject, "minutes": _minutes(having)}
                for key, label in sorted(labels.items())
                for subject in subjects
                if (having := [each for each in kept if _label_key(each) == key and each["subject"] == subject])
            ],
            "parts": [
                {name: each[name] for name in ("label", "subject", "session", "sensor_id")}
                | {"minutes": _minutes([each]), "n_recordings": 1}
                for each in kept
            ],
        }

    # Persons and labels ------------------------------------------------------------------------------------------

    def _answer_persons(self, method: str, rest: list[str], request: Request) -> Response | None:  # noqa: PLR0911 - a table
        match [method, *rest]:
            case ["GET"]:
                return Response(document={"items": [self._person(each) for each in self.persons.values()]})
            case ["POST"]:
                name = request.json()["name"]
                if any(each["name"] == name for each in self.persons.values()):
                    return problem(409, "The name is taken", f"There is a {name} already.", "name-taken")
                return Response(201, self._person(self.add_person(name)))
            case [_, person_id, *more]:
                person = self.persons[person_id]
                if [method, *more] == ["GET", "belongings"]:
                    return Response(document=self._belongings(person))
                refusal = _refusal(person, request)
                if refusal is not None:
                    return refusal
                return self._change_person(person, request) if method == "PATCH" else self._erase(person, request)
            case _:
                return None

    def _change_person(self, person: _Document, request: Request) -> Response:
        changes = request.json()
        if any(each is not person and each["name"] == changes.get("name") for each in self.persons.values()):
            return problem(409, "The name is taken", f"There is a {changes['name']} already.", "name-taken")
        for recording in self.recordings.values():
            if "name" in changes and recording["subject"] == person["name"]:
                self._mark(recording, subject=changes["name"])
        person |= changes | {"version": person["version"] + 1}
        return Response(200, self._person(person))

    def _erase(self, person: _Document, request: Request) -> Response:
        if request.value("confirm") != person["name"]:
            return problem(422, "Not confirmed", "Give the person's name as confirm.", "not-confirmed")
        gone = self._belongings(person)
        self.recordings = {key: each for key, each in self.recordings.items() if each["subject"] != person["name"]}
        del self.persons[person["person_id"]]
        return Response(document=gone | {"n_sets": 31, "n_classifications": 5200, "n_samples_documents": 900})

    def _person(self, person: _Document) -> _Document:
        own = [each for each in self._kept() if each["subject"] == person["name"]]
        return person | {"n_recordings": len(own), "recorded_minutes": _minutes(own)}

    def _belongings(self, person: _Document) -> _Document:
        own = [each for each in self.recordings.values() if each["subject"] == person["name"]]
        return {
            "n_recordings": len(own),
            "recorded_minutes": _minutes(own),
            "n_workouts": 4,
            "n_training_jobs": 1,
            "models": [{"name": "bodyweight", "version": 2}],
        }

    def _answer_labels(self, method: str, rest: list[str], request: Request) -> Response | None:  # noqa: PLR0911 - a table
        match [method, *rest]:
            case ["GET"]:
                return Response(document={"items": [self._label(each) for each in self.labels.values()]})
            case ["POST"]:
                return Response(201, self._label(self.add_label(**request.json())))
            case [_, label_id]:
                label = self.labels[label_id]
                refusal = _refusal(label, request)
                if refusal is not None:
                    return refusal
                if method == "PATCH":
                    return self._change_label(label, request.json())
                if any(_label_key(each) == _label_key({"label": label}) for each in self.recordings.values()):
                    detail = "Recordings have this label: relabel or delete them first."
                    return problem(409, "The label is in use", detail, "label-in-use")
                del self.labels[label_id]
                return Response(204)
            case _:
                return None

    def _change_label(self, label: _Document, changes: _Document) -> Response:
        new = label | changes
        words = (new["exercise"], new["form"])
        if any(each is not label and (each["exercise"], each["form"]) == words for each in self.labels.values()):
            return problem(409, "The label is taken", f"There is a {words[0]} already.", "label-taken")
        for recording in self.recordings.values():
            if _label_key(recording) == _label_key({"label": label}):
                self._mark(recording, label=make_label(*words))
        label |= changes | {"version": label["version"] + 1}
        return Response(200, self._label(label))

    def _label(self, label: _Document) -> _Document:
        own = [each for each in self._kept() if _label_key(each) == _label_key({"label": label})]
        return label | {"n_recordings": len(own), "minutes": _minutes(own)}

    # Streams -----------------------------------------------------------------------------------------------------

    def _movement(self, sensor_id: str, begin: datetime, end: datetime) -> _Document:
        elapsed_s = (end - begin).total_seconds()
        motion = Motion("take", elapsed_s, min(self.onset_s, elapsed_s), elapsed_s)
        cut_s = self.interruption_after_s
        interruptions = []
        if cut_s is not None and elapsed_s > cut_s:
            cut_at = iso(begin + timedelta(seconds=cut_s))
            interruptions = [{"at": cut_at, "reason": "the sensor was disconnected"}]
        return {
            "sensor_id": sensor_id,
            "from": iso(begin),
            "to": iso(end),
            "n_samples": round(elapsed_s * _RATE_HZ),
            "onset_at": iso(begin + timedelta(seconds=self.onset_s)) if elapsed_s > self.onset_s else None,
            "end_at": None,
            "repetitions": [iso(begin + timedelta(seconds=at_s)) for at_s in motion.repetitions_s()],
            "preview": [motion.strength(number * elapsed_s / 60) for number in range(60)],
            "interruptions": interruptions,
        }

    def _timeline(self, sensor_id: str, request: Request) -> _Document:
        begin, end = _interval(request)
        n_points = int(request.value("max_points") or 600)
        step_s = (end - begin).total_seconds() / n_points
        kept_from = datetime.now(UTC) - _KEPT
        moments = [begin + timedelta(seconds=number * step_s) for number in range(n_points)]
        return {
            "sensor_id": sensor_id,
            "from": iso(begin),
            "to": iso(end),
            "kept_from": iso(kept_from),
            "preview": {
                "start_at": iso(begin),
                "step_s": step_s,
                "values": [self._strength(each) if kept_from <= each else None for each in moments],
            },
            "recordings": [
                {
                    "recording_id": each["recording_id"],
                    "label": each["label"],
                    "started_at": each["started_at"],
                    "ended_at": iso(datetime.fromisoformat(each["started_at"]) + timedelta(seconds=each["duration_s"])),
                }
                for each in map(self.resource, self._kept())
                if each["sensor_id"] == sensor_id and begin <= datetime.fromisoformat(each["started_at"]) < end
            ],
            "sets": self.past_sets,
        }

    def _strength(self, at: datetime) -> float:
        noise = _seeded(round(at.timestamp())).uniform(0.02, 0.1)
        for start, end in self.bouts:
            if start <= at < end:
                return round(1.8 + 0.9 * math.sin(at.timestamp() / 3.1) + noise, 3)
        return round(noise, 3)


def _interval(request: Request) -> tuple[datetime, datetime]:
    return datetime.fromisoformat(request.value("from") or ""), datetime.fromisoformat(request.value("to") or "")


def _refusal(document: _Document, request: Request) -> Response | None:
    given = request.headers.get("if-match")
    if given is None:
        return _NO_VERSION
    return None if given in {"*", f'"{document["version"]}"'} else _CONFLICT


def _matches(recording: _Document, request: Request) -> bool:
    label = recording["label"] or {}
    facts = {name: recording[name] for name in ("subject", "session", "sensor_id")}
    facts |= {name: label.get(name) for name in ("exercise", "form")}
    return (
        all(request.value(name) in {None, value} for name, value in facts.items())
        and (recording["deleted_at"] is not None) == (request.value("deleted") == "true")
        and (request.value("unlabelled") != "true" or not label)
    )


def _label_key(recording: _Document) -> tuple[str, str]:
    label = recording["label"] or {}
    return label.get("exercise") or "", label.get("form") or ""


def _minutes(recordings: Iterable[_Document]) -> float:
    seconds: float = sum(each["trim_end_s"] - each["trim_start_s"] for each in recordings)
    return round(seconds / 60, 3)


def show_dataset(fake: FakeRecordings) -> None:
    """Fill the stand-in with what two friends recorded in three sessions, and a third has begun."""
    activities = [
        ("squat", "correct", 2.4), ("squat", "incorrect", 2.1), ("push-up", "correct", 1.8),
        ("push-up", "incorrect", 1.6), ("jumping jack", None, 1.0),
    ]  # fmt: skip
    days = {"1": timedelta(days=9), "2": timedelta(days=5, hours=2), "3": timedelta(hours=20)}
    pick = _seeded(5)
    for subject, sessions in (("Anna", "123"), ("Ben", "12")):
        for session in sessions:
            for number, (exercise, form, period_s) in enumerate(activities):
                for take in range(2):
                    captured_s = pick.choice([20.0, 20.0, 30.0])
                    onset_s, end_s = pick.uniform(0.8, 2.0), captured_s - pick.uniform(0.4, 1.6)
                    fake.add_recording(
                        exercise,
                        form,
                        subject=subject,
                        session=session,
                        ago=days[session] - timedelta(minutes=3 * number + take),
                        motion=Motion(exercise, captured_s, onset_s, end_s, period_s, seed=pick.randrange(999)),
                    )
    fake.add_recording(
        "squat", "correct", subject="Chris", ago=timedelta(minutes=50), note="knee bandage",
        motion=Motion("squat", 12.4, 1.1, 12.4, 2.3), interruption="the sensor was disconnected",
    )  # fmt: skip
    fake.add_recording(None, subject="Chris", session=None, ago=timedelta(minutes=38))
    rest = fake.add_recording("rest", subject="Anna", session="3", ago=timedelta(hours=19))
    rest |= {"trim_start_s": 0.0, "trim_end_s": 20.0}
    fake.motions[rest["recording_id"]] = Motion("rest", 20.0, 20.0, 20.0)
    fake.add_label("rest")["background"] = True
    fake.warnings = [
        {"kind": "one_subject", "text": "Only Anna was recorded for rest: record somebody else, too."},
        {
            "kind": "little_data",
            "text": "There are only 20 s of rest: record at least 30 s, better two minutes.",
        },
        {"kind": "unlabelled", "text": "1 recording has no label, so it is not learned from: give it one."},
    ]
    now = datetime.now(UTC)
    fake.bouts = [
        (now - timedelta(minutes=minutes), now - timedelta(minutes=minutes) + timedelta(seconds=lasted_s))
        for minutes, lasted_s in ((108, 95), (104, 80), (99, 120), (61, 140), (51, 45), (39, 40), (22, 75), (17, 60))
    ]
    fake.past_sets = [
        {
            "set_id": f"s{number}",
            "exercise": exercise,
            "form": form,
            "started_at": iso(fake.bouts[number][0]),
            "ended_at": iso(fake.bouts[number][1]),
        }
        for number, (exercise, form) in enumerate(
            (("squat", "correct"), ("squat", "incorrect"), ("push-up", "correct"))
        )
    ]
