"""Samples on disk until they are known to be in the database.

An SQLite file in write-ahead mode. A commit is in the hands of the operating system, so that it outlives this process;
twice a second `make_durable` forces it to the disk, so that a power cut takes no more than the last second. Everything
else is called by one thread at a time; nothing here belongs on the event loop.

A message's key is the number of its stream and its sequence in one integer, so that the table itself is in the order
in which each sensor's messages must be sent and no index is needed: what is stored of a stream is one range of keys,
and a commit writes half of what it would with an index. That matters to a memory card.

    key    |  25 bits: number of the stream  |  38 bits: index of the first sample  |
"""

import contextlib
import logging
import os
import sqlite3
import time
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from repsense.errors import RepSenseError
from repsense.messages import StoredMessage
from repsense.timestamps import MICROSECONDS

__all__ = [
    "Backlog",
    "Changes",
    "NewMessage",
    "Place",
    "Spool",
    "SpoolError",
    "SpoolLimits",
    "SpooledMessage",
    "Written",
]

_LOGGER = logging.getLogger(__name__)

_FILE = "spool.db"
_SEQUENCE_BITS = 38
"""At 1 kHz for nine years. The other 25 bits number the streams: ten years of one that begins every ten seconds."""
ALL_KEYS = 2**63 - 1
"""No key is larger."""
_PAGE_BYTES = 512
"""A commit writes whole pages, and a compressed message of ten samples is some 600 bytes: with pages of 4,096 bytes
a sensor wrote three times as much."""
_CHECKPOINT_WAL_BYTES = 4 * 2**20
"""Messages that were stored and deleted since the last checkpoint never reach the database file itself."""
_WRITER_CHECKPOINT_PAGES = 64 * 2**20 // _PAGE_BYTES
"""Only if there never was a pause in which `make_durable` could do it."""
_CHUNK = 100
"""Messages that are dropped at a time."""
_QUICK_COMPRESSION = 1
"""Halves a message in 35 us; higher levels gain two percent."""
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_PRIMARY_CODE = 0xFF
"""SQLite's extended error codes hold the primary one in their low byte."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS streams (
    number INTEGER PRIMARY KEY, sensor_id TEXT NOT NULL, stream_id TEXT NOT NULL, first_key INT NOT NULL,
    last_key INT NOT NULL
);
CREATE TABLE IF NOT EXISTS sensors (sensor_id TEXT PRIMARY KEY, acknowledged_key INT NOT NULL);
CREATE TABLE IF NOT EXISTS messages (
    key INTEGER PRIMARY KEY, n_samples INT NOT NULL, created_us INT NOT NULL, payload BLOB NOT NULL
);
"""
_INSERT = "INSERT OR REPLACE INTO messages VALUES (?, ?, ?, ?)"
_ACKNOWLEDGE = "INSERT OR REPLACE INTO sensors VALUES (?, ?)"
_READ = """
SELECT key, payload, created_us FROM streams CROSS JOIN messages ON key BETWEEN first_key AND last_key
WHERE sensor_id = ? AND last_key > ? AND key > ? AND key <= ? ORDER BY number, key LIMIT ?
"""
_NEWEST = """
SELECT key, payload, created_us FROM streams CROSS JOIN messages ON key BETWEEN first_key AND last_key
WHERE sensor_id = ? ORDER BY number DESC, key DESC LIMIT 1
"""
_STORED = "SELECT key FROM messages WHERE key >= :first AND key < :stop AND key + n_samples <= :stop"
_BACKLOG = """
SELECT sensor_id, coalesce(acknowledged_key, 0), count(*), total(key > coalesce(acknowledged_key, 0)), max(created_us)
FROM streams CROSS JOIN messages ON key BETWEEN first_key AND last_key LEFT JOIN sensors USING (sensor_id)
GROUP BY sensor_id
"""
_OLDEST_STREAM = """
SELECT number, (SELECT created_us FROM messages WHERE key BETWEEN first_key AND last_key ORDER BY key LIMIT 1) AS since
FROM streams WHERE since IS NOT NULL ORDER BY since LIMIT 1
"""
_EMPTY_STREAMS = """
FROM streams WHERE NOT EXISTS (SELECT 1 FROM messages WHERE key BETWEEN first_key AND last_key)
AND number NOT IN (SELECT max(number) FROM streams GROUP BY sensor_id)
"""


