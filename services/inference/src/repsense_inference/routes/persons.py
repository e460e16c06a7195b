"""`/v1/persons`: those whose movements are recorded."""

import contextlib
from typing import Annotated, cast

from fastapi import APIRouter, Path, Query, Response

from repsense.documents import PersonDocument
from repsense.manifest import ModelManifest
from repsense.timestamps import now_us
from repsense_inference.dependencies import Parts, PartsDependency
from repsense_inference.errors import ModelsUnavailableError, NameTakenError
from repsense_inference.model_labels import decode_manifest
from repsense_inference.names import known_persons, new_person
from repsense_inference.problems import ProblemError, ProblemKind, or_not_found, problem_responses
from repsense_inference.recording_amounts import add_up
from repsense_inference.recording_ports import PersonChanges
from repsense_inference.schemas.base import HEX_ID_PATTERN
from repsense_inference.schemas.persons import (
    ErasedPerson,
    ModelVersion,
    Person,
    PersonBelongings,
    PersonChange,
    PersonList,
    PersonRequest,
)
from repsense_inference.versions import ExpectedVersion, set_etag, version_conflict

__all__ = ["router"]

_PersonIdPath = Annotated[str, Path(pattern=HEX_ID_PATTERN, examples=["0d5c8a1f3b7e4c29a6d0e1f2a3b4c5d6"])]
_ConfirmQuery = Annotated[
    str | None,
    Query(max_length=1_000, description="The person's name, exactly: it shows that this is meant.", examples=["Anna"]),
]

router = APIRouter(prefix="/v1/persons", tags=["persons"])


@router.get("", responses=problem_responses(503))
def list_persons(parts: PartsDependency) -> PersonList:
    """Everybody, by name; the subject of a recording that was imported is a person too."""
    return PersonList(items=_resources(known_persons(parts), parts))


@router.post("", status_code=201, responses=problem_responses(422, 503, ProblemKind.NAME_TAKEN))
def create_person(request: PersonRequest, parts: PartsDependency, response: Response) -> Person:
    """Add somebody; names are unique."""
    person = new_person(request.name, request.note)
    try:
        parts.persons.add(person)
    except NameTakenError as error:
        raise _name_taken(request.name) from error
    response.headers["Location"] = f"{router.prefix}/{person['_id']}"
    return _answer(person, parts, response)


@router.get("/{person_id}", responses=problem_responses(404, 422, 503))
def get_person(person_id: _PersonIdPath, parts: PartsDependency, response: Response) -> Person:
    """One person."""
    return _answer(_found(person_id, parts), parts, response)


@router.patch("/{person_id}", responses=problem_responses(404, 412, 422, 428, 503, ProblemKind.NAME_TAKEN))
def change_person(
    person_id: _PersonIdPath,
    request: PersonChange,
    version: ExpectedVersion,
    parts: PartsDependency,
    response: Response,
) -> Person:
    """Change name or note; the recordings and workouts of a person follow the name."""
    _found(person_id, parts)
    changes = cast("PersonChanges", request.model_dump(exclude_unset=True))
    try:
        changed = parts.persons.change(person_id, version, changes, now_us())
    except NameTakenError as error:
        raise _name_taken(request.name) from error
    if changed is None:
        raise version_conflict()
    return _answer(changed, parts, response)


@router.get("/{person_id}/belongings", responses=problem_responses(404, 422, 503))
def get_belongings(person_id: _PersonIdPath, parts: PartsDependency) -> PersonBelongings:
    """What would be deleted with a person, and the model versions that were evaluated on their recordings."""
    name = _found(person_id, parts)["name"]
    return PersonBelongings.of(parts.erasing.belongings(name), _models_naming(name, parts))


@router.delete(
    "/{person_id}",
    responses=problem_responses(404, 412, 422, 428, 503, ProblemKind.TRAINING_UNDER_WAY, ProblemKind.NOT_CONFIRMED),
)
def delete_person(
    person_id: _PersonIdPath, version: ExpectedVersion, parts: PartsDependency, confirm: _ConfirmQuery = None
) -> ErasedPerson:
    """Delete a person and everything of them, for good: there is no way back.

    That is recordings, those in the trash too; workouts that were said to be theirs, with sets, corrections and
    results; the raw signal of these times; ended training jobs that name them. It can be repeated if it was
    interrupted. Models that were trained on their recordings stay.
    """
    person = _found(person_id, parts)
    name = person["name"]
    if confirm != name:
        detail = f"to delete everything of this person for good, send their name: confirm={name}"
        raise ProblemError(ProblemKind.NOT_CONFIRMED, detail)
    if version not in {None, person["version"]}:
        raise version_conflict()
    if parts.erasing.belongings(name).n_trainings_under_way:
        detail = f"a training with recordings of {name} waits or runs: cancel it or wait until it has ended"
        raise ProblemError(ProblemKind.TRAINING_UNDER_WAY, detail)
    models = _models_naming(name, parts)
    erased = parts.erasing.erase_person(name)
    parts.persons.remove(person_id)
    parts.timelines.forget()
    parts.inspections.forget()
    return ErasedPerson.of(erased, models)


def _found(person_id: str, parts: Parts) -> PersonDocument:
    return or_not_found(parts.persons.get(person_id), person_id, "person")


def _answer(person: PersonDocument, parts: Parts, response: Response) -> Person:
    set_etag(response, person["version"])
    return _resources([person], parts)[0]


def _resources(persons: list[PersonDocument], parts: Parts) -> list[Person]:
    amounts = add_up(parts.recordings.overview(), lambda one: one["subject"])
    return [Person.from_document(person, amounts[person["name"]]) for person in persons]


def _models_naming(name: str, parts: Parts) -> list[ModelVersion]:
    """The model versions that are known and say that they were trained or evaluated on a person's recordings."""
    manifests = [decode_manifest(document) for document in parts.models.all()]
    # A model server's versions are not on this machine's disk.
    with contextlib.suppress(ModelsUnavailableError):
        manifests += [version.manifest for version in parts.model_directory.versions()]
    if classifier := parts.model.classifier:
        manifests.append(classifier.manifest)
    naming = {(one.name, one.version) for one in manifests if one is not None and _names(one, name)}
    return [ModelVersion(name=model, version=version) for model, version in sorted(naming)]


def _names(manifest: ModelManifest, name: str) -> bool:
    """Whether a group of the training or its evaluation is a person or one of their sessions."""
    evaluated = [one.group for one in manifest.evaluation.groups] if manifest.evaluation else []
    return any(group == name or group.startswith(f"{name}/") for group in (*manifest.training.groups, *evaluated))


def _name_taken(name: str) -> ProblemError:
    detail = f"somebody else is called {name!r} already: add something that tells the two apart"
    return ProblemError(ProblemKind.NAME_TAKEN, detail)
