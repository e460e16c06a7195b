"""The connection to the RepSense REST API, the only source of what the dashboard shows."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

import httpx
from pydantic import BaseModel, ConfigDict, ValidationError

from repsense_dashboard.api.errors import ApiMismatchError, ApiProblemError, ApiUnreachableError

__all__ = ["Connection", "Download", "Resource"]

_TIMEOUT = httpx.Timeout(2.0, connect=1.0)
"""Pages ask several times per second, so an answer later than this is no use to them."""
_LONG_TIMEOUT = httpx.Timeout(120.0, connect=1.0)
"""For what a person waits for: imports, exports, inspections."""

_PROBLEM_PREFIX = "urn:repsense:"

_Model = TypeVar("_Model", bound=BaseModel)
_Params = Mapping[str, str | float | bool | list[str]]


class Resource(BaseModel):
    """Base of everything the API returns; fields that a newer service adds are no error."""

    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())


@dataclass(frozen=True)
class Download:
    """A file that the API gave."""

    name: str
    media_type: str
    content: bytes


class Connection:
    """Asks the API and translates its answers and errors.

    One connection serves all sessions: httpx clients may be used from several threads. Every method raises `ApiError`
    if there is no usable answer.
    """

    def __init__(
        self, base_url: str, *, api_key: str | None = None, transport: httpx.BaseTransport | None = None
    ) -> None:
        self.base_url = base_url.rstrip("/")
        # A proxy of the environment is for the internet, not for a service next door.
        self._http = httpx.Client(
            base_url=self.base_url,
            headers={"Authorization": f"Bearer {api_key}"} if api_key else None,
            timeout=_TIMEOUT,
            transport=transport,
            trust_env=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def get(self, model: type[_Model], path: str, params: _Params | None = None, *, patient: bool = False) -> _Model:
        """Read a resource; `patient` waits for what takes the service long."""
        return self._parsed(model, path, self._request("GET", path, params=params, patient=patient))

    def send(
        self,
        method: Literal["POST", "PUT", "PATCH", "DELETE"],
        model: type[_Model],
        path: str,
        body: BaseModel | Mapping[str, Any] | None = None,
        *,
        params: _Params | None = None,
        version: int | None = None,
        idempotency_key: str | None = None,
        patient: bool = False,
    ) -> _Model:
        """Change something and read what came of it.

        Args:
            method: How.
            model: What the answer is.
            path: Of the resource.
            body: Sent as JSON.
            params: Of the address.
            version: The version of the resource that the change was made for: if it has changed since, the answer is
                a problem of status 412.
            idempotency_key: New for each thing that is made: sent again with its key, a request makes it only once.
            patient: Wait for what takes the service long.
        """
        response = self._request(
            method, path, params=params, body=body, version=version, idempotency_key=idempotency_key, patient=patient
        )
        return self._parsed(model, path, response)

    def delete(self, path: str, *, version: int | None = None) -> None:
        """Delete a resource."""
        self._request("DELETE", path, version=version)

    def upload(self, model: type[_Model], path: str, content: bytes, params: _Params | None = None) -> _Model:
        """Send a file and read what came of it."""
        return self._parsed(model, path, self._request("POST", path, params=params, content=content, patient=True))

    def download(self, path: str, params: _Params | None = None, *, default_name: str) -> Download:
        """Fetch a file, with the name that the service gives it."""
        response = self._request("GET", path, params=params, patient=True)
        _, _, name = response.headers.get("Content-Disposition", "").partition('filename="')
        media_type = response.headers.get("Content-Type", "application/octet-stream")
        return Download(name.partition('"')[0] or default_name, media_type, response.content)

    def _request(
        self,
        method: str,
        path: str,
        *,
        params: _Params | None = None,
        body: BaseModel | Mapping[str, Any] | None = None,
        content: bytes | None = None,
        version: int | None = None,
        idempotency_key: str | None = None,
        patient: bool = False,
    ) -> httpx.Response:
        timeout = _LONG_TIMEOUT if patient else _TIMEOUT
        headers = {} if version is None else {"If-Match": f'"{version}"'}
        if idempotency_key is not None:
            headers["Idempotency-Key"] = idempotency_key
        if content is not None:
            headers["Content-Type"] = "application/octet-stream"
        json = body.model_dump(mode="json", exclude_unset=True) if isinstance(body, BaseModel) else body
        try:
            response = self._http.request(
                method, path, params=params, json=json, content=content, headers=headers, timeout=timeout
            )
        except httpx.TimeoutException as error:
            title = "The service is too slow"
            raise ApiUnreachableError(title, f"{self.base_url} did not answer in {timeout.read:g} s.") from error
        except httpx.HTTPError as error:
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                title = "The service is not trusted"
                detail = (
                    f"The certificate of {self.base_url} is not signed by anybody whom this machine trusts, names "
                    "another machine, or is not valid today."
                )
                raise ApiUnreachableError(title, detail) from error
            title = "The service does not answer"
            raise ApiUnreachableError(title, f"Nobody answers at {self.base_url}.") from error
        if response.is_error:
            raise _to_problem(response)
        return response

    @staticmethod
    def _parsed(model: type[_Model], path: str, response: httpx.Response) -> _Model:
        try:
            return model.model_validate_json(response.content)
        except ValidationError as error:
            title = "The service speaks another language"
            where = ".".join(str(part) for part in error.errors()[0]["loc"]) or "its form"
            detail = f"The answer to {path} is not understood ({where}). Are service and dashboard of one version?"
            raise ApiMismatchError(title, detail) from error


class _ProblemDetails(Resource):
    type: str = ""
    title: str = "The service reports an error"
    detail: str = ""


def _to_problem(response: httpx.Response) -> ApiProblemError:
    """Read an RFC 9457 problem; a proxy's error page has none, its status must do."""
    try:
        problem = _ProblemDetails.model_validate_json(response.content)
    except ValidationError:
        problem = _ProblemDetails()
    detail = problem.detail or f"HTTP status {response.status_code}."
    kind = problem.type.removeprefix(_PROBLEM_PREFIX)
    return ApiProblemError(response.status_code, problem.title, detail, kind)