class SpoolError(RepSenseError):
    """A spool cannot be used."""


@dataclass(frozen=True, slots=True)
class Place:
    """Which samples a message holds.

    Attributes:
        stream_id: Their stream.
        sequence: Index in the stream of the first one.
        n_samples: How many they are.
    """

    stream_id: str
    sequence: int
    n_samples: int


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message to be kept.

    Attributes:
        sensor_id: Whose samples they are.
        place: Which samples they are.
        payload: What will be published.
        created_us: When the gateway made it, microseconds since 1970.
    """

    sensor_id: str
    place: Place
    payload: bytes
    created_us: int


@dataclass(frozen=True, slots=True)
class SpooledMessage:
    """A message that is kept.

    Attributes:
        key: Its place in the order in which its sensor's messages are sent.
        payload: What is published.
        created_us: When the gateway made it, microseconds since 1970.
    """

    key: int
    payload: bytes
    created_us: int


@dataclass(frozen=True, slots=True)
class Backlog:
    """What an earlier run left of one sensor.

    Attributes:
        acknowledged_key: The broker has acknowledged the messages up to this key.
        n_messages: How many are kept.
        n_waiting: How many of them wait to be sent.
        newest_us: When the last of them was made, microseconds since 1970 by that run's clock.
    """

    acknowledged_key: int
    n_messages: int
    n_waiting: int
    newest_us: int


@dataclass(frozen=True, slots=True)
class SpoolLimits:
    """How much is kept.

    Attributes:
        max_age_s: Older messages are dropped; only the time counts in which a gateway runs.
        max_bytes: On disk; the oldest messages are dropped to stay below.
        max_memory_bytes: The same for what has to stay in memory. 64 MiB are four hours of one sensor at 50 Hz.
        retry_s: How long a disk that failed is left alone.
    """

    max_age_s: float = 24 * 3600.0
    max_bytes: int = 2 * 2**30
    max_memory_bytes: int = 64 * 2**20
    retry_s: float = 1.0


@dataclass(slots=True)
class Changes:
    """What is to be written in one transaction.

    Attributes:
        messages: To be kept.
        stored: Reports of what is in the database, and so need not be kept.
        acknowledged: Up to which key the broker has acknowledged each sensor's messages.
        given_up: Keys of messages that are to be kept no longer, by sensor.
    """

    messages: list[NewMessage] = field(default_factory=list)
    stored: list[StoredMessage] = field(default_factory=list)
    acknowledged: dict[str, int] = field(default_factory=dict)
    given_up: dict[str, list[int]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.messages or self.stored or self.acknowledged or self.given_up)


@dataclass(slots=True)
class Written:
    """What became of changes.

    Attributes:
        keys: Of the messages that were to be kept, in their order.
        stored: Keys of messages that are kept no longer because they are in the database, by sensor.
        dropped: Keys of messages that had to make room, by sensor.
    """

    keys: list[int] = field(default_factory=list)
    stored: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    dropped: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))


@dataclass(frozen=True, slots=True)
class _Row:
    """A message as it is written."""

    number: int
    message: NewMessage

    @property
    def key(self) -> int:
        return _first_key(self.number) + self.message.place.sequence

    def values(self) -> tuple[int, int, int, bytes]:
        message = self.message
        payload = zlib.compress(message.payload, _QUICK_COMPRESSION)
        return self.key, message.place.n_samples, message.created_us, payload


def _first_key(number: int) -> int:
    return number << _SEQUENCE_BITS


class _Store:
    """One database, on disk or in memory.

    An exclusive one shuts out other connections, and so needs no file through which they share its log.
    """

    def __init__(self, path: Path | None, max_bytes: int, *, exclusive: bool = False) -> None:
        self.max_bytes = max_bytes
        # Used by one thread at a time, not always the same.
        self._connection = sqlite3.connect(path or ":memory:", isolation_level=None, check_same_thread=False)
        try:
            if exclusive:
                self._connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = NORMAL")
            self._connection.execute(f"PRAGMA wal_autocheckpoint = {_WRITER_CHECKPOINT_PAGES}")
            self._connection.executescript(_SCHEMA)
            self._known = {number for number, _, _ in self.streams()}
        except sqlite3.Error:
            self._connection.close()
            raise

    def close(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            self._connection.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            # An error of the disk may have ended the transaction already.
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
            self._known = set()
            raise

    def n_bytes(self) -> int:
        (n_pages,) = self._connection.execute("PRAGMA page_count").fetchone()
        (n_free,) = self._connection.execute("PRAGMA freelist_count").fetchone()
        return int(n_pages - n_free) * _PAGE_BYTES

    def compact(self) -> None:
        """Give back what an empty database occupies."""
        (n_free,) = self._connection.execute("PRAGMA freelist_count").fetchone()
        if n_free and self.is_empty():
            self._connection.execute("VACUUM")

    def is_empty(self) -> bool:
        return self._connection.execute("SELECT 1 FROM messages LIMIT 1").fetchone() is None

    def streams(self) -> list[tuple[int, str, str]]:
        return self._connection.execute("SELECT number, sensor_id, stream_id FROM streams").fetchall()

    def newest_acknowledged_key(self) -> int:
        (key,) = self._connection.execute("SELECT coalesce(max(acknowledged_key), 0) FROM sensors").fetchone()
        return int(key)

    def backlog(self) -> dict[str, Backlog]:
        rows = self._connection.execute(_BACKLOG)
        return {sensor_id: Backlog(key, n, int(n_waiting), newest) for sensor_id, key, n, n_waiting, newest in rows}

    def insert(self, rows: Iterable[_Row]) -> None:
        for row in rows:
            if row.number not in self._known:
                self._add_stream(row.number, row.message.sensor_id, row.message.place.stream_id)
            self._connection.execute(_INSERT, row.values())

    def take_over(self, other: "_Store") -> None:
        """Take what another one holds."""
        for stream in other.streams():
            self._add_stream(*stream)
        self._connection.executemany(_INSERT, other.rows("messages"))
        self._connection.executemany(_ACKNOWLEDGE, other.rows("sensors"))

    def rows(self, table: str) -> Iterator[tuple[str | int | bytes, ...]]:
        return self._connection.execute(f"SELECT * FROM {table}")  # noqa: S608 - our own names

    def clear(self) -> None:
        with self.transaction():
            for table in ("messages", "streams", "sensors"):
                self._connection.execute(f"DELETE FROM {table}")  # noqa: S608 - our own names
        self._known = set()

    def acknowledge(self, keys: Mapping[str, int]) -> None:
        self._connection.executemany(_ACKNOWLEDGE, keys.items())

    def read(self, sensor_id: str, after_key: int, until_key: int, limit: int) -> list[SpooledMessage]:
        return self._unpack(_READ, (sensor_id, after_key, after_key, until_key, limit))

    def newest(self, sensor_id: str) -> SpooledMessage | None:
        return next(iter(self._unpack(_NEWEST, (sensor_id,))), None)

    def _unpack(self, query: str, values: Sequence[str | int]) -> list[SpooledMessage]:
        """Read messages; those that cannot be unpacked any more are deleted."""
        while True:
            messages, damaged = [], []
            for key, payload, created_us in self._connection.execute(query, values).fetchall():
                try:
                    messages.append(SpooledMessage(key, zlib.decompress(payload), created_us))
                except zlib.error:
                    damaged.append(key)
            if not damaged:
                return messages
            self.delete(damaged)
            _LOGGER.error("%d messages in the spool are damaged: they are dropped", len(damaged))

    def delete(self, keys: Iterable[int]) -> None:
        self._connection.executemany("DELETE FROM messages WHERE key = ?", ((key,) for key in keys))

    def delete_stored(self, number: int, ranges: Iterable[tuple[int, int]]) -> list[int]:
        """Delete the messages of a stream that lie wholly within ranges of its samples; return their keys."""
        deleted: list[int] = []
        for first, stop in ranges:
            keys = {"first": _first_key(number) + first, "stop": _first_key(number) + stop}
            rows = self._connection.execute(_STORED, keys)
            deleted += [key for (key,) in rows]
        self.delete(deleted)
        return deleted

    def delete_oldest(self) -> tuple[int, list[int]]:
        """Delete some of the oldest messages; return the number of their stream and their keys."""
        oldest = self._connection.execute(_OLDEST_STREAM).fetchone()
        if oldest is None:
            return 0, []
        keys = [key for key, _ in self._first_of(oldest[0])]
        self.delete(keys)
        return oldest[0], keys

    def delete_older(self, than_us: int) -> dict[int, list[int]]:
        """Delete messages that are too old; return their keys by the number of the stream."""
        deleted: dict[int, list[int]] = defaultdict(list)
        for number, _, _ in self.streams():
            while old := [key for key, created_us in self._first_of(number) if created_us < than_us]:
                self.delete(old)
                deleted[number] += old
        return deleted

    def forget_empty_streams(self) -> list[int]:
        """Delete what is known of streams that have no message and will get none; return their numbers."""
        numbers = [number for (number,) in self._connection.execute(f"SELECT number {_EMPTY_STREAMS}")]
        if numbers:
            self._connection.execute(f"DELETE {_EMPTY_STREAMS}")
            self._known.difference_update(numbers)
        return numbers

    def _add_stream(self, number: int, sensor_id: str, stream_id: str) -> None:
        keys = _first_key(number), _first_key(number + 1) - 1
        self._connection.execute(
            "INSERT OR IGNORE INTO streams VALUES (?, ?, ?, ?, ?)", (number, sensor_id, stream_id, *keys)
        )
        self._known.add(number)

    def _first_of(self, number: int) -> list[tuple[int, int]]:
        """Key and time of the first messages of a stream."""
        return self._connection.execute(
            "SELECT key, created_us FROM messages WHERE key >= ? AND key < ? ORDER BY key LIMIT ?",
            (_first_key(number), _first_key(number + 1), _CHUNK),
        ).fetchall()


class Spool:
    """Keeps messages on disk; without a folder, or while the disk fails, in memory."""

    def __init__(self, folder: Path | None = None, limits: SpoolLimits | None = None) -> None:
        """Describe a spool; `open` begins to use it.

        Args:
            folder: Where the file lies or will lie; None keeps everything in memory.
            limits: How much is kept.
        """
        self._folder = folder
        self._limits = limits or SpoolLimits()
        self._lock: FileLock | None = None
        self._disk: _Store | None = None
        self._memory = _Store(None, self._limits.max_memory_bytes)
        self._numbers: dict[tuple[str, str], int] = {}
        self._sensor_ids: dict[int, str] = {}
        self._next_number = 1
        self._failing = False
        self._retry_at_s = 0.0
        self._unsafe = False
        """Whether something was written that `make_durable` has not seen."""
        self.n_renewals = 0
        """How often a damaged file was replaced by a new one, and what it held was lost."""

    @property
    def is_on_disk(self) -> bool:
        """Whether it is meant to outlive this process."""
        return self._folder is not None

    @property
    def n_bytes(self) -> int:
        """What the messages occupy."""
        in_memory = 0 if self._memory.is_empty() else self._memory.n_bytes()
        try:
            return in_memory + (0 if self._disk is None else self._disk.n_bytes())
        except sqlite3.Error:
            return in_memory

    def open(self) -> dict[str, Backlog]:
        """Begin to use it.

        Returns:
            What an earlier run left, by sensor.

        Raises:
            SpoolError: If another gateway uses the same folder.
        """
        if self._folder is None:
            return {}
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._take_lock(self._folder)
            try:
                return self._load(self._folder)
            except sqlite3.DatabaseError as error:
                if not _is_damage(error):
                    raise
                self._move_aside(self._folder, error)
                return self._load(self._folder)
        except (OSError, sqlite3.Error) as error:
            self._fail(error)
            return {}

    def write(self, changes: Changes) -> Written:
        """Carry out changes in one transaction; where the disk fails, what is new stays in memory."""
        rows = [_Row(self._number(message.sensor_id, message.place.stream_id), message) for message in changes.messages]
        written = Written([row.key for row in rows])
        if not self._write_to_disk(rows, changes, written):
            self._apply(self._memory, rows, changes, written)
        return written

    def read(self, sensor_id: str, after_key: int, until_key: int, limit: int) -> list[SpooledMessage]:
        """A sensor's messages in the order of their keys: those after a key and up to another."""
        messages: list[SpooledMessage] = []
        if self._disk is not None:
            try:
                messages = self._disk.read(sensor_id, after_key, until_key, limit)
            except sqlite3.DatabaseError as error:
                self._fail(error)
        messages += self._memory.read(sensor_id, after_key, until_key, limit)
        return sorted(messages, key=lambda message: message.key)[:limit]

    def newest(self, sensor_id: str) -> SpooledMessage | None:
        """The last of a sensor's messages."""
        newest = self._memory.newest(sensor_id)
        if newest is None and self._disk is not None:
            try:
                newest = self._disk.newest(sensor_id)
            except sqlite3.DatabaseError as error:
                self._fail(error)
        return newest

    def drop_older(self, now_us: int) -> dict[str, list[int]]:
        """Drop what is too old.

        Args:
            now_us: Microseconds since 1970, by the clock of the messages.

        Returns:
            The keys of what was dropped, by sensor.
        """
        than_us = now_us - round(self._limits.max_age_s * MICROSECONDS)
        dropped: dict[str, list[int]] = defaultdict(list)
        for store in (self._disk, self._memory):
            if store is None or (self._failing and store is self._disk):
                continue
            try:
                with store.transaction():
                    for number, keys in store.delete_older(than_us).items():
                        dropped[self._sensor_ids[number]] += keys
                    forgotten = [] if self._failing else store.forget_empty_streams()
            except sqlite3.DatabaseError as error:
                self._fail(error)
                continue
            for number in forgotten:
                self._sensor_ids.pop(number, None)
            if forgotten:
                self._numbers = {name: n for name, n in self._numbers.items() if n in self._sensor_ids}
        return dropped

    def make_durable(self) -> None:
        """Force what was written to the disk itself; may be called beside the other methods, from another thread."""
        if self._folder is None or not self._unsafe:
            return
        self._unsafe = False
        log = self._folder / f"{_FILE}-wal"
        try:
            _force_to_disk(log)
            if log.stat().st_size > _CHECKPOINT_WAL_BYTES:
                with contextlib.closing(sqlite3.connect(self._folder / _FILE, timeout=0)) as connection:
                    connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
        except (OSError, sqlite3.Error) as error:
            # The next write tells the user if the disk fails; a file that was just replaced is no failure.
            _LOGGER.debug("not forced to disk: %s", error)

    def close(self) -> None:
        """End its use; what has to stay in memory is lost unless the disk works again."""
        if self._folder is not None and not self._memory.is_empty():
            self._retry_at_s = 0.0
            if not self._write_to_disk([], Changes(), Written()):
                _LOGGER.error("the disk still fails: the samples that were kept in memory are lost")
        if self._disk is not None:
            self._disk.close()
        self._memory.close()
        if self._lock is not None:
            self._lock.release()

    def _take_lock(self, folder: Path) -> None:
        lock = FileLock(folder / "spool.lock", timeout=0, thread_local=False)
        try:
            lock.acquire()
        except Timeout as error:
            msg = f"another gateway keeps its samples in {folder}: stop it or give this one another folder"
            raise SpoolError(msg) from error
        self._lock = lock

    def _load(self, folder: Path) -> dict[str, Backlog]:
        try:
            disk = _Store(folder / _FILE, self._limits.max_bytes)
        except sqlite3.OperationalError:
            # A full disk has no room for one more file; what is there can be read and sent all the same.
            disk = _Store(folder / _FILE, self._limits.max_bytes, exclusive=True)
        try:
            disk.compact()
            streams, newest_key, backlog = disk.streams(), disk.newest_acknowledged_key(), disk.backlog()
        except sqlite3.Error:
            disk.close()
            raise
        self._disk = disk
        self._numbers = {(sensor_id, stream_id): number for number, sensor_id, stream_id in streams}
        self._sensor_ids |= {number: sensor_id for number, sensor_id, _ in streams}
        self._next_number = max([newest_key >> _SEQUENCE_BITS, *self._sensor_ids]) + 1
        # Some file systems cannot do that with a folder, which is no reason to leave its backlog alone.
        with contextlib.suppress(OSError):
            _force_to_disk(folder)
        return backlog

    def _number(self, sensor_id: str, stream_id: str) -> int:
        name = (sensor_id, stream_id)
        if name not in self._numbers:
            self._numbers[name] = self._next_number
            self._sensor_ids[self._next_number] = sensor_id
            self._next_number += 1
        return self._numbers[name]

    def _write_to_disk(self, rows: Sequence[_Row], changes: Changes, written: Written) -> bool:
        """Whether it worked."""
        if self._folder is None or (self._failing and time.monotonic() < self._retry_at_s):
            return False
        for _ in range(2):
            disk = self._disk or self._open_late(self._folder)
            if disk is None:
                return False
            try:
                self._apply(disk, rows, changes, written, self._memory)
            except sqlite3.DatabaseError as error:
                self._fail(error)
                if _is_damage(error):
                    continue
                # Making room may be possible where adding is not.
                with contextlib.suppress(sqlite3.DatabaseError):
                    self._apply(disk, [], changes, written)
                return False
            self._unsafe = True
            if self._failing:
                self._failing = False
                _LOGGER.info("samples are kept on disk again")
            return True
        return False

    def _apply(
        self, store: _Store, rows: Sequence[_Row], changes: Changes, written: Written, aside: _Store | None = None
    ) -> None:
        """Carry out changes in one store, which takes over what another had put aside."""
        stored: dict[str, list[int]] = defaultdict(list)
        dropped: dict[str, list[int]] = defaultdict(list)
        take_over = aside is not None and not aside.is_empty()
        with store.transaction():
            if aside is not None and take_over:
                store.take_over(aside)
            store.insert(rows)
            for report in changes.stored:
                number = self._numbers.get((report.sensor_id, report.stream_id))
                if number is not None:
                    stored[report.sensor_id] += store.delete_stored(number, report.ranges)
            for keys in changes.given_up.values():
                store.delete(keys)
            store.acknowledge(changes.acknowledged)
            while (rows or take_over) and store.n_bytes() > store.max_bytes:
                number, keys = store.delete_oldest()
                dropped[self._sensor_ids[number]] += keys
        if aside is not None and take_over:
            aside.clear()
        for found, kept in ((stored, written.stored), (dropped, written.dropped)):
            for sensor_id, keys in found.items():
                if keys:
                    kept[sensor_id] += keys

    def _open_late(self, folder: Path) -> _Store | None:
        """Open a file that could not be opened before; what it may hold would mix with what was sent meanwhile."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if self._lock is None:
                self._take_lock(folder)
            disk = _Store(folder / _FILE, self._limits.max_bytes)
            if disk.is_empty():
                disk.clear()
                self._disk = disk
                return disk
            disk.close()
        except (OSError, sqlite3.Error, SpoolError) as error:
            self._fail(error)
        self._retry_at_s = time.monotonic() + self._limits.retry_s
        return None

    def _fail(self, error: Exception) -> None:
        """Note that the disk fails; a damaged file is replaced."""
        if self._folder is not None and self._disk is not None and _is_damage(error):
            self._disk.close()
            self._disk = None
            self.n_renewals += 1
            try:
                self._move_aside(self._folder, error)
            except OSError as cause:
                error = cause
            else:
                return
        self._retry_at_s = time.monotonic() + self._limits.retry_s
        if not self._failing:
            self._failing = True
            _LOGGER.warning(
                "samples cannot be kept in %s (%s): they stay in memory until that works again; make room on the "
                "disk or see that the gateway may write there",
                self._folder,
                error,
            )

    @staticmethod
    def _move_aside(folder: Path, error: Exception) -> None:
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        aside = folder / f"{_FILE}.damaged-{stamp}"
        for suffix in ("", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                (folder / f"{_FILE}{suffix}").rename(f"{aside}{suffix}")
        _LOGGER.error("the spool is damaged (%s): it was renamed to %s and a new one begun", error, aside)


def _is_damage(error: Exception) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & _PRIMARY_CODE in _DAMAGED


def _force_to_disk(path: Path) -> None:
    is_folder = path.is_dir()
    if is_folder and os.name == "nt":
        # Windows keeps names without being asked, and cannot be.
        return
    descriptor = os.open(path, os.O_RDONLY if is_folder else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
