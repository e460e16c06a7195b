"""What is known of a sensor, merged from where it is known: the database, its own status and its gateway's."""

from repsense.documents import SensorDocument
from repsense.messages import GatewayStatusMessage, SensorStatusMessage
from repsense.timestamps import from_epoch_us
from repsense_inference.schemas.sensors import Sensor

__all__ = ["effective_status", "merge_sensor"]


def effective_status(status: SensorStatusMessage, gateway: GatewayStatusMessage | None) -> SensorStatusMessage:
    """The status of a sensor with its gateway's taken into account.

    A gateway that dies cannot correct the retained status of its sensors; its Last Will speaks for all of them.
    """
    if gateway is None or gateway.state != "offline":
        return status
    reason = f"its gateway {gateway.gateway_id} is offline"
    if gateway.reason:
        reason = f"{reason}: {gateway.reason}"
    return status.model_copy(update={"state": "offline", "reason": reason, "at": gateway.at or status.at})


def merge_sensor(
    sensor_id: str, document: SensorDocument | None, status: SensorStatusMessage | None, *, broker_connected: bool
) -> Sensor:
    """One sensor as a client sees it.

    Args:
        sensor_id: Its id.
        document: What the preprocessor stored; None if it never sent samples.
        status: Its effective status; None if the broker has none.
        broker_connected: Whether statuses can be known at all.
    """
    state, reason = "unknown", None
    if not broker_connected:
        reason = "the message broker cannot be reached"
    elif status is None:
        reason = "no gateway reports this sensor"
    else:
        state, reason = status.state, status.reason
    stream_id = (status and status.stream_id) or (document and document["stream_id"]) or None
    # The counts are those of one stream; those of the stream before would be wrong for a new one.
    counted = document if document and document["stream_id"] == stream_id else None
    n_samples, n_lost = (counted["n_samples"], counted["n_lost"]) if counted else (0, 0)
    return Sensor(
        sensor_id=sensor_id,
        name=(status and status.name) or sensor_id,
        state=state,
        state_reason=reason,
        gateway_id=status.gateway_id if status else None,
        simulated=status.simulated if status else bool(document and document["simulated"]),
        stream_id=stream_id,
        channels=(status and status.channels) or (tuple(document["channels"]) if document else None),
        sample_rate_hz=(status and status.sample_rate_hz) or (document["sample_rate_hz"] if document else None),
        effective_rate_hz=status.effective_rate_hz if status else None,
        loss=status.loss if status else None,
        rssi_dbm=status.rssi_dbm if status else None,
        battery_percent=status.battery_percent if status else None,
        n_reconnects=status.n_reconnects if status else None,
        first_seen_at=from_epoch_us(document["first_seen_us"]) if document else None,
        last_sample_at=from_epoch_us(document["last_sample_us"]) if document else None,
        n_samples=n_samples,
        n_lost=n_lost,
        n_duplicate=counted["n_duplicate"] if counted else 0,
        loss_share=n_lost / (n_samples + n_lost) if n_lost else 0.0,
        problem=counted["problem"] if counted else None,
    )
