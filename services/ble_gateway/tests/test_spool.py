import errno
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from support.small_disk import small_disk

from repsense.messages import StoredMessage
from repsense_ble_gateway import spool as spool_module
from repsense_ble_gateway.spool import (
    _NEWEST,
    _READ,
    ALL_KEYS,
    Backlog,
    Changes,
    NewMessage,
    Place,
    Spool,
    SpoolError,
    SpoolLimits,
)

_DAY_US = 24 * 3600 * 1_000_000


def _message(sequence: int, *, sensor_id: str = "wrist", stream_id: str = "s1", created_us: int = 0) -> NewMessage:
    return NewMessage(
        sensor_id, Place(stream_id, sequence, 10), f"{sensor_id} {stream_id} {sequence}".encode(), created_us
    )


def _stored(*ranges: tuple[int, int], stream_id: str = "s1") -> Changes:
    return Changes(stored=[StoredMessage(sensor_id="wrist", stream_id=stream_id, ranges=ranges)])


def _payloads(spool: Spool, sensor_id: str = "wrist", after_key: int = 0) -> list[str]:
    return [message.payload.decode() for message in spool.read(sensor_id, after_key, ALL_KEYS, 1000)]


def _large(n: int) -> NewMessage:
    """A message that cannot be compressed to nothing."""
    return NewMessage("wrist", Place("s1", 10 * n, 10), np.random.default_rng(n).bytes(1000), n)


def _fill(spool: Spool, n_messages: int) -> list[int]:
    return spool.write(Changes([_large(n) for n in range(n_messages)])).keys


def _disk_full(spool: Spool, *, full: bool) -> None:
    assert spool._disk is not None
    connection = spool._disk._connection
    (n_pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {n_pages if full else 2**30}")


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    opened = Spool(tmp_path, SpoolLimits(retry_s=0))
    opened.open()
    yield opened
    opened.close()


@pytest.fixture(params=["disk", "memory"])
def either(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Spool]:
    opened = Spool(tmp_path if request.param == "disk" else None)
    opened.open()
    yield opened
    opened.close()


def test_each_sensor_s_messages_come_back_in_the_order_of_streams_and_sequences(either: Spool) -> None:
    either.write(Changes([_message(0), _message(0, sensor_id="ankle"), _message(10)]))
    either.write(Changes([_message(0, stream_id="s2"), _message(10, sensor_id="ankle")]))

    assert _payloads(either) == ["wrist s1 0", "wrist s1 10", "wrist s2 0"]
    assert _payloads(either, "ankle") == ["ankle s1 0", "ankle s1 10"]


def test_reading_begins_after_a_key_and_ends_with_one(either: Spool) -> None:
    keys = either.write(Changes([_message(10 * n) for n in range(6)])).keys

    assert [message.key for message in either.read("wrist", keys[1], keys[4], 2)] == keys[2:4]
    assert [message.key for message in either.read("wrist", keys[3], keys[4], 2)] == keys[4:5]
    newest = either.newest("wrist")
    assert newest is not None
    assert newest.key == keys[5]
    assert either.newest("ankle") is None


def test_only_messages_wholly_within_what_is_stored_go(either: Spool) -> None:
    keys = either.write(Changes([_message(10 * n) for n in range(6)])).keys

    written = either.write(_stored((0, 19), (25, 50)))

    assert written.stored == {"wrist": [keys[0], keys[3], keys[4]]}
    assert _payloads(either) == ["wrist s1 10", "wrist s1 20", "wrist s1 50"]


def test_reports_of_unknown_streams_change_nothing(either: Spool) -> None:
    either.write(Changes([_message(0)]))

    assert not either.write(_stored((0, 100), stream_id="s7")).stored
    assert _payloads(either) == ["wrist s1 0"]


def test_the_next_run_finds_what_was_left_and_where_to_go_on(tmp_path: Path) -> None:
    first = Spool(tmp_path)
    assert first.open() == {}
    keys = first.write(Changes([_message(0), _message(10), _message(0, sensor_id="ankle")])).keys
    first.write(Changes(acknowledged={"wrist": keys[0]}))
    first.close()

    second = Spool(tmp_path)
    assert second.open() == {"wrist": Backlog(keys[0], 2, 1, 0), "ankle": Backlog(0, 1, 1, 0)}
    (new,) = second.write(Changes([_message(0, stream_id="s2")])).keys
    assert new > max(keys)
    assert second.write(_stored((0, 20))).stored == {"wrist": keys[:2]}
    second.close()


def test_the_next_run_finds_it_where_a_folder_cannot_be_forced_to_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> None:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), path)

    first = Spool(tmp_path)
    first.open()
    first.write(Changes([_message(0)]))
    first.close()
    monkeypatch.setattr(spool_module, "_force_to_disk", refuse)
    second = Spool(tmp_path)
    assert second.open()["wrist"].n_waiting == 1
    second.close()


