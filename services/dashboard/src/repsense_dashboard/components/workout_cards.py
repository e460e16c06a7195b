"""Workouts, sets and what they add up to: pure functions to HTML."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from repsense_dashboard.api.workouts import HistoryTotal, Workout, WorkoutSet
from repsense_dashboard.components.markup import form_chip, icon, simulated_badge, text
from repsense_dashboard.reader import ReaderZone
from repsense_dashboard.wording import as_title, counted, label_words, percent, rough_duration, spoken_duration
from repsense_dashboard.workout_history import ExerciseRow, form_times, incorrect_share, only_exercise

__all__ = ["exercise_list", "set_row", "tiles", "workout_row", "workout_tiles", "workout_when"]

_SAME_POINTS = 0.5
_NEAR_DAYS = {0: "Today", 1: "Yesterday"}
_TIMES = " \N{MULTIPLICATION SIGN} "


@dataclass(frozen=True)
class _Figures:
    n_sets: int
    active_s: float
    correct: float | None
    """Share of the time whose form is known."""

    @classmethod
    def of(cls, total: HistoryTotal, exercise: str | None) -> "_Figures":
        """Return what a span adds up to, of all exercises or of one."""
        totals = only_exercise(total, exercise)
        times = form_times(totals)
        judged_s = times.correct_s + times.incorrect_s
        return cls(sum(one.n_sets for one in totals), times.active_s, times.correct_s / judged_s if judged_s else None)


def tiles(
    total: HistoryTotal, before: HistoryTotal | None, *, before_words: str, weeks_in_a_row: int, exercise: str | None
) -> str:
    """Return what a span adds up to, each figure beside that of the span before.

    Args:
        total: Of the span.
        before: Of the one before, as far into it; None where there is none.
        before_words: What that one is called: "the 4 weeks before".
        weeks_in_a_row: In which there was a workout.
        exercise: If only one exercise counts.
    """
    now, then = _Figures.of(total, exercise), _Figures.of(before, exercise) if before else None
    parts = []
    if exercise is None:
        parts.append(_tile("Workouts", str(total.n_workouts), f"was {before.n_workouts}" if before else ""))
    parts.append(_tile("Sets", str(now.n_sets), f"was {then.n_sets}" if then else ""))
    parts.append(_tile("Active", rough_duration(now.active_s), f"was {rough_duration(then.active_s)}" if then else ""))
    if now.correct is not None:
        was = f"was {percent(then.correct)}" if then is not None and then.correct is not None else ""
        parts.append(_tile("Correct form", percent(now.correct), was))
    parts.append(_tile("In a row", counted(weeks_in_a_row, "week"), "with a workout"))
    foot = f'<p class="rs-aside">“Was” is {text(before_words)}.</p>' if before is not None else ""
    return f'<div class="rs-tiles">{"".join(parts)}</div>{foot}'


def workout_tiles(workout: Workout) -> str:
    """Return what one workout adds up to."""
    wrong = incorrect_share(workout)
    parts = [
        _tile("Sets", str(workout.n_sets)),
        _tile("Active", rough_duration(workout.active_s)),
        _tile("From first to last", rough_duration(workout.duration_s)),
    ]
    if wrong is not None:
        parts.append(_tile("Correct form", percent(1 - wrong)))
    repetitions = sum(total.repetitions or 0 for total in workout.totals)
    if repetitions:
        parts.append(_tile("Repetitions", str(repetitions), "as far as they were counted"))
    return f'<div class="rs-tiles">{"".join(parts)}</div>'


def _tile(name: str, value: str, note: str = "") -> str:
    below = f"<small>{text(note)}</small>" if note else ""
    return f'<div class="rs-tile"><span>{text(name)}</span><b>{text(value)}</b>{below}</div>'


def exercise_list(rows: Sequence[ExerciseRow]) -> str:
    """Return what was done of each exercise, with its form and how that has changed."""
    return f'<ul class="rs-exercises">{"".join(map(_exercise, rows))}</ul>'


def _exercise(row: ExerciseRow) -> str:
    total = row.total
    facts = [counted(total.n_sets, "set"), rough_duration(total.active_s)]
    if total.repetitions is not None:
        facts.append(counted(total.repetitions, "repetition"))
    wrong = total.incorrect_share
    form = f"{_gain(row.gain)} {percent(1 - wrong)} correct" if wrong is not None else "form not told apart"
    bar = _form_bar(wrong) if wrong is not None else ""
    name = text(as_title(total.exercise))
    return f"<li><b>{name}</b><span>{form}</span>{bar}<small>{text(', '.join(facts))}</small></li>"


def _gain(gain: float | None) -> str:
    if gain is None:
        return ""
    points = gain * 100
    if abs(points) < _SAME_POINTS:
        return "<small>as before</small>"
    tone, words = ("correct", "better") if points > 0 else ("incorrect", "worse")
    return f'<small class="rs-text-{tone}">{counted(round(abs(points)), "point")} {words}</small>'


def _form_bar(wrong: float) -> str:
    """Return how much was done correctly and how much was not, as a bar, beside which the figure stands."""
    return (
        f'<span class="rs-form-bar" aria-hidden="true"><i style="width:{1 - wrong:.1%}"></i>'
        f'<s style="width:{wrong:.1%}"></s></span>'
    )


def _form(wrong: float) -> str:
    return f'<span class="rs-form">{_form_bar(wrong)}{percent(1 - wrong)} correct</span>'


def workout_when(workout: Workout, now: datetime, zone: ReaderZone) -> str:
    """Return when a workout was: "Today, 17:40 to 18:22", "Tuesday 3 Mar, 17:40 to 18:22"."""
    start, end, present = (at.astimezone(zone.zone) for at in (workout.started_at, workout.ended_at, now))
    days_ago = (present.date() - start.date()).days
    if days_ago in _NEAR_DAYS:
        day = _NEAR_DAYS[days_ago]
    else:
        day = f"{start:%A} {start.day} {start:%b}" + ("" if start.year == present.year else f" {start.year}")
    return f"{day}, {start:%H:%M} to {end:%H:%M}"


def workout_row(workout: Workout, now: datetime, zone: ReaderZone) -> str:
    """Return a workout in a list."""
    badge = simulated_badge(small=True) if workout.simulated else ""
    who = f"<span>{icon('person')}{text(workout.subject)}</span>" if workout.subject else ""
    exercises = ", ".join(f"{total.n_sets}{_TIMES}{total.exercise}" for total in workout.totals) or "no set is left"
    wrong = incorrect_share(workout)
    form = "" if wrong is None else _form(wrong)
    note = f'<p class="rs-workout-note">{text(workout.note)}</p>' if workout.note else ""
    return (
        f'<article class="rs-workout"><header><b>{workout_when(workout, now, zone)}</b>{badge}{who}</header>'
        f'<p>{text(exercises)}</p><div class="rs-workout-foot"><span>{rough_duration(workout.active_s)} active</span>'
        f"{form}</div>{note}</article>"
    )


def set_row(entry: WorkoutSet, zone: ReaderZone) -> str:
    """Return a set in a list, with what was corrected about it."""
    facts = [f"{entry.started_at.astimezone(zone.zone):%H:%M}", spoken_duration(entry.duration_s)]
    if entry.repetitions is not None:
        facts.append(counted(entry.repetitions, "repetition"))
    if entry.state == "open":
        facts.append("goes on")
    marks = []
    if entry.discarded:
        marks.append("no exercise: does not count")
    elif entry.corrected:
        marks.append(f"corrected, was recognised as {label_words(entry.recognised)}")
    wrong = entry.incorrect_share
    form = "" if entry.discarded or wrong is None else _form(wrong)
    note = f'<p class="rs-workout-note">{text(entry.note)}</p>' if entry.note else ""
    mark = f'<p class="rs-set-mark">{icon("info")}{text(marks[0])}</p>' if marks else ""
    chip = "" if entry.discarded else form_chip(entry.form)
    return (
        f'<article class="rs-workout rs-set-row{" rs-set-discarded" if entry.discarded else ""}">'
        f"<header><b>{text(as_title(entry.exercise))}</b>{chip}</header>"
        f'<div class="rs-workout-foot"><span>{text(", ".join(facts))}</span>{form}</div>{mark}{note}</article>'
    )
