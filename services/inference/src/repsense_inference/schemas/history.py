"""Workouts by day and week."""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Self

from pydantic import ConfigDict, Field
from pydantic.config import JsonDict

from repsense.timestamps import MICROSECONDS
from repsense_inference.history import Period, Span
from repsense_inference.schemas.base import Resource
from repsense_inference.schemas.workouts import ExerciseTotal

__all__ = ["History", "HistoryPeriod", "HistoryTotal"]

_TOTAL_EXAMPLE: JsonDict = {
    "n_workouts": 1,
    "n_sets": 9,
    "active_s": 270.0,
    "incorrect_share": 0.125,
    "exercises": [
        {"exercise": "push-up", "n_sets": 3, "active_s": 90.0, "incorrect_share": 0.125, "repetitions": 36},
        {"exercise": "squat", "n_sets": 6, "active_s": 180.0, "incorrect_share": None, "repetitions": None},
    ],
}


class HistoryTotal(Resource):
    """What workouts add up to; what was discarded does not count."""

    n_workouts: int
    n_sets: int
    active_s: Annotated[float, Field(description="How long the sets lasted together.")]
    incorrect_share: Annotated[
        float | None, Field(description="Of the windows whose form is known: 0 all correct, 1 all incorrect.")
    ]
    exercises: Annotated[list[ExerciseTotal], Field(description="In alphabetical order.")]

    @classmethod
    def from_span(cls, span: Span) -> Self:
        """From a sum of workouts."""
        return cls(
            n_workouts=span.n_workouts,
            n_sets=span.n_sets,
            active_s=span.active_us / MICROSECONDS,
            incorrect_share=span.incorrect_share,
            exercises=[ExerciseTotal.from_total(one) for one in span.totals],
        )


class HistoryPeriod(HistoryTotal):
    """The workouts that started on one day or in one week."""

    starts_on: Annotated[date, Field(description="Its first day in the history's zone; a week begins on Monday.")]


class History(Resource):
    """Workouts by day or week; periods without any are left out."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "zone": "Europe/Berlin",
                    "by": "week",
                    "periods": [{**_TOTAL_EXAMPLE, "starts_on": "2026-02-23"}],
                    "total": _TOTAL_EXAMPLE,
                }
            ]
        }
    )

    zone: str
    by: Period
    periods: Annotated[list[HistoryPeriod], Field(description="The latest first.")]
    total: HistoryTotal

    @classmethod
    def from_spans(cls, zone: str, by: Period, periods: Mapping[date, Span], total: Span) -> Self:
        """From sums of workouts, the periods by their first day in the order in which they are to be shown."""
        return cls(
            zone=zone,
            by=by,
            periods=[
                HistoryPeriod(starts_on=starts_on, **dict(HistoryTotal.from_span(span)))
                for starts_on, span in periods.items()
            ],
            total=HistoryTotal.from_span(total),
        )