def test_the_next_run_finds_it_on_a_full_disk_too(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 4) as disk:
        if disk is None:
            pytest.skip("a disk that can be filled is mounted by root only, and not in every container")
        first = Spool(disk.path)
        first.open()
        first.write(Changes([_message(0)]))
        first.close()
        disk.fill()
        second = Spool(disk.path, SpoolLimits(retry_s=0))
        assert second.open()["wrist"].n_waiting == 1
        second.write(Changes([_large(1)]))
        assert not second._memory.is_empty()
        disk.make_room()
        second.write(_stored((0, 10)))
        assert second._memory.is_empty()
        assert [message.payload for message in second.read("wrist", 0, ALL_KEYS, 9)] == [_large(1).payload]
        second.close()


def test_what_was_committed_is_there_after_a_crash(tmp_path: Path, spool: Spool) -> None:
    spool.write(Changes([_message(0)]))

    # What a killed process leaves: files as they are, nobody closed them.
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in tmp_path.glob("spool.db*"):
        (copy / file.name).write_bytes(file.read_bytes())
    survivor = Spool(copy)

    assert survivor.open() == {"wrist": Backlog(0, 1, 1, 0)}
    survivor.close()


def test_two_gateways_never_share_a_spool(tmp_path: Path, spool: Spool) -> None:
    spool.write(Changes([_message(0)]))
    other = Spool(tmp_path)

    with pytest.raises(SpoolError, match="another gateway keeps its samples in"):
        other.open()

    other.close()
    assert _payloads(spool) == ["wrist s1 0"]


def test_a_damaged_file_is_put_aside_and_a_new_one_begun(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "spool.db").write_bytes(b"this is no database" * 100)
    spool = Spool(tmp_path)

    assert spool.open() == {}

    spool.write(Changes([_message(0)]))
    assert _payloads(spool) == ["wrist s1 0"]
    (aside,) = tmp_path.glob("spool.db.damaged-*")
    assert aside.read_bytes().startswith(b"this is no database")
    (record,) = caplog.records
    assert record.levelname == "ERROR"
    assert str(aside) in record.getMessage()
    spool.close()


def test_damage_that_shows_later_does_not_end_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    spool = Spool(tmp_path)
    spool.open()
    _fill(spool, 50)
    assert spool._disk is not None
    spool._disk._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    spool.close()
    file = tmp_path / "spool.db"
    size = file.stat().st_size
    file.write_bytes(file.read_bytes()[:2048] + b"\xff" * (size - 2048))

    damaged = Spool(tmp_path)
    damaged.open()
    damaged.write(Changes([_message(0, stream_id="s2")]))

    assert _payloads(damaged) == ["wrist s2 0"]
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    damaged.close()


def test_a_message_that_cannot_be_unpacked_does_not_hold_up_the_others(
    spool: Spool, caplog: pytest.LogCaptureFixture
) -> None:
    keys = spool.write(Changes([_message(0), _message(10)])).keys
    assert spool._disk is not None
    spool._disk._connection.execute("UPDATE messages SET payload = x'00' WHERE key = ?", (keys[0],))

    assert _payloads(spool) == ["wrist s1 10"]
    assert "1 messages in the spool are damaged" in caplog.text


