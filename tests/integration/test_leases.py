"""Leases in a real database: equal shares, hand-overs, and what becomes of the partitions of the dead."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from support.servers import Server, database

from repsense.database import Documents, connect_database
from repsense.documents import PARTITIONS, REPLICAS
from repsense_preprocessor import leases as leases_module
from repsense_preprocessor.leases import Leases

N_PARTITIONS = 12


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with database(tmp_path_factory.mktemp("database")) as running:
        yield running


@pytest.fixture
def documents(server: Server) -> Iterator[Documents]:
    connected = connect_database(f"mongodb://127.0.0.1:{server.port}/repsense")
    for collection in (PARTITIONS, REPLICAS):
        connected[collection].delete_many({})
    yield connected
    connected.client.close()


@pytest.fixture
def replica(documents: Documents) -> Callable[[str], Leases]:
    return lambda name: Leases(documents, N_PARTITIONS, name)


def settle(*replicas: Leases) -> None:
    """Let everybody look twice, and give up at once what it has too many of."""
    for _ in range(2):
        for one in replicas:
            one.look_after()
            one.release(set(holding(one)) - set(one.assigned()))
    for one in replicas:
        one.look_after()


def holding(one: Leases) -> list[int]:
    return [lease["_id"] for lease in one._read_leases() if lease["replica"] == one.replica]


def test_the_first_one_gets_everything_and_others_their_share(replica: Callable[[str], Leases]) -> None:
    first, second, third = (replica(name) for name in "abc")
    settle(first)
    alone = first.assigned()
    settle(first, second, third)

    assert set(alone) == set(range(N_PARTITIONS))
    shares = [set(one.assigned()) for one in (first, second, third)]
    assert [len(share) for share in shares] == [4, 4, 4]
    assert set().union(*shares) == set(range(N_PARTITIONS))


def test_a_partition_that_stays_keeps_its_lease(replica: Callable[[str], Leases]) -> None:
    first, second = replica("a"), replica("b")
    settle(first)
    before = dict(first.assigned())
    settle(first, second)

    assert first.assigned().items() <= before.items()
    assert min(second.assigned().values()) > max(before.values())


def test_more_than_its_share_is_not_assigned_but_held_until_it_is_released(
    replica: Callable[[str], Leases],
) -> None:
    first, second = replica("a"), replica("b")
    settle(first)
    generations = dict(first.assigned())
    second.look_after()
    first.look_after()

    surplus = generations.keys() - first.assigned().keys()
    assert len(surplus) == N_PARTITIONS // 2
    assert all(first.holds(partition, generations[partition]) for partition in surplus)
    second.look_after()
    assert not second.assigned()


@pytest.mark.parametrize(("n_replicas", "sizes"), [(5, [3, 3, 2, 2, 2]), (13, [1] * 12 + [0])])
def test_what_cannot_be_divided_is_divided_as_far_as_it_goes(
    replica: Callable[[str], Leases], n_replicas: int, sizes: list[int]
) -> None:
    replicas = [replica(chr(ord("a") + number)) for number in range(n_replicas)]
    settle(*replicas)

    assert [len(one.assigned()) for one in replicas] == sizes


def test_one_that_retires_hands_over(replica: Callable[[str], Leases], documents: Documents) -> None:
    first, second = replica("a"), replica("b")
    settle(first, second)
    leaving = dict(first.assigned())
    first.retire()
    assert not first.assigned()
    first.release(leaving)
    first.look_after()
    assert not holding(first)
    documents[REPLICAS].delete_one({"_id": first.replica})
    settle(second)

    assert set(second.assigned()) == set(range(N_PARTITIONS))


def test_the_dead_are_replaced_not_before_they_were_looked_at_often_enough(
    replica: Callable[[str], Leases], documents: Documents
) -> None:
    dead, alive = replica("a"), replica("b")
    settle(dead, alive)
    lost = dict(dead.assigned())
    for _ in range(leases_module._MAX_LOOKS - 1):
        alive.look_after()
        assert len(alive.assigned()) == N_PARTITIONS // 2
    for _ in range(2):
        alive.look_after()

    assert set(alive.assigned()) == set(range(N_PARTITIONS))
    assert all(alive.assigned()[partition] > generation for partition, generation in lost.items())
    alive.look_after()
    assert [one["_id"] for one in documents[REPLICAS].find()] == [alive.replica]


def test_one_that_was_taken_for_dead_learns_of_it_and_shares_again(replica: Callable[[str], Leases]) -> None:
    paused, alive = replica("a"), replica("b")
    settle(paused, alive)
    lost = dict(paused.assigned())
    for _ in range(leases_module._MAX_LOOKS + 2):
        alive.look_after()
    paused.look_after()

    assert not any(paused.holds(partition, generation) for partition, generation in lost.items())
    settle(paused, alive)
    assert len(paused.assigned()) == len(alive.assigned()) == N_PARTITIONS // 2


def test_leases_are_not_trusted_for_longer_than_others_wait(
    replica: Callable[[str], Leases], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = replica("a")
    one.look_after()
    ((partition, generation), *_) = one.assigned().items()
    now_s = time.monotonic()

    class Clock:
        @staticmethod
        def monotonic() -> float:
            return now_s + leases_module.LEASE_S

    monkeypatch.setattr("repsense_preprocessor.leases.time", Clock)
    assert not one.is_certain
    assert not one.assigned()
    assert not one.holds(partition, generation)
    assert leases_module._MAX_LOOKS * leases_module._BEAT_S >= leases_module.LEASE_S


def test_generations_grow_also_where_the_leases_were_lost_or_were_of_more_partitions(
    replica: Callable[[str], Leases], documents: Documents
) -> None:
    more = Leases(documents, 2 * N_PARTITIONS, "a")
    more.look_after()
    newest = max(more.assigned().values())
    documents[REPLICAS].delete_many({})
    fewer = replica("b")
    fewer.look_after()
    assert min(fewer.assigned().values()) > newest

    documents[PARTITIONS].delete_many({})
    documents[REPLICAS].delete_many({})
    restored = replica("c")
    restored.look_after()
    assert min(restored.assigned().values()) > max(fewer.assigned().values())


def test_several_may_begin_in_the_same_moment(replica: Callable[[str], Leases]) -> None:
    replicas = [replica(name) for name in "abcd"]
    with ThreadPoolExecutor(len(replicas)) as threads:
        for done in [threads.submit(one.look_after) for one in replicas]:
            done.result()
    settle(*replicas)

    assert [len(one.assigned()) for one in replicas] == [3, 3, 3, 3]
    assert set().union(*(one.assigned() for one in replicas)) == set(range(N_PARTITIONS))
