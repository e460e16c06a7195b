"""Persons, labels and recordings in memory, in place of the database."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import lru_cache
from typing import Any, cast

import httpx
import numpy as np
from numpy.typing import NDArray

from repsense.channels import CHANNELS
from repsense.documents import (
    LabelDocument,
    ModelDocument,
    PersonDocument,
    RecordingDocument,
    RecordingSamplesDocument,
    SamplesDocument,
    StoredLabelDocument,
    encode_samples,
    label_key,
    sensor_key,
)
from repsense.recordings import Recording
from repsense.recordings.stored import StoredRecordings, recording_documents, recording_from
from repsense.registry import RegisteredVersion
from repsense.timestamps import MICROSECONDS
from repsense_inference.app import assemble_app
from repsense_inference.dependencies import Parts
from repsense_inference.errors import ModelsUnavailableError, NameTakenError
from repsense_inference.metrics import Metrics
from repsense_inference.names import new_label, new_person
from repsense_inference.recording_ports import (
    Belongings,
    Erased,
    LabelChanges,
    PersonChanges,
    RecordingChanges,
)

__all__ = [
    "FakeChunks",
    "FakeErasing",
    "FakeLabels",
    "FakeModels",
    "FakePersons",
    "FakeRecordings",
    "RecordingWorld",
    "Shelves",
    "assert_documented",
    "problem_of",
]

_STORED_US = 1_772_386_831_000_000  # 2026-03-01T17:40:31Z


@dataclass
class FakePersons:
    documents: dict[str, PersonDocument] = field(default_factory=dict)

    def known(self, name: str) -> PersonDocument:
        """Add somebody and return them."""
        person = new_person(name)
        self.add(person)
        return person

    def all(self) -> list[PersonDocument]:
        return list(self.documents.values())

    def get(self, person_id: str) -> PersonDocument | None:
        return self.documents.get(person_id)

    def add(self, person: PersonDocument) -> None:
        self._check(person["name"], person["_id"])
        self.documents[person["_id"]] = person

    def change(
        self, person_id: str, version: int | None, changes: PersonChanges, changed_us: int
    ) -> PersonDocument | None:
        person = self.documents.get(person_id)
        if person is None or version not in {None, person["version"]}:
            return None
        self._check(changes.get("name", person["name"]), person_id)
        changed = PersonDocument(**{**person, **changes, "version": person["version"] + 1, "changed_us": changed_us})
        self.documents[person_id] = changed
        return changed

    def remove(self, person_id: str) -> None:
        self.documents.pop(person_id, None)

    def _check(self, name: str, person_id: str) -> None:
        if any(one["name"] == name and one["_id"] != person_id for one in self.documents.values()):
            raise NameTakenError(name)


@dataclass
class FakeLabels:
    documents: dict[str, StoredLabelDocument] = field(default_factory=dict)

    def known(self, exercise: str, form: str | None = None) -> StoredLabelDocument:
        """Add a label and return it."""
        return self.add(new_label(LabelDocument(exercise=exercise, form=form)))

    def all(self) -> list[StoredLabelDocument]:
        return list(self.documents.values())

    def get(self, label_id: str) -> StoredLabelDocument | None:
        return self.documents.get(label_id)

    def add(self, label: StoredLabelDocument) -> StoredLabelDocument:
        for one in self.documents.values():
            if one["key"] == label["key"]:
                return one
        self.documents[label["_id"]] = label
        return label

    def change(
        self, label_id: str, version: int | None, changes: LabelChanges, changed_us: int
    ) -> StoredLabelDocument | None:
        label = self.documents.get(label_id)
        if label is None or version not in {None, label["version"]}:
            return None
        changed = StoredLabelDocument(**{**label, **changes, "version": label["version"] + 1, "changed_us": changed_us})
        changed["key"] = label_key(changed["exercise"], changed["form"])
        if any(one["key"] == changed["key"] and one["_id"] != label_id for one in self.documents.values()):
            raise NameTakenError(changed["key"])
        self.documents[label_id] = changed
        return changed

    def remove(self, label_id: str, version: int | None) -> bool:
        label = self.documents.get(label_id)
        if label is None or version not in {None, label["version"]}:
            return False
        del self.documents[label_id]
        return True


@dataclass
class FakeRecordings:
    documents: dict[str, RecordingDocument] = field(default_factory=dict)
    stored_samples: dict[str, bytes] = field(default_factory=dict)
    rivals: list[RecordingChanges] = field(default_factory=list)
    """Changes of somebody else, each made just before one of ours."""
    n_loads: int = 0

    def keep(self, recording: Recording, **changes: Any) -> RecordingDocument:  # noqa: ANN401 - as the document has them
        """Store a recording, each a second after the one before, and return its document."""
        document, samples = recording_documents(recording, _STORED_US + len(self.documents) * 1_000_000)
        document = cast("RecordingDocument", {**document, **changes})
        self.add([(document, samples)])
        return document

    def overview(self) -> Sequence[RecordingDocument]:
        newest_first = sorted(self.documents.values(), key=lambda one: (one["created_us"], one["_id"]), reverse=True)
        return [RecordingDocument(**{**one, "preview": []}) for one in newest_first]

    def get(self, recording_id: str) -> RecordingDocument | None:
        return self.documents.get(recording_id)

    def several(self, ids: Sequence[str]) -> list[RecordingDocument]:
        return [self.documents[one] for one in ids if one in self.documents]

    def samples(self, recording_id: str) -> bytes | None:
        return self.stored_samples.get(recording_id)

    def load(self, documents: Sequence[RecordingDocument]) -> list[tuple[str, Recording]]:
        self.n_loads += 1
        return [(one["_id"], recording_from(one, self.stored_samples[one["_id"]])) for one in documents]

    def store(self, recordings: Sequence[Recording]) -> StoredRecordings:
        return self.add([recording_documents(one, _STORED_US) for one in recordings])

    def add(self, documents: Sequence[tuple[RecordingDocument, RecordingSamplesDocument]]) -> StoredRecordings:
        n_before = len(self.documents)
        for document, samples in documents:
            self.documents.setdefault(document["_id"], document)
            self.stored_samples.setdefault(document["_id"], samples["samples"])
        return StoredRecordings([document["_id"] for document, _ in documents], len(self.documents) - n_before)

    def change(
        self, recording_id: str, version: int | None, changes: RecordingChanges, changed_us: int
    ) -> RecordingDocument | None:
        if self.rivals:
            self.change_at_once(recording_id, self.rivals.pop(), changed_us)
        document = self.documents.get(recording_id)
        if document is None or version not in {None, document["version"]}:
            return None
        return self.change_at_once(recording_id, changes, changed_us)

    def change_several(
        self, versions: Mapping[str, int | None], changes: RecordingChanges, changed_us: int
    ) -> list[RecordingDocument]:
        changed = [self.change(one, version, changes, changed_us) for one, version in versions.items()]
        return [one for one in changed if one is not None]

    def change_at_once(self, recording_id: str, changes: RecordingChanges, changed_us: int) -> RecordingDocument:
        document = self.documents[recording_id]
        version = document["version"] + 1
        changed = RecordingDocument(**{**document, **changes, "version": version, "changed_us": changed_us})
        self.documents[recording_id] = changed
        return changed

    def remove(self, ids: Sequence[str]) -> None:
        for recording_id in ids:
            del self.documents[recording_id], self.stored_samples[recording_id]


@dataclass
class FakeErasing:
    found: Belongings = field(default_factory=lambda: Belongings(0, 0.0, 0, 0, 0))
    erased: Erased = field(default_factory=Erased)
    persons: list[str] = field(default_factory=list)
    """Who was erased."""
    workouts: list[str] = field(default_factory=list)

    def belongings(self, name: str) -> Belongings:
        assert name
        return self.found

    def erase_person(self, name: str) -> Erased:
        self.persons.append(name)
        return self.erased

    def erase_workout(self, workout_id: str) -> Erased:
        self.workouts.append(workout_id)
        return Erased(n_workouts=1)


@dataclass
class Shelves:
    """All of them, as `Parts` takes them."""

    persons: FakePersons = field(default_factory=FakePersons)
    label_store: FakeLabels = field(default_factory=FakeLabels)
    recordings: FakeRecordings = field(default_factory=FakeRecordings)
    erasing: FakeErasing = field(default_factory=FakeErasing)


@dataclass
class FakeChunks:
    """Stored samples of sensors; the newest that are asked for may still be on their way."""

    chunks: list[SamplesDocument] = field(default_factory=list)
    arriving: list[SamplesDocument] = field(default_factory=list)
    """One more is there each time that the newest is asked for."""
    n_reads: int = 0

    def send(
        self,
        samples: NDArray[np.float32],
        start_us: int,
        *,
        rate_hz: float = 50.0,
        stream_id: str = "one",
        sequence: int = 0,
        size: int = 10,
    ) -> list[SamplesDocument]:
        """Store samples of six channels of the sensor "wrist", and return their chunks."""
        sent = [
            SamplesDocument(
                _id=f"{stream_id}:{sequence + index:012d}",
                sensor_key=sensor_key("wrist", start_us + round(index * MICROSECONDS / rate_hz)),
                sensor_id="wrist",
                stream_id=stream_id,
                sequence=sequence + index,
                n_lost_before=0,
                n_samples=len(samples[index : index + size]),
                first_sample_us=start_us + round(index * MICROSECONDS / rate_hz),
                last_sample_us=start_us + round((min(index + size, len(samples)) - 1) * MICROSECONDS / rate_hz),
                sample_rate_hz=rate_hz,
                channels=list(CHANNELS[:6]),
                samples=encode_samples(samples[index : index + size]),
                simulated=False,
            )
            for index in range(0, len(samples), size)
        ]
        self.chunks += sent
        return sent

    def newest(self, sensor_id: str) -> SamplesDocument | None:
        if self.arriving:
            self.chunks.append(self.arriving.pop(0))
        return self._of(sensor_id)[-1] if self._of(sensor_id) else None

    def oldest(self, sensor_id: str) -> SamplesDocument | None:
        return next(iter(self._of(sensor_id)), None)

    def following(self, sensor_id: str, from_us: int, limit: int) -> list[SamplesDocument]:
        self.n_reads += 1
        return [one for one in self._of(sensor_id) if one["first_sample_us"] >= from_us][:limit]

    def between(self, sensor_id: str, from_us: int, to_us: int) -> list[SamplesDocument]:
        self.n_reads += 1
        return [
            one for one in self._of(sensor_id) if one["last_sample_us"] >= from_us and one["first_sample_us"] < to_us
        ]

    def _of(self, sensor_id: str) -> list[SamplesDocument]:
        mine = [one for one in self.chunks if one["sensor_id"] == sensor_id]
        return sorted(mine, key=lambda one: one["first_sample_us"])


class Unused:
    """A part that a test has no use for: it must not be asked."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever is asked for
        message = f"nobody should ask for {name} here"
        raise AssertionError(message)


