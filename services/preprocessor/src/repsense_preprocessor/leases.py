"""Leases: which preprocessor serves which partition, agreed on in the database.

    free ──claim──▶ held ──release──▶ free
                     │
                     └── another one's claim, once the holder's heart has stopped

Every replica counts up a number about once a second, its heartbeat. Who has looked at it several times without seeing
it change takes the replica for dead and claims its partitions, each by one update whose filter says what the lease must
still be. No clocks are compared between machines, and time during which the database was away does not count.

A claim has a higher generation than all before, and sets, workouts and sensors are written only over those of a lower
or the same one (see `store`). So it does no harm that a replica which was paused for long goes on for a moment as if
nothing had happened: the leases see to it that the work is done, the generations that nothing is undone.

Everybody serves an equal share, the first ones in the order of their names one more. Who has more than that gives
partitions up, who has less claims free ones.
"""

import logging
import secrets
import time
from collections.abc import Collection, Mapping
from threading import Event, Lock, Thread
from typing import cast

import pymongo
from pymongo import ReturnDocument
from pymongo.errors import BulkWriteError, PyMongoError

from repsense.database import Documents, is_repetition
from repsense.documents import PARTITIONS, REPLICAS, PartitionDocument, ReplicaDocument
from repsense.patience import first_line
from repsense.timestamps import now_us
from repsense_preprocessor import metrics

__all__ = ["LEASE_S", "Leases"]

_LOGGER = logging.getLogger(__name__)

_BEAT_S = 1.0
"""Between two heartbeats, which are also the looks at those of others."""
_MAX_LOOKS = 10
"""After so many looks at a heart that does not beat it has stopped. The embedded database does one thing at a time and
may be busy for seconds; a look that it does not answer is none."""
LEASE_S = _MAX_LOOKS * _BEAT_S
"""How long a replica may trust in its leases after its last heartbeat: others need longer to take them."""
_TIMEOUT_S = 4.0
"""For the database, at each heartbeat."""


