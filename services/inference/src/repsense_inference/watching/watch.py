"""The thread that looks after everything every two seconds, and what it has seen."""

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from repsense.documents import SensorDocument
from repsense_inference.errors import DatabaseUnavailableError
from repsense_inference.faults import PARTS, Fault, FaultKind, Part, model_refused
from repsense_inference.live import LiveHub
from repsense_inference.ports import DatabaseProbe, ModelReader, ModelSource, PreprocessorReader, SensorReader
from repsense_inference.recording_ports import RecordingStore
from repsense_inference.watching.clocks import ServerClock, future_fault, offset_fault, steady_s, utc_now
from repsense_inference.watching.disk import disk_fault
from repsense_inference.watching.labels import labels_fault
from repsense_inference.watching.preprocessors import Preprocessors
from repsense_inference.watching.storing import Storing

__all__ = ["Situation", "StandingFault", "Watch"]

_LOGGER = logging.getLogger(__name__)

INTERVAL_S = 2.0
_STOP_TIMEOUT_S = 1.0


@dataclass(frozen=True, slots=True)
class StandingFault:
    """A fault, and since when it is seen."""

    fault: Fault
    since: datetime


@dataclass(frozen=True, slots=True)
class Situation:
    """What is wrong, errors first, from what others need to what nobody waits for."""

    checked_at: datetime
    faults: tuple[StandingFault, ...] = ()


class Watch:
    """Sees what no single request would notice: what is missing, late, full or set wrong."""

    def __init__(
        self,
        *,
        database: DatabaseProbe,
        hub: LiveHub,
        model: ModelSource,
        sensors: SensorReader,
        preprocessors: PreprocessorReader,
        models: ModelReader,
        recordings: RecordingStore,
        free_bytes: Callable[[], int | None],
        clock_s: Callable[[], float] = steady_s,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        """Prepare to look.

        Args:
            database: Whether it answers.
            hub: What the broker says.
            model: The network in use.
            sensors: What is stored of the sensors.
            preprocessors: Their signs of life.
            models: The versions that have classified.
            recordings: What was recorded.
            free_bytes: How much room there is for models; None if nobody knows.
            clock_s: Goes on evenly, whatever is done to the time.
            now: The time.
        """
        self._database = database
        self._hub = hub
        self._model = model
        self._sensors = sensors
        self._signs = preprocessors
        self._models = models
        self._recordings = recordings
        self._free_bytes = free_bytes
        self._clock_s = clock_s
        self._now = now
        self._server_clock = ServerClock(clock_s, now)
        self._preprocessors: Preprocessors | None = None
        self._storing = Storing()
        self._situation = Situation(now())
        self._reported: set[FaultKind] | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    @property
    def situation(self) -> Situation:
        """What was seen last."""
        return self._situation

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(_STOP_TIMEOUT_S)

    def faults_of(self, part: Part) -> list[Fault]:
        """What is wrong with one part, as it was seen last."""
        return [standing.fault for standing in self._situation.faults if standing.fault.part == part]

    def look(self) -> None:
        """See what is wrong now."""
        now = self._now()
        found = {fault.kind: fault for fault in self._find(now)}
        since = {standing.fault.kind: standing.since for standing in self._situation.faults}
        standing = [StandingFault(fault, since.get(kind, now)) for kind, fault in found.items()]
        standing.sort(key=lambda one: (one.fault.severity != "error", PARTS.index(one.fault.part)))
        self._situation = Situation(now, tuple(standing))
        self._report(found)

    def _find(self, now: datetime) -> list[Fault]:
        needed = [self._database.fault, self._hub.broker_fault, self._model.fault]
        faults = [fault for fault in needed if fault is not None]
        if self._model.refusal is not None:
            faults.append(model_refused(self._model.refusal))
        if self._database.absence is not None:
            self._preprocessors, self._storing = None, Storing()
        else:
            try:
                faults += self._find_stored(now)
            except DatabaseUnavailableError:
                # It has just gone away.
                faults += [fault for fault in [self._database.fault] if fault is not None and fault not in faults]
        rest = (self._server_clock.fault(), offset_fault(self._hub.clock_offsets_s()), disk_fault(self._free_bytes()))
        return faults + [fault for fault in rest if fault is not None]

    def _find_stored(self, now: datetime) -> list[Fault]:
        documents = {document["_id"]: document for document in self._sensors.all()}
        found = [*self._find_unstored(documents), future_fault(documents, now), self._find_labels(now)]
        return [fault for fault in found if fault is not None]

    def _find_unstored(self, documents: Mapping[str, SensorDocument]) -> list[Fault]:
        """What keeps signals from becoming results, unless that follows from a fault that is known."""
        if self._database.fault is not None or self._model.fault is not None:
            self._preprocessors, self._storing = None, Storing()
            return []
        clock_s = self._clock_s()
        if self._preprocessors is None:
            self._preprocessors = Preprocessors(clock_s)
        known = () if self._hub.broker_fault is None else ("broker",)
        faults = self._preprocessors.faults(self._signs.all(), clock_s, known)
        if any(fault.severity == "error" for fault in faults):
            # When that is over there must be time for what has waited.
            self._storing = Storing()
            return faults
        not_stored = self._storing.fault(self._hub.statuses(), documents, clock_s)
        if not_stored is not None:
            self._database.doubt_writing()
            faults.append(not_stored)
        return faults

    def _find_labels(self, now: datetime) -> Fault | None:
        classifier = self._model.classifier
        if classifier is None:
            return None
        recorded = {
            one["label"]["exercise"]
            for one in self._recordings.overview()
            if one["label"] is not None and not one["deleted_us"]
        }
        return labels_fault(classifier.manifest, self._models.all(), recorded, now)

    def _report(self, found: dict[FaultKind, Fault]) -> None:
        if self._reported is None:
            # At the first look whatever is needed is only just being opened.
            self._reported = set()
            return
        for kind, fault in found.items():
            if kind not in self._reported:
                level = logging.WARNING if fault.severity == "error" else logging.INFO
                _LOGGER.log(level, "%s: %s", kind, fault.inside or fault.detail)
        for kind in self._reported - set(found):
            _LOGGER.info("%s: no longer", kind)
        self._reported = set(found)

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self.look()
            except Exception:
                # A mistake of ours. Nobody waits for this thread, and the next look may see more.
                _LOGGER.exception("the situation could not be seen")
            self._stopped.wait(INTERVAL_S)
