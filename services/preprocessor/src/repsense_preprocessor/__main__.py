"""The preprocessor as a process: `repsense-preprocessor`, or `python -m repsense_preprocessor`."""

import contextlib
import logging
import signal
import sys
import time
from threading import Event

from prometheus_client import REGISTRY
from pydantic import ValidationError

from repsense.broker import BrokerAddress
from repsense.classifiers.following import ModelFollower
from repsense.condition import Condition
from repsense.database import connect_database
from repsense.errors import RepSenseError
from repsense.logs import configure_logging
from repsense.operations import serving_operations, show_build
from repsense.patience import StoppedError, giving_up_when_stopped
from repsense.secret_files import secrets_directory
from repsense.timestamps import now_us
from repsense.topics import SensorTopic, all_sensors_topic
from repsense_preprocessor import metrics
from repsense_preprocessor.broker import BrokerSession, PartitionedBroker
from repsense_preprocessor.leases import Leases
from repsense_preprocessor.partitions import Served
from repsense_preprocessor.pipeline import Pipeline, PipelineRules
from repsense_preprocessor.service import Patience, PatientHistory, Service, Sharing
from repsense_preprocessor.sets import SetRules
from repsense_preprocessor.settings import Settings
from repsense_preprocessor.sign_of_life import SignOfLife
from repsense_preprocessor.storage_figures import StorageFigures
from repsense_preprocessor.store import Store

_LOGGER = logging.getLogger("repsense_preprocessor")


def main() -> None:
    """Run until SIGTERM or SIGINT; exit with 2 and one sentence if the settings cannot be used."""
    try:
        settings = Settings(_secrets_dir=secrets_directory())
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        sys.exit(_refuse(f"{str(first['loc'][0]).upper()}: {first['msg']}, not {first['input']!r}"))
    except RepSenseError as error:
        sys.exit(_refuse(str(error)))
    except OSError as error:
        sys.exit(_refuse(f"SECRETS_DIR: {error.filename} cannot be read: {error.strerror}"))
    configure_logging(settings.log_level, settings.log_format)
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
        address = BrokerAddress.parse(settings.mqtt_url, settings.mqtt_ca_file)
        database = connect_database(settings.mongodb_url)
        opened.callback(database.client.close)
        opened.enter_context(giving_up_when_stopped(database, stop))
        served = Served(settings.partitions)
        store = Store(database, served)
        storage = StorageFigures(database)
        condition = Condition(("broker", "database", "model"))
        patience = Patience(condition)
        if settings.metrics_port:
            show_build("preprocessor")
            REGISTRY.register(storage)
            opened.enter_context(serving_operations(settings.metrics_host, settings.metrics_port, condition))
        follower = ModelFollower(settings.model_url)
        opened.callback(follower.close)
        condition.remark("model", lambda: None if follower.refusal is None else follower.refusal.reason)
        life = SignOfLife(database, settings.replica_id, condition, storage)
        opened.enter_context(life.shown())
        classifier = patience.await_model(stop, settings.model_url)
        manifest = classifier.manifest
        _LOGGER.info(
            "model %s version %d: %d labels, windows of %g s at %g Hz",
            manifest.name,
            manifest.version,
            len(manifest.labels),
            manifest.window_s,
            manifest.sample_rate_hz,
        )
        patience.retry_while_away(stop, "database", lambda: store.prepare(manifest, now_us()))
        rules = PipelineRules(sets=SetRules(max_pause_s=settings.set_max_pause_s))
        pipeline = Pipeline(manifest, PatientHistory(store, stop, patience), rules, time.monotonic())
        broker: BrokerSession | PartitionedBroker
        sharing: Sharing | None = None
        if settings.partitions == 1:
            broker = BrokerSession(address, settings.mqtt_client_id, all_sensors_topic(SensorTopic.SAMPLES))
        else:
            leases = Leases(database, settings.partitions, settings.replica_id)
            leases.start()
            opened.callback(leases.stop)
            broker = PartitionedBroker(address, settings.mqtt_client_id, leases.holds)
            sharing = Sharing(leases, broker, served)
        condition.watch("broker", lambda: broker.problem)
        service = Service(
            broker,
            classifier,
            follower,
            store,
            pipeline,
            kept_s=settings.kept_s,
            condition=condition,
            sharing=sharing,
        )
        metrics.QUEUED.set_function(lambda: broker.n_waiting)
        metrics.STREAMS.set_function(lambda: service.n_streams)
        metrics.OLDEST_WAITING.set_function(lambda: service.oldest_waiting_s)
        broker.start()
        opened.callback(broker.stop)
        life.subject = service
        service.run(stop)


def _refuse(reason: str) -> int:
    print(f"repsense-preprocessor: {reason}", file=sys.stderr)  # noqa: T201 - for the person who started it
    return 2


if __name__ == "__main__":
    main()
