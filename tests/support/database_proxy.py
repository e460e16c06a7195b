"""What stands between the services and the database, and makes it fail in ways that a real one cannot be asked for."""

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Iterator

import bson

from support.servers import free_port

__all__ = ["DatabaseProxy", "database_proxy"]

_HEADER = struct.Struct("<iiii")
"""Length of the message, its number, the number of the message that it answers, and its kind."""
_OP_MSG = 2013
_FLAGS_AND_KIND_BYTES = 5
_NOT_WRITABLE_PRIMARY = {"ok": 0.0, "code": 10107, "codeName": "NotWritablePrimary", "errmsg": "not primary"}
_ABOUT_THE_SERVER = {"hello", "ismaster", "isMaster", "ping", "buildInfo", "endSessions"}


class DatabaseProxy:
    """Passes on what is said in MongoDB's wire protocol, unless it was told otherwise.

    Attributes:
        port: Where it listens.
        is_electing: Answer as a server does that has just stepped down.
        delay_s: Hold back each answer.
    """

    def __init__(self, database_port: int) -> None:
        """Listen, for a database on this machine."""
        self.port = free_port()
        self.is_electing = False
        self.delay_s = 0.0
        self._database_port = database_port
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def cut(self) -> None:
        """End all connections, in whatever state they are; new ones are taken."""
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Listen no more, and end all connections."""
        # Closing alone does not wake up who accepts.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        self._accepting.join()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with (
            contextlib.suppress(OSError),
            client,
            socket.create_connection(("127.0.0.1", self._database_port)) as there,
        ):
            for connection in (client, there):
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._open |= {client, there}
            back = threading.Thread(target=self._pass_back, args=(there, client), daemon=True)
            back.start()
            try:
                self._pass_on(client, there)
            finally:
                with self._lock:
                    self._open -= {client, there}
                with contextlib.suppress(OSError):
                    there.shutdown(socket.SHUT_RDWR)
                back.join()

    def _pass_on(self, client: socket.socket, there: socket.socket) -> None:
        while message := _read(client):
            if self.is_electing and _command(message) not in _ABOUT_THE_SERVER:
                client.sendall(_refusal(message))
            else:
                there.sendall(message)

    def _pass_back(self, there: socket.socket, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while message := _read(there):
                time.sleep(self.delay_s)
                client.sendall(message)
            client.shutdown(socket.SHUT_RDWR)


def _read(connection: socket.socket) -> bytes:
    """A whole message; nothing if the other side has ended."""
    header = _read_bytes(connection, _HEADER.size)
    if not header:
        return b""
    return header + _read_bytes(connection, _HEADER.unpack(header)[0] - _HEADER.size)


def _read_bytes(connection: socket.socket, n_bytes: int) -> bytes:
    parts = b""
    while len(parts) < n_bytes:
        part = connection.recv(n_bytes - len(parts))
        if not part:
            return b""
        parts += part
    return parts


def _command(message: bytes) -> str:
    """The name of the command in a message; empty if it is of the kind by which only the server is asked."""
    if _HEADER.unpack_from(message)[3] != _OP_MSG:
        return "hello"
    start = _HEADER.size + _FLAGS_AND_KIND_BYTES
    (n_bytes,) = struct.unpack_from("<i", message, start)
    return next(iter(bson.decode(message[start : start + n_bytes])))


def _refusal(message: bytes) -> bytes:
    body = bytes(_FLAGS_AND_KIND_BYTES) + bson.encode(_NOT_WRITABLE_PRIMARY)
    return _HEADER.pack(_HEADER.size + len(body), 1, _HEADER.unpack_from(message)[1], _OP_MSG) + body


@contextlib.contextmanager
def database_proxy(database_port: int) -> Iterator[DatabaseProxy]:
    """A proxy until the block ends."""
    proxy = DatabaseProxy(database_port)
    try:
        yield proxy
    finally:
        proxy.close()
