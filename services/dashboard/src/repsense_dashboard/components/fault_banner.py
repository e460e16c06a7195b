"""What is wrong with RepSense as a whole, at the head of every page: calm, since when, and what to do."""

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo

import streamlit as st

from repsense_dashboard.api import ApiClient, ApiError, Fault
from repsense_dashboard.components.markup import icon, text
from repsense_dashboard.reader import reader_zone
from repsense_dashboard.wording import as_sentence, local_time

__all__ = ["fault_banner", "show_faults"]

_REFRESH_S = 3.0
_MOST_SHOWN = 2

_NOTHING = '<span class="rs-no-faults"></span>'


def show_faults(client: ApiClient) -> None:
    """Show what is wrong, and keep that up to date while the page is open."""
    _refresh(client)


@st.fragment(run_every=_REFRESH_S)
def _refresh(client: ApiClient) -> None:
    try:
        faults = client.status.faults()
    except ApiError:
        # The page below says it, in the place of what it cannot show.
        faults = ()
    # Always one element, so that nothing below loses its place.
    st.html(fault_banner(faults, now=datetime.now(UTC), zone=reader_zone().zone))


def fault_banner(faults: Sequence[Fault], *, now: datetime, zone: tzinfo) -> str:
    """Return what is wrong: the first ones in full, the others behind a click; nothing to see where nothing is.

    Args:
        faults: The worst first.
        now: The present, by this machine's clock.
        zone: Where the reader is.
    """
    if not faults:
        return _NOTHING
    first = "".join(_fault(fault, now, zone) for fault in faults[:_MOST_SHOWN])
    others = faults[_MOST_SHOWN:]
    more = ""
    if others:
        listed = "".join(_fault(fault, now, zone) for fault in others)
        more = f'<details class="rs-more-faults"><summary>{len(others)} more</summary>{listed}</details>'
    return f'<aside class="rs-faults" role="status">{first}{more}</aside>'


def _fault(fault: Fault, now: datetime, zone: tzinfo) -> str:
    symbol = icon("alert" if fault.severity == "error" else "info")
    since = local_time(fault.since, now, zone)
    return (
        f'<div class="rs-fault rs-fault-{fault.severity}" data-kind="{text(fault.kind)}">{symbol}<div>'
        f'<p class="rs-fault-head"><strong>{text(fault.title)}</strong> <time>since {text(since)}</time></p>'
        f"<p>{text(as_sentence(fault.detail))} {text(fault.advice)}</p></div></div>"
    )
