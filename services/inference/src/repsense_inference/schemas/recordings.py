"""Recordings: what they are, what can be asked of them and how much there is."""

from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, ConfigDict, Field, StringConstraints, model_validator
from pydantic.config import JsonDict

from repsense.channels import Channel
from repsense.documents import RecordingDocument
from repsense.labels import Label
from repsense.timestamps import MICROSECONDS, from_epoch_us
from repsense.topics import SensorId
from repsense_inference.schemas.base import (
    HEX_ID_PATTERN,
    PUSH_UP,
    Instant,
    Name,
    NextCursor,
    Note,
    Request,
    Resource,
    label_from,
)

__all__ = [
    "MAX_INTERVAL_S",
    "Amount",
    "AmountCell",
    "BulkChange",
    "BulkChangeRequest",
    "BulkResult",
    "ImportResult",
    "KeepRequest",
    "LabelAmount",
    "PersonAmount",
    "Recording",
    "RecordingChange",
    "RecordingId",
    "RecordingItems",
    "RecordingPage",
    "RecordingSignal",
    "RecordingSummary",
    "RecordingVersion",
    "RestoreRequest",
    "SplitRequest",
    "TrashRequest",
    "Trim",
    "TrimBounds",
]

MAX_INTERVAL_S = 600
"""Ten minutes are far longer than any set, and read in a fraction of a second."""
_MAX_AT_ONCE = 10_000
_MAX_CUTS = 100
_MAX_CAPTURED_S = 1e9

RecordingId = Annotated[str, StringConstraints(pattern=HEX_ID_PATTERN)]

_RECORDING_EXAMPLE: JsonDict = {
    "recording_id": "3f9a1c5e7b2d4f60819a2b3c4d5e6f70",
    "version": 1,
    "label": PUSH_UP,
    "subject": "Anna",
    "session": "monday",
    "sensor_id": "wrist",
    "channels": ["ax", "ay", "az", "gx", "gy", "gz"],
    "sample_rate_hz": 50.0,
    "n_samples": 1200,
    "duration_s": 24.0,
    "captured_s": 30.0,
    "trim_start_s": 3.2,
    "trim_end_s": 27.2,
    "started_at": "2026-03-01T17:40:03.200000Z",
    "activity_s": 0.0,
    "attributes": {},
    "interruption": None,
    "preview": [0.1, 0.1, 2.4, 3.1, 2.8, 0.2],
    "note": None,
    "created_at": "2026-03-01T17:40:31Z",
    "changed_at": "2026-03-01T17:40:31Z",
    "deleted_at": None,
}
_ITEMS_EXAMPLE: JsonDict = {"items": [_RECORDING_EXAMPLE]}
_ID_EXAMPLE = _RECORDING_EXAMPLE["recording_id"]


