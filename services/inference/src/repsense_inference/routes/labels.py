"""`/v1/labels`: what recordings can be called."""

from collections.abc import Mapping
from typing import Annotated, cast

from fastapi import APIRouter, Path, Response

from repsense.documents import LabelDocument, StoredLabelDocument
from repsense.timestamps import now_us
from repsense_inference.dependencies import Parts, PartsDependency
from repsense_inference.errors import NameTakenError
from repsense_inference.names import known_labels, new_label
from repsense_inference.problems import ProblemError, ProblemKind, or_not_found, problem_responses
from repsense_inference.recording_amounts import RecordedAmount, Words, add_up, words_of
from repsense_inference.recording_ports import LabelChanges
from repsense_inference.schemas.base import HEX_ID_PATTERN
from repsense_inference.schemas.labels import LabelChange, LabelList, LabelRequest, StoredLabel
from repsense_inference.versions import ExpectedVersion, set_etag, version_conflict

__all__ = ["router"]

_LabelIdPath = Annotated[str, Path(pattern=HEX_ID_PATTERN, examples=["7b1e4a90c2d34f58b6a7089d1c2e3f40"])]

router = APIRouter(prefix="/v1/labels", tags=["labels"])


@router.get("", responses=problem_responses(503))
def list_labels(parts: PartsDependency) -> LabelList:
    """Every label, in alphabetical order; those of recordings that were imported are among them."""
    return LabelList(items=_resources(known_labels(parts), parts))


@router.post(
    "",
    status_code=201,
    responses={
        200: {"model": StoredLabel, "description": "It is there already."},
        **problem_responses(422, 503),
    },
)
def create_label(request: LabelRequest, parts: PartsDependency, response: Response) -> StoredLabel:
    """Add a label; if one with its words is there already, answer with that, as it is."""
    wanted = new_label(LabelDocument(exercise=request.exercise, form=request.form), background=request.background)
    label = parts.label_store.add(wanted)
    response.status_code = 201 if label["_id"] == wanted["_id"] else 200
    response.headers["Location"] = f"{router.prefix}/{label['_id']}"
    return _answer(label, parts, response)


@router.get("/{label_id}", responses=problem_responses(404, 422, 503))
def get_label(label_id: _LabelIdPath, parts: PartsDependency, response: Response) -> StoredLabel:
    """One label."""
    return _answer(_found(label_id, parts), parts, response)


@router.patch("/{label_id}", responses=problem_responses(404, 412, 422, 428, 503, ProblemKind.LABEL_TAKEN))
def change_label(
    label_id: _LabelIdPath, request: LabelChange, version: ExpectedVersion, parts: PartsDependency, response: Response
) -> StoredLabel:
    """Change a label; recordings that have it follow its words."""
    _found(label_id, parts)
    changes = cast("LabelChanges", request.model_dump(exclude_unset=True))
    try:
        changed = parts.label_store.change(label_id, version, changes, now_us())
    except NameTakenError as error:
        detail = "there is another label with these words: give the recordings that one instead"
        raise ProblemError(ProblemKind.LABEL_TAKEN, detail) from error
    if changed is None:
        raise version_conflict()
    return _answer(changed, parts, response)


@router.delete(
    "/{label_id}", status_code=204, responses=problem_responses(404, 412, 422, 428, 503, ProblemKind.LABEL_IN_USE)
)
def delete_label(label_id: _LabelIdPath, version: ExpectedVersion, parts: PartsDependency) -> None:
    """Delete a label that no recording has; those in the trash do not count."""
    label = _found(label_id, parts)
    if n_recordings := _amounts(parts)[label["exercise"], label["form"]].n_recordings:
        have = "1 recording has" if n_recordings == 1 else f"{n_recordings} recordings have"
        detail = f"{have} this label: give them another one first, or delete them"
        raise ProblemError(ProblemKind.LABEL_IN_USE, detail)
    if not parts.label_store.remove(label_id, version):
        raise version_conflict()


def _found(label_id: str, parts: Parts) -> StoredLabelDocument:
    return or_not_found(parts.label_store.get(label_id), label_id, "label")


def _amounts(parts: Parts) -> Mapping[Words | None, RecordedAmount]:
    return add_up(parts.recordings.overview(), lambda one: words_of(one["label"]))


def _answer(label: StoredLabelDocument, parts: Parts, response: Response) -> StoredLabel:
    set_etag(response, label["version"])
    return _resources([label], parts)[0]


def _resources(labels: list[StoredLabelDocument], parts: Parts) -> list[StoredLabel]:
    amounts = _amounts(parts)
    return [StoredLabel.from_document(label, amounts[label["exercise"], label["form"]]) for label in labels]
