"""Errors as clients see them: RFC 9457 problem details, for every status and every route."""

import http
import logging
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Annotated, Any, TypeVar

from fastapi import FastAPI, Request
from fastapi.exceptions import HTTPException, RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.responses import JSONResponse

from repsense.errors import ClassifierError, RecordingError, RegistryError
from repsense_inference.errors import (
    DatabaseUnavailableError,
    InvalidCursorError,
    ModelsUnavailableError,
    ModelUnavailableError,
    UnusableSamplesError,
)

__all__ = [
    "Problem",
    "ProblemError",
    "ProblemKind",
    "add_problem_handlers",
    "invalid_request",
    "not_found",
    "or_not_found",
    "problem_response",
    "problem_responses",
    "problem_schemas",
]

_LOGGER = logging.getLogger(__name__)

Resource = TypeVar("Resource")

_MEDIA_TYPE = "application/problem+json"

_MAX_ERRORS = 20
"""Validation errors in one answer; more would not be read."""

_RETRY_AFTER_S = 2
_SCHEMAS = "#/components/schemas/{model}"

_WORDS = {
    "datetime_from_date_parsing": "write a time as 2026-03-01T17:00:00Z; in a URL, write the + of +01:00 as %2B",
    "datetime_parsing": "write a time as 2026-03-01T17:00:00Z; in a URL, write the + of +01:00 as %2B",
    "finite_number": "every value must be a finite number; leave samples with NaN or Infinity out",
    "model_attributes_type": "send a JSON object, with the header Content-Type: application/json",
    "string_pattern_mismatch": "an id has lower-case letters, digits and hyphens",
    "timezone_aware": "say the time zone, for instance 2026-03-01T17:00:00Z",
}
"""What to send, for the kinds of Pydantic's errors whose own text does not say it."""


class InvalidPart(BaseModel):
    """One thing that is wrong with a request."""

    location: Annotated[str, Field(examples=["query.limit"])]
    detail: Annotated[str, Field(examples=["Input should be less than or equal to 1000"])]


class Problem(BaseModel):
    """What went wrong, and what to do about it."""

    # `checks` of /readyz, and what later problems add.
    model_config = ConfigDict(extra="allow")

    type: Annotated[str, Field(description="The kind of problem, for programs.", examples=["urn:repsense:not-found"])]
    title: Annotated[str, Field(description="The kind of problem, in words.", examples=["Not found"])]
    status: Annotated[int, Field(examples=[404])]
    detail: Annotated[str, Field(description="This problem, in words.", examples=["there is no sensor 'wrist'"])]
    errors: Annotated[list[InvalidPart] | None, Field(description="What is wrong with the request.")] = None


