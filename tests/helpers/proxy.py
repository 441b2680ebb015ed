"""A small TCP proxy before an HTTP server, which delays, cuts, corrupts, refuses, and answers in its place."""

from __future__ import annotations

import contextlib
import math
import socket
import ssl
import threading
import urllib.parse
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Literal

from typing_extensions import Self

SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
BLOCK = 65536

Kind = Literal[
    "delay response",  # which the server has given already
    "lose response",  # the server does what was asked, and not a byte of its response comes back
    "cut response",  # the head and a part of the body come, then the connection ends
    "stall response",  # the same, and then nothing happens until the proxy is closed
    "corrupt response",  # the lowest bit of one byte of the body is flipped
    "cut request",  # a part of the body goes to the server, then both connections end
    "corrupt request",
    "answer",  # in the place of the server, which does not see the request
    "none",
]


@dataclass
class Request:
    """A request that the proxy has seen."""

    method: str
    path: str  # with its query, as the client encoded it
    connection: int  # 0 for those of the first connection, so that reuse shows
    status: int | None = None  # of the response that was sent back, if any was

    def matches(self, words: str) -> bool:
        """Say whether all words are in "METHOD /path?query", and none of those that have a "!" before them."""
        line = f"{self.method} {self.path}"
        return all((word[1:] not in line) if word[0] == "!" else (word in line) for word in words.split())


@dataclass
class Fault:
    """What happens to the requests that match."""

    kind: Kind
    match: str = ""  # see Request.matches
    skip: int = 0  # so many of them go through before
    times: float = math.inf  # so many have it
    at: int = 0  # the byte of the body to corrupt; how many bytes come before a cut or a stall
    seconds: float = math.inf  # of delay; math.inf: until the proxy is closed
    status: int = 503  # of the answer
    content: bytes = SLOW_DOWN  # of the answer
    hits: int = 0  # how often it took effect: a cut beyond the end of a body never does

    def takes(self, request: Request) -> bool:
        """Say whether the request has this fault, and count it."""
        if not request.matches(self.match):
            return False
        if self.skip:
            self.skip -= 1
            return False
        self.times -= 1
        return self.times >= 0


class Lost(Exception):
    """The connection ends here, by a fault or because one of its ends has gone."""


