"""What was recognised in the course of a workout, thinned for drawing."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from repsense.labels import Label

__all__ = ["LabelledWindow", "thin_out"]


@dataclass(frozen=True, slots=True)
class LabelledWindow:
    """What was recognised in a window, or in several that lie together.

    Attributes:
        start_us: When the first one begins, microseconds since 1970.
        end_us: When the last one ends.
        label: The label of most of them; None is unknown.
        confidence: Mean of those with this label.
    """

    start_us: int
    end_us: int
    label: Label | None
    confidence: float


def thin_out(windows: Sequence[LabelledWindow], max_points: int) -> list[LabelledWindow]:
    """Put windows together that lie together, until no more than `max_points` are left.

    Their time is divided into so many equal parts, and the windows whose middle lies in a part become one:

        windows    aaaabbb...aab        max_points 4, a pause in the middle
        parts      |  a  | b |  | a |

    Args:
        windows: Oldest first.
        max_points: At least 1.
    """
    if len(windows) <= max_points:
        return list(windows)
    start_us, end_us = windows[0].start_us, max(one.end_us for one in windows)
    parts: dict[int, list[LabelledWindow]] = {}
    for window in windows:
        middle_us = (window.start_us + window.end_us) // 2 - start_us
        parts.setdefault(middle_us * max_points // (end_us - start_us + 1), []).append(window)
    return [_put_together(part) for part in parts.values()]


def _put_together(windows: Sequence[LabelledWindow]) -> LabelledWindow:
    label = Counter(one.label for one in windows).most_common(1)[0][0]
    confidences = [one.confidence for one in windows if one.label == label]
    return LabelledWindow(
        windows[0].start_us,
        max(one.end_us for one in windows),
        label,
        sum(confidences) / len(confidences),
    )
