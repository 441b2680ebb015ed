"""The proxy of the tests does what it says, or what they find means nothing."""

from __future__ import annotations

import http.client
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from helpers.proxy import SLOW_DOWN, Proxy

BODY = bytes(range(200))


class Upstream(ThreadingHTTPServer):
    """Keeps what it was sent and answers BODY."""

    daemon_threads = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.bodies: list[bytes] = []
        self.endpoint = f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        """Answer with BODY, chunked if the path asks for it."""
        self.send_response(200)
        if self.path == "/chunked":
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"64\r\n%b\r\n64\r\n%b\r\n0\r\n\r\n" % (BODY[:100], BODY[100:]))
        elif self.path == "/until-close":
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(BODY)
        else:
            self.send_header("Content-Length", str(len(BODY)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(BODY)

    def do_HEAD(self):
        """Answer without BODY."""
        self.do_GET()

    def do_PUT(self):
        """Keep what came."""
        self.server.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """Give a server that runs."""
    with Upstream() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def proxy(upstream: Upstream) -> Iterator[Proxy]:
    """Give a proxy before it, and see that no thread of it is left."""
    with Proxy(upstream.endpoint) as made:
        yield made
    assert not any("proxy" in thread.name for thread in threading.enumerate())


@pytest.fixture
def client(proxy: Proxy) -> Iterator[http.client.HTTPConnection]:
    """Give a client of the proxy, with one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=5)
    yield connection
    connection.close()


def ask(client: http.client.HTTPConnection, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    """Give status and body of the response."""
    client.request(method, path, body)
    response = client.getresponse()
    return response.status, response.read()


def test_it_forwards_and_keeps_count(proxy, client, upstream):
    """Without a fault all requests of a connection come through as they are, and are counted."""
    assert ask(client, "GET", "/a?b=c") == (200, BODY)
    assert ask(client, "HEAD", "/a") == (200, b"")
    assert ask(client, "PUT", "/a", b"x" * 100_000) == (200, b"")
    assert ask(client, "GET", "/chunked") == (200, BODY)
    assert ask(client, "GET", "/until-close") == (200, BODY)
    assert upstream.bodies == [b"x" * 100_000]
    assert [(r.method, r.path, r.status, r.connection) for r in proxy.requests] == [
        ("GET", "/a?b=c", 200, 0),
        ("HEAD", "/a", 200, 0),
        ("PUT", "/a", 200, 0),
        ("GET", "/chunked", 200, 0),
        ("GET", "/until-close", 200, 0),
    ]
    assert (proxy.connections, proxy.count(), proxy.count("GET !chunked")) == (1, 5, 2)


def test_it_answers_expect_continue(client, upstream):
    """A client that waits for leave to send its body gets it, and one that sends chunks is understood."""
    client.putrequest("PUT", "/a")
    client.putheader("Expect", "100-continue")
    client.putheader("Content-Length", "3")
    client.endheaders()
    assert client.sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.send(b"abc")
    assert client.getresponse().read() == b""
    assert upstream.bodies == [b"abc"]


def test_it_corrupts_one_byte(proxy, client, upstream):
    """Exactly the byte asked for is changed, so often as asked for, in the requests that match."""
    response = proxy.fault("corrupt response", "GET /a", at=150, times=1)
    request = proxy.fault("corrupt request", "PUT", at=70_000, skip=1)
    assert ask(client, "GET", "/b") == (200, BODY)
    assert ask(client, "GET", "/a") == (200, BODY[:150] + bytes([BODY[150] ^ 1]) + BODY[151:])
    assert ask(client, "GET", "/a") == (200, BODY)
    ask(client, "PUT", "/a", b"\x00" * 70_002)
    ask(client, "PUT", "/a", b"\x00" * 70_002)
    ask(client, "PUT", "/a", b"\x00" * 70_000)
    assert upstream.bodies == [b"\x00" * 70_002, b"\x00" * 70_000 + b"\x01\x00", b"\x00" * 70_000]
    assert (response.hits, request.hits) == (1, 1)


def test_it_cuts_a_response(proxy, client):
    """The body ends after so many bytes, and the next request is whole again."""
    proxy.fault("cut response", at=120, times=1)
    with pytest.raises(http.client.IncompleteRead) as cut:
        ask(client, "GET", "/a")
    assert cut.value.partial == BODY[:120]
    client.close()
    assert ask(client, "GET", "/a") == (200, BODY)


def test_it_cuts_a_request(proxy, client, upstream):
    """The server gets a part of the body and then the end of the connection, and so does the client."""
    proxy.fault("cut request", "PUT", at=10)
    with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
        ask(client, "PUT", "/a", b"x" * 100)
    assert [request.status for request in proxy.requests] == [None]


def test_it_loses_a_response(proxy, client, upstream):
    """The server did what was asked, and the client does not hear of it."""
    proxy.fault("lose response", times=1)
    with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
        ask(client, "PUT", "/a", b"abc")
    assert upstream.bodies == [b"abc"]


@pytest.mark.parametrize("kind", ["delay response", "stall response"])
def test_it_hangs(proxy, client, kind):
    """A response that is held back for ever runs into the client's own limit, and the proxy can still be closed."""
    proxy.fault(kind, at=10)
    client.timeout = 0.2
    with pytest.raises(TimeoutError):
        ask(client, "GET", "/a")


def test_it_delays(proxy, client):
    """A response that is held back for a while comes then."""
    fault = proxy.fault("delay response", seconds=0.1)
    assert ask(client, "GET", "/a") == (200, BODY)
    assert fault.hits == 1


def test_it_answers_in_place_of_the_server(proxy, client, upstream):
    """The client gets the answer on a connection that stays usable, and the server sees nothing."""
    proxy.fault("answer", "PUT", times=1)
    assert ask(client, "PUT", "/a", b"abc") == (503, SLOW_DOWN)
    assert ask(client, "PUT", "/a", b"def") == (200, b"")
    assert upstream.bodies == [b"def"]
    assert {request.connection for request in proxy.requests} == {0}


def test_it_refuses(proxy, client):
    """Connections are refused and those that are there dropped, until it accepts again at the same address."""
    assert ask(client, "GET", "/a") == (200, BODY)
    proxy.refuse()
    with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
        ask(client, "GET", "/a")
    client.close()
    with pytest.raises(ConnectionRefusedError):
        ask(client, "GET", "/a")
    client.close()
    proxy.accept()
    assert ask(client, "GET", "/a") == (200, BODY)


def test_it_speaks_tls(upstream, certificate):
    """With a certificate it speaks TLS to the client, and a client that does not trust it is turned away by itself."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    trusting = ssl.create_default_context(cafile=certificate)
    with Proxy(upstream.endpoint, tls=context) as proxy:
        assert proxy.endpoint == f"https://127.0.0.1:{proxy.port}"
        client = http.client.HTTPSConnection("127.0.0.1", proxy.port, timeout=5, context=trusting)
        assert ask(client, "GET", "/a") == (200, BODY)
        proxy.fault("cut response", at=20)
        with pytest.raises((http.client.IncompleteRead, ssl.SSLError)):
            ask(client, "GET", "/a")
        client.close()
        stranger = http.client.HTTPSConnection("127.0.0.1", proxy.port, timeout=5)
        with pytest.raises(ssl.SSLCertVerificationError):
            ask(stranger, "GET", "/a")
