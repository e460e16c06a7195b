"""`/v1/recordings/import` and `/v1/recordings/export`: recordings as files."""

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from repsense.errors import RecordingError
from repsense.recordings import ExportFormat
from repsense.recordings.formats import export_bytes, read_bytes
from repsense.recordings.stored import recording_order
from repsense_inference.dependencies import PartsDependency
from repsense_inference.names import adopt_names
from repsense_inference.problems import ProblemError, ProblemKind, invalid_request, problem_responses
from repsense_inference.recording_filter import FilterDependency
from repsense_inference.schemas.base import Name
from repsense_inference.schemas.recordings import ImportResult, Recording

__all__ = ["IMPORT_PATH", "MAX_IMPORT_BYTES", "router"]

MAX_IMPORT_BYTES = 200 * 1024 * 1024
"""A day of nine channels at 50 Hz as CSV, which is the longest form, is twice as much; as Parquet a fifth."""
_MAX_EXPORT_BYTES = 512 * 1024 * 1024
"""Samples of one export, which lie in memory some times over while they are written."""
_MAX_SHOWN = 200
_CONTENT_TYPE = "application/octet-stream"
_FILE_SCHEMA = {"schema": {"type": "string", "format": "binary"}}

router = APIRouter(prefix="/v1/recordings", tags=["recordings"])
IMPORT_PATH = f"{router.prefix}/import"


async def _content(request: Request) -> bytes:
    """The body of a request as it is.

    Raises:
        ProblemError: If it is not said to be a file: a page of somebody else's could send a form without asking.
    """
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != _CONTENT_TYPE:
        detail = f"send the file itself, with the header Content-Type: {_CONTENT_TYPE}"
        raise ProblemError(ProblemKind.WRONG_MEDIA_TYPE, detail)
    return await request.body()


@router.post(
    "/import",
    status_code=201,
    responses=problem_responses(422, 503, ProblemKind.WRONG_MEDIA_TYPE, ProblemKind.UNREADABLE_FILE),
    openapi_extra={"requestBody": {"required": True, "content": {_CONTENT_TYPE: _FILE_SCHEMA}}},
)
def import_recordings(
    *,
    content: Annotated[bytes, Depends(_content)],
    parts: PartsDependency,
    filename: Annotated[
        str,
        Query(min_length=1, max_length=255, description="Its ending says what it is.", examples=["recordings.parquet"]),
    ],
    sample_rate_hz: Annotated[
        float | None, Query(gt=0, le=10_000, allow_inf_nan=False, description="For a file that does not say it.")
    ] = None,
    subject: Annotated[Name | None, Query(description="Who it was, where the file does not say.")] = None,
    session: Annotated[Name | None, Query(description="On which occasion, where the file does not say.")] = None,
) -> ImportResult:
    """Store the recordings of a file: an archive (.parquet), a table (.csv), Edge Impulse's JSON, or a zip of these.

    What is stored already is not stored twice, even if it was relabelled or trimmed since it was exported.
    """
    try:
        found = read_bytes(filename.replace("\\", "/").rpartition("/")[2], content, sample_rate_hz=sample_rate_hz)
        completed = [replace(one, subject=one.subject or subject, session=one.session or session) for one in found]
        stored = parts.recordings.store(completed)
    except RecordingError as error:
        raise ProblemError(ProblemKind.UNREADABLE_FILE, str(error)) from error
    adopt_names(parts)
    shown = parts.recordings.several(list(dict.fromkeys(stored.ids))[:_MAX_SHOWN])
    return ImportResult(
        n_found=len(found), n_new=stored.n_new, items=[Recording.from_document(document) for document in shown]
    )


@router.get(
    "/export",
    response_class=Response,
    responses={
        200: {
            "description": "A file.",
            "content": {
                "application/vnd.apache.parquet": _FILE_SCHEMA,
                "text/csv": _FILE_SCHEMA,
                "application/zip": _FILE_SCHEMA,
            },
        },
        **problem_responses(422, 503, ProblemKind.UNUSABLE_RECORDING),
    },
)
def export_recordings(
    which: FilterDependency,
    parts: PartsDependency,
    form: Annotated[
        ExportFormat,
        Query(alias="format", description="parquet is exact and can be imported again; edge-impulse is a zip."),
    ] = ExportFormat.PARQUET,
) -> Response:
    """Recordings as a file, without what is trimmed off; the filters are those of the list."""
    documents = sorted((one for one in parts.recordings.overview() if which.takes(one)), key=recording_order)
    if not documents:
        detail = "no recording fits: leave out a filter"
        raise invalid_request(detail)
    if sum(4 * one["n_captured"] * len(one["channels"]) for one in documents) > _MAX_EXPORT_BYTES:
        detail = "that is too much for one file: export one person or one label at a time"
        raise invalid_request(detail)
    recordings = [recording for _, recording in parts.recordings.load(documents)]
    name, media_type, content = export_bytes(recordings, form)
    return Response(content, media_type=media_type, headers={"Content-Disposition": f'attachment; filename="{name}"'})
