"""A stand-in for the part of the API that knows workouts; what is corrected stays corrected.

Put into the world with `world.routes.append(FakeWorkouts())`.
"""

import csv
import io
import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from services.dashboard.tests.fake_api import Request, Response, iso, problem

_Document = dict[str, Any]

_WINDOW_S = 2.5
_STRIDE_S = 0.5

# Exercise, usual seconds of a set, seconds of a repetition, how often the form is wrong at the beginning of the year.
_EXERCISES: Sequence[tuple[str, float, float, float | None]] = (
    ("push-up", 38, 2.3, 0.36),
    ("squat", 52, 2.9, 0.24),
    ("sit-up", 44, 2.6, 0.18),
    ("lunge", 56, 3.1, None),
    ("jumping jack", 62, 1.2, None),
)


def make_set(
    set_id: str,
    workout_id: str,
    exercise: str,
    started_at: datetime,
    *,
    duration_s: float = 42.0,
    incorrect_share: float | None = None,
    **changes: object,
) -> _Document:
    """Return a set as it is stored: `incorrect_share` decides on its form."""
    n_windows = round(duration_s / _STRIDE_S)
    n_incorrect = round(n_windows * (incorrect_share or 0.0))
    form_windows = {} if incorrect_share is None else {"correct": n_windows - n_incorrect, "incorrect": n_incorrect}
    form = None if incorrect_share is None else "incorrect" if incorrect_share > 0.5 else "correct"
    return {
        "set_id": set_id,
        "version": 0,
        "sensor_id": "wrist",
        "workout_id": workout_id,
        "state": "closed",
        "exercise": exercise,
        "form": form,
        "form_windows": form_windows,
        "incorrect_share": n_incorrect / n_windows if form_windows else None,
        "recognised": {"exercise": exercise, "form": form},
        "corrected": False,
        "discarded": False,
        "repetitions": None,
        "note": None,
        "started_at": iso(started_at),
        "ended_at": iso(started_at + timedelta(seconds=duration_s)),
        "duration_s": duration_s,
        "n_windows": n_windows,
        "confidence": 0.93,
        "model_name": "bodyweight",
        "model_version": 3,
        "simulated": False,
    } | changes


