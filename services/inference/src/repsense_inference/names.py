"""Names that only recordings know: whoever imports or records somebody new has thereby made them known."""

import contextlib
import uuid
from collections.abc import Sequence

from repsense.documents import LabelDocument, PersonDocument, RecordingDocument, StoredLabelDocument, label_key
from repsense.timestamps import now_us
from repsense_inference.dependencies import Parts
from repsense_inference.errors import NameTakenError
from repsense_inference.recording_amounts import words_of

__all__ = ["adopt_names", "known_labels", "known_persons", "new_label", "new_person"]


def new_person(name: str, note: str | None = None) -> PersonDocument:
    """The document of a person who is new."""
    created_us = now_us()
    return PersonDocument(
        _id=uuid.uuid4().hex,
        name=name,
        former_name=None,
        note=note,
        version=1,
        created_us=created_us,
        changed_us=created_us,
    )


def new_label(label: LabelDocument, *, background: bool = False) -> StoredLabelDocument:
    """The document of a label that is new."""
    created_us = now_us()
    return StoredLabelDocument(
        _id=uuid.uuid4().hex,
        key=label_key(label["exercise"], label["form"]),
        exercise=label["exercise"],
        form=label["form"],
        former=None,
        background=background,
        version=1,
        created_us=created_us,
        changed_us=created_us,
    )


def known_persons(parts: Parts) -> list[PersonDocument]:
    """Everybody, by name; the subject of a recording that is no person yet becomes one, even of one in the trash."""
    # Persons first: while one is renamed, recordings have either name, but none that was not among these.
    persons = parts.persons.all()
    return _with_subjects(parts, persons, parts.recordings.overview())


def known_labels(parts: Parts) -> list[StoredLabelDocument]:
    """Every label in alphabetical order; a recording's that cannot be chosen yet is added."""
    labels = parts.label_store.all()
    return _with_words(parts, labels, parts.recordings.overview())


def adopt_names(parts: Parts) -> None:
    """Make known what new recordings brought."""
    persons, labels = parts.persons.all(), parts.label_store.all()
    recordings = parts.recordings.overview()
    _with_subjects(parts, persons, recordings)
    _with_words(parts, labels, recordings)


def _with_subjects(
    parts: Parts, persons: list[PersonDocument], recordings: Sequence[RecordingDocument]
) -> list[PersonDocument]:
    subjects = {recording["subject"] for recording in recordings if recording["subject"]}
    if unknown := subjects - {person["name"] for person in persons}:
        for name in sorted(filter(None, unknown)):
            with contextlib.suppress(NameTakenError):
                parts.persons.add(new_person(name))
        persons = parts.persons.all()
    return sorted(persons, key=lambda person: (person["name"].casefold(), person["name"]))


def _with_words(
    parts: Parts, labels: list[StoredLabelDocument], recordings: Sequence[RecordingDocument]
) -> list[StoredLabelDocument]:
    found = {words_of(one["label"]) for one in recordings if not one["deleted_us"]}
    unknown = found - {(label["exercise"], label["form"]) for label in labels}
    added = [
        parts.label_store.add(new_label(LabelDocument(exercise=words[0], form=words[1])))
        for words in unknown
        if words is not None
    ]
    return sorted([*labels, *added], key=lambda label: (label["exercise"].casefold(), label["form"] or ""))