class Leases:
    """The partitions of one replica, looked after in a thread of their own."""

    def __init__(self, database: Documents, n_partitions: int, name: str) -> None:
        """Prepare to look after the leases; nothing is claimed before `start`.

        Args:
            database: Where the leases are.
            n_partitions: How many partitions the broker gives to sensors.
            name: Of this replica, for people.
        """
        # Another one for each process, so that none is taken for one that was before it.
        self.replica = f"{name}-{secrets.token_hex(3)}"
        self._partitions = database[PARTITIONS]
        self._replicas = database[REPLICAS]
        self._n_partitions = n_partitions
        self._looks: dict[str, tuple[int, int]] = {}
        """The heartbeat of each replica as it was last seen, and how many looks have found it unchanged."""
        self._deciding = Lock()
        """Held by whoever changes leases in the database, until the next two say the same."""
        self._lock = Lock()
        self._held: dict[int, int] = {}
        self._surplus: set[int] = set()
        self._confirmed_s = float("-inf")
        self._is_retired = False
        self._is_away = False
        self._mistake: Exception | None = None
        self._leaving = Event()
        self._thread = Thread(target=self._keep, name="leases", daemon=True)

    def start(self) -> None:
        """Begin to claim a share; the collection of leases is there from the first heartbeat on."""
        self._thread.start()

    def retire(self) -> None:
        """Claim nothing any more: from now on nothing is assigned, and what is held can be released."""
        with self._deciding, self._lock:
            self._is_retired = True

    def stop(self) -> None:
        """Stop the heart; what has not been released before is taken by others once they have noticed."""
        self._leaving.set()
        self._thread.join()
        try:
            with pymongo.timeout(_TIMEOUT_S):
                self._replicas.delete_one({"_id": self.replica})
        except PyMongoError as error:
            _LOGGER.warning("the other replicas will notice only later that this one has left: %s", first_line(error))

    def assigned(self) -> Mapping[int, int]:
        """The partitions to serve now, each with the generation of its lease; none while the leases may have lapsed.

        Raises:
            RuntimeError: If the thread that looks after the leases has failed, for a reason other than the database.
        """
        if self._mistake is not None:
            msg = "the leases are not looked after any more"
            raise RuntimeError(msg) from self._mistake
        with self._lock:
            if self._is_retired or not self.is_certain:
                return {}
            return {p: generation for p, generation in self._held.items() if p not in self._surplus}

    @property
    def is_certain(self) -> bool:
        """Whether the leases have been confirmed so lately that nobody can have taken one."""
        return time.monotonic() - self._confirmed_s < LEASE_S

    def holds(self, partition: int, generation: int) -> bool:
        """Whether it is certain that a lease holds, be it one that is to be given up."""
        with self._lock:
            return self.is_certain and self._held.get(partition) == generation

    def release(self, partitions: Collection[int]) -> None:
        """Let others have partitions that are not served any more and whose outcome is stored.

        Raises:
            pymongo.errors.PyMongoError: If the database is away; it can be done again.
        """
        with self._deciding:
            for partition in partitions:
                # Of one that somebody else has claimed meanwhile this changes nothing.
                self._partitions.update_one({"_id": partition, "replica": self.replica}, {"$set": {"replica": None}})
                with self._lock:
                    self._held.pop(partition, None)
                    self._surplus.discard(partition)

    def look_after(self) -> None:
        """Beat once, look at the others, and claim what is due.

        Raises:
            pymongo.errors.PyMongoError: If the database is away.
        """
        with self._deciding:
            self._look_after()

    def _look_after(self) -> None:
        began_s = time.monotonic()
        self._replicas.update_one({"_id": self.replica}, {"$inc": {"beat": 1}}, upsert=True)
        # Leases before heartbeats: whoever has claimed one has beaten before.
        leases = self._read_leases()
        living, dead = self._look_at_hearts()
        rank = sorted(living).index(self.replica)
        share, rest = divmod(self._n_partitions, len(living))
        quota = 0 if self._is_retired else share + (rank < rest)
        ours = [lease for lease in leases if lease["_id"] < self._n_partitions]
        held = {lease["_id"]: lease["generation"] for lease in ours if lease["replica"] == self.replica}
        free = [lease for lease in ours if lease["replica"] not in living]
        newest = max(lease["generation"] for lease in leases)
        for lease in free[: max(0, quota - len(held))]:
            claimed = self._claim(lease, max(newest + 1, now_us()))
            if claimed is not None:
                held[lease["_id"]] = claimed
        self._bury(dead, leases)
        surplus = set(sorted(held)[quota:])
        with self._lock:
            before, self._held, self._surplus, self._confirmed_s = self._held, held, surplus, began_s
        metrics.PARTITIONS.set(len(held) - len(surplus))
        if before != held:
            _LOGGER.info(
                "partitions of this replica, one of %d: %s", len(living), ", ".join(map(str, sorted(held))) or "none"
            )

    def _keep(self) -> None:
        while True:
            try:
                with pymongo.timeout(_TIMEOUT_S):
                    self.look_after()
            except PyMongoError as error:
                # Whoever could not beat meanwhile for the same reason is not dead.
                self._looks.clear()
                if not self._is_away:
                    _LOGGER.warning("the leases cannot be renewed, trying on: %s", first_line(error))
                self._is_away = True
            except Exception as mistake:
                self._mistake = mistake
                raise
            else:
                self._is_away = False
            if self._leaving.wait(_BEAT_S):
                return

    def _read_leases(self) -> list[PartitionDocument]:
        """All there are, ascending, created if need be; among them those of a larger number of partitions before."""
        leases = cast("list[PartitionDocument]", list(self._partitions.find()))
        missing = set(range(self._n_partitions)) - {lease["_id"] for lease in leases}
        if missing:
            new = [PartitionDocument(_id=partition, replica=None, generation=0) for partition in missing]
            try:
                self._partitions.insert_many([{**lease} for lease in new], ordered=False)
            except BulkWriteError as error:
                if not is_repetition(error):  # another replica's that began at the same moment
                    raise
            return self._read_leases()
        return sorted(leases, key=lambda lease: lease["_id"])

    def _look_at_hearts(self) -> tuple[set[str], list[ReplicaDocument]]:
        """Who lives, and who does not."""
        looks: dict[str, tuple[int, int]] = {}
        living, dead = {self.replica}, []
        for replica in cast("list[ReplicaDocument]", list(self._replicas.find())):
            name, beat = replica["_id"], replica["beat"]
            seen, n_unchanged = self._looks.get(name, (beat, -1))
            looks[name] = (beat, n_unchanged + 1 if seen == beat else 0)
            if looks[name][1] < _MAX_LOOKS:
                living.add(name)
            elif name != self.replica:
                dead.append(replica)
        self._looks = looks
        return living, dead

    def _claim(self, lease: PartitionDocument, generation: int) -> int | None:
        """Take a lease that is as it was read; return its new generation, None if it has changed since."""
        change = {"$set": {"replica": self.replica, "generation": generation}}
        after = self._partitions.find_one_and_update({**lease}, change, return_document=ReturnDocument.AFTER)
        if after is not None and lease["replica"] is not None:
            _LOGGER.warning("partition %d is taken over from %s, which is gone", lease["_id"], lease["replica"])
        return None if after is None else generation

    def _bury(self, dead: Collection[ReplicaDocument], leases: Collection[PartitionDocument]) -> None:
        """Forget the dead who have no leases left."""
        holders = {lease["replica"] for lease in leases}
        for replica in dead:
            if replica["_id"] not in holders:
                self._replicas.delete_one({**replica})
