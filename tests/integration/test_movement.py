"""Trimming and counting on the simulated person, and on recordings of real ones."""

import csv
import gzip
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
import pytest
from numpy.typing import NDArray
from support.servers import ROOT

from repsense.channels import CHANNELS
from repsense.recordings.movement import find_movement, find_repetitions
from repsense_ble_gateway.simulation.person import Person, Stretch

BARBELL = ROOT.parent / "shared" / "data" / "barbell"
_MAX_TURN_S = 1.7


@dataclass(frozen=True)
class Take:
    """Somebody waits, gets into position, exercises, gets up and waits.

    Attributes:
        samples: (n_samples, 9)
        gets_ready: The sample at which they begin to move, as are the next ones.
        begins: Where the first repetition begins.
        ends: Where the last one has ended.
        waits: Where they do not move any more.
        n_repetitions: How many there are.
    """

    samples: NDArray[np.float32]
    gets_ready: int
    begins: int
    ends: int
    waits: int
    n_repetitions: int


def takes(seed: int, rate_hz: float) -> Iterator[Take]:
    """One of each exercise of the simulated person."""
    random = np.random.default_rng(seed)
    stretches: list[Stretch] = list(islice(Person(seed, rate_hz).workout(), 36))
    exercised = [index for index, stretch in enumerate(stretches) if stretch.label is not None][:7]
    for index in exercised:
        rest, ready, exercise, *after = (stretch.samples for stretch in stretches[index - 2 : index + 3])
        gets_up = after[:1] if len(after[0]) < _MAX_TURN_S * rate_hz else []
        parts = [
            rest[-round(random.uniform(1.0, 3.0) * rate_hz) :],
            ready,
            exercise,
            np.concatenate([exercise[:0], *gets_up]),
            after[len(gets_up)][: round(random.uniform(1.0, 4.0) * rate_hz)],
        ]
        ends = np.cumsum([len(part) for part in parts]).tolist()
        gets_ready, begins, exercise_ends, waiting = ends[:4]
        n_repetitions = int(stretches[index].repetition.max())
        yield Take(np.concatenate(parts), gets_ready, begins, exercise_ends, waiting, n_repetitions)


@pytest.mark.parametrize("rate_hz", [12.5, 50.0, 104.0])
def test_what_the_simulated_person_does_is_trimmed_and_counted(rate_hz: float) -> None:
    errors = []
    for take in (take for seed in range(1, 9) for take in takes(seed, rate_hz)):
        start, stop = find_movement(take.samples, CHANNELS, rate_hz)
        # Getting ready may belong to it or not; nothing of the exercise is cut off, and hardly any waiting is left.
        assert -0.3 * rate_hz <= start - take.gets_ready
        assert start <= take.begins
        # The last repetition ends in stillness.
        assert take.ends - 0.2 * rate_hz <= stop <= take.waits + 0.5 * rate_hz
        errors.append(len(find_repetitions(take.samples, CHANNELS, rate_hz)) - take.n_repetitions)

    assert np.mean(np.array(errors) == 0) > 0.85
    assert np.mean(np.abs(errors) <= 1) > 0.95


def test_what_real_people_did_with_a_barbell_is_counted() -> None:
    if not BARBELL.is_dir():
        pytest.skip("the barbell recordings (../shared/data) are not here")
    samples: defaultdict[str, list[list[float]]] = defaultdict(list)
    with gzip.open(BARBELL / "samples.csv.gz", "rt") as file:
        for row in csv.DictReader(file):
            samples[row["set_id"]].append([float(row[channel]) for channel in CHANNELS[:6]])
    with (BARBELL / "sets.csv").open() as file:
        sets = [row for row in csv.DictReader(file) if row["reps_nominal"] and row["reps_doubtful"] == "False"]

    counted = [
        len(find_repetitions(np.array(samples[row["set_id"]], dtype=np.float32), CHANNELS[:6], 25.0)) for row in sets
    ]

    # What was agreed on was not always what was done, or recorded.
    errors = np.array(counted) - [float(row["reps_nominal"]) for row in sets]
    assert len(errors) == 34
    assert np.abs(errors).mean() < 0.5
    assert np.mean(np.abs(errors) <= 1) > 0.9