class ProblemKind(Enum):
    """What can go wrong, each with its status.

    Attributes:
        urn: For programs, within `urn:repsense:`.
        status: Of HTTP.
        title: The kind in words.
        example: A `detail`, for OpenAPI.
    """

    HTTP_ERROR = "http-error", 400, "Bad Request", "There was an error parsing the body"
    KEY_REQUIRED = "key-required", 401, "Key required", "send the API key: Authorization: Bearer <key>"
    KEY_WRONG = "key-wrong", 401, "Wrong key", "this is not the API key: look at API_KEY where the service was started"
    FOREIGN_ORIGIN = "foreign-origin", 403, "Foreign origin", "a web page of another site may change nothing here"
    NOT_FOUND = "not-found", 404, "Not found", "there is no sensor 'wrist'"
    METHOD_NOT_ALLOWED = "method-not-allowed", 405, "Method not allowed", "PUT is not possible at /v1/sets; use GET"
    BODY_TOO_SLOW = "body-too-slow", 408, "Body too slow", "only 512 bytes of the body came in time"
    LABEL_IN_USE = "label-in-use", 409, "Label in use", "12 recordings have this label: give them another one first"
    LABEL_TAKEN = "label-taken", 409, "Label taken", "there is another label with these words"
    NAME_TAKEN = "name-taken", 409, "Name taken", "somebody else is called 'Anna' already"
    REGISTRY_REFUSES = "registry-refuses", 409, "Registry refuses", "version 2 of bodyweight is in use: promote another"
    SAMPLES_GONE = "samples-gone", 409, "Signal is gone", "nothing is stored of sensor 'wrist' for this time"
    SET_DISCARDED = "set-discarded", 409, "Set is discarded", "the set is said to be none: take that back first"
    SET_OPEN = "set-open", 409, "Set goes on", "the set is still going on: try again when it has ended"
    TRAINING_JOB_ENDED = "training-job-ended", 409, "Training job has ended", "the training job has succeeded already"
    TRAINING_UNDER_WAY = "training-under-way", 409, "Training under way", "a training with recordings of Anna runs"
    UNUSABLE_RECORDING = "unusable-recording", 409, "Recording cannot be used", "recording 3f9a1c is damaged"
    VERSION_BROKEN = "version-broken", 409, "Version is broken", "bodyweight/standby/2 has no manifest.json"
    VERSION_CONFLICT = "version-conflict", 412, "Changed meanwhile", "it was changed meanwhile: load it again"
    BODY_TOO_LARGE = "body-too-large", 413, "Body too large", "the body is too large: send at most 8388608 bytes"
    WRONG_MEDIA_TYPE = "wrong-media-type", 415, "Wrong media type", "send the file itself as application/octet-stream"
    HOST_UNKNOWN = "host-unknown", 421, "Unknown host", "without an API_KEY the API answers to 127.0.0.1 only"
    IDEMPOTENCY_KEY_REUSED = "idempotency-key-reused", 422, "Idempotency key reused", "give every new job a new key"
    INVALID_CURSOR = "invalid-cursor", 422, "Invalid cursor", "cursor: take next_cursor of the page before"
    INVALID_REQUEST = "invalid-request", 422, "Invalid request", "query.limit: Input should be at least 1"
    NOT_CONFIRMED = "not-confirmed", 422, "Not confirmed", "to delete everything of this person, send their name"
    UNREADABLE_FILE = "unreadable-file", 422, "Unreadable file", "walk.csv: there is no column ax"
    UNUSABLE_SAMPLES = "unusable-samples", 422, "Samples cannot be classified", "channels: gx is missing"
    VERSION_REQUIRED = "version-required", 428, "Version required", 'send the version that you have seen: If-Match: "3"'
    TOO_MANY_KEYS = "too-many-keys", 429, "Too many keys", "too many wrong keys within a minute: wait 7 s"
    TOO_MANY_REQUESTS = "too-many-requests", 429, "Too many requests", "too many requests within a minute: wait 7 s"
    INTERNAL_ERROR = "internal-error", 500, "Internal error", "the service made a mistake; its log says which"
    DATABASE_UNAVAILABLE = (
        "database-unavailable",
        503,
        "Database unavailable",
        "the database does not answer; try again",
    )
    MODEL_UNAVAILABLE = "model-unavailable", 503, "Model unavailable", "the model server does not answer; try again"
    MODELS_UNAVAILABLE = "models-unavailable", 503, "Models unavailable", "the models' directory is not there"
    NOT_READY = "not-ready", 503, "Not ready", "the database does not answer"
    TOO_MANY_STREAMS = "too-many-streams", 503, "Too many streams", "close a live stream, or try again later"

    def __init__(self, urn: str, status: int, title: str, example: str) -> None:
        self.urn = urn
        self.status = status
        self.title = title
        self.example = example

    def body(self, detail: str) -> dict[str, Any]:
        """A problem of this kind, as JSON."""
        return {"type": f"urn:repsense:{self.urn}", "title": self.title, "status": self.status, "detail": detail}