class Recording(Resource):
    """A stretch of a sensor's signal that was kept, and what is known of it.

    What is trimmed off stays stored. Times within a recording count from the start of what was captured.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [_RECORDING_EXAMPLE]})

    recording_id: str
    version: int
    label: Annotated[Label | None, Field(description="What was done; null if nobody has said.")]
    subject: Annotated[str | None, Field(description="Who did it: the name of a person.")]
    session: Annotated[str | None, Field(description="On which occasion.")]
    sensor_id: Annotated[str | None, Field(description="Of an import, it may be the kind of sensor.")]
    channels: tuple[Channel, ...]
    sample_rate_hz: float
    n_samples: Annotated[int, Field(description="Without what is trimmed off, as the duration.")]
    duration_s: float
    captured_s: Annotated[float, Field(description="How long it is with what is trimmed off.")]
    trim_start_s: float
    trim_end_s: float
    started_at: Annotated[AwareDatetime | None, Field(description="Of what is left; null if it is not known.")]
    activity_s: Annotated[
        float, Field(description="How long the activity had been going on at the start of what was captured.")
    ]
    attributes: Annotated[dict[str, str], Field(description="Whatever else its source says.")]
    interruption: Annotated[str | None, Field(description="In words, why it is shorter than was meant.")]
    preview: Annotated[
        list[float], Field(description="Movement of all that was captured, evenly spread, for a small picture; m/s^2.")
    ]
    note: str | None
    created_at: AwareDatetime
    changed_at: AwareDatetime
    deleted_at: Annotated[AwareDatetime | None, Field(description="When it was put into the trash.")]

    @classmethod
    def from_document(cls, document: RecordingDocument) -> Self:
        """From what is stored."""
        rate_hz, started_us, deleted_us = document["sample_rate_hz"], document["started_us"], document["deleted_us"]
        n_samples, trim_start_s = document["trim_stop"] - document["trim_start"], document["trim_start"] / rate_hz
        return cls(
            recording_id=document["_id"],
            version=document["version"],
            label=label_from(document["label"]),
            subject=document["subject"],
            session=document["session"],
            sensor_id=document["sensor"],
            channels=tuple(Channel(channel) for channel in document["channels"]),
            sample_rate_hz=rate_hz,
            n_samples=n_samples,
            duration_s=n_samples / rate_hz,
            captured_s=document["n_captured"] / rate_hz,
            trim_start_s=trim_start_s,
            trim_end_s=document["trim_stop"] / rate_hz,
            started_at=None if started_us is None else from_epoch_us(started_us + round(trim_start_s * MICROSECONDS)),
            activity_s=document["activity_s"],
            attributes=document["attributes"],
            interruption=document["interruption"],
            preview=document["preview"],
            note=document["note"],
            created_at=from_epoch_us(document["created_us"]),
            changed_at=from_epoch_us(document["changed_us"]),
            deleted_at=from_epoch_us(deleted_us) if deleted_us else None,
        )


class RecordingPage(Resource):
    """Recordings, those that were stored last first."""

    model_config = ConfigDict(json_schema_extra={"examples": [{**_ITEMS_EXAMPLE, "next_cursor": None}]})

    items: list[Recording]
    next_cursor: NextCursor


class RecordingItems(Resource):
    """Some recordings."""

    model_config = ConfigDict(json_schema_extra={"examples": [_ITEMS_EXAMPLE]})

    items: list[Recording]


class KeepRequest(Request):
    """Which stretch of a sensor's stored signal to keep, and what it is."""

    model_config = ConfigDict(
        validate_by_name=True,
        json_schema_extra={
            "examples": [
                {
                    "sensor_id": "wrist",
                    "from": "2026-03-01T17:40:00Z",
                    "to": "2026-03-01T17:40:30Z",
                    "label": PUSH_UP,
                    "subject": "Anna",
                }
            ]
        },
    )

    sensor_id: SensorId
    from_at: Annotated[Instant, Field(alias="from")]
    to_at: Annotated[Instant, Field(alias="to", description=f"Exclusive; at most {MAX_INTERVAL_S} s later.")]
    label: Label | None = None
    subject: Annotated[Name | None, Field(description="Somebody new becomes a person.")] = None
    session: Name | None = None
    note: Note | None = None
    trim: Annotated[
        Literal["auto", "none"], Field(description="Whether rest before and after the movement is trimmed off.")
    ] = "auto"


class TrimBounds(Request):
    """What is left of a recording, in seconds from the start of what was captured."""

    start_s: Annotated[float, Field(ge=0, le=_MAX_CAPTURED_S)]
    end_s: Annotated[float, Field(gt=0, le=_MAX_CAPTURED_S)]

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.end_s <= self.start_s:
            msg = "end_s: must be after start_s"
            raise ValueError(msg)
        return self


Trim = TrimBounds | Literal["auto", "none"]


class RecordingChange(Request):
    """What is to be different; what is left out stays as it is."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"label": PUSH_UP}, {"trim": {"start_s": 3.2, "end_s": 27.2}}]}
    )

    label: Label | None = None
    subject: Name | None = None
    session: Name | None = None
    note: Note | None = None
    trim: Annotated[
        Trim,
        Field(
            default_factory=lambda: "none",
            description='"auto" finds the movement, "none" takes back all that was trimmed off.',
        ),
    ]


class RecordingVersion(Request):
    """A recording, and perhaps the version that a change is made for."""

    recording_id: RecordingId
    version: Annotated[int | None, Field(ge=1, le=2**53, description="Null for whichever it is.")] = None


_Several = Annotated[list[RecordingVersion], Field(min_length=1, max_length=_MAX_AT_ONCE)]


class BulkChange(Request):
    """What is to be different about each; what is left out stays as it is."""

    label: Label | None = None
    subject: Name | None = None
    session: Name | None = None


class BulkChangeRequest(Request):
    """The same change to several recordings."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"recordings": [{"recording_id": _ID_EXAMPLE, "version": 1}], "changes": {"label": PUSH_UP}}]
        }
    )

    recordings: _Several
    changes: BulkChange


