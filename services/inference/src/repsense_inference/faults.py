"""What can be wrong with RepSense as a whole, in words that a person understands, and what to do about it.

A `Fault` says what is the case now; what all faults of its kind have in common is in one table here. `/readyz`,
`/v1/status`, `/metrics` and the dashboard show the same ones.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

__all__ = ["PARTS", "Fault", "FaultKind", "Part", "Severity", "model_refused"]

Part = Literal["database", "broker", "model", "preprocessor", "disk", "clock"]
PARTS: tuple[Part, ...] = ("database", "broker", "model", "preprocessor", "disk", "clock")
"""From the one that most others need to the one that nobody waits for."""

Severity = Literal["error", "remark"]
"""An error keeps something from working; a remark is good to know."""


class FaultKind(StrEnum):
    """The kinds of faults, as programs know them."""

    DATABASE_AWAY = "database-away"
    DATABASE_PASSWORD = "database-password"  # noqa: S105 - the kind of a fault
    DATABASE_RIGHTS = "database-rights"
    DATABASE_ELECTING = "database-electing"
    DATABASE_FULL = "database-full"
    DATABASE_READ_ONLY = "database-read-only"
    DATABASE_SCHEMA = "database-schema"
    BROKER_AWAY = "broker-away"
    BROKER_PASSWORD = "broker-password"  # noqa: S105 - the kind of a fault
    BROKER_CERTIFICATE = "broker-certificate"
    MODEL_MISSING = "model-missing"
    MODEL_AWAY = "model-away"
    MODEL_REFUSED = "model-refused"
    MODEL_LABELS = "model-labels"
    PREPROCESSOR_AWAY = "preprocessor-away"
    PREPROCESSOR_WAITING = "preprocessor-waiting"
    NOT_STORED = "not-stored"
    BEHIND = "behind"
    DISK_FULL = "disk-full"
    DISK_LOW = "disk-low"
    CLOCK_JUMPED = "clock-jumped"
    CLOCKS_DIFFER = "clocks-differ"
    SAMPLES_FROM_FUTURE = "samples-from-future"


@dataclass(frozen=True, slots=True)
class _Nature:
    """What faults of one kind have in common."""

    part: Part
    severity: Severity
    title: str
    advice: str


_SAFE = "What the sensors send waits meanwhile, and everything goes on by itself."

_NATURES: Mapping[FaultKind, _Nature] = {
    FaultKind.DATABASE_AWAY: _Nature(
        "database",
        "error",
        "The database is away",
        f"See whether it runs, and what its log says. {_SAFE}",
    ),
    FaultKind.DATABASE_PASSWORD: _Nature(
        "database",
        "error",
        "The database refuses the password",
        f"Give this service a MONGODB_URL with a user and a password that the database knows. {_SAFE}",
    ),
    FaultKind.DATABASE_RIGHTS: _Nature(
        "database",
        "error",
        "The database refuses this service",
        "The user in MONGODB_URL lacks rights; `repsense-admin prepare` gives them.",
    ),
    FaultKind.DATABASE_ELECTING: _Nature(
        "database",
        "error",
        "The database is changing over",
        f"Another of its servers takes over, most often within seconds; if not, see whether most of them run. {_SAFE}",
    ),
    FaultKind.DATABASE_FULL: _Nature(
        "database",
        "error",
        "The database is full",
        f"Make room on the disk that the database writes to; until then nothing new is stored. {_SAFE}",
    ),
    FaultKind.DATABASE_READ_ONLY: _Nature(
        "database",
        "error",
        "The database takes no changes",
        f"Somebody has set it, or its disk, to reading only; until that is lifted nothing new is stored. {_SAFE}",
    ),
    FaultKind.DATABASE_SCHEMA: _Nature(
        "database",
        "error",
        "The database does not fit this version",
        "If it is just being brought up to date, this passes. Else use the RepSense that wrote it, or a newer one.",
    ),
    FaultKind.BROKER_AWAY: _Nature(
        "broker",
        "error",
        "The message broker is away",
        "See whether it runs, and what its log says. The gateways keep what the sensors send and deliver it later.",
    ),
    FaultKind.BROKER_PASSWORD: _Nature(
        "broker",
        "error",
        "The message broker refuses the password",
        "Give this service an MQTT_URL with a user and a password that the broker knows.",
    ),
    FaultKind.BROKER_CERTIFICATE: _Nature(
        "broker",
        "error",
        "The message broker is not trusted",
        "Nothing is sent to a broker that cannot show who it is: set MQTT_CA_FILE, or the broker's certificate, right.",
    ),
    FaultKind.MODEL_MISSING: _Nature(
        "model",
        "error",
        "There is no model",
        "Train one and put it in use, or look at MODEL_URL. Signals are not classified without.",
    ),
    FaultKind.MODEL_AWAY: _Nature(
        "model",
        "error",
        "The model server is away",
        f"See whether it runs, and what its log says. {_SAFE}",
    ),
    FaultKind.MODEL_REFUSED: _Nature(
        "model",
        "remark",
        "The newest model is not used",
        "The one before goes on. Put another version in use on the page Train, or take this one back.",
    ),
    FaultKind.MODEL_LABELS: _Nature(
        "model",
        "remark",
        "The model knows other exercises",
        "If that is not meant, put another version in use on the page Train, or train one with your recordings.",
    ),
    FaultKind.PREPROCESSOR_AWAY: _Nature(
        "preprocessor",
        "error",
        "No preprocessor is running",
        f"Start it, and see what its log says: without it nothing is stored or recognised. {_SAFE}",
    ),
    FaultKind.PREPROCESSOR_WAITING: _Nature(
        "preprocessor",
        "error",
        "The preprocessor cannot work",
        f"It tries again and again; its log says more. {_SAFE}",
    ),
    FaultKind.NOT_STORED: _Nature(
        "preprocessor",
        "error",
        "Signals are not stored",
        "See whether the gateway reaches the broker, and what the preprocessor's log says.",
    ),
    FaultKind.BEHIND: _Nature(
        "preprocessor",
        "remark",
        "Results are late",
        "What had to wait is being worked through. If that does not end, this machine has too much to do.",
    ),
    FaultKind.DISK_FULL: _Nature(
        "disk",
        "error",
        "The disk with the models is full",
        "Make room, for instance by deleting models on standby: until then no model can be trained or put in use.",
    ),
    FaultKind.DISK_LOW: _Nature(
        "disk",
        "remark",
        "The disk with the models is nearly full",
        "Make room before it is full: then no model can be trained or put in use.",
    ),
    FaultKind.CLOCK_JUMPED: _Nature(
        "clock",
        "remark",
        "This server's clock was changed",
        "What was recorded around then may stand at another time than it happened.",
    ),
    FaultKind.CLOCKS_DIFFER: _Nature(
        "clock",
        "remark",
        "Clocks do not agree",
        "Have gateway and server take their time from the network: sets and workouts stand at the gateway's time.",
    ),
    FaultKind.SAMPLES_FROM_FUTURE: _Nature(
        "clock",
        "remark",
        "Signals come from the future",
        "Set the gateway's clock, or this server's, right: sets and workouts stand at the gateway's time.",
    ),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is wrong now.

    Attributes:
        kind: For programs.
        detail: What is the case, as a clause for people, without an address or a secret.
        inside: The same where it names addresses: for those who have the key.
        subjects: The ids of the sensors or gateways that it is about, if it is about some.
    """

    kind: FaultKind
    detail: str
    inside: str | None = None
    subjects: tuple[str, ...] = ()

    @property
    def part(self) -> Part:
        """Where to look."""
        return _NATURES[self.kind].part

    @property
    def severity(self) -> Severity:
        """How bad it is."""
        return _NATURES[self.kind].severity

    @property
    def title(self) -> str:
        """The kind, in words."""
        return _NATURES[self.kind].title

    @property
    def advice(self) -> str:
        """What a person can do, in sentences."""
        return _NATURES[self.kind].advice


def model_refused(reason: str) -> Fault:
    """That a newer version of the model is there and not used.

    Args:
        reason: As a `ModelSource` has it: which version, and behind a colon why, perhaps with files and addresses.
    """
    return Fault(FaultKind.MODEL_REFUSED, reason.partition(": ")[0], inside=reason)
