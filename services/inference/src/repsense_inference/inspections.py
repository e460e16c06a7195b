"""What is wrong with the recordings as data to train on, looked at once as long as nothing changes."""

import threading
from collections import OrderedDict
from collections.abc import Sequence

from repsense.documents import RecordingDocument
from repsense.recordings.inspection import Inspection, inspect
from repsense.recordings.stored import recording_order
from repsense_inference.recording_ports import RecordingStore

__all__ = ["Inspections"]

_N_KEPT = 4
"""Results for so many lengths of windows."""


class Inspections:
    """Looks at all recordings that are not in the trash; one at a time, since each fetches every sample."""

    def __init__(self, recordings: RecordingStore) -> None:
        self._recordings = recordings
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[object, ...], Inspection] = OrderedDict()

    def of(self, window_s: float) -> Inspection:
        """What is found in the recordings as they are now.

        Args:
            window_s: How long the network's windows will be.

        Raises:
            RecordingError: If a recording is damaged.
            DatabaseUnavailableError: If the database does not answer.
        """
        with self._lock:
            documents = sorted(
                (one for one in self._recordings.overview() if not one["deleted_us"]), key=recording_order
            )
            key = (window_s, *((one["_id"], one["version"]) for one in documents))
            if key not in self._known:
                self._known[key] = self._look(documents, window_s)
            self._known.move_to_end(key)
            while len(self._known) > _N_KEPT:
                self._known.popitem(last=False)
            return self._known[key]

    def forget(self) -> None:
        """Forget what was found, since it may have been deleted."""
        with self._lock:
            self._known.clear()

    def _look(self, documents: Sequence[RecordingDocument], window_s: float) -> Inspection:
        loaded = self._recordings.load(documents)
        if not loaded:
            return Inspection(
                minutes=0.0,
                labels=(),
                groups=(),
                recordings=(),
                channels=(),
                gaps=(),
                repeated=0.0,
                copies=(),
                warnings=(),
            )
        ids = [recording_id for recording_id, _ in loaded]
        return inspect([recording for _, recording in loaded], window_s=window_s, ids=ids)