class TrashRequest(Request):
    """What to put into the trash."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"recordings": [{"recording_id": _ID_EXAMPLE, "version": 1}]}]}
    )

    recordings: _Several


class RestoreRequest(Request):
    """What to take out of the trash."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"recording_ids": [_ID_EXAMPLE]}]})

    recording_ids: Annotated[list[RecordingId], Field(min_length=1, max_length=_MAX_AT_ONCE)]


class BulkResult(Resource):
    """What came of a change to several recordings."""

    model_config = ConfigDict(json_schema_extra={"examples": [{**_ITEMS_EXAMPLE, "conflicts": []}]})

    items: Annotated[list[Recording], Field(description="Those that were changed, as they are now.")]
    conflicts: Annotated[
        list[str], Field(description="Those that were changed meanwhile or are gone: nothing was done to them.")
    ]


class SplitRequest(Request):
    """Where to cut a recording."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"at_s": [12.4]}]})

    at_s: Annotated[
        list[Annotated[float, Field(gt=0, le=_MAX_CAPTURED_S)]],
        Field(min_length=1, max_length=_MAX_CUTS, description="In seconds from the start of what was captured."),
    ]


class ImportResult(Resource):
    """What a file held."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"n_found": 1, "n_new": 1, **_ITEMS_EXAMPLE}]})

    n_found: int
    n_new: Annotated[int, Field(description="How many were not stored yet.")]
    items: Annotated[list[Recording], Field(description="As they are stored; at most the first 200.")]


class RecordingSignal(Resource):
    """The signal of a recording, thinned for drawing."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "channels": ["ax", "ay", "az"],
                    "units": {"ax": "m/s^2", "ay": "m/s^2", "az": "m/s^2"},
                    "start_at": "2026-03-01T17:40:00Z",
                    "offsets_s": [0.0, 0.02],
                    "samples": [[0.12, -0.4, 9.79], [0.15, -0.38, 9.8]],
                    "trim_start_s": 3.2,
                    "trim_end_s": 27.2,
                    "captured_s": 30.0,
                    "repetitions_s": [4.6, 7.1, 9.5],
                }
            ]
        }
    )

    channels: tuple[Channel, ...]
    units: dict[Channel, str]
    start_at: Annotated[AwareDatetime | None, Field(description="From where offsets count; null if it is not known.")]
    offsets_s: Annotated[list[float], Field(description="Seconds from start_at, one per sample, rising.")]
    samples: Annotated[list[list[float]], Field(description="One row per sample, one value per channel.")]
    trim_start_s: Annotated[float, Field(description="From the start of what was captured, as the next two.")]
    trim_end_s: float
    captured_s: float
    repetitions_s: Annotated[list[float], Field(description="The middle of each repetition, seconds from start_at.")]


class Amount(Resource):
    """How much there is, without what is in the trash."""

    minutes: float
    n_recordings: int


class LabelAmount(Amount):
    """How much there is of a label."""

    label: Annotated[Label | None, Field(description="Null for recordings without one.")]


class PersonAmount(Amount):
    """How much there is of a person."""

    subject: Annotated[str | None, Field(description="Null where it is not known.")]


class AmountCell(Resource):
    """How much there is of a label by a person."""

    label: Label | None
    subject: str | None
    minutes: float


class AmountPart(Amount):
    """How much there is of recordings that are alike in everything by which they can be selected."""

    label: Label | None
    subject: str | None
    session: str | None
    sensor_id: str | None


class RecordingSummary(Amount):
    """How much there is of what, most first."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "minutes": 12.5,
                    "n_recordings": 24,
                    "labels": [{"label": PUSH_UP, "minutes": 12.5, "n_recordings": 24}],
                    "persons": [{"subject": "Anna", "minutes": 12.5, "n_recordings": 24}],
                    "cells": [{"label": PUSH_UP, "subject": "Anna", "minutes": 12.5}],
                    "parts": [
                        {
                            "label": PUSH_UP,
                            "subject": "Anna",
                            "session": "2026-03-01 1",
                            "sensor_id": "wrist",
                            "minutes": 12.5,
                            "n_recordings": 24,
                        }
                    ],
                }
            ]
        }
    )

    labels: list[LabelAmount]
    persons: list[PersonAmount]
    cells: list[AmountCell]
    parts: list[AmountPart]