@dataclass
class FakeModels:
    documents: list[ModelDocument] = field(default_factory=list)

    def all(self) -> list[ModelDocument]:
        return self.documents


@dataclass
class FakeModel:
    classifier: None = None


@dataclass
class FakeModelDirectory:
    found: list[RegisteredVersion] | None = field(default_factory=list)

    def versions(self) -> list[RegisteredVersion]:
        if self.found is None:
            message = "there are no models"
            raise ModelsUnavailableError(message)
        return self.found


@dataclass
class RecordingWorld(Shelves):
    """The app on shelves in memory."""

    models: FakeModels = field(default_factory=FakeModels)
    model: FakeModel = field(default_factory=FakeModel)
    model_directory: FakeModelDirectory = field(default_factory=FakeModelDirectory)
    samples: Any = field(default_factory=Unused)
    others: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        own = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "others"}
        unused = {one.name: Unused() for one in fields(Parts) if one.init}
        self.app = assemble_app(Parts(**{**unused, "metrics": Metrics(), **own, **self.others}))

    def request(self, method: str, path: str, **arguments: Any) -> httpx.Response:  # noqa: ANN401 - as httpx takes them
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
                return await client.request(method, path, **arguments)

        return asyncio.run(send())

    def get(self, path: str, **parameters: str | float) -> Any:  # noqa: ANN401 - JSON
        """What a resource is."""
        answer = self.request("GET", path, params=parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def change(self, method: str, path: str, body: Any = None, *, version: int | str | None = None) -> httpx.Response:  # noqa: ANN401 - JSON
        """Send a change that was made for a version."""
        headers = {} if version is None else {"If-Match": version if isinstance(version, str) else f'"{version}"'}
        return self.request(method, path, json=body, headers=headers)


def problem_of(response: httpx.Response) -> tuple[int, str]:
    """Status and kind of a problem."""
    assert response.headers["content-type"] == "application/problem+json", response.text
    kind = response.json()["type"].removeprefix("urn:repsense:")
    assert_documented(response.request.method, response.request.url.path, response.status_code, kind)
    return response.status_code, kind


def assert_documented(method: str, path: str, status: int, kind: str) -> None:
    """See that OpenAPI has a problem as an example of what a request may be answered with."""
    for template, operations in _document()["paths"].items():
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path):
            operation = operations.get(method.lower())
            # Nobody documents what is not there.
            if operation is not None:
                examples = operation["responses"][str(status)]["content"]["application/problem+json"]["examples"]
                assert kind in examples, f"{method} {template} is answered with {kind}"
            return


@lru_cache(maxsize=1)
def _document() -> dict[str, Any]:
    """OpenAPI of an app that demands everything of its clients."""
    parts: dict[str, Any] = {one.name: Unused() for one in fields(Parts) if one.init}
    app = assemble_app(Parts(**{**parts, "metrics": Metrics()}), key="long-enough-a-key", this_machine_only=True)
    return app.openapi()
