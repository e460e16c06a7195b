"""Recordings: labelled takes of a sensor's signal, what they are made from and what they are good for."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import AwareDatetime, BaseModel, Field

from repsense_dashboard.api.connection import Connection, Download, Resource
from repsense_dashboard.api.live import Label

__all__ = [
    "ExportFormat",
    "Import",
    "Inspection",
    "InspectionWarning",
    "LabelAmount",
    "Recording",
    "RecordingChanges",
    "RecordingFilter",
    "RecordingPage",
    "RecordingSignal",
    "RecordingSummary",
    "RecordingsApi",
    "SubjectAmount",
    "SummaryCell",
    "SummaryPart",
    "TrimTo",
    "Written",
]

ExportFormat = Literal["parquet", "csv", "edge-impulse"]

_PATH = "/v1/recordings"


class Recording(Resource):
    """A stretch of a sensor's signal that was kept, and what is known of it.

    What is trimmed off is kept as well: `trim_start_s` and `trim_end_s` count from the start of what was captured.
    """

    recording_id: str
    version: int
    label: Label | None = None
    subject: str | None = None
    session: str | None = None
    sensor_id: str | None = None
    channels: tuple[str, ...]
    sample_rate_hz: float
    duration_s: float
    captured_s: float
    trim_start_s: float
    trim_end_s: float
    started_at: AwareDatetime | None = None
    interruption: str | None = None
    preview: tuple[float, ...] = ()
    note: str | None = None
    created_at: AwareDatetime
    deleted_at: AwareDatetime | None = None


class RecordingPage(Resource):
    """Some recordings, and where to go on."""

    items: tuple[Recording, ...]
    next_cursor: str | None = None


class Written(Resource):
    """What came of a change to several recordings."""

    items: tuple[Recording, ...]
    conflicts: tuple[str, ...] = ()
    """Ids of recordings that somebody else had changed meanwhile: they stay as they are."""


class Import(Resource):
    """What a file held."""

    n_found: int
    n_new: int
    items: tuple[Recording, ...]
    """The first of them."""


class RecordingSignal(Resource):
    """The signal of a recording, with what is trimmed off.

    `samples` has shape (len(offsets_s), len(channels)), in the unit of each channel; every time counts from the start
    of what was captured.
    """

    channels: tuple[str, ...]
    start_at: AwareDatetime | None = None
    offsets_s: list[float]
    samples: list[list[float | None]]
    trim_start_s: float
    trim_end_s: float
    captured_s: float
    repetitions_s: list[float]


class LabelAmount(Resource):
    """How much there is of a label; of recordings without one if it is None."""

    label: Label | None
    minutes: float
    n_recordings: int


class SubjectAmount(Resource):
    """How much there is of a person; of recordings of nobody known if it is None."""

    subject: str | None
    minutes: float
    n_recordings: int


class SummaryCell(Resource):
    """How much there is of one label by one person."""

    label: Label | None
    subject: str | None
    minutes: float


class SummaryPart(Resource):
    """How much there is of one label by one person in one session; other fields of a part do not matter here."""

    label: Label | None
    subject: str | None
    session: str | None
    sensor_id: str | None


class RecordingSummary(Resource):
    """How much there is of what."""

    minutes: float
    n_recordings: int
    labels: tuple[LabelAmount, ...]
    persons: tuple[SubjectAmount, ...]
    cells: tuple[SummaryCell, ...]
    parts: tuple[SummaryPart, ...]


class InspectionWarning(Resource):
    """What will do harm to a model trained on the recordings, and what to do about it."""

    kind: str
    text: str


class Inspection(Resource):
    """What was found in the recordings; only what the pages show of it."""

    warnings: tuple[InspectionWarning, ...]


class TrimTo(BaseModel):
    """The part of a recording that counts, in seconds from the start of what was captured."""

    start_s: float
    end_s: float


class RecordingChanges(BaseModel):
    """What is to be different; a field that is not given stays as it is."""

    label: Label | None = None
    subject: str | None = None
    session: str | None = None
    note: str | None = None
    trim: TrimTo | Literal["auto", "none"] | None = None


@dataclass(frozen=True)
class RecordingFilter:
    """Which recordings; what is None does not matter."""

    exercise: str | None = None
    form: str | None = None
    subject: str | None = None
    session: str | None = None
    sensor_id: str | None = None
    unlabelled: bool = False
    deleted: bool = False

    def params(self) -> dict[str, str | float | bool | list[str]]:
        """Return the filter as the parameters of an address."""
        given = {
            "exercise": self.exercise,
            "form": self.form,
            "subject": self.subject,
            "session": self.session,
            "sensor_id": self.sensor_id,
            "unlabelled": self.unlabelled or None,
            "deleted": self.deleted or None,
        }
        return {name: value for name, value in given.items() if value is not None}


class _Take(BaseModel):
    sensor_id: str
    from_at: datetime = Field(serialization_alias="from")
    to_at: datetime = Field(serialization_alias="to")
    label: Label | None
    subject: str | None
    session: str | None
    trim: Literal["auto", "none"]


class RecordingsApi:
    """Makes, reads and changes recordings; every method raises `ApiError` if there is no usable answer.

    Changes are made to the version that was read: if somebody else was faster, the answer is a problem of the kind
    "version-conflict", or the recording is among the conflicts where several are changed at once.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list_recordings(self, which: RecordingFilter, *, limit: int = 100, cursor: str | None = None) -> RecordingPage:
        """Return recordings, newest first."""
        params = which.params() | {"limit": limit} | ({"cursor": cursor} if cursor else {})
        return self._connection.get(RecordingPage, _PATH, params, patient=True)

    def get_recording(self, recording_id: str) -> Recording:
        """Return one recording."""
        return self._connection.get(Recording, f"{_PATH}/{recording_id}")

    def get_signal(self, recording_id: str, *, max_points: int) -> RecordingSignal:
        """Return all that was captured of a recording, thinned to at most `max_points` samples."""
        params = {"max_points": max_points, "whole": True}
        return self._connection.get(RecordingSignal, f"{_PATH}/{recording_id}/signal", params, patient=True)

    def keep_interval(
        self,
        sensor_id: str,
        from_at: datetime,
        to_at: datetime,
        *,
        label: Label | None,
        subject: str | None,
        session: str | None,
        trim: Literal["auto", "none"] = "auto",
    ) -> tuple[Recording, ...]:
        """Make recordings of a stretch of a sensor's stored signal.

        Args:
            sensor_id: Whose signal.
            from_at: Where the stretch begins.
            to_at: Where it ends, exclusive.
            label: What was done.
            subject: Who did it.
            session: When or how, in the words of the person.
            trim: Whether rest before and after the movement is trimmed off.

        Returns:
            One recording per uninterrupted stretch, oldest first.
        """
        take = _Take(
            sensor_id=sensor_id,
            from_at=from_at,
            to_at=to_at,
            label=label,
            subject=subject,
            session=session,
            trim=trim,
        )
        body = take.model_dump(mode="json", by_alias=True)
        return self._connection.send("POST", Written, _PATH, body, patient=True).items

    def change(self, recording: Recording, changes: RecordingChanges) -> Recording:
        """Change one recording."""
        path = f"{_PATH}/{recording.recording_id}"
        return self._connection.send("PATCH", Recording, path, changes, version=recording.version, patient=True)

    def change_several(
        self, recordings: Sequence[Recording], changes: RecordingChanges, *, any_version: bool = False
    ) -> Written:
        """Make the same change to several recordings, with `any_version` also if they are not as they were read."""
        body = {
            "recordings": _versions(recordings, any_version=any_version),
            "changes": changes.model_dump(mode="json", exclude_unset=True),
        }
        return self._connection.send("POST", Written, f"{_PATH}/changes", body, patient=True)

    def split(self, recording: Recording, at_s: Sequence[float]) -> tuple[Recording, ...]:
        """Cut a recording into several, which take its place; it goes to the trash.

        Args:
            recording: Which.
            at_s: Where to cut, in seconds from the start of what was captured.
        """
        path, body = f"{_PATH}/{recording.recording_id}/split", {"at_s": list(at_s)}
        return self._connection.send("POST", Written, path, body, version=recording.version, patient=True).items

    def throw_away(self, recordings: Sequence[Recording], *, any_version: bool = False) -> Written:
        """Put recordings into the trash, from where they can be restored for a week."""
        body = {"recordings": _versions(recordings, any_version=any_version)}
        return self._connection.send("POST", Written, f"{_PATH}/trash", body, patient=True)

    def restore(self, recording_ids: Sequence[str]) -> tuple[Recording, ...]:
        """Take recordings out of the trash."""
        body = {"recording_ids": list(recording_ids)}
        return self._connection.send("POST", Written, f"{_PATH}/restore", body, patient=True).items

    def delete_for_good(self, recording: Recording) -> None:
        """Delete a recording that is in the trash; there is no way back."""
        self._connection.delete(f"{_PATH}/{recording.recording_id}?for_good=true", version=recording.version)

    def import_file(
        self,
        name: str,
        content: bytes,
        *,
        sample_rate_hz: float | None = None,
        subject: str | None = None,
        session: str | None = None,
    ) -> Import:
        """Store the recordings of a file.

        Args:
            name: Of the file; its ending says what it is.
            content: Of the file.
            sample_rate_hz: For files that do not say theirs.
            subject: Who it was, where the file does not say.
            session: When or how, where the file does not say.
        """
        given = {"sample_rate_hz": sample_rate_hz, "subject": subject, "session": session}
        params: dict[str, str | float | bool | list[str]] = {"filename": name}
        params |= {key: value for key, value in given.items() if value is not None}
        return self._connection.upload(Import, f"{_PATH}/import", content, params)

    def export(self, which: RecordingFilter, form: ExportFormat) -> Download:
        """Return recordings as a file."""
        return self._connection.download(
            f"{_PATH}/export", which.params() | {"format": form}, default_name=f"recordings.{form}"
        )

    def summarize(self) -> RecordingSummary:
        """Return how much there is of what."""
        return self._connection.get(RecordingSummary, f"{_PATH}/summary", patient=True)

    def inspect(self) -> Inspection:
        """Return what will do harm to a model trained on the recordings; takes a while when there are many."""
        return self._connection.get(Inspection, f"{_PATH}/inspection", patient=True)


def _versions(recordings: Sequence[Recording], *, any_version: bool) -> list[dict[str, object]]:
    return [
        {"recording_id": each.recording_id} | ({} if any_version else {"version": each.version}) for each in recordings
    ]
