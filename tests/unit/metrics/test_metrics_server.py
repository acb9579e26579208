"""The endpoint: its paths and methods, its port, and that nobody can hold it up."""

import errno
import http.client
import socket
import threading
from collections.abc import Iterator

import pytest

from orchestrator.metrics.server import MAX_CLIENTS, MetricsServer, Rendered, listen


def render(accept: str) -> Rendered:
    return Rendered("text/plain", f"accept {accept}\n".encode())


@pytest.fixture
def server() -> Iterator[MetricsServer]:
    found = MetricsServer(listen("127.0.0.1", 0, asked=False), render)
    yield found
    found.close()


def ask(
    server: MetricsServer, method: str, path: str, **headers: str
) -> tuple[int, str, http.client.HTTPResponse]:
    connection = http.client.HTTPConnection(server.host, server.port, timeout=10)
    connection.request(method, path, headers=headers)
    response = connection.getresponse()
    body = response.read().decode()
    connection.close()
    return response.status, body, response


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/metrics", 200, "accept text/plain\n"),
        ("/metrics?name=x", 200, "accept text/plain\n"),
        ("/healthz", 200, "ok\n"),
        ("/readyz", 200, "ok\n"),
        ("/", 404, "try /metrics, /healthz or /readyz\n"),
        ("/metrics/", 404, "try /metrics, /healthz or /readyz\n"),
        ("/../../etc/passwd", 404, "try /metrics, /healthz or /readyz\n"),
    ],
)
def test_paths(server: MetricsServer, path: str, status: int, body: str) -> None:
    assert ask(server, "GET", path, Accept="text/plain")[:2] == (status, body)


def test_head_has_the_headers_only(server: MetricsServer) -> None:
    status, body, response = ask(server, "HEAD", "/healthz")
    assert (status, body, response.headers["Content-Length"]) == (200, "", "3")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "NONSENSE"])
def test_other_methods_are_refused(server: MetricsServer, method: str) -> None:
    status, _, response = ask(server, method, "/metrics")
    assert (status, response.headers["Allow"]) == (405, "GET, HEAD")


def test_readiness_can_be_withdrawn(server: MetricsServer) -> None:
    server.set_ready(False)
    assert ask(server, "GET", "/readyz")[0] == 503
    assert ask(server, "GET", "/healthz")[0] == 200


def test_healthy_is_who_says_so() -> None:
    healthy = [True]
    server = MetricsServer(listen("127.0.0.1", 0, asked=False), render, lambda: healthy[0])
    try:
        assert ask(server, "GET", "/healthz")[:2] == (200, "ok\n")
        healthy[0] = False
        assert ask(server, "GET", "/healthz")[:2] == (503, "the event loop does not turn\n")
        assert ask(server, "GET", "/metrics")[0] == 200
    finally:
        server.close()


def test_garbage_is_answered_and_does_no_harm(server: MetricsServer) -> None:
    with socket.create_connection((server.host, server.port), timeout=10) as client:
        client.sendall(b"\x00\xff garbage\r\n\r\n")
        assert client.recv(1000).startswith(b"HTTP/1.0 400")
    assert ask(server, "GET", "/healthz")[0] == 200


def test_silent_clients_are_bounded_and_do_not_hold_up_others(server: MetricsServer) -> None:
    silent = [
        socket.create_connection((server.host, server.port), timeout=10) for _ in range(MAX_CLIENTS - 1)
    ]
    assert ask(server, "GET", "/metrics")[0] == 200
    for client in silent:
        client.close()


def test_too_many_clients_are_hung_up_on(server: MetricsServer) -> None:
    silent = [socket.create_connection((server.host, server.port), timeout=10) for _ in range(MAX_CLIENTS)]
    one_more = socket.create_connection((server.host, server.port), timeout=10)
    assert one_more.recv(1) == b""
    for client in (*silent, one_more):
        client.close()


def test_rendering_happens_in_another_thread_and_an_error_in_it_is_an_answer() -> None:
    threads: list[threading.Thread] = []

    def fail(accept: str) -> Rendered:
        threads.append(threading.current_thread())
        raise RuntimeError("no idea")

    server = MetricsServer(listen("127.0.0.1", 0, asked=False), fail)
    status, body, _ = ask(server, "GET", "/metrics")
    server.close()
    assert (status, body) == (500, "cannot render: RuntimeError('no idea')\n")
    assert threads[0] is not threading.current_thread()


def test_a_taken_port_is_an_error_only_if_it_was_asked_for() -> None:
    with listen("127.0.0.1", 0, asked=False) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            OSError, match=f"cannot serve metrics on 127.0.0.1:{port}: Address already in use"
        ) as error:
            listen("127.0.0.1", port, asked=True)
        assert error.value.errno == errno.EADDRINUSE
        with listen("127.0.0.1", port, asked=False) as other:
            assert other.getsockname()[1] > port


def test_an_address_that_is_not_ours_is_an_error_at_once() -> None:
    with pytest.raises(OSError, match=r"cannot serve metrics on 192\.0\.2\.1:9400"):
        listen("192.0.2.1", 9400, asked=False)


def test_the_url_can_be_opened(server: MetricsServer) -> None:
    assert server.url == f"http://127.0.0.1:{server.port}/metrics"


def test_after_closing_nobody_answers() -> None:
    server = MetricsServer(listen("127.0.0.1", 0, asked=False), render)
    server.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((server.host, server.port), timeout=10)
