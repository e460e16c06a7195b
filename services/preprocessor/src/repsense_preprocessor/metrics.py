"""What an operator can see of the preprocessor, in Prometheus' terms."""

from prometheus_client import Counter, Gauge, Histogram

__all__ = [
    "BATCH_MESSAGES",
    "BATCH_SECONDS",
    "MESSAGES",
    "MODEL_REFUSALS",
    "MODEL_SWITCHES",
    "MODEL_VERSION",
    "QUEUED",
    "RETRIES",
    "STREAMS",
    "SUBSCRIBED",
    "WINDOWS",
    "WINDOW_DELAY",
]

MESSAGES = Counter("repsense_preprocessor_messages_total", "Samples messages, by what became of them", ["result"])
WINDOWS = Counter("repsense_preprocessor_windows_total", "Windows, by what became of them", ["result"])
RETRIES = Counter("repsense_preprocessor_retries_total", "Tries that failed because a part was away", ["part"])
MODEL_VERSION = Gauge("repsense_preprocessor_model_version", "Version of the model that classifies", ["model"])
MODEL_SWITCHES = Counter("repsense_preprocessor_model_switches_total", "Changes to another version of the model")
MODEL_REFUSALS = Counter(
    "repsense_preprocessor_model_refusals_total", "Versions that should have been used and do not fit"
)
SUBSCRIBED = Gauge("repsense_preprocessor_subscribed", "1 while the broker delivers samples, else 0")
QUEUED = Gauge("repsense_preprocessor_queued_messages", "Messages received and not yet begun with")
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
