"""Which sensors one preprocessor serves, where several share the work.

The broker gives each sensor a partition by its id (broker/nats-partitions.conf), and a lease in the database says which
preprocessor serves a partition; see `leases`.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

__all__ = ["Served", "partition_of"]

_FNV_OFFSET_BASIS = 0x811C9DC5
_FNV_PRIME = 0x01000193


def partition_of(sensor_id: str, n_partitions: int) -> int:
    """The partition that the NATS server's `partition(n, 1)` gives a sensor: FNV-1a of 32 bits, modulo n."""
    value = _FNV_OFFSET_BASIS
    for byte in sensor_id.encode():
        value = ((value ^ byte) * _FNV_PRIME) & 0xFFFFFFFF
    return value % n_partitions


@dataclass(slots=True)
class Served:
    """What this preprocessor serves at the moment: every sensor, or those of some partitions.

    Changed between two batches only, so a batch belongs to the leases under which it was begun.
    """

    n_partitions: int = 1
    generations: Mapping[int, int] = field(default_factory=dict)
    """Of the lease of each partition that is served; without meaning for a single partition, which needs no lease."""

    def generation(self, sensor_id: str) -> int | None:
        """The generation of the lease under which a sensor is served; None if it needs none.

        Raises:
            KeyError: If it is not served.
        """
        if self.n_partitions == 1:
            return None
        return self.generations[partition_of(sensor_id, self.n_partitions)]

    def includes(self, sensor_id: str) -> bool:
        """Whether a sensor is served."""
        return self.n_partitions == 1 or partition_of(sensor_id, self.n_partitions) in self.generations

    def belongs(self, sensor_id: str, partitions: Collection[int]) -> bool:
        """Whether a sensor belongs to one of some partitions."""
        return partition_of(sensor_id, self.n_partitions) in partitions
