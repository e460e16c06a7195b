import pytest

from repsense_preprocessor.partitions import Served, partition_of


@pytest.mark.parametrize(
    ("text", "hash_"), [("", 0x811C9DC5), ("a", 0xE40C292C), ("foobar", 0xBF9CF968)], ids=["empty", "a", "foobar"]
)
def test_partitions_are_those_of_the_hash_that_the_nats_server_uses(text: str, hash_: int) -> None:
    # The vectors are those of the FNV authors' own test suite.
    assert partition_of(text, 2**32) == hash_
    assert partition_of(text, 12) == hash_ % 12


def test_without_partitions_every_sensor_is_served_without_a_lease() -> None:
    served = Served()

    assert served.includes("wrist")
    assert served.generation("wrist") is None


def test_with_partitions_a_sensor_is_served_under_the_lease_of_its_own() -> None:
    partition = partition_of("wrist", 12)
    served = Served(12, {partition: 7})

    assert served.includes("wrist")
    assert served.generation("wrist") == 7
    assert served.belongs("wrist", {partition})
    other = next(f"sensor-{n}" for n in range(100) if partition_of(f"sensor-{n}", 12) != partition)
    assert not served.includes(other)
    with pytest.raises(KeyError):
        served.generation(other)
