"""What the live page has to say about a sensor right now, decided apart from how it looks."""

from datetime import datetime, timedelta
from enum import StrEnum

from repsense_dashboard.api import Classification, Live

__all__ = ["ResultWatch", "SetStopwatch", "Situation", "tell_situation"]

# A classification is this late when nobody makes new ones any more; the longest window that a model
# for exercises can sensibly have is far shorter.
_STALLED_AFTER = timedelta(seconds=15)
_STALLED_AFTER_TROUBLE = timedelta(seconds=3)

# Set times and the browser's refresh beat against each other by up to a window's stride; only more than that
# says that the stopwatch itself is wrong.
_STOPWATCH_TOLERANCE_S = 1.5


class Situation(StrEnum):
    """The one thing that matters most about a sensor at this moment."""

    OFFLINE = "offline"
    """The sensor is away, or nobody knows of it."""
    CONNECTING = "connecting"
    """The gateway is looking for the sensor."""
    PROBLEM = "problem"
    """The sensor works, but the model cannot use its signal."""
    NO_MODEL = "no-model"
    """There is nothing to classify with."""
    WAITING = "waiting"
    """The signal has begun; no window is complete."""
    STALLED = "stalled"
    """Samples arrive, classifications do not."""
    GAP = "gap"
    """Samples of the last window were lost."""
    RESTING = "resting"
    """Nothing moves."""
    UNSURE = "unsure"
    """Something moves that the network does not know."""
    EXERCISE = "exercise"
    """An exercise is recognised."""


def tell_situation(live: Live, *, has_model: bool, have_stopped: bool = False) -> Situation:
    """Decide what matters most about a sensor, from the connection upwards.

    Args:
        live: The present of the sensor.
        has_model: There is something to classify with.
        have_stopped: No new result has come for too long; see `ResultWatch`.
    """
    sensor = live.sensor
    if sensor.state != "online":
        return Situation.CONNECTING if sensor.state == "connecting" else Situation.OFFLINE
    if sensor.problem:
        return Situation.PROBLEM
    if live.classification is None:
        return Situation.WAITING if has_model else Situation.NO_MODEL
    if have_stopped:
        return Situation.STALLED
    # Both times come from the gateway's clock: the dashboard's own may be minutes off.
    if sensor.last_sample_at and sensor.last_sample_at - live.classification.window_end_at > _STALLED_AFTER:
        return Situation.STALLED
    return _tell_movement(live.classification)


def _tell_movement(classification: Classification) -> Situation:
    match classification.unclassified_reason:
        case "gap":
            return Situation.GAP
        case "still":
            return Situation.RESTING
        case _:
            return Situation.UNSURE if classification.label is None else Situation.EXERCISE


class ResultWatch:
    """Notices that no new result comes, whatever any clock says.

    Where nothing is stored any more, the newest sample and the newest result are of the same old moment, and only that
    they stay the same tells. Time is given by the caller, from any clock that does not jump.
    """

    def __init__(self) -> None:
        self._newest: tuple[str, datetime] | None = None
        self._changed_s = 0.0

    def have_stopped(self, live: Live, now_s: float, *, is_trouble_known: bool) -> bool:
        """Tell whether results have stopped.

        Args:
            live: The present of a sensor.
            now_s: When that was.
            is_trouble_known: The service says that something keeps results from coming, so that there is less to wait
                for.
        """
        now = live.classification
        newest = None if now is None else (now.sensor_id, now.window_end_at)
        if newest != self._newest:
            self._newest, self._changed_s = newest, now_s
        patience = _STALLED_AFTER_TROUBLE if is_trouble_known else _STALLED_AFTER
        return newest is not None and now_s - self._changed_s > patience.total_seconds()


class SetStopwatch:
    """Runs evenly between the durations that the API reports.

    A running set's duration grows by a window's stride at a time; a person expects seconds. Time is given by the
    caller, from any clock that does not jump.
    """

    def __init__(self) -> None:
        self._set_id: str | None = None
        self._zero_s = 0.0

    def read(self, set_id: str, duration_s: float, now_s: float) -> float:
        """Return the time to show for a set that the API says has lasted `duration_s`."""
        zero_s = now_s - duration_s
        if set_id != self._set_id or abs(zero_s - self._zero_s) > _STOPWATCH_TOLERANCE_S:
            self._set_id, self._zero_s = set_id, zero_s
        return now_s - self._zero_s
