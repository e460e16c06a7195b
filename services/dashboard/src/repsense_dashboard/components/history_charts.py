"""What was done over time, as charts."""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta

import altair as alt

from repsense_dashboard.components import charts
from repsense_dashboard.wording import percent, rough_duration, spoken_duration
from repsense_dashboard.workout_history import Period

__all__ = ["show_active_time", "show_form"]

_CORRECT, _INCORRECT, _UNJUDGED = "correct", "incorrect", "not told apart"
_UNJUDGED_COLOUR = "var(--rs-unjudged)"
_GAP = 0.12
"""Between two bars, as a share of a period."""
_HEIGHT = 240
_MINUTE_S = 60
_MOST_WEEKS = 26


def show_active_time(periods: Sequence[Period], *, since: date, until: date, key: str) -> None:
    """Show how much was done, divided by form.

    Args:
        periods: Days or weeks, oldest first; at least one.
        since: The first day of the chart.
        until: The last one.
        key: Unique on the page.
    """
    bars = [bar for period in periods for bar in _bars(period)]
    chart = (
        alt.Chart({"values": bars})
        # Bars from one time to another are not what Vega's own bars can be: it reads only the first time by itself.
        .transform_calculate(end="toDate(datum.end)")
        .mark_rect(cornerRadius=2)
        .encode(
            x=_time("start:T", periods, since, until),
            x2=alt.X2(field="end"),
            y=alt.Y("low:Q", title="minutes", axis=alt.Axis(tickCount=4)),
            y2=alt.Y2(field="high"),
            color=alt.Color(
                "form:N",
                scale=alt.Scale(
                    domain=[_CORRECT, _INCORRECT, _UNJUDGED],
                    range=[charts.CORRECT, charts.INCORRECT, _UNJUDGED_COLOUR],
                ),
            ),
            tooltip=[
                alt.Tooltip("when:N", title="when"),
                alt.Tooltip("form:N", title="how"),
                alt.Tooltip("words:N", title="time"),
            ],
        )
    )
    total_s = sum(period.times.active_s for period in periods)
    words = f"Active time since {_day(periods[0].starts_on)}: {rough_duration(total_s)} in all."
    charts.show_chart(chart, height=_HEIGHT, description=words, key=key)


def _bars(period: Period) -> list[dict[str, object]]:
    length = period.ends_on - period.starts_on
    hours = length.days * 24 * _GAP / 2
    when = _day(period.starts_on) if length.days == 1 else f"week of {_day(period.starts_on)}"
    times = period.times
    amounts = ((_CORRECT, times.correct_s), (_INCORRECT, times.incorrect_s), (_UNJUDGED, times.unjudged_s))
    bars: list[dict[str, object]] = []
    low_s = 0.0
    for form, seconds in amounts:
        if seconds:
            bars.append(
                {
                    "start": _local_hour(period.starts_on, hours),
                    "end": _local_hour(period.ends_on, -hours),
                    "low": round(low_s / _MINUTE_S, 2),
                    "high": round((low_s + seconds) / _MINUTE_S, 2),
                    "form": form,
                    "when": when,
                    "words": spoken_duration(seconds),
                }
            )
            low_s += seconds
    return bars


def show_form(periods: Sequence[Period], *, since: date, until: date, key: str) -> None:
    """Show how large the share of correct form was, a line per exercise.

    Args:
        periods: Days or weeks, oldest first; at least one.
        since: The first day of the chart.
        until: The last one.
        key: Unique on the page.
    """
    points = [
        {
            "at": _local_hour(period.starts_on, (period.ends_on - period.starts_on).days * 12),
            "exercise": exercise,
            "share": round(1 - share, 4),
            "when": _day(period.starts_on),
            "words": percent(1 - share),
        }
        for period in periods
        for exercise, share in period.incorrect_shares.items()
    ]
    exercises = sorted({str(point["exercise"]) for point in points})
    lowest = min(1 - share for period in periods for share in period.incorrect_shares.values())
    chart = (
        alt.Chart({"values": points})
        .mark_line(point=alt.OverlayMarkDef(size=45, filled=True))
        .encode(
            x=_time("at:T", periods, since, until),
            y=alt.Y(
                "share:Q",
                title="correct form",
                scale=alt.Scale(domain=[min(0.5, lowest), 1]),
                axis=alt.Axis(format=".0%", tickCount=4),
            ),
            color=alt.Color("exercise:N", scale=charts.series_scale(exercises)),
            tooltip=[
                alt.Tooltip("exercise:N", title="exercise"),
                alt.Tooltip("when:N", title="from"),
                alt.Tooltip("words:N", title="correct form"),
            ],
        )
    )
    words = f"Share of correct form over time of {', '.join(exercises)}."
    charts.show_chart(chart, height=_HEIGHT, description=words, key=key)


def _time(field: str, periods: Sequence[Period], since: date, until: date) -> alt.X:
    """Return the axis of time; Vega's own weeks begin on Sunday, so it is told where ours do."""
    length = periods[0].ends_on - periods[0].starts_on
    first, last = min(since, periods[0].starts_on), max(until + timedelta(days=1), periods[-1].ends_on)
    axis = charts.time_axis()
    n_weeks = (last - first).days // 7
    if length.days > 1 and n_weeks <= _MOST_WEEKS:
        mondays = [periods[-1].starts_on - timedelta(weeks=week) for week in range(-n_weeks, n_weeks + 1)]
        axis.values = [
            {"year": one.year, "month": one.month, "date": one.day} for one in sorted(mondays) if first <= one < last
        ]
    return alt.X(
        field, title=None, scale=alt.Scale(domain=[charts.local_day(first), charts.local_day(last)]), axis=axis
    )


def _day(day: date) -> str:
    return f"{day:%a} {day.day} {day:%b %Y}"


def _local_hour(day: date, hours: float) -> str:
    """Return a time so many hours after the beginning of a day, wherever the browser is."""
    return (datetime.combine(day, time()) + timedelta(hours=hours)).isoformat(timespec="seconds")