_USUAL = {
    kind.status: kind
    for kind in (
        ProblemKind.HTTP_ERROR,
        ProblemKind.NOT_FOUND,
        ProblemKind.VERSION_CONFLICT,
        ProblemKind.INVALID_REQUEST,
        ProblemKind.VERSION_REQUIRED,
        ProblemKind.DATABASE_UNAVAILABLE,
    )
}
"""What most routes mean by a status."""

_KINDS_OF_ERRORS: Mapping[type[Exception], ProblemKind] = {
    UnusableSamplesError: ProblemKind.UNUSABLE_SAMPLES,
    RecordingError: ProblemKind.UNUSABLE_RECORDING,
    DatabaseUnavailableError: ProblemKind.DATABASE_UNAVAILABLE,
    ModelUnavailableError: ProblemKind.MODEL_UNAVAILABLE,
    ClassifierError: ProblemKind.MODEL_UNAVAILABLE,
    ModelsUnavailableError: ProblemKind.MODELS_UNAVAILABLE,
    RegistryError: ProblemKind.REGISTRY_REFUSES,
}
_PASSING = {
    ProblemKind.DATABASE_UNAVAILABLE,
    ProblemKind.MODEL_UNAVAILABLE,
    ProblemKind.TOO_MANY_KEYS,
    ProblemKind.TOO_MANY_REQUESTS,
    ProblemKind.TOO_MANY_STREAMS,
}
"""What is worth another try, and says when."""


_EXTENSIONS: Mapping[ProblemKind, Mapping[str, object]] = {
    ProblemKind.INVALID_CURSOR: {
        "errors": [{"location": "query.cursor", "detail": "cursor: take next_cursor of the page before"}]
    },
    ProblemKind.INVALID_REQUEST: {"errors": [{"location": "query.limit", "detail": "Input should be at least 1"}]},
    ProblemKind.NOT_READY: {
        "checks": [
            {"name": "database", "ok": False, "kind": "database-away", "detail": "the database does not answer"},
            {"name": "broker", "ok": True, "kind": None, "detail": "ok"},
        ]
    },
}
"""What else the examples of some kinds hold."""


class ProblemError(HTTPException):
    """Ends a request with a problem."""

    def __init__(self, kind: ProblemKind, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(kind.status, detail, headers)
        self.kind = kind


def not_found(resource_id: str, what: str) -> ProblemError:
    """The problem of a resource that is not there."""
    return ProblemError(ProblemKind.NOT_FOUND, f"there is no {what} {resource_id!r}")


def or_not_found(resource: Resource | None, resource_id: str, what: str) -> Resource:
    """A resource that is there.

    Raises:
        ProblemError: If it is None.
    """
    if resource is None:
        raise not_found(resource_id, what)
    return resource


def invalid_request(detail: str) -> ProblemError:
    """The problem of parameters that are well-formed each but do not go together."""
    return ProblemError(ProblemKind.INVALID_REQUEST, detail)


def problem_responses(*problems: int | ProblemKind) -> dict[int | str, dict[str, Any]]:
    """OpenAPI's description of the problems that a route may answer with.

    Args:
        problems: A status stands for what most routes mean by it. What follows for each route from how it is
            called, such as a body that is too large, is said of all at once; see `app`.
    """
    responses: dict[int | str, dict[str, Any]] = {}
    for problem in problems:
        kind = problem if isinstance(problem, ProblemKind) else _USUAL[problem]
        empty = {"schema": {"$ref": _SCHEMAS.format(model=Problem.__name__)}, "examples": {}}
        response = responses.setdefault(
            kind.status,
            {"description": http.HTTPStatus(kind.status).phrase, "content": {_MEDIA_TYPE: empty}},
        )
        if kind in _PASSING:
            response["headers"] = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}}
        examples = response["content"][_MEDIA_TYPE]["examples"]
        examples[kind.urn] = {
            "summary": kind.title,
            "value": {**kind.body(kind.example), **_EXTENSIONS.get(kind, {})},
        }
    return responses


