"""Which recordings a request is about."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Query

from repsense.documents import RecordingDocument
from repsense_inference.dependencies import FromQuery, ToQuery, search_range_us

__all__ = ["FilterDependency", "RecordingFilter"]

_Text = Annotated[str | None, Query(max_length=1_000)]


@dataclass(frozen=True, slots=True)
class RecordingFilter:
    """Recordings that fit all that is given; None lets everything pass.

    Attributes:
        exercise: Of the label.
        form: Of the label.
        subject: Whose.
        session: On which occasion.
        sensor: With which sensor.
        unlabelled: Only those without a label.
        deleted: Those in the trash instead of the others.
        from_us: Which began from this time on; one whose time is not known fits no time.
        to_us: Which began before this time.
    """

    exercise: str | None = None
    form: str | None = None
    subject: str | None = None
    session: str | None = None
    sensor: str | None = None
    unlabelled: bool = False
    deleted: bool = False
    from_us: int | None = None
    to_us: int | None = None

    def takes(self, recording: RecordingDocument) -> bool:
        """Whether a recording fits."""
        label = recording["label"]
        return (
            bool(recording["deleted_us"]) is self.deleted
            and (self.exercise is None or (label is not None and label["exercise"] == self.exercise))
            and (self.form is None or (label is not None and label["form"] == self.form))
            and (self.subject is None or recording["subject"] == self.subject)
            and (self.session is None or recording["session"] == self.session)
            and (self.sensor is None or recording["sensor"] == self.sensor)
            and not (self.unlabelled and label is not None)
            and self._takes_time(recording["started_us"])
        )

    def _takes_time(self, started_us: int | None) -> bool:
        if self.from_us is None and self.to_us is None:
            return True
        return (
            started_us is not None
            and (self.from_us is None or started_us >= self.from_us)
            and (self.to_us is None or started_us < self.to_us)
        )


async def _filter(
    *,
    exercise: Annotated[_Text, Query(description="With this exercise.", examples=["push-up"])] = None,
    form: Annotated[_Text, Query(description="With this form.", examples=["correct"])] = None,
    subject: Annotated[_Text, Query(description="By this person, by name.", examples=["Anna"])] = None,
    session: Annotated[_Text, Query(description="On this occasion.", examples=["monday"])] = None,
    sensor_id: Annotated[_Text, Query(description="With this sensor.", examples=["wrist"])] = None,
    unlabelled: Annotated[bool, Query(description="Only those without a label.")] = False,
    deleted: Annotated[bool, Query(description="Those in the trash instead of the others.")] = False,
    from_at: FromQuery = None,
    to_at: ToQuery = None,
) -> RecordingFilter:
    # async although nothing is awaited: FastAPI would send a plain function to a worker thread.
    from_us, to_us = search_range_us(from_at, to_at)
    return RecordingFilter(
        exercise=exercise,
        form=form,
        subject=subject,
        session=session,
        sensor=sensor_id,
        unlabelled=unlabelled,
        deleted=deleted,
        from_us=None if from_at is None else from_us,
        to_us=to_us,
    )


FilterDependency = Annotated[RecordingFilter, Depends(_filter)]
