"""What an operator can see of the dashboard, in Prometheus' terms: who has it open, as Streamlit counts it."""

from collections.abc import Iterable

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector
from streamlit.runtime import Runtime
from streamlit.runtime.runtime import RuntimeState
from streamlit.runtime.stats import ACTIVE_SESSIONS_FAMILY, SESSION_EVENTS_FAMILY, CounterStat, GaugeStat

__all__ = ["SessionFigures", "pages_problem"]


class SessionFigures(Collector):
    """The open pages; nothing before Streamlit has begun."""

    def collect(self) -> Iterable[Metric]:
        """What Streamlit says at the moment."""
        if not Runtime.exists():
            return
        stats = Runtime.instance().stats_mgr.get_stats([ACTIVE_SESSIONS_FAMILY, SESSION_EVENTS_FAMILY])
        events = CounterMetricFamily(
            "repsense_dashboard_session_events", "Pages that were opened, closed and opened again", labels=["type"]
        )
        n_open = 0
        for stat in (stat for family in stats.values() for stat in family):
            match stat:
                case GaugeStat(value=value):
                    n_open = value
                case CounterStat(value=value, labels=labels):
                    events.add_metric([(labels or {}).get("type", "")], value)
        yield GaugeMetricFamily("repsense_dashboard_sessions", "Pages that are open", value=n_open)
        yield events


def pages_problem() -> str | None:
    """Why no page can be opened, in words; None if it can. Whether the API answers is said on the page itself."""
    running = (RuntimeState.NO_SESSIONS_CONNECTED, RuntimeState.ONE_OR_MORE_SESSIONS_CONNECTED)
    return None if Runtime.exists() and Runtime.instance().state in running else "the dashboard is starting or stopping"
