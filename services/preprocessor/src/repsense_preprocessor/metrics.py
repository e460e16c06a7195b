"""What an operator can see of the preprocessor, in Prometheus' terms."""

from prometheus_client import Counter, Gauge, Histogram

__all__ = [
    "BATCH_MESSAGES",
    "BATCH_SECONDS",
    "CERTIFICATE_EXPIRES",
    "CONNECTIONS",
    "EXPIRED",
    "INFERENCE_SECONDS",
    "MESSAGES",
    "MODEL_REFUSALS",
    "MODEL_SWITCHES",
    "MODEL_VERSION",
    "OLDEST_WAITING",
    "PARTITIONS",
    "QUEUED",
    "RETRIES",
    "SENSOR_DELAY",
    "SENSOR_DUPLICATES",
    "SENSOR_LAST_SAMPLE",
    "SENSOR_LOST",
    "SENSOR_RATE",
    "SENSOR_SAMPLES",
    "SENSOR_UNUSABLE",
    "STREAMS",
    "SUBSCRIBED",
    "WINDOWS",
    "WINDOW_DELAY",
]

MESSAGES = Counter("repsense_preprocessor_messages_total", "Samples messages, by what became of them", ["result"])
EXPIRED = Counter(
    "repsense_preprocessor_expired_documents_total", "Documents that were too old to be kept", ["collection"]
)
WINDOWS = Counter("repsense_preprocessor_windows_total", "Windows, by what became of them", ["result"])
RETRIES = Counter("repsense_preprocessor_retries_total", "Tries that failed because a part was away", ["part"])
MODEL_VERSION = Gauge("repsense_preprocessor_model_version", "Version of the model that classifies", ["model"])
MODEL_SWITCHES = Counter("repsense_preprocessor_model_switches_total", "Changes to another version of the model")
MODEL_REFUSALS = Counter(
    "repsense_preprocessor_model_refusals_total", "Versions that should have been used and do not fit"
)
CONNECTIONS = Counter("repsense_preprocessor_broker_connections_total", "Connections made to the broker")
CERTIFICATE_EXPIRES = Gauge(
    "repsense_preprocessor_broker_certificate_expires_timestamp_seconds",
    "When the certificate ends that the broker showed last; 0 without TLS",
)
SUBSCRIBED = Gauge(
    "repsense_preprocessor_subscribed", "Sessions over which the broker delivers samples; without partitions 1, else 0"
)
PARTITIONS = Gauge("repsense_preprocessor_partitions", "Partitions that this replica serves")
QUEUED = Gauge("repsense_preprocessor_queued_messages", "Messages received and not yet begun with")
OLDEST_WAITING = Gauge(
    "repsense_preprocessor_oldest_waiting_seconds", "How long the oldest message waits that is received and not stored"
)
STREAMS = Gauge("repsense_preprocessor_streams", "Streams being followed")
BATCH_MESSAGES = Histogram(
    "repsense_preprocessor_batch_messages", "Messages handled together", buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500)
)
BATCH_SECONDS = Histogram(
    "repsense_preprocessor_batch_seconds",
    "From the first message of a batch to its acknowledgement",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
)
WINDOW_DELAY = Histogram(
    "repsense_preprocessor_window_delay_seconds",
    "From a window's last sample to its stored result, by the sensors' clocks",
    buckets=(0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 60),
)
INFERENCE_SECONDS = Histogram(
    "repsense_preprocessor_inference_seconds",
    "One call of the network, for up to 256 windows",
    buckets=(0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10),
)
SENSOR_SAMPLES = Counter(
    "repsense_preprocessor_sensor_samples_total", "Samples received, also those that came again", ["sensor"]
)
SENSOR_LOST = Counter("repsense_preprocessor_sensor_lost_samples_total", "Samples that never came", ["sensor"])
SENSOR_DUPLICATES = Counter(
    "repsense_preprocessor_sensor_duplicate_samples_total", "Samples that came again", ["sensor"]
)
SENSOR_RATE = Gauge("repsense_preprocessor_sensor_nominal_rate_hz", "What the sensor says it delivers", ["sensor"])
SENSOR_LAST_SAMPLE = Gauge(
    "repsense_preprocessor_sensor_last_sample_timestamp_seconds", "When the newest sample was taken", ["sensor"]
)
SENSOR_DELAY = Gauge(
    "repsense_preprocessor_sensor_delay_seconds",
    "From the newest message's last sample to its arrival; below 0 the sensor's clock is ahead",
    ["sensor"],
)
SENSOR_UNUSABLE = Gauge(
    "repsense_preprocessor_sensor_unusable", "1 while the sensor does not fit the model, else 0", ["sensor"]
)

for _part in ("classifier", "database", "model"):
    RETRIES.labels(_part)  # from nought: the growth of a count that appears out of nothing cannot be seen
