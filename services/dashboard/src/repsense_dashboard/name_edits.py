"""Changes to persons and labels, each with its way back where there is one."""

from repsense_dashboard.api.labels import LabelChanges, LabelsApi, StoredLabel
from repsense_dashboard.api.persons import Person, PersonChanges, PersonsApi
from repsense_dashboard.components.page import Changes
from repsense_dashboard.wording import label_words

__all__ = ["LabelEdits", "PersonEdits"]


class PersonEdits:
    """Edits persons; every method raises `ApiError` if it was not done."""

    def __init__(self, persons: PersonsApi, changes: Changes) -> None:
        self._persons = persons
        self._changes = changes

    def describe(self, person: Person, *, name: str, note: str | None) -> None:
        """Give somebody another name or note; recordings and workouts follow the name."""
        new = {key: value for key, value in (("name", name), ("note", note)) if value != getattr(person, key)}
        if not new:
            return
        old = PersonChanges.model_validate({key: getattr(person, key) for key in new})
        self._persons.change(person, PersonChanges.model_validate(new))

        def _change_back() -> None:
            present = next(each for each in self._persons.list_persons() if each.person_id == person.person_id)
            self._persons.change(present, old)

        words = f"{person.name} is now {name}" if "name" in new else f"Note on {name} changed"
        self._changes.remember(words, _change_back)


class LabelEdits:
    """Edits labels; every method raises `ApiError` if it was not done."""

    def __init__(self, labels: LabelsApi, changes: Changes) -> None:
        self._labels = labels
        self._changes = changes

    def describe(self, label: StoredLabel, *, exercise: str, form: str | None, background: bool) -> None:
        """Give a label other words, which its recordings follow, or say whether it is an exercise at all."""
        given = {"exercise": exercise, "form": form, "background": background}
        new = {key: value for key, value in given.items() if value != getattr(label, key)}
        if not new:
            return
        old = LabelChanges.model_validate({key: getattr(label, key) for key in new})
        changed = self._labels.change(label, LabelChanges.model_validate(new))

        def _change_back() -> None:
            present = next(each for each in self._labels.list_labels() if each.label_id == label.label_id)
            self._labels.change(present, old)

        words = f"{label_words(label.label)} is now {label_words(changed.label)}"
        if set(new) == {"background"}:
            words = f"{label_words(label.label)} is {'no' if background else 'an'} exercise"
        self._changes.remember(words, _change_back)

    def remove(self, label: StoredLabel) -> None:
        """Delete a label that no recording has."""
        self._labels.remove(label)
        self._changes.remember(
            f"{label_words(label.label)} removed", lambda: self._labels.add(label.label, background=label.background)
        )
