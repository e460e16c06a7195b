"""The pipeline's side of the database: idempotent writes, and what was there before this process began."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from pymongo import ReplaceOne, UpdateOne
from pymongo.errors import BulkWriteError

from repsense.database import Documents, is_repetition
from repsense.documents import (
    CLASSIFICATIONS,
    MODELS,
    SAMPLES,
    SENSORS,
    SETS,
    WORKOUTS,
    ClassificationDocument,
    ModelDocument,
    SamplesDocument,
    SensorDocument,
    SetDocument,
    WorkoutDocument,
    decode_samples,
    model_key,
    sensor_key_range,
)
from repsense.manifest import ModelManifest
from repsense.messages import SamplesMessage
from repsense.retention import delete_older
from repsense.schema import ensure_schema
from repsense.streams import Run
from repsense.timestamps import MICROSECONDS, to_epoch_us
from repsense_preprocessor.partitions import Served
from repsense_preprocessor.pipeline import Outcome, SensorHistory, StreamHistory

__all__ = ["Store"]

_Change = ReplaceOne[dict[str, Any]] | UpdateOne
_MAX_HISTORY_US = 600 * MICROSECONDS
"""How far back a stream without any stored result is read."""


class Store:
    """Reads and writes documents; every method raises `pymongo.errors.PyMongoError` while the database is away."""

    def __init__(self, database: Documents, served: Served | None = None) -> None:
        """Prepare to read and write.

        Args:
            database: The database.
            served: The sensors that are followed, and under which leases; every one, without any, if not given.
        """
        self._database = database
        self._served = served if served is not None else Served()

    def prepare(self, manifest: ModelManifest, now_us: int) -> None:
        """See to the schema, and enter a model into the list of those that were used, before it is.

        Raises:
            SchemaError: If the database cannot be used, or not yet.
        """
        ensure_schema(self._database)
        document = ModelDocument(
            _id=model_key(manifest.name, manifest.version),
            name=manifest.name,
            version=manifest.version,
            manifest=manifest.model_dump_json(),
            first_used_us=now_us,
        )
        self._database[MODELS].bulk_write([_upsert(document, "first_used_us")])
        if self._served.n_partitions > 1:
            # What was written without leases is older than all of them. The condition of `_mine` cannot allow for it:
            # the embedded database knows no "$not", and forgets the rest of a filter over an "$or".
            for collection in (SETS, WORKOUTS, SENSORS):
                unleased = {"generation": {"$exists": False}}
                self._database[collection].update_many(unleased, {"$set": {"generation": 0}})

    def write(self, outcome: Outcome) -> None:
        """Store all that a batch led to; the same batch again changes nothing.

        Sets go before classifications: after a crash in between, the windows are classified again and the sets
        know that they have counted them; the other way round, the sets would miss them.

        Samples and classifications are what they are, whoever writes them. What is written more than once, sets,
        workouts and sensors, is left alone where somebody with a later lease has written it.
        """
        self._insert(SAMPLES, outcome.samples)
        self._replace(SETS, outcome.sets)
        self._replace(WORKOUTS, outcome.workouts)
        self._insert(CLASSIFICATIONS, outcome.classifications)
        self._write_over(
            SENSORS,
            [
                _upsert({**document, **self._lease(document["_id"])}, "first_seen_us", self._mine(document["_id"]))
                for document in outcome.sensors.values()
            ],
        )

    def expire(self, collection: str, before_us: int) -> int:
        """Delete some of the oldest samples or classifications from before a time; return how many documents went."""
        return delete_older(self._database, collection, before_us)

    def sensor(self, sensor_id: str) -> SensorHistory:
        """See `pipeline.History.sensor`."""
        workout = cast("WorkoutDocument | None", self._newest(WORKOUTS, sensor_key_range(sensor_id)))
        if workout is None:
            return SensorHistory()
        sets = cast("list[SetDocument]", list(self._database[SETS].find({"workout_id": workout["_id"]})))
        return SensorHistory(workout, sets)

    def stream(self, message: SamplesMessage, span_us: int) -> StreamHistory:
        """See `pipeline.History.stream`."""
        # The database is asked by sensor and time alone, which its index serves; the rest is sifted here.
        first_us = to_epoch_us(message.first_sample_at)
        sensor_id, stream_id = message.sensor_id, message.stream_id
        keys_before = sensor_key_range(sensor_id, 0, first_us)
        newest_samples = self._newest(SAMPLES, keys_before)
        if newest_samples is None or newest_samples["stream_id"] != stream_id:
            return StreamHistory()
        newest_result = self._newest(CLASSIFICATIONS, keys_before)
        from_us = first_us - _MAX_HISTORY_US
        if newest_result is not None and newest_result["stream_id"] == stream_id:
            from_us = newest_result["window_start_us"] - span_us
        samples = cast(
            "list[SamplesDocument]",
            list(self._database[SAMPLES].find({"sensor_key": sensor_key_range(sensor_id, from_us)})),
        )
        runs = [
            Run(s["sequence"], s["first_sample_us"], decode_samples(s), s["n_lost_before"])
            for s in sorted(samples, key=lambda document: document["sequence"])
            if s["stream_id"] == stream_id
        ]
        classifications = cast(
            "list[ClassificationDocument]",
            list(self._database[CLASSIFICATIONS].find({"sensor_key": sensor_key_range(sensor_id, from_us)})),
        )
        sensor = cast("SensorDocument | None", self._database[SENSORS].find_one({"_id": sensor_id}))
        return StreamHistory(
            runs=[run for run in runs if run.sequence < message.sequence],
            later_runs=[run for run in runs if run.sequence > message.sequence],
            classifications=[document for document in classifications if document["stream_id"] == stream_id],
            sensor=sensor if sensor is not None and sensor["stream_id"] == stream_id else None,
        )

    def sensors_with_open_set(self) -> list[str]:
        """See `pipeline.History.sensors_with_open_set`."""
        sensors = {document["sensor_id"] for document in self._database[SETS].find({"state": "open"})}
        return sorted(filter(self._served.includes, sensors))

    def _newest(self, collection: str, keys: Mapping[str, str]) -> Mapping[str, Any] | None:
        return self._database[collection].find_one({"sensor_key": keys}, sort=[("sensor_key", -1)])

    def _insert(self, collection: str, documents: Sequence[Mapping[str, Any]]) -> None:
        """Insert what is not there yet."""
        if not documents:
            return
        try:
            self._database[collection].insert_many([dict(document) for document in documents], ordered=False)
        except BulkWriteError as error:
            if not is_repetition(error):
                raise

    def _replace(self, collection: str, documents: Mapping[str, SetDocument] | Mapping[str, WorkoutDocument]) -> None:
        self._write_over(
            collection,
            [
                ReplaceOne(
                    {"_id": key} | self._mine(document["sensor_id"]),
                    {**document, **self._lease(document["sensor_id"])},
                    upsert=True,
                )
                for key, document in documents.items()
            ],
        )

    def _write_over(self, collection: str, changes: Sequence[_Change]) -> None:
        """Write what may be there already, but for what somebody with a later lease has written."""
        if not changes:
            return
        try:
            self._database[collection].bulk_write(changes, ordered=False)
        except BulkWriteError as error:
            # The filter did not match, so an insert was tried of what is there.
            if not is_repetition(error):
                raise

    def _lease(self, sensor_id: str) -> dict[str, int]:
        """What is written into a sensor's documents of the lease under which it is served."""
        generation = self._served.generation(sensor_id)
        return {} if generation is None else {"generation": generation}

    def _mine(self, sensor_id: str) -> dict[str, Any]:
        """The condition on which a sensor's document may be written over."""
        generation = self._served.generation(sensor_id)
        if generation is None:
            return {}
        return {"generation": {"$lte": generation}}


def _upsert(document: Mapping[str, Any], kept: str, condition: Mapping[str, Any] | None = None) -> UpdateOne:
    """Set all fields of a document but one, which keeps the value of the first time, if a condition holds."""
    changed = {key: value for key, value in document.items() if key not in {"_id", kept}}
    return UpdateOne(
        {"_id": document["_id"], **(condition or {})},
        {"$set": changed, "$setOnInsert": {kept: document[kept]}},
        upsert=True,
    )