@dataclass
class FakeWorkouts:
    """Workouts and what people say of them."""

    workouts: dict[str, _Document] = field(default_factory=dict)
    """What is known of each but for its sets: sensor, version, subject, note, simulated."""
    sets: dict[str, _Document] = field(default_factory=dict)
    persons: list[str] = field(default_factory=list)
    labels: list[tuple[str, str | None]] = field(default_factory=list)
    samples_from: datetime = field(default_factory=lambda: datetime.now(UTC) - timedelta(hours=24))
    """The signal of sets before this is gone."""
    kept: list[str] = field(default_factory=list)
    """The sets that became recordings."""

    def add(self, sets: Iterable[_Document], **changes: object) -> None:
        """Add a workout of these sets."""
        sets = list(sets)
        self.sets |= {one["set_id"]: one for one in sets}
        workout_id = sets[0]["workout_id"]
        self.workouts[workout_id] = {
            "workout_id": workout_id,
            "version": 0,
            "sensor_id": sets[0]["sensor_id"],
            "subject": None,
            "note": None,
            "simulated": False,
        } | changes

    def __call__(self, request: Request) -> Response | None:
        match [request.method, *request.path.strip("/").split("/")]:
            case ["GET", "v1", collection]:
                return self._collection(collection, request)
            case ["POST", "v1", "persons"]:
                self.persons.append(request.json()["name"])
                return Response(201, _person(self.persons[-1]))
            case ["GET", "v1", "history", "export"]:
                return self._export(request)
            case [method, "v1", "workouts", workout_id, *rest] if workout_id in self.workouts:
                return self._workout(method, workout_id, rest, request)
            case [method, "v1", "sets", set_id, *rest] if set_id in self.sets:
                return self._set(method, set_id, rest, request)
            case _:
                return None

    def _collection(self, name: str, request: Request) -> Response | None:
        match name:
            case "workouts":
                return self._page(request)
            case "history":
                return Response(document=self._history(request))
            case "persons":
                return Response(document={"items": [_person(name) for name in self.persons]})
            case "labels":
                return Response(document={"items": [_stored_label(*label) for label in self.labels]})
            case _:
                return None

    def _workout(self, method: str, workout_id: str, rest: list[str], request: Request) -> Response | None:
        workout = self.workouts[workout_id]
        match [method, *rest]:
            case ["GET"]:
                return Response(document=self.resource(workout_id))
            case ["GET", "timeline"]:
                return Response(document=self._timeline(workout_id, int(request.value("max_points") or 500)))
            case ["PATCH" | "DELETE"] if conflict := _conflict(request, workout):
                return conflict
            case ["PATCH"]:
                workout |= request.json() | {"version": workout["version"] + 1}
                return Response(document=self.resource(workout_id))
            case ["DELETE"]:
                del self.workouts[workout_id]
                self.sets = {key: one for key, one in self.sets.items() if one["workout_id"] != workout_id}
                return Response(204)
            case _:
                return None

    def _set(self, method: str, set_id: str, rest: list[str], request: Request) -> Response | None:
        entry = self.sets[set_id]
        match [method, *rest]:
            case ["PATCH"]:
                if conflict := _conflict(request, entry):
                    return conflict
                _correct(entry, request.json())
                return Response(document=entry)
            case ["POST", "recording"]:
                if datetime.fromisoformat(entry["started_at"]) < self.samples_from:
                    detail = "nothing of it is stored any more: the signal is kept for 24 hours"
                    return problem(409, "Samples are gone", detail, "samples-gone")
                self.kept.append(set_id)
                return Response(201, {"items": [{"recording_id": f"of-{set_id}"}]})
            case _:
                return None

    def of_workout(self, workout_id: str) -> list[_Document]:
        """Return a workout's sets in the order of time."""
        found = (one for one in self.sets.values() if one["workout_id"] == workout_id)
        return sorted(found, key=lambda one: str(one["started_at"]))

    def resource(self, workout_id: str) -> _Document:
        """Return a workout as the API does."""
        sets = self.of_workout(workout_id)
        counted = [one for one in sets if not one["discarded"]]
        start, end = (datetime.fromisoformat(at) for at in (sets[0]["started_at"], sets[-1]["ended_at"]))
        return self.workouts[workout_id] | {
            "started_at": iso(start),
            "ended_at": iso(end),
            "duration_s": (end - start).total_seconds(),
            "active_s": sum(one["duration_s"] for one in counted),
            "n_sets": len(counted),
            "totals": _totals(counted),
        }

    def _wanted(self, request: Request) -> list[_Document]:
        """The workouts that a request is about, newest first."""
        found = [self.resource(workout_id) for workout_id in self.workouts]
        subject, sensor_id = request.value("subject"), request.value("sensor_id")
        start, end = request.value("from"), request.value("to")
        exercise = request.value("exercise")
        return sorted(
            (
                one
                for one in found
                if (subject is None or one["subject"] == subject)
                and (sensor_id is None or one["sensor_id"] == sensor_id)
                and (start is None or datetime.fromisoformat(one["started_at"]) >= datetime.fromisoformat(start))
                and (end is None or datetime.fromisoformat(one["started_at"]) < datetime.fromisoformat(end))
                and (exercise is None or any(total["exercise"] == exercise for total in one["totals"]))
            ),
            key=lambda one: str(one["started_at"]),
            reverse=True,
        )

    def _page(self, request: Request) -> Response:
        limit, first = int(request.value("limit") or 100), int(request.value("cursor") or 0)
        found = self._wanted(request)
        more = first + limit < len(found)
        return Response(
            document={"items": found[first : first + limit], "next_cursor": str(first + limit) if more else None}
        )

    def _history(self, request: Request) -> _Document:
        zone, by = ZoneInfo(request.value("zone") or "UTC"), request.value("by") or "day"
        groups: dict[date, list[_Document]] = defaultdict(list)
        workouts = self._wanted(request)
        for workout in workouts:
            day = datetime.fromisoformat(workout["started_at"]).astimezone(zone).date()
            groups[day if by == "day" else day - timedelta(days=day.weekday())].append(workout)
        periods = [{"starts_on": day.isoformat()} | self._total(groups[day]) for day in sorted(groups, reverse=True)]
        return {"zone": zone.key, "by": by, "periods": periods, "total": self._total(workouts)}

    def _total(self, workouts: Sequence[_Document]) -> _Document:
        ids = {one["workout_id"] for one in workouts}
        sets = [one for one in self.sets.values() if one["workout_id"] in ids and not one["discarded"]]
        return {
            "n_workouts": len(workouts),
            "n_sets": len(sets),
            "active_s": sum(one["duration_s"] for one in sets),
            "incorrect_share": _incorrect_share(sets),
            "exercises": _totals(sets),
        }

    def _timeline(self, workout_id: str, max_points: int) -> _Document:
        sets = self.of_workout(workout_id)
        of_sets = [_windows(one) for one in sets]
        step = max(1, -(-sum(map(len, of_sets)) // max_points) + 1)
        return {
            "started_at": sets[0]["started_at"],
            "ended_at": sets[-1]["ended_at"],
            "sets": sets,
            "windows": [
                windows[first] | {"end_at": windows[min(first + step, len(windows)) - 1]["end_at"]}
                for windows in of_sets
                for first in range(0, len(windows), step)
            ],
        }

    def _export(self, request: Request) -> Response:
        found = self._wanted(request)
        if request.value("format") == "csv":
            text = io.StringIO()
            names = ("set_id", "workout_id", "started_at", "exercise", "form", "duration_s", "repetitions")
            writer = csv.DictWriter(text, names, extrasaction="ignore")
            writer.writeheader()
            writer.writerows(one for workout in found for one in self.of_workout(workout["workout_id"]))
            disposition = {"Content-Disposition": 'attachment; filename="workouts.csv"', "Content-Type": "text/csv"}
            return Response(document=text.getvalue().encode(), headers=disposition)
        items = [workout | {"sets": self.of_workout(workout["workout_id"])} for workout in found]
        return Response(
            document={"workouts": items}, headers={"Content-Disposition": 'attachment; filename="workouts.json"'}
        )


def _person(name: str) -> _Document:
    created_at = iso(datetime(2026, 1, 1, tzinfo=UTC))
    return {"person_id": f"id-of-{name}", "name": name, "version": 1, "created_at": created_at}


def _stored_label(exercise: str, form: str | None) -> _Document:
    created_at = iso(datetime(2026, 1, 1, tzinfo=UTC))
    label_id = f"id-of-{exercise}-{form}"
    return {"label_id": label_id, "exercise": exercise, "form": form, "version": 1, "created_at": created_at}


def _conflict(request: Request, document: _Document) -> Response | None:
    if request.headers.get("if-match") == f'"{document["version"]}"':
        return None
    return problem(412, "Changed meanwhile", "it was changed meanwhile: load it again", "version-conflict")


def _correct(entry: _Document, changes: _Document) -> None:
    if "label" in changes:
        label = changes.pop("label") or entry["recognised"]
        entry |= label | {"form": label.get("form")}
        n_windows = entry["n_windows"]
        entry["form_windows"] = {entry["form"]: n_windows} if entry["form"] else {}
        entry["incorrect_share"] = float(entry["form"] == "incorrect") if entry["form"] else None
    entry |= changes | {"version": entry["version"] + 1}
    entry["corrected"] = {key: entry[key] for key in ("exercise", "form")} != entry["recognised"]


def _incorrect_share(sets: Iterable[_Document]) -> float | None:
    counts: dict[str, int] = defaultdict(int)
    for one in sets:
        for form, n_windows in one["form_windows"].items():
            counts[form] += n_windows
    n_windows = sum(counts.values())
    return counts["incorrect"] / n_windows if n_windows else None


def _totals(sets: Sequence[_Document]) -> list[_Document]:
    by_exercise: dict[str, list[_Document]] = defaultdict(list)
    for one in sets:
        by_exercise[one["exercise"]].append(one)
    return [
        {
            "exercise": exercise,
            "n_sets": len(some),
            "active_s": sum(one["duration_s"] for one in some),
            "incorrect_share": _incorrect_share(some),
            "repetitions": sum(known) if (known := [n for one in some if (n := one["repetitions"])]) else None,
        }
        for exercise, some in sorted(by_exercise.items())
    ]


def _windows(entry: _Document) -> list[_Document]:
    """A window per stride, the incorrect ones towards the end of the set, where people get tired."""
    start, n_windows = datetime.fromisoformat(entry["started_at"]), entry["n_windows"]
    recognised = entry["recognised"]
    n_incorrect = round(n_windows * (entry["incorrect_share"] or 0.0))
    windows = []
    for number in range(n_windows):
        at = start + timedelta(seconds=number * _STRIDE_S)
        form = recognised["form"] and ("incorrect" if number >= n_windows - n_incorrect else "correct")
        label = None if number % 23 == 11 else {"exercise": recognised["exercise"], "form": form}
        end = at + timedelta(seconds=_WINDOW_S)
        windows.append({"start_at": iso(at), "end_at": iso(end), "label": label, "confidence": 0.9})
    return windows


def make_year(until: datetime, *, seed: int = 3) -> FakeWorkouts:
    """Return a year of two people who train at home: more often towards the end, with better form."""
    chance = random.Random(seed)  # noqa: S311
    fake = FakeWorkouts(
        persons=["Anna", "Ben"],
        labels=[
            *((exercise, form) for exercise, _, _, share in _EXERCISES[:3] for form in ("correct", "incorrect")),
            *((exercise, None) for exercise, _, _, _ in _EXERCISES[3:]),
        ],
        samples_from=until - timedelta(hours=24),
    )
    for days_ago in range(364, -1, -1):
        day = (until - timedelta(days=days_ago)).date()
        progress = 1 - days_ago / 364
        holiday = 150 < days_ago < 166
        # Counted from the end, and not by weekdays: somebody has trained today, whichever day that is.
        for person, days, eagerness in (("Anna", (0, 3, 5), 0.55 + 0.4 * progress), ("Ben", (1, 6), 0.4)):
            if holiday or days_ago % 7 not in days or (days_ago and chance.random() > eagerness):
                continue
            at = datetime.combine(day, time(17, 30), UTC) + timedelta(minutes=chance.gauss(0, 35))
            at = min(at, until - timedelta(minutes=50))
            _add_workout(fake, chance, person if chance.random() < 0.93 else None, at, progress)
    return fake


def _add_workout(fake: FakeWorkouts, chance: random.Random, person: str | None, at: datetime, progress: float) -> None:
    sensor_id = "ankle" if person == "Ben" else "wrist"
    workout_id = f"{sensor_id}-{int(at.timestamp())}"
    sets: list[_Document] = []
    for exercise, usual_s, repetition_s, wrong in chance.sample(_EXERCISES, k=chance.randint(2, 4)):
        for _ in range(chance.randint(2, 4)):
            duration_s = round(max(15.0, chance.gauss(usual_s * (0.8 + 0.35 * progress), 6)), 1)
            share = None if wrong is None else min(0.95, max(0.0, chance.gauss(wrong * (1.15 - progress), 0.12)))
            sets.append(
                make_set(
                    f"{workout_id}-{len(sets)}", workout_id, exercise, at, duration_s=duration_s, incorrect_share=share
                )
                | {
                    "sensor_id": sensor_id,
                    "repetitions": round(duration_s / repetition_s) if chance.random() < 0.8 else None,
                    "confidence": round(chance.uniform(0.84, 0.99), 2),
                }
            )
            at += timedelta(seconds=duration_s + chance.uniform(45, 110))
    note = "Left shoulder a little sore." if chance.random() < 0.06 else None
    fake.add(sets, subject=person, note=note)
