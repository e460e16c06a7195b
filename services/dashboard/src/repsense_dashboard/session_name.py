"""Names of sessions: the day, and which time on that day the sensor was put on. Pure functions, no I/O."""

import re
from collections.abc import Iterable
from datetime import date

__all__ = ["current_session", "next_session"]

_PART = re.compile(r"(?P<day>\d{4}-\d{2}-\d{2}) (?P<part>\d+)")


def current_session(today: date, known: Iterable[str | None]) -> str:
    """Return the session to go on with: the last one of today, or today's first.

    >>> current_session(date(2026, 3, 5), ["2026-03-05 1", "2026-03-05 2", "2026-03-04 7"])
    '2026-03-05 2'
    """
    return f"{today.isoformat()} {max(1, *_parts(today, known))}"


def next_session(today: date, known: Iterable[str | None]) -> str:
    """Return a session that nobody has used: the sensor was put on anew.

    >>> next_session(date(2026, 3, 5), ["2026-03-05 1"])
    '2026-03-05 2'
    """
    return f"{today.isoformat()} {max(_parts(today, known)) + 1}"


def _parts(today: date, known: Iterable[str | None]) -> list[int]:
    matches = (_PART.fullmatch(name) for name in known if name is not None)
    return [0, *(int(match["part"]) for match in matches if match and match["day"] == today.isoformat())]
