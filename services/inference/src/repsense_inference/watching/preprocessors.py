"""Whether preprocessors live, and can work."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from repsense.documents import PreprocessorDocument
from repsense_inference.faults import Fault, FaultKind
from repsense_inference.watching.words import span

__all__ = ["Preprocessors"]

SILENT_S = 10.0
"""A sign of life comes every two seconds; the embedded database may be busy with something large for a while."""
BEHIND_S = 10.0
"""Nobody takes that for live any more."""


@dataclass(frozen=True, slots=True)
class _Heard:
    beat: int
    at_s: float


class Preprocessors:
    """Follows the signs of life by a clock of its own: that of a preprocessor may be set meanwhile, or be wrong."""

    def __init__(self, began_s: float) -> None:
        """Begin to listen.

        Args:
            began_s: When, by the clock that later times are of.
        """
        self._began_s = began_s
        self._heard: dict[str, _Heard] = {}

    def faults(
        self, documents: Iterable[PreprocessorDocument], now_s: float, known: Collection[str] = ()
    ) -> list[Fault]:
        """What is wrong with them.

        Args:
            documents: The signs that are there now.
            now_s: When.
            known: What is known to be wrong, so that it need not be said once more that they lack it.
        """
        alive = self._alive(documents, now_s)
        if not alive:
            if now_s - self._began_s <= SILENT_S:
                return []
            return [Fault(FaultKind.PREPROCESSOR_AWAY, "no preprocessor has given a sign of life lately")]
        return [fault for fault in (_waiting(alive, known), _behind(alive)) if fault is not None]

    def _alive(self, documents: Iterable[PreprocessorDocument], now_s: float) -> list[PreprocessorDocument]:
        before, self._heard = self._heard, {}
        alive = []
        for document in documents:
            replica = document["_id"]
            heard = before.get(replica)
            if heard is None or heard.beat != document["beat"]:
                heard = _Heard(document["beat"], now_s)
            self._heard[replica] = heard
            if now_s - heard.at_s <= SILENT_S:
                alive.append(document)
        return alive


def _waiting(alive: Sequence[PreprocessorDocument], known: Collection[str]) -> Fault | None:
    problems = {name: text for document in alive for name, text in document["problems"].items() if name not in known}
    if not problems:
        return None
    names = ", ".join(sorted(problems))
    return Fault(
        FaultKind.PREPROCESSOR_WAITING, f"it lacks: {names}", inside="; ".join(dict.fromkeys(problems.values()))
    )


def _behind(alive: Sequence[PreprocessorDocument]) -> Fault | None:
    lag_s = max(document["oldest_waiting_s"] for document in alive)
    if lag_s <= BEHIND_S:
        return None
    return Fault(FaultKind.BEHIND, f"what the sensors send waits for {span(lag_s)} until it is stored")
