"""A take's movement as a small picture: one hump per repetition, as far as it has come."""

from collections.abc import Sequence

from repsense_dashboard.components.markup import text

__all__ = ["movement_picture", "movement_strip"]

_LEAST_PEAK = 0.6
"""m/s^2; noise of a sensor at rest must not look like movement."""
_FLOOR = 4
"""Percent of the height; so that rest is a line and not nothing."""


def movement_picture(preview: Sequence[float], *, share: float = 1.0) -> str:
    """Return the movement as the outline of an element that fills its box.

    Args:
        preview: How strong the movement was, evenly spread.
        share: How much of the width it takes, 0 to 1.
    """
    if not preview:
        return '<span class="rs-movement" style="clip-path:inset(100% 0 0)"></span>'
    peak = max(_LEAST_PEAK, *preview)
    step = 100 * share / max(1, len(preview) - 1)
    # Streamlit takes drawings (SVG) out of HTML; a shape is style and stays.
    points = [
        f"{number * step:.1f}% {(100 - _FLOOR) * (1 - value / peak):.0f}%" for number, value in enumerate(preview)
    ]
    outline = ",".join(["0 100%", *points, f"{(len(preview) - 1) * step:.1f}% 100%"])
    return f'<span class="rs-movement" style="clip-path:polygon({outline})"></span>'


def movement_strip(preview: Sequence[float], *, share: float, repetitions: Sequence[float], words: str) -> str:
    """Return the picture with a mark for each repetition.

    Args:
        preview: How strong the movement was so far, evenly spread.
        share: How much of the take is over, 0 to 1.
        repetitions: Where the repetitions are, 0 to 1 of the whole width.
        words: What it shows, for those who do not see it.
    """
    marks = "".join(f'<i style="left:{each:.2%}"></i>' for each in repetitions)
    return (
        f'<div class="rs-strip" role="img" aria-label="{text(words)}">{movement_picture(preview, share=share)}'
        f'{marks}<b style="left:{share:.2%}"></b></div>'
    )
