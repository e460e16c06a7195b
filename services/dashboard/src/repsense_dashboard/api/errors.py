"""The errors of the API's client, each with what a page shows: a title and a detail.

ApiError
├── ApiUnreachableError     nobody answers, or not in time
├── ApiProblemError         an RFC 9457 problem, with its status and kind
└── ApiMismatchError        an answer that this version does not understand
"""

__all__ = ["ApiError", "ApiMismatchError", "ApiProblemError", "ApiUnreachableError"]


class ApiError(Exception):
    """The API gave no usable answer.

    Attributes:
        title: What is wrong, in a few words.
        detail: What a person can do about it, or what the service said.
    """

    def __init__(self, title: str, detail: str) -> None:
        super().__init__(f"{title}: {detail}")
        self.title = title
        self.detail = detail


class ApiUnreachableError(ApiError):
    """Nobody answers at the address, or not in time."""


class ApiProblemError(ApiError):
    """The service answered with an error.

    Attributes:
        status: HTTP status.
        kind: The problem's type without its prefix, such as "version-conflict"; empty if it has none.
    """

    def __init__(self, status: int, title: str, detail: str, kind: str = "") -> None:
        super().__init__(title, detail)
        self.status = status
        self.kind = kind


class ApiMismatchError(ApiError):
    """The service answered in a form that this dashboard does not know."""
