"""Reading the `samples` collection."""

from typing import cast

from repsense.documents import SAMPLES, SamplesDocument, sensor_key, sensor_key_range
from repsense_inference.repositories.connection import DatabaseConnection

__all__ = ["StoredSamples"]


class StoredSamples:
    """See `ports.SampleReader`."""

    def __init__(self, connection: DatabaseConnection) -> None:
        self._connection = connection

    def newest(self, sensor_id: str) -> SamplesDocument | None:
        """The chunk that begins last."""
        return self._last_within(sensor_key_range(sensor_id))

    def oldest(self, sensor_id: str) -> SamplesDocument | None:
        """The chunk that begins first, of those that are still kept."""
        found = self.following(sensor_id, 0, limit=1)
        return found[0] if found else None

    def following(self, sensor_id: str, from_us: int, limit: int) -> list[SamplesDocument]:
        """The first chunks that begin from a time on, oldest first."""
        wanted = {"sensor_key": sensor_key_range(sensor_id, from_us)}
        with self._connection.collection(SAMPLES) as collection:
            found = list(collection.find(wanted).sort("sensor_key", 1).limit(limit))
        return cast("list[SamplesDocument]", found)

    def between(self, sensor_id: str, from_us: int, to_us: int) -> list[SamplesDocument]:
        """The chunks with samples from one time on and before another, oldest first."""
        # Chunks are keyed by their first sample: the one before may reach into the stretch.
        before = self._last_within({"$gte": sensor_key(sensor_id, 0), "$lt": sensor_key(sensor_id, from_us)})
        with self._connection.collection(SAMPLES) as collection:
            query = {"sensor_key": sensor_key_range(sensor_id, from_us, to_us)}
            chunks = cast("list[SamplesDocument]", list(collection.find(query).sort("sensor_key", 1)))
        return [before, *chunks] if before and before["last_sample_us"] >= from_us else chunks

    def _last_within(self, bounds: dict[str, str]) -> SamplesDocument | None:
        with self._connection.collection(SAMPLES) as collection:
            found = list(collection.find({"sensor_key": bounds}).sort("sensor_key", -1).limit(1))
        return cast("SamplesDocument", found[0]) if found else None
