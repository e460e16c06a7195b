"""Shares and amounts as bars with their words: figures that are read as well as seen."""

from collections.abc import Iterable
from dataclasses import dataclass

from repsense_dashboard.components.markup import text
from repsense_dashboard.wording import percent

__all__ = ["Meter", "meters", "span_meter"]


@dataclass(frozen=True)
class Meter:
    """One row.

    Attributes:
        name: What it is about.
        share: How much of the bar is full, from 0 to 1; None for nothing to show.
        value: What stands beside it; the share itself if it is empty.
        note: Small words below the name.
        span: A part of the bar to mark, from 0 to 1.
    """

    name: str
    share: float | None
    value: str = ""
    note: str = ""
    span: tuple[float, float] | None = None


def meters(rows: Iterable[Meter]) -> str:
    """Return rows of a name, a value and a bar."""
    return f'<ul class="rs-meters">{"".join(map(_row, rows))}</ul>'


def span_meter(share: float, span: tuple[float, float] | None) -> str:
    """Return a bar alone, with the part of it in which the share may really be."""
    marked = f'<s style="left:{span[0]:.1%};width:{span[1] - span[0]:.1%}"></s>' if span else ""
    return f'<span class="rs-share rs-share-tall" aria-hidden="true"><i style="width:{share:.1%}"></i>{marked}</span>'


def _row(row: Meter) -> str:
    value = row.value or (percent(row.share) if row.share is not None else "not tested")
    note = f"<small>{text(row.note)}</small>" if row.note else ""
    bar = span_meter(row.share or 0.0, row.span)
    return (
        f'<li><span class="rs-meter-name">{text(row.name)}{note}</span>'
        f'<span class="rs-number">{text(value)}</span>{bar}</li>'
    )
