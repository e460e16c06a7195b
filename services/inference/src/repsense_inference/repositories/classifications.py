"""Reading the `classifications` collection."""

from repsense.documents import CLASSIFICATIONS, ClassificationDocument, LabelDocument, sensor_key_range
from repsense.labels import Label
from repsense_inference.paging import Page
from repsense_inference.repositories.connection import DatabaseConnection
from repsense_inference.repositories.pages import read_page
from repsense_inference.timelines import LabelledWindow

__all__ = ["StoredClassifications"]

_SHOWN = {"window_start_us": 1, "window_end_us": 1, "label": 1, "confidence": 1}


class StoredClassifications:
    """See `ports.ClassificationReader`."""

    def __init__(self, connection: DatabaseConnection) -> None:
        self._connection = connection

    def newest(self, sensor_id: str) -> ClassificationDocument | None:
        """The sensor's classification whose window starts last."""
        items = self.page(sensor_id, 0, None, limit=1, cursor=None).items
        return items[0] if items else None

    def page(
        self, sensor_id: str | None, from_us: int, to_us: int | None, limit: int, cursor: str | None
    ) -> Page[ClassificationDocument]:
        """Classifications whose windows start from one time on and before another."""
        if sensor_id is not None:
            bounds = sensor_key_range(sensor_id, from_us, to_us)
            return read_page(self._connection, CLASSIFICATIONS, "sensor_key", bounds, limit=limit, cursor_text=cursor)
        times = {"$gte": from_us} if to_us is None else {"$gte": from_us, "$lt": to_us}
        return read_page(self._connection, CLASSIFICATIONS, "window_start_us", times, limit=limit, cursor_text=cursor)

    def windows(self, sensor_id: str, from_us: int, to_us: int) -> list[LabelledWindow]:
        """What is shown of those whose windows start from one time on and before another, oldest first."""
        bounds = {"sensor_key": sensor_key_range(sensor_id, from_us, to_us)}
        labels: dict[tuple[str, str | None], Label] = {}

        def label_of(document: LabelDocument | None) -> Label | None:
            if document is None:
                return None
            words = (document["exercise"], document["form"])
            return labels.get(words) or labels.setdefault(words, Label(exercise=words[0], form=words[1]))

        with self._connection.collection(CLASSIFICATIONS) as collection:
            # An hour has 7,200 of them, for which find takes the embedded database twice as long. An aggregation costs
            # it 20 ms in advance for each million in the collection, which it counts.
            found = list(collection.aggregate([{"$match": bounds}, {"$project": _SHOWN}]))
        windows = [
            LabelledWindow(one["window_start_us"], one["window_end_us"], label_of(one["label"]), one["confidence"])
            for one in found
        ]
        return sorted(windows, key=lambda one: one.start_us)
