"""Labels that recordings can have."""

from pydantic import AwareDatetime, BaseModel

from repsense_dashboard.api.connection import Connection, Resource
from repsense_dashboard.api.live import Label

__all__ = ["LabelChanges", "LabelsApi", "StoredLabel"]

_PATH = "/v1/labels"


class StoredLabel(Resource):
    """A label that can be chosen."""

    label_id: str
    exercise: str
    form: str | None = None
    background: bool = False
    """Whether it is no exercise, such as rest."""
    n_recordings: int = 0
    minutes: float = 0.0
    version: int
    created_at: AwareDatetime

    @property
    def label(self) -> Label:
        """Return its words."""
        return Label(exercise=self.exercise, form=self.form)


class LabelChanges(BaseModel):
    """What is to be different; a field that is not given stays as it is."""

    exercise: str = ""
    form: str | None = None
    background: bool = False


class _Labels(Resource):
    items: tuple[StoredLabel, ...]


class _Manifest(Resource):
    labels: tuple[Label, ...] = ()


class _Model(Resource):
    in_use: bool = False
    manifest: _Manifest = _Manifest()


class _Models(Resource):
    items: tuple[_Model, ...]


class LabelsApi:
    """Knows the labels; every method raises `ApiError` if there is no usable answer."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list_labels(self) -> tuple[StoredLabel, ...]:
        """Return the labels that can be chosen."""
        return self._connection.get(_Labels, _PATH).items

    def list_recognised(self) -> tuple[Label, ...]:
        """Return what the model in use can tell apart."""
        models = self._connection.get(_Models, "/v1/models").items
        return next((model.manifest.labels for model in models if model.in_use), ())

    def add(self, label: Label, *, background: bool = False) -> StoredLabel:
        """Return the label, which is added if it is not there."""
        body = {"exercise": label.exercise, "form": label.form, "background": background}
        return self._connection.send("POST", StoredLabel, _PATH, body)

    def change(self, label: StoredLabel, changes: LabelChanges) -> StoredLabel:
        """Change a label; recordings follow its words."""
        path = f"{_PATH}/{label.label_id}"
        return self._connection.send("PATCH", StoredLabel, path, changes, version=label.version, patient=True)

    def remove(self, label: StoredLabel) -> None:
        """Delete a label; one that recordings have is a problem of the kind "label-in-use"."""
        self._connection.delete(f"{_PATH}/{label.label_id}", version=label.version)
