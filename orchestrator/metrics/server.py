"""A small HTTP server for /metrics, /healthz and /readyz, in threads of its own; GET and HEAD only.

`exporter.serve` makes it. It never runs in the caller's event loop, answers a bounded number of clients at a time and
hangs up on one that is silent for ten seconds. It knows nothing of what it serves.
"""

import errno
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer

import msgspec

MAX_CLIENTS = 8
CLIENT_SECONDS = 10.0
ACCEPT_AGAIN_SECONDS = 0.2
PORTS_TRIED = 200
_PLAIN = "text/plain; charset=utf-8"


class Rendered(msgspec.Struct, frozen=True):
    """A body and what it is."""

    content_type: str
    body: bytes


Render = Callable[[str], Rendered]
"""Renders the metrics for an Accept header."""
Healthy = Callable[[], bool]


def listen(host: str, port: int, *, asked: bool) -> socket.socket:
    """A listening socket on `port`, or if nobody asked for exactly that one, on the next free port."""
    last = port if asked or port == 0 else min(port + PORTS_TRIED, 65535)
    for candidate in range(port, last + 1):
        try:
            return _bound(host, candidate)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or candidate == last:
                raise OSError(
                    error.errno, f"cannot serve metrics on {host}:{candidate}: {error.strerror}"
                ) from None
    raise OSError(errno.EADDRINUSE, f"no free port for metrics on {host} from {port}")


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        bound.listen(16)
    except OSError:
        bound.close()
        raise
    return bound


class MetricsServer:
    """Serves until `close`. `is_healthy`: what /healthz says; asked from threads of the server's."""

    def __init__(self, bound: socket.socket, render: Render, is_healthy: Healthy = lambda: True) -> None:
        self.host, self.port = bound.getsockname()[:2]
        self._server = _Server(bound, render, is_healthy)
        self._is_closing = threading.Event()
        self._thread = threading.Thread(target=self._accept, name="metrics", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}/metrics"

    def set_ready(self, is_ready: bool) -> None:
        """What /readyz says; ready from the start."""
        self._server.is_ready = is_ready

    def close(self) -> None:
        """Wakes the accepting thread; clients that are being answered still get their answer."""
        self._is_closing.set()
        with suppress(OSError):
            self._server.socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(CLIENT_SECONDS)
        self._server.server_close()

    def _accept(self) -> None:
        while not self._is_closing.is_set():
            try:
                request, address = self._server.socket.accept()
            except OSError:
                self._is_closing.wait(ACCEPT_AGAIN_SECONDS)  # no descriptor left, say; or closed
            else:
                self._server.process_request(request, address)


class _Server(HTTPServer):
    def __init__(self, bound: socket.socket, render: Render, is_healthy: Healthy) -> None:
        super().__init__(bound.getsockname()[:2], _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = bound
        self.render = render
        self.is_healthy = is_healthy
        self.is_ready = True
        self._slots = threading.BoundedSemaphore(MAX_CLIENTS)

    def process_request(
        self, request: socket.socket | tuple[bytes, socket.socket], client_address: object
    ) -> None:
        """A thread per client, as long as there are not too many; the rest is hung up on."""
        if not self._slots.acquire(blocking=False):
            self.shutdown_request(request)
            return
        threading.Thread(target=self._answer, args=(request, client_address), daemon=True).start()

    def _answer(self, request: socket.socket, client_address: object) -> None:
        try:
            self.finish_request(request, client_address)
        except OSError:
            pass  # the client went away or took too long
        finally:
            self.shutdown_request(request)
            self._slots.release()


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = CLIENT_SECONDS
    protocol_version = default_request_version = "HTTP/1.0"
    server_version = "tf-orchestrator"
    sys_version = ""

    def do_GET(self) -> None:
        status, rendered = self._answer()
        self.send_response(status)
        self.send_header("Content-Type", rendered.content_type)
        self.send_header("Content-Length", str(len(rendered.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(rendered.body)

    def do_HEAD(self) -> None:
        self.do_GET()

    def _answer(self) -> tuple[HTTPStatus, Rendered]:
        path = self.path.partition("?")[0]
        if path == "/metrics":
            return self._metrics()
        if path == "/healthz":
            return _said(self.server.is_healthy(), "the event loop does not turn")
        if path == "/readyz":
            return _said(self.server.is_ready, "not ready")
        return HTTPStatus.NOT_FOUND, Rendered(_PLAIN, b"try /metrics, /healthz or /readyz\n")

    def _metrics(self) -> tuple[HTTPStatus, Rendered]:
        try:
            return HTTPStatus.OK, self.server.render(self.headers.get("Accept", ""))
        except (
            Exception
        ) as error:  # an error of ours must neither print into the live view nor look like silence
            return HTTPStatus.INTERNAL_SERVER_ERROR, Rendered(_PLAIN, f"cannot render: {error!r}\n".encode())

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Unknown methods and malformed requests."""
        wrong = HTTPStatus.METHOD_NOT_ALLOWED if code == HTTPStatus.NOT_IMPLEMENTED else HTTPStatus(code)
        body = f"{wrong.value} {wrong.phrase}\n".encode()
        self.send_response(wrong)
        if wrong is HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", "GET, HEAD")
        self.send_header("Content-Type", _PLAIN)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the terminal belongs to the run."""


def _said(is_good: bool, otherwise: str) -> tuple[HTTPStatus, Rendered]:
    if is_good:
        return HTTPStatus.OK, Rendered(_PLAIN, b"ok\n")
    return HTTPStatus.SERVICE_UNAVAILABLE, Rendered(_PLAIN, f"{otherwise}\n".encode())
