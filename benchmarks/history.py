"""What the pages that show sets, workouts and the present ask of the API, after years of workouts.

The embedded database does not say how it found something. So every call is timed on a tenth of the data and on all
of them: what goes by an index takes the same time on both.
"""

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from support import servers

from benchmarks.tables import print_table
from repsense.channels import CHANNELS
from repsense.database import Documents, connect_database, ensure_indexes
from repsense.documents import (
    CLASSIFICATIONS,
    SAMPLES,
    SENSORS,
    SET_EDITS,
    SETS,
    WORKOUT_EDITS,
    WORKOUTS,
    SetDocument,
    encode_samples,
    sensor_key,
)
from repsense.timestamps import MICROSECONDS, from_epoch_us, now_us

_N_WORKOUTS = 5_000
_SETS_PER_WORKOUT = 10
_WINDOWS_PER_WORKOUT = 200
_YEARS = 5
_SENSOR = "wrist"
_EXERCISES = {"push-up": 8, "squat": 8, "sit-up": 4, "lunge": 4, "burpee": 1}
"""With how often each is done."""
_PERSONS = ("Anna", "Ben", None)
_SET_S = 30
_PAUSE_S = 90
_SIGNAL_S = 600
_CHUNK = 10
"""Samples per stored message."""
_RATE_HZ = 50.0
_N_LABELS = 7
"""Of the shipped model."""
_BATCH = 400
"""Documents per insert: with thousands the embedded database does not answer for too long."""
_N_CALLS = 30
_YEAR_US = 365 * 24 * 3600 * MICROSECONDS

Call = Callable[[httpx.Client], httpx.Response]


