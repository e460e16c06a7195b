"""Errors as clients see them: RFC 9457 problem details, for every status and every route."""

import http
import logging
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import FastAPI, Request
from fastapi.exceptions import HTTPException, RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.responses import JSONResponse

from repsense.errors import ClassifierError
from repsense_inference.errors import (
    DatabaseUnavailableError,
    InvalidCursorError,
    ModelUnavailableError,
    UnusableSamplesError,
)

__all__ = [
    "PROBLEM_MEDIA_TYPE",
    "Problem",
    "ProblemError",
    "add_problem_handlers",
    "invalid_request",
    "not_found",
    "problem_response",
    "problem_responses",
]

_LOGGER = logging.getLogger(__name__)

PROBLEM_MEDIA_TYPE = "application/problem+json"

_MAX_ERRORS = 20
"""Validation errors in one answer; more would not be read."""

_RETRY_AFTER_S = 2

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


class ProblemError(HTTPException):
    """Ends a request with a problem."""

    def __init__(
        self, status: int, kind: str, title: str, detail: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status, detail, headers)
        self.kind = kind
        self.title = title


def not_found(resource_id: str, resource: str) -> ProblemError:
    """The problem of a resource that is not there."""
    return ProblemError(404, "not-found", "Not found", f"there is no {resource} {resource_id!r}")


def invalid_request(detail: str) -> ProblemError:
    """The problem of parameters that are well-formed each but do not go together."""
    return ProblemError(422, "invalid-request", "Invalid request", detail)


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI's description of the problems that a route may answer with."""
    return {status: {"model": Problem, "description": http.HTTPStatus(status).phrase} for status in statuses}


def problem_response(
    status: int,
    kind: str,
    title: str,
    detail: str,
    headers: Mapping[str, str] | None = None,
    **extensions: Any,  # noqa: ANN401 - whatever JSON can hold
) -> JSONResponse:
    """The answer that carries a problem; extensions are members of their own."""
    body = {"type": f"urn:repsense:{kind}", "title": title, "status": status, "detail": detail, **extensions}
    return JSONResponse(body, status, dict(headers or {}), PROBLEM_MEDIA_TYPE)


def add_problem_handlers(app: FastAPI) -> None:
    """Make every error of an app a problem."""
    app.add_exception_handler(StarletteHTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(InvalidCursorError, _invalid_cursor)
    app.add_exception_handler(UnusableSamplesError, _unusable_samples)
    app.add_exception_handler(DatabaseUnavailableError, _database_unavailable)
    app.add_exception_handler(ModelUnavailableError, _model_unavailable)
    app.add_exception_handler(ClassifierError, _model_unavailable)
    app.add_exception_handler(Exception, _unexpected)


def _http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, StarletteHTTPException)  # noqa: S101 - for the type checker; so it was registered
    if isinstance(error, ProblemError):
        return problem_response(error.status_code, error.kind, error.title, error.detail, error.headers)
    path = request.url.path
    match error.status_code:
        case 404:
            return problem_response(404, "not-found", "Not found", f"there is nothing at {path}; see /docs")
        case 405:
            allowed = (error.headers or {}).get("Allow", "another method")
            detail = f"{request.method} is not possible at {path}; use {allowed}"
            return problem_response(405, "method-not-allowed", "Method not allowed", detail, error.headers)
    title = http.HTTPStatus(error.status_code).phrase
    return problem_response(error.status_code, "http-error", title, str(error.detail), error.headers)


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
    return problem_response(422, "invalid-request", "Invalid request", detail, errors=errors)


def _in_words(error: Mapping[str, Any]) -> str:
    if error["type"] == "json_invalid":
        return f"not JSON: {error['ctx']['error']}"
    return _WORDS.get(error["type"]) or str(error["msg"])


def _invalid_cursor(_: Request, error: Exception) -> JSONResponse:
    errors = [{"location": "query.cursor", "detail": str(error)}]
    return problem_response(422, "invalid-cursor", "Invalid cursor", str(error), errors=errors)


def _unusable_samples(_: Request, error: Exception) -> JSONResponse:
    return problem_response(422, "unusable-samples", "Samples cannot be classified", str(error))


def _database_unavailable(_: Request, error: Exception) -> JSONResponse:
    detail = f"{error}; try again"
    headers = {"Retry-After": str(_RETRY_AFTER_S)}
    return problem_response(503, "database-unavailable", "Database unavailable", detail, headers)


def _model_unavailable(_: Request, error: Exception) -> JSONResponse:
    detail = f"{error}; try again"
    headers = {"Retry-After": str(_RETRY_AFTER_S)}
    return problem_response(503, "model-unavailable", "Model unavailable", detail, headers)


def _unexpected(request: Request, error: Exception) -> JSONResponse:
    _LOGGER.error("%s %s failed: %r", request.method, request.url.path, error)
    detail = "the service made a mistake; its log says which"
    return problem_response(500, "internal-error", "Internal error", detail)
