"""Sets and workouts: from labels in time to what a person remembers having done."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from repsense.documents import ExerciseTotalDocument, SetDocument, WorkoutDocument, sensor_key
from repsense.labels import Label
from repsense.manifest import ModelManifest
from repsense.timestamps import MICROSECONDS

__all__ = ["SetRules", "SetTracker"]


@dataclass(frozen=True, slots=True)
class SetRules:
    """When a set ends and what counts as one.

    Attributes:
        max_pause_s: A set goes on over a pause (unknown, still, signal lost) of up to this long between two windows.
        min_windows: What is shorter than this is a slip of the network or a try, not a set.
        workout_pause_s: A pause of more than this between two sets begins a new workout.
        workout_max_s: So does a set that begins later than this after the workout. People stop before; a simulated
            person goes on for months, and storing a set costs the more the more sets its workout has.
        stored_every: A set that goes on is stored every so many windows. What a crash leaves behind it is made up
            for from the stored classifications.
    """

    max_pause_s: float = 4.0
    min_windows: int = 6
    workout_pause_s: float = 30 * 60
    workout_max_s: float = 12 * 3600
    stored_every: int = 4


class SetTracker:
    """Follows one sensor's labels; opens, grows and closes its sets, and keeps its workout.

    A set lasts from the middle of its first window to the middle of its last: a window gets the label of the exercise
    that fills about half of it or more.

    A window is counted at most once, also across restarts: one that ends no later than the newest counted window
    is passed over.
    """

    def __init__(
        self,
        sensor_id: str,
        manifest: ModelManifest,
        rules: SetRules,
        *,
        sets: Iterable[SetDocument] = (),
        workout: WorkoutDocument | None = None,
    ) -> None:
        """Begin, or go on from what is stored.

        Args:
            sensor_id: The sensor.
            manifest: Of the model that labels the windows.
            rules: When sets end.
            sets: The stored sets of the newest workout, in any order.
            workout: The sensor's newest workout.
        """
        self._sensor_id = sensor_id
        self._manifest = manifest
        self._rules = rules
        self._workout = workout
        self._workout_sets = {document["_id"]: document for document in sets}
        newest = max(self._workout_sets.values(), key=lambda document: document["ended_us"], default=None)
        self._counted_until_us = newest["last_window_end_us"] if newest is not None else 0
        self._open = newest if newest is not None and newest["state"] == "open" else None
        self._n_unstored = 0
        """Windows of the open set since it was stored."""

    @property
    def running(self) -> SetDocument | None:
        """The set that goes on, once it is long enough to be one."""
        if self._open is None or self._open["n_windows"] < self._rules.min_windows:
            return None
        return self._open

    def update(
        self, start_us: int, end_us: int, label: Label | None, confidence: float, *, simulated: bool
    ) -> list[SetDocument]:
        """Take the next window.

        Args:
            start_us: Its first sample's time.
            end_us: Its end.
            label: What it was found to be, smoothed; None is "unknown".
            confidence: In that label.
            simulated: Whether a person's body moved.

        Returns:
            The sets that must be stored now, as they are by now.
        """
        if end_us <= self._counted_until_us:
            return []
        changed: list[SetDocument] = []
        middle_us = (start_us + end_us) // 2
        if self._open is not None:
            pause_us = start_us - self._open["last_window_end_us"]
            other = label is not None and label.exercise != self._open["exercise"]
            if other or pause_us > self._rules.max_pause_s * MICROSECONDS:
                changed += self.close()
        if label is None:
            # A pause may be longer than what a restart looks back.
            return changed + self.bring_up_to_date()
        if self._open is None:
            self._open = self._new_set(middle_us, label, simulated=simulated)
            self._n_unstored = 0
        self._open["ended_us"] = middle_us
        self._open["last_window_end_us"] = self._counted_until_us = end_us
        self._count(self._open, label, confidence)
        self._n_unstored += 1
        if self.running is not None and self._n_unstored >= self._rules.stored_every:
            changed.append(self._stored(self.running))
        return changed

    def bring_up_to_date(self) -> list[SetDocument]:
        """Have the set that goes on stored with all of its windows.

        Returns:
            As `update`.
        """
        if self.running is None or not self._n_unstored:
            return []
        return [self._stored(self.running)]

    def begin_stream(self, first_sample_us: int) -> list[SetDocument]:
        """Follow a sensor that was connected anew; its clock, or a faster replay before, may have jumped.

        Returns:
            As `update`.
        """
        if first_sample_us >= self._counted_until_us:
            return []
        self._counted_until_us = 0
        return self.close()

    def close(self) -> list[SetDocument]:
        """End the set that goes on, if there is one; what is too short to be a set is forgotten."""
        ended, self._open = self.running, None
        if ended is None:
            return []
        ended["state"] = "closed"
        return [self._stored(ended)]

    @property
    def workout(self) -> WorkoutDocument | None:
        """The workout that the newest set belongs to."""
        return self._workout

    def _new_set(self, started_us: int, label: Label, *, simulated: bool) -> SetDocument:
        return SetDocument(
            _id=f"{self._sensor_id}-{started_us}",
            sensor_key=sensor_key(self._sensor_id, started_us),
            sensor_id=self._sensor_id,
            workout_id="",
            state="open",
            exercise=label.exercise,
            form=None,
            form_windows={},
            started_us=started_us,
            ended_us=started_us,
            last_window_end_us=started_us,
            n_windows=0,
            confidence=0.0,
            model_name=self._manifest.name,
            model_version=self._manifest.version,
            simulated=simulated,
        )

    @staticmethod
    def _count(document: SetDocument, label: Label, confidence: float) -> None:
        n_before = document["n_windows"]
        document["n_windows"] = n_before + 1
        document["confidence"] += (confidence - document["confidence"]) / (n_before + 1)
        if label.form is not None:
            forms = document["form_windows"]
            forms[label.form] = forms.get(label.form, 0) + 1
            document["form"] = max(forms, key=lambda form: forms[form])

    def _stored(self, document: SetDocument) -> SetDocument:
        """Enter a set into its workout; return a copy that later windows do not change."""
        self._workout = self._workout_of(document)
        self._n_unstored = 0
        document["workout_id"] = self._workout["_id"]
        copy = SetDocument(**document)
        copy["form_windows"] = dict(document["form_windows"])
        self._workout_sets[copy["_id"]] = copy
        sets = list(self._workout_sets.values())
        totals = _totals(sets)
        self._workout = WorkoutDocument(
            **{
                **self._workout,
                "ended_us": max(s["ended_us"] for s in sets),
                "n_sets": len(sets),
                "exercises": {total["exercise"]: total["n_sets"] for total in totals},
                "totals": totals,
            }
        )
        return copy

    def _workout_of(self, document: SetDocument) -> WorkoutDocument:
        started_us, workout = document["started_us"], self._workout
        if (
            workout is not None
            and started_us - workout["ended_us"] <= self._rules.workout_pause_s * MICROSECONDS
            and started_us - workout["started_us"] <= self._rules.workout_max_s * MICROSECONDS
        ):
            return workout
        self._workout_sets = {}
        return WorkoutDocument(
            _id=document["_id"],
            sensor_key=document["sensor_key"],
            sensor_id=self._sensor_id,
            started_us=started_us,
            ended_us=document["ended_us"],
            n_sets=0,
            exercises={},
            totals=[],
            simulated=document["simulated"],
        )


def _totals(sets: Sequence[SetDocument]) -> list[ExerciseTotalDocument]:
    """What a workout of these sets holds, by exercise."""
    totals = []
    for exercise in sorted({s["exercise"] for s in sets}):
        of_exercise = [s for s in sets if s["exercise"] == exercise]
        form_windows: Counter[str] = Counter()
        for one in of_exercise:
            form_windows.update(one["form_windows"])
        totals.append(
            ExerciseTotalDocument(
                exercise=exercise,
                n_sets=len(of_exercise),
                duration_us=sum(s["ended_us"] - s["started_us"] for s in of_exercise),
                form_windows=dict(form_windows),
            )
        )
    return totals