class Proxy:
    """Forwards to an HTTP server; with an SSL context it speaks TLS to the client, never to the server.

    A request has one fault at most, the first declared that takes it. Bytes of a body are counted from 0, in a chunked
    one with the framing.
    """

    def __init__(self, upstream: str, tls: ssl.SSLContext | None = None) -> None:
        """Listen on a free port of the loopback interface, before the server with the URL `upstream`."""
        url = urllib.parse.urlsplit(upstream)
        self.requests: list[Request] = []
        self.connections = 0
        self._upstream = (url.hostname, url.port)
        self._tls = tls
        self._faults: list[Fault] = []
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._refusing = threading.Event()
        self._sockets: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listener = self._bound(0)
        self.port: int = self._listener.getsockname()[1]
        self.endpoint = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self.accept()

    def fault(self, kind: Kind, match: str = "", **how: Any) -> Fault:
        """Declare what happens to requests; `how` are the fields of Fault."""
        fault = Fault(kind, match, **how)
        with self._lock:
            self._faults.append(fault)
        return fault

    def clear(self) -> None:
        """Forget all faults; what hangs goes on hanging."""
        with self._lock:
            self._faults.clear()

    def count(self, match: str = "") -> int:
        """Count the requests seen that match."""
        with self._lock:
            return sum(request.matches(match) for request in self.requests)

    def refuse(self) -> None:
        """Refuse new connections and drop those that are there."""
        self._end()
        self._listener = self._bound(self.port)  # bound and not listening: refused, and nobody else gets the port

    def accept(self) -> None:
        """Take connections, again after refuse()."""
        self._refusing.clear()
        self._listener.listen(128)
        self._acceptor = threading.Thread(target=self._accept_all, name="proxy")
        self._acceptor.start()

    def close(self) -> None:
        """End all threads and sockets."""
        self._closing.set()
        self._end()
        for thread in self._threads:
            thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @staticmethod
    def _bound(port: int) -> socket.socket:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.settimeout(0.05)
        return listener

    def _accept_all(self) -> None:
        while not self._refusing.is_set():
            with contextlib.suppress(TimeoutError):
                client, _ = self._listener.accept()
                thread = threading.Thread(target=self._serve, args=(client, self.connections), name="proxy connection")
                self.connections += 1
                self._threads.append(thread)
                thread.start()

    def _end(self) -> None:
        self._refusing.set()
        self._acceptor.join()
        self._listener.close()
        with self._lock:
            for connection in self._sockets:
                with contextlib.suppress(OSError):  # SSLSocket's own shutdown is not made for another thread
                    socket.socket.shutdown(connection, socket.SHUT_RDWR)

    @contextlib.contextmanager
    def _tracked(self, connection: socket.socket) -> Iterator[socket.socket]:
        """Have a socket that _end reaches."""
        with self._lock:
            self._sockets.add(connection)
        try:
            if self._refusing.is_set():  # it came after _end
                raise Lost
            yield connection
        finally:
            with self._lock:
                self._sockets.discard(connection)
            connection.close()

    def _serve(self, client: socket.socket, number: int) -> None:
        with contextlib.suppress(Lost, OSError, ValueError), contextlib.ExitStack() as ends:
            if self._tls:
                client = self._tls.wrap_socket(client, server_side=True, do_handshake_on_connect=False)
            ends.enter_context(self._tracked(client))
            if isinstance(client, ssl.SSLSocket):
                client.do_handshake()
            stream = ends.enter_context(client.makefile("rb"))
            while self._exchange(client, stream, number):
                pass

    def _exchange(self, client: socket.socket, stream: BinaryIO, number: int) -> bool:
        """Forward one request and its response; say whether the connection takes another."""
        lines, headers = _head(stream)
        request = Request(*lines[0].decode("latin-1").split()[:2], number)
        with self._lock:
            self.requests.append(request)
            fault = next((fault for fault in self._faults if fault.takes(request)), Fault("none"))
        if "100-continue" in headers.get("expect", ""):  # answered here: the server is not asked
            client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            lines = [line for line in lines if not line.lower().startswith(b"expect:")]
        body = _body(stream, headers)
        if fault.kind == "answer":
            for _ in body:
                pass
            fault.hits += 1
            request.status = fault.status
            head = f"HTTP/1.1 {fault.status} .\r\nContent-Type: application/xml\r\nContent-Length: {len(fault.content)}"
            client.sendall(head.encode() + b"\r\n\r\n" + (b"" if request.method == "HEAD" else fault.content))
            return True
        with self._tracked(socket.create_connection(self._upstream)) as server, server.makefile("rb") as answers:
            server.sendall(b"".join(lines))
            whole = _send_all(server, self._faulted(body, fault, "request"))
            reusable = self._respond(client, answers, request, fault)
        return whole and reusable and headers.get("connection") != "close"

    def _respond(self, client: socket.socket, answers: BinaryIO, request: Request, fault: Fault) -> bool:
        lines, headers = _head(answers)
        status = int(lines[0].split()[1])
        bodyless = request.method == "HEAD" or status in {204, 304}
        body = iter(()) if bodyless else _body(answers, headers, until_close=True)
        if fault.kind == "delay response":
            fault.hits += 1
            self._sleep(fault.seconds)
        elif fault.kind == "lose response":
            for _ in body:  # to its end: the server is done then
                pass
            fault.hits += 1
            raise Lost
        request.status = status
        client.sendall(b"".join(lines))
        for block in self._faulted(body, fault, "response"):
            client.sendall(block)
        framed = bodyless or "content-length" in headers or "transfer-encoding" in headers
        return framed and lines[0].startswith(b"HTTP/1.1") and headers.get("connection") != "close"

    def _faulted(self, blocks: Iterable[bytes], fault: Fault, where: str) -> Iterator[bytes]:
        position = 0
        for block in blocks:
            at = fault.at - position if fault.kind.endswith(where) else -1
            position += len(block)
            if not 0 <= at < len(block) or fault.kind.startswith("delay"):
                yield block
                continue
            fault.hits += 1
            if fault.kind.startswith("corrupt"):
                yield block[:at] + bytes([block[at] ^ 1]) + block[at + 1 :]
                continue
            yield block[:at]
            if fault.kind.startswith("stall"):
                self._sleep(math.inf)
            raise Lost

    def _sleep(self, seconds: float) -> None:
        if self._closing.wait(None if math.isinf(seconds) else seconds):
            raise Lost


def _send_all(server: socket.socket, blocks: Iterable[bytes]) -> bool:
    """Send the body of a request; say whether the server took it all, it may have answered before."""
    for block in blocks:
        try:
            server.sendall(block)
        except OSError:
            return False
    return True


def _head(stream: BinaryIO) -> tuple[list[bytes], dict[str, str]]:
    """Read the lines of a request's or response's head, with the empty one."""
    lines = [stream.readline(BLOCK)]
    while lines[-1] not in {b"\r\n", b"\n"}:
        if not lines[-1]:
            raise Lost
        lines.append(stream.readline(BLOCK))
    pairs = (line.decode("latin-1").lower().partition(":") for line in lines[1:-1])
    return lines, {name: value.strip() for name, _, value in pairs}


def _body(stream: BinaryIO, headers: dict[str, str], *, until_close: bool = False) -> Iterator[bytes]:
    """Read a body block by block, as it comes."""
    if "chunked" in headers.get("transfer-encoding", ""):
        size = 1
        while size:
            line = stream.readline(BLOCK)
            size = int(line.split(b";")[0], 16)  # ValueError where the stream has ended
            chunk = stream.read(size + 2) if size else b"".join(_head(stream)[0])  # the trailer looks like a head
            if len(chunk) < size:
                raise Lost
            yield line + chunk
    elif "content-length" in headers:
        left = int(headers["content-length"])
        while left:
            block = stream.read1(min(left, BLOCK))
            if not block:
                raise Lost
            left -= len(block)
            yield block
    elif until_close:
        while block := stream.read1(BLOCK):
            yield block