def problem_schemas() -> dict[str, Any]:
    """The schemas that `problem_responses` refers to, for OpenAPI's components."""
    schema = Problem.model_json_schema(ref_template=_SCHEMAS)
    return {**schema.pop("$defs"), Problem.__name__: schema}


def problem_response(
    kind: ProblemKind,
    detail: str,
    headers: Mapping[str, str] | None = None,
    **extensions: Any,  # noqa: ANN401 - whatever JSON can hold
) -> JSONResponse:
    """The answer that carries a problem; extensions are members of their own."""
    return JSONResponse(kind.body(detail) | extensions, kind.status, dict(headers or {}), _MEDIA_TYPE)


def add_problem_handlers(app: FastAPI) -> None:
    """Make every error of an app a problem."""
    app.add_exception_handler(StarletteHTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(InvalidCursorError, _invalid_cursor)
    for error, kind in _KINDS_OF_ERRORS.items():
        app.add_exception_handler(error, _answer_with(kind))
    app.add_exception_handler(Exception, _unexpected)


def _answer_with(kind: ProblemKind) -> Callable[[Request, Exception], JSONResponse]:
    def answer(_: Request, error: Exception) -> JSONResponse:
        if kind in _PASSING:
            return problem_response(kind, f"{error}; try again", {"Retry-After": str(_RETRY_AFTER_S)})
        return problem_response(kind, str(error))

    return answer


def _http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, StarletteHTTPException)  # noqa: S101 - for the type checker; so it was registered
    if isinstance(error, ProblemError):
        return problem_response(error.kind, error.detail, error.headers)
    path = request.url.path
    match error.status_code:
        case 404:
            return problem_response(ProblemKind.NOT_FOUND, f"there is nothing at {path}; see /docs")
        case 405:
            allowed = _allowed_methods(request, error)
            detail = f"{request.method} is not possible at {path}; use {allowed}"
            return problem_response(ProblemKind.METHOD_NOT_ALLOWED, detail, {"Allow": allowed})
    body = ProblemKind.HTTP_ERROR.body(str(error.detail))
    body |= {"title": http.HTTPStatus(error.status_code).phrase, "status": error.status_code}
    return JSONResponse(body, error.status_code, dict(error.headers or {}), _MEDIA_TYPE)


def _allowed_methods(request: Request, error: StarletteHTTPException) -> str:
    """All that the path has; Starlette knows only those of the first route that fits it."""
    template = getattr(request.scope.get("route"), "path", None)
    methods = request.app.openapi()["paths"].get(template, ())
    return ", ".join(method.upper() for method in methods) or (error.headers or {}).get("Allow", "")


def _validation_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - as above
    return _invalid_request(error.errors())


def _invalid_request(found: Sequence[Mapping[str, Any]]) -> JSONResponse:
    # Not the input itself: it may be large, secret, or NaN, which JSON cannot say.
    errors = [
        {"location": ".".join(str(part) for part in one["loc"]), "detail": _in_words(one)}
        for one in found[:_MAX_ERRORS]
    ]
    detail = f"{errors[0]['location']}: {errors[0]['detail']}"
    return problem_response(ProblemKind.INVALID_REQUEST, detail, errors=errors)


def _in_words(error: Mapping[str, Any]) -> str:
    if error["type"] == "json_invalid":
        return f"not JSON: {error['ctx']['error']}"
    return _WORDS.get(error["type"]) or str(error["msg"])


def _invalid_cursor(_: Request, error: Exception) -> JSONResponse:
    errors = [{"location": "query.cursor", "detail": str(error)}]
    return problem_response(ProblemKind.INVALID_CURSOR, str(error), errors=errors)


def _unexpected(request: Request, error: Exception) -> JSONResponse:
    _LOGGER.error("%s %s failed: %r", request.method, request.url.path, error)
    return problem_response(ProblemKind.INTERNAL_ERROR, "the service made a mistake; its log says which")
