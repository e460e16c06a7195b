"""Numbers and lists as people say them."""

from collections.abc import Sequence

__all__ = ["name_some", "span"]

_MOST_NAMED = 3
_WHOLE_FROM = 1.95
"""Units, from which on there are at least two when they are rounded."""
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3_600, 86_400


def span(seconds: float) -> str:
    """A length of time in the unit that suits it."""
    for unit, unit_s in (("day", _DAY_S), ("hour", _HOUR_S), ("minute", _MINUTE_S)):
        if seconds >= _WHOLE_FROM * unit_s:
            return f"{seconds / unit_s:.0f} {unit}s"
    return f"{seconds:.0f} s"


def name_some(names: Sequence[str]) -> str:
    """A list of which nobody wants to read more than the beginning."""
    if len(names) > _MOST_NAMED:
        return f"{', '.join(names[:_MOST_NAMED])} and {len(names) - _MOST_NAMED} more"
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]
