"""Changes to recordings, each with its way back."""

from collections import defaultdict
from collections.abc import Sequence

from repsense_dashboard.api import Label
from repsense_dashboard.api.recordings import (
    Recording,
    RecordingChanges,
    RecordingsApi,
    TrimTo,
    Written,
)
from repsense_dashboard.components.page import Changes
from repsense_dashboard.wording import counted, label_words

__all__ = ["RecordingEdits"]


class RecordingEdits:
    """Edits recordings and remembers how to take it back; every method raises `ApiError` if it was not done.

    A change is made to the version that the person has seen. Taking it back gives the same fields their old values,
    whatever else has happened to the recording since.
    """

    def __init__(self, recordings: RecordingsApi, changes: Changes) -> None:
        self._recordings = recordings
        self._changes = changes

    def trim(self, recording: Recording, start_s: float, end_s: float) -> Recording:
        """Keep another part of what was captured."""
        before = TrimTo(start_s=recording.trim_start_s, end_s=recording.trim_end_s)
        after = RecordingChanges(trim=TrimTo(start_s=start_s, end_s=end_s))
        return self._change(recording, after, RecordingChanges(trim=before), f"{_name(recording)} trimmed")

    def trim_to_movement(self, recording: Recording) -> Recording:
        """Keep from the onset of the movement to its end."""
        before = TrimTo(start_s=recording.trim_start_s, end_s=recording.trim_end_s)
        words = f"{_name(recording)} trimmed to the movement"
        return self._change(recording, RecordingChanges(trim="auto"), RecordingChanges(trim=before), words)

    def untrim(self, recording: Recording) -> Recording:
        """Keep all that was captured."""
        before = TrimTo(start_s=recording.trim_start_s, end_s=recording.trim_end_s)
        words = f"All of {_name(recording)} kept"
        return self._change(recording, RecordingChanges(trim="none"), RecordingChanges(trim=before), words)

    def describe(
        self, recording: Recording, *, label: Label | None, subject: str | None, session: str | None, note: str | None
    ) -> Recording | None:
        """Say something else about a recording; None if nothing of it is new."""
        given = {"label": label, "subject": subject, "session": session, "note": note}
        new = {name: value for name, value in given.items() if value != getattr(recording, name)}
        if not new:
            return None
        old = {name: getattr(recording, name) for name in new}
        words = f"{_name(recording)} is now {label_words(label)}" if "label" in new else f"{_name(recording)} changed"
        return self._change(recording, RecordingChanges(**new), RecordingChanges(**old), words)

    def relabel(self, recordings: Sequence[Recording], label: Label | None) -> Written:
        """Give recordings another label."""
        words = f"relabelled as {label_words(label)}"
        return self._change_several(recordings, RecordingChanges(label=label), "label", words)

    def move_to_person(self, recordings: Sequence[Recording], subject: str) -> Written:
        """Say that it was somebody else."""
        return self._change_several(recordings, RecordingChanges(subject=subject), "subject", f"moved to {subject}")

    def move_to_session(self, recordings: Sequence[Recording], session: str) -> Written:
        """Say that it was in another session."""
        words = f"moved to session {session}"
        return self._change_several(recordings, RecordingChanges(session=session), "session", words)

    def throw_away(self, recordings: Sequence[Recording]) -> Written:
        """Put recordings into the trash."""
        written = self._recordings.throw_away(recordings)
        ids = [each.recording_id for each in written.items]
        if ids:
            what = _name(written.items[0]) if len(ids) == 1 else counted(len(ids), "recording")
            self._changes.remember(f"{what} deleted", lambda: self._recordings.restore(ids))
        return written

    def restore(self, recordings: Sequence[Recording]) -> tuple[Recording, ...]:
        """Take recordings out of the trash."""
        back = self._recordings.restore([each.recording_id for each in recordings])
        self._changes.remember(
            f"{counted(len(back), 'recording')} restored", lambda: self._recordings.throw_away(back, any_version=True)
        )
        return back

    def split(self, recording: Recording, at_s: float) -> tuple[Recording, ...]:
        """Cut a recording in two."""
        parts = self._recordings.split(recording, [at_s])

        def _join() -> None:
            self._recordings.restore([recording.recording_id])
            self._recordings.throw_away(parts, any_version=True)

        self._changes.remember(f"{_name(recording)} split", _join)
        return parts

    def _change(self, recording: Recording, after: RecordingChanges, before: RecordingChanges, words: str) -> Recording:
        changed = self._recordings.change(recording, after)

        def _change_back() -> None:
            present = self._recordings.get_recording(recording.recording_id)
            self._recordings.change(present, before)

        self._changes.remember(words, _change_back)
        return changed

    def _change_several(
        self, recordings: Sequence[Recording], after: RecordingChanges, name: str, words: str
    ) -> Written:
        written = self._recordings.change_several(recordings, after)
        changed = {each.recording_id for each in written.items}
        old: defaultdict[object, list[Recording]] = defaultdict(list)
        for recording in recordings:
            if recording.recording_id in changed:
                old[getattr(recording, name)].append(recording)

        def _change_back() -> None:
            for value, having in old.items():
                before = RecordingChanges.model_validate({name: value})
                self._recordings.change_several(having, before, any_version=True)

        if changed:
            self._changes.remember(f"{counted(len(changed), 'recording')} {words}", _change_back)
        return written


def _name(recording: Recording) -> str:
    """Return what to call a recording within a sentence, at its beginning, too."""
    return f"Take of {label_words(recording.label)}" if recording.label else "Take without label"