def run(folder: Path) -> None:
    """Time each call on 500 workouts and on 5,000, in the same five years."""
    measured = [_measure(folder / str(n_workouts), n_workouts) for n_workouts in (_N_WORKOUTS // 10, _N_WORKOUTS)]
    rows = []
    for name, few_s in measured[0].items():
        many_s = measured[1][name]
        ratio = np.median(many_s) / np.median(few_s)
        rows.append([name, *_figures(few_s), *_figures(many_s), f"{ratio:.1f}"])
    title = (
        f"Calls of the pages on {_N_WORKOUTS:,} workouts, {_N_WORKOUTS * _SETS_PER_WORKOUT:,} sets and "
        f"{_N_WORKOUTS * _WINDOWS_PER_WORKOUT:,} classifications, and on a tenth of them"
    )
    print_table(title, ["call", "p50, a tenth", "p95", "p50, all", "p95", "p50, all / a tenth"], rows)


def _figures(seconds: Sequence[float]) -> list[str]:
    return [f"{value * 1e3:.0f} ms" for value in np.percentile(seconds, [50, 95])]


def _measure(folder: Path, n_workouts: int) -> Mapping[str, Sequence[float]]:
    with servers.database(folder / "database") as database:
        url = f"mongodb://127.0.0.1:{database.port}/repsense"
        documents = connect_database(url)
        starts_us = _seed(documents, n_workouts)
        documents.client.close()
        with _service(folder, url) as client:
            calls = _calls(starts_us)
            # The service begins to read it as soon as it has found the database.
            first = {"history of all time, at once after a start": [_timed(calls["history of all time"], client)]}
            return first | {name: _times(call, client) for name, call in calls.items()}


def _times(call: Call, client: httpx.Client) -> list[float]:
    call(client)
    return [_timed(call, client) for _ in range(_N_CALLS)]


def _timed(call: Call, client: httpx.Client) -> float:
    begun_s = time.perf_counter()
    call(client).raise_for_status()
    return time.perf_counter() - begun_s


@contextmanager
def _service(folder: Path, database_url: str) -> Iterator[httpx.Client]:
    port = servers.free_port()
    environment = {"MONGODB_URL": database_url, "MQTT_URL": "mqtt://127.0.0.1:9", "API_PORT": str(port)}
    with (
        servers.process("repsense-inference", folder, port, environment),
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client,
    ):
        yield client


def _calls(starts_us: Sequence[int]) -> dict[str, Call]:
    """What is asked, by name; the workouts began at these times, oldest first."""
    middle = f"{_SENSOR}-{starts_us[len(starts_us) // 2]}"
    zone = "Europe/Berlin"
    last_year = from_epoch_us(starts_us[-1] - _YEAR_US).isoformat()
    long_ago = from_epoch_us(starts_us[len(starts_us) // 3]).isoformat()

    def get(path: str, **parameters: str | int) -> Call:
        return lambda client: client.get(f"/v1/{path}", params=parameters)

    def correct(client: httpx.Client) -> httpx.Response:
        body = {"repetitions": random.randrange(20)}  # noqa: S311 - no secret
        client.patch(f"/v1/sets/{middle}", json=body, headers={"If-Match": "*"}).raise_for_status()
        return client.get("/v1/history", params={"by": "week", "zone": zone})

    doomed = iter(starts_us)

    def delete(client: httpx.Client) -> httpx.Response:
        workout = f"/v1/workouts/{_SENSOR}-{next(doomed)}"
        client.delete(workout, headers={"If-Match": "*"}).raise_for_status()
        return client.get("/v1/workouts", params={"limit": 50})

    return {
        "history of all time": get("history", by="week", zone=zone),
        "history of all time, one person": get("history", by="week", zone=zone, subject="Anna"),
        "history of a year by day": get("history", by="day", zone=zone, **{"from": last_year}),
        "a set corrected, then the history": correct,
        "a workout deleted, then the newest 50": delete,
        "newest 50 workouts": get("workouts", limit=50),
        "50 workouts of long ago": get("workouts", limit=50, to=long_ago),
        "50 workouts of a person with a rare exercise": get("workouts", limit=50, subject="Ben", exercise="burpee"),
        "one workout": get(f"workouts/{middle}"),
        "its sets": get("sets", workout_id=middle),
        "its timeline": get(f"workouts/{middle}/timeline", max_points=500),
        "sensors": get("sensors"),
        "live": get(f"sensors/{_SENSOR}/live"),
        "signal of 10 s": get(f"sensors/{_SENSOR}/samples", seconds=10, max_points=300),
        "last 10 sets": get("sets", sensor_id=_SENSOR, limit=10),
        "100 classifications": get("classifications", sensor_id=_SENSOR, limit=100),
        "models": get("models"),
    }


def _seed(documents: Documents, n_workouts: int) -> list[int]:
    """Fill the database; return when each workout began, oldest first."""
    ensure_indexes(documents)
    chance = random.Random(7)  # noqa: S311 - no secret
    end_us = now_us() - 3600 * MICROSECONDS
    step_us = _YEARS * _YEAR_US // n_workouts
    starts_us = [end_us - (n_workouts - number) * step_us for number in range(n_workouts)]
    sets = [_sets(start_us, chance) for start_us in starts_us]
    _insert(documents, SETS, (dict(one) for of_workout in sets for one in of_workout))
    _insert(documents, WORKOUTS, (_workout(of_workout) for of_workout in sets))
    _insert(documents, WORKOUT_EDITS, (_workout_edit(of_workout[0], chance) for of_workout in sets))
    _insert(documents, SET_EDITS, (_set_edit(of_workout[0]) for of_workout in sets if chance.random() < 1 / 3))
    _insert(documents, CLASSIFICATIONS, (one for of_workout in sets for one in _windows(of_workout)))
    _insert(documents, SAMPLES, _chunks(end_us))
    documents[SENSORS].insert_one(_sensor(end_us))
    return starts_us


def _insert(documents: Documents, name: str, items: Iterator[dict[str, Any]]) -> None:
    batch: list[dict[str, Any]] = []
    for item in items:
        batch.append(item)
        if len(batch) == _BATCH:
            documents[name].insert_many(batch, ordered=False)
            batch = []
    if batch:
        documents[name].insert_many(batch, ordered=False)


def _sets(workout_us: int, chance: random.Random) -> list[SetDocument]:
    sets = []
    chosen = chance.choices(list(_EXERCISES), list(_EXERCISES.values()), k=_SETS_PER_WORKOUT)
    for number, exercise in enumerate(chosen):
        started_us = workout_us + number * (_SET_S + _PAUSE_S) * MICROSECONDS
        has_forms = exercise in {"push-up", "sit-up"}
        sets.append(
            SetDocument(
                _id=f"{_SENSOR}-{started_us}",
                sensor_key=sensor_key(_SENSOR, started_us),
                sensor_id=_SENSOR,
                workout_id=f"{_SENSOR}-{workout_us}",
                state="closed",
                exercise=exercise,
                form="correct" if has_forms else None,
                form_windows={"correct": 50, "incorrect": 8} if has_forms else {},
                started_us=started_us,
                ended_us=started_us + _SET_S * MICROSECONDS,
                last_window_end_us=started_us + (_SET_S + 1) * MICROSECONDS,
                n_windows=58,
                confidence=0.93,
                model_name="bodyweight",
                model_version=1,
                simulated=True,
            )
        )
    return sets


def _workout(sets: Sequence[SetDocument]) -> dict[str, Any]:
    names = sorted({one["exercise"] for one in sets})
    of_exercise = {name: [one for one in sets if one["exercise"] == name] for name in names}
    totals = [
        {
            "exercise": name,
            "n_sets": len(found),
            "duration_us": len(found) * _SET_S * MICROSECONDS,
            "form_windows": {form: n * len(found) for form, n in found[0]["form_windows"].items()},
        }
        for name, found in of_exercise.items()
    ]
    return {
        "_id": sets[0]["workout_id"],
        "sensor_key": sets[0]["sensor_key"],
        "sensor_id": _SENSOR,
        "started_us": sets[0]["started_us"],
        "ended_us": sets[-1]["ended_us"],
        "n_sets": len(sets),
        "exercises": {name: len(found) for name, found in of_exercise.items()},
        "totals": totals,
        "simulated": True,
    }


def _workout_edit(first: SetDocument, chance: random.Random) -> dict[str, Any]:
    started_us = first["started_us"]
    return {
        "_id": first["workout_id"],
        "started_us": started_us,
        "version": 1,
        "changed_us": started_us + 3600 * MICROSECONDS,
        "subject": chance.choice(_PERSONS),
        "note": None,
    }


def _set_edit(one: SetDocument) -> dict[str, Any]:
    return {
        "_id": one["_id"],
        "workout_id": one["workout_id"],
        "started_us": one["started_us"],
        "version": 1,
        "changed_us": one["started_us"] + 3600 * MICROSECONDS,
        "label": {"exercise": "squat", "form": None},
        "discarded": False,
        "repetitions": 12,
        "note": None,
        "original": {
            "exercise": one["exercise"],
            "n_sets": 1,
            "duration_us": _SET_S * MICROSECONDS,
            "form_windows": one["form_windows"],
        },
        "n_windows": one["n_windows"],
    }


def _windows(sets: Sequence[SetDocument]) -> Iterator[dict[str, Any]]:
    """Windows evenly over a workout, some of them in its pauses."""
    step_us = (sets[-1]["ended_us"] - sets[0]["started_us"]) // _WINDOWS_PER_WORKOUT
    for number in range(_WINDOWS_PER_WORKOUT):
        start_us = sets[0]["started_us"] + number * step_us
        one = sets[min(number * len(sets) // _WINDOWS_PER_WORKOUT, len(sets) - 1)]
        label = {"exercise": one["exercise"], "form": one["form"]} if start_us < one["ended_us"] else None
        yield {
            "_id": f"{_SENSOR}:bodyweight@1:{start_us}",
            "sensor_key": sensor_key(_SENSOR, start_us),
            "sensor_id": _SENSOR,
            "stream_id": "benchmark",
            "model_name": "bodyweight",
            "model_version": 1,
            "window_start_us": start_us,
            "window_end_us": start_us + 2_500_000,
            "last_sequence": number,
            "label": label,
            "confidence": 0.93,
            "window_label": label,
            "probabilities": [1 / (_N_LABELS + 1)] * _N_LABELS,
            "unclassified_reason": None,
            "simulated": True,
        }


def _chunks(end_us: int) -> Iterator[dict[str, Any]]:
    """Ten minutes of signal, up to a time."""
    n_samples = round(_SIGNAL_S * _RATE_HZ)
    signal = np.random.default_rng(7).normal(size=(n_samples, len(CHANNELS))).astype(np.float32)
    period_us = round(MICROSECONDS / _RATE_HZ)
    for sequence in range(0, n_samples, _CHUNK):
        first_us = end_us - (n_samples - sequence) * period_us
        yield {
            "_id": f"benchmark:{sequence:012d}",
            "sensor_key": sensor_key(_SENSOR, first_us),
            "sensor_id": _SENSOR,
            "stream_id": "benchmark",
            "sequence": sequence,
            "n_lost_before": 0,
            "n_samples": _CHUNK,
            "first_sample_us": first_us,
            "last_sample_us": first_us + (_CHUNK - 1) * period_us,
            "sample_rate_hz": _RATE_HZ,
            "channels": [channel.value for channel in CHANNELS],
            "samples": encode_samples(signal[sequence : sequence + _CHUNK]),
            "simulated": True,
        }


def _sensor(last_sample_us: int) -> dict[str, Any]:
    return {
        "_id": _SENSOR,
        "stream_id": "benchmark",
        "channels": [channel.value for channel in CHANNELS],
        "sample_rate_hz": _RATE_HZ,
        "first_seen_us": last_sample_us - _YEARS * _YEAR_US,
        "last_sample_us": last_sample_us,
        "n_samples": round(_SIGNAL_S * _RATE_HZ),
        "n_lost": 0,
        "n_duplicate": 0,
        "problem": None,
        "simulated": True,
    }
