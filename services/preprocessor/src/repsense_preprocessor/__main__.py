"""The preprocessor as a process: `repsense-preprocessor`, or `python -m repsense_preprocessor`."""

import contextlib
import logging
import signal
import sys
import time
from threading import Event

import prometheus_client
from pydantic import ValidationError

from repsense.broker import BrokerAddress
from repsense.classifiers import open_classifier
from repsense.classifiers.following import ModelFollower
from repsense.database import connect_database
from repsense.errors import RepSenseError
from repsense.patience import StoppedError
from repsense.timestamps import now_us
from repsense.topics import SensorTopic, all_sensors_topic
from repsense_preprocessor.broker import BrokerSession
from repsense_preprocessor.pipeline import Pipeline, PipelineRules
from repsense_preprocessor.service import PatientHistory, Service, retry_while_away
from repsense_preprocessor.sets import SetRules
from repsense_preprocessor.settings import Settings
from repsense_preprocessor.store import Store

_LOGGER = logging.getLogger("repsense_preprocessor")


def main() -> None:
    """Run until SIGTERM or SIGINT; exit with 2 and one sentence if the settings or the model cannot be used."""
    try:
        settings = Settings()
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        sys.exit(_refuse(f"{str(first['loc'][0]).upper()}: {first['msg']}, not {first['input']!r}"))
    logging.basicConfig(level=settings.log_level, format="%(levelname)s %(message)s", stream=sys.stdout)
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        _run(settings, stop)
    except StoppedError:
        _LOGGER.info("stopped before everything that is needed was there")
    except (RepSenseError, OSError) as error:
        sys.exit(_refuse(str(error)))


def _run(settings: Settings, stop: Event) -> None:
    with contextlib.ExitStack() as opened:
        address = BrokerAddress.parse(settings.mqtt_url)
        database = connect_database(settings.mongodb_url)
        opened.callback(database.client.close)
        store = Store(database)
        if settings.metrics_port:
            prometheus_client.start_http_server(settings.metrics_port, settings.metrics_host)
        follower = ModelFollower(settings.model_url)
        opened.callback(follower.close)
        classifier = retry_while_away(stop, "classifier", lambda: open_classifier(settings.model_url))
        manifest = classifier.manifest
        _LOGGER.info(
            "model %s version %d: %d labels, windows of %g s at %g Hz",
            manifest.name,
            manifest.version,
            len(manifest.labels),
            manifest.window_s,
            manifest.sample_rate_hz,
        )
        retry_while_away(stop, "database", lambda: store.prepare(manifest, now_us()))
        rules = PipelineRules(sets=SetRules(max_pause_s=settings.set_max_pause_s))
        pipeline = Pipeline(manifest, PatientHistory(store, stop), rules, time.monotonic())
        broker = BrokerSession(address, settings.mqtt_client_id, all_sensors_topic(SensorTopic.SAMPLES))
        service = Service(
            broker, classifier, follower, store, pipeline, samples_retention_s=settings.samples_retention_hours * 3600
        )
        broker.start()
        opened.callback(broker.stop)
        service.run(stop)


def _refuse(reason: str) -> int:
    print(f"repsense-preprocessor: {reason}", file=sys.stderr)  # noqa: T201 - for the person who started it
    return 2


if __name__ == "__main__":
    main()
