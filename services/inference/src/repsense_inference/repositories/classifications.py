"""Reading the `classifications` collection."""

from repsense.documents import CLASSIFICATIONS, ClassificationDocument, sensor_key_range
from repsense_inference.paging import Page
from repsense_inference.repositories.connection import DatabaseConnection
from repsense_inference.repositories.pages import read_page

__all__ = ["StoredClassifications"]


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