def test_while_the_disk_is_full_messages_stay_in_memory_and_move_to_it_later(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    spool = Spool(tmp_path, SpoolLimits(retry_s=0))
    spool.open()
    kept = _fill(spool, 5)
    _disk_full(spool, full=True)
    for n in range(20):
        kept += spool.write(Changes([_message(10 * n, stream_id="s2")])).keys
    assert [message.key for message in spool.read("wrist", 0, ALL_KEYS, 1000)] == kept
    (warning,) = caplog.records
    assert "make room on the disk" in warning.getMessage()

    _disk_full(spool, full=False)
    kept += spool.write(Changes([_message(200, stream_id="s2")])).keys

    assert [message.key for message in spool.read("wrist", 0, ALL_KEYS, 1000)] == kept
    assert [record.getMessage() for record in caplog.records[1:]] == ["samples are kept on disk again"]
    spool.close()
    again = Spool(tmp_path)
    assert again.open() == {"wrist": Backlog(0, len(kept), len(kept), 4)}
    again.close()


def test_what_is_stored_makes_room_on_a_full_disk(spool: Spool) -> None:
    keys = _fill(spool, 5)
    _disk_full(spool, full=True)
    changes = _stored((0, 30))
    changes.messages.append(_message(0, stream_id="s2"))

    assert spool.write(changes).stored == {"wrist": keys[:3]}

    assert [message.key for message in spool.read("wrist", 0, keys[-1], 1000)] == keys[3:]


def test_a_folder_that_cannot_be_made_is_said_once_and_memory_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    spool = Spool(tmp_path / "file" / "spool", SpoolLimits(retry_s=0))

    assert spool.open() == {}
    for sequence in range(0, 50, 10):
        spool.write(Changes([_message(sequence)]))

    assert len(_payloads(spool)) == 5
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    spool.close()
    assert "are lost" in caplog.records[-1].getMessage()


def test_a_disk_that_comes_back_gets_what_memory_holds(tmp_path: Path) -> None:
    obstacle = tmp_path / "spool"
    obstacle.touch()
    spool = Spool(obstacle, SpoolLimits(retry_s=0))
    spool.open()
    spool.write(Changes([_message(0)], acknowledged={"wrist": 0}))
    obstacle.unlink()
    spool.write(Changes([_message(10)]))
    spool.close()

    again = Spool(obstacle)
    assert again.open() == {"wrist": Backlog(0, 2, 2, 0)}
    again.close()


def test_the_oldest_make_room_whoever_s_they_are(tmp_path: Path) -> None:
    spool = Spool(tmp_path, SpoolLimits(max_bytes=300_000))
    spool.open()
    (old,) = spool.write(Changes([_message(0, sensor_id="ankle", created_us=-1)])).keys
    dropped: dict[str, list[int]] = {"ankle": [], "wrist": []}
    keys = []
    for n in range(400):
        written = spool.write(Changes([_large(n)]))
        keys += written.keys
        for sensor_id, gone in written.dropped.items():
            dropped[sensor_id] += gone

    assert dropped["ankle"] == [old]
    assert 0 < len(dropped["wrist"]) < 400
    assert dropped["wrist"] == keys[: len(dropped["wrist"])]
    assert [message.key for message in spool.read("wrist", 0, ALL_KEYS, 1000)] == keys[len(dropped["wrist"]) :]
    assert spool.n_bytes <= 300_000
    spool.close()


def test_what_is_too_old_goes(either: Spool) -> None:
    keys = either.write(Changes([_message(10 * n, created_us=n) for n in range(300)])).keys

    assert either.drop_older(_DAY_US + 250) == {"wrist": keys[:250]}

    assert [message.key for message in either.read("wrist", 0, ALL_KEYS, 1000)] == keys[250:]
    assert either.drop_older(_DAY_US + 250) == {}


def test_streams_that_ended_and_are_stored_are_forgotten(spool: Spool) -> None:
    for n in range(5):
        spool.write(Changes([_message(0, stream_id=f"s{n}")]))
        spool.write(_stored((0, 10), stream_id=f"s{n}"))
    assert spool._disk is not None
    assert len(spool._disk.streams()) == 5

    spool.drop_older(0)

    assert [stream_id for _, _, stream_id in spool._disk.streams()] == ["s4"]
    (key,) = spool.write(Changes([_message(10, stream_id="s4")])).keys
    assert spool.write(_stored((10, 20), stream_id="s4")).stored == {"wrist": [key]}


def test_forcing_to_disk_moves_a_long_log_into_the_file(tmp_path: Path, spool: Spool) -> None:
    file, log = tmp_path / "spool.db", tmp_path / "spool.db-wal"
    _fill(spool, 10)
    spool.make_durable()
    assert file.stat().st_size < 5_000
    _fill(spool, 5_000)
    length = log.stat().st_size

    spool.make_durable()

    assert file.stat().st_size > 5_000_000
    _fill(spool, 10)
    assert log.stat().st_size == length


def test_no_query_needs_a_sort_or_looks_at_every_message(spool: Spool) -> None:
    assert spool._disk is not None
    for query in (_READ, _NEWEST):
        n_values = query.count("?")
        plan = spool._disk._connection.execute(f"EXPLAIN QUERY PLAN {query}", [0] * n_values).fetchall()
        steps = " / ".join(step for *_, step in plan)
        assert "TEMP B-TREE" not in steps
        assert "SEARCH messages USING INTEGER PRIMARY KEY" in steps
