"""An agent's ear for the tests of `train`: a datagram socket that decodes what it hears."""

import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.protocol.datagrams import Datagram, decode
from orchestrator.train import reporter as reporting
from orchestrator.train.reporter import Reporter


class Listener:
    """The agent's end of the report socket."""

    def __init__(self, folder: Path) -> None:
        self.path = str(folder / "report.sock")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.path)
        self._socket.setblocking(False)
        self._received: list[Datagram] = []

    def receive(self) -> None:
        """Take what waits; the kernel keeps as few as ten."""
        while True:
            try:
                self._received.append(decode(self._socket.recv(65536)))
            except BlockingIOError:
                return

    def heard(self) -> list[Datagram]:
        """All datagrams since the last call."""
        self.receive()
        found, self._received = self._received, []
        return found

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    folder = Path(tempfile.mkdtemp(prefix="tfo-test-"))  # a socket's path may not be as long as pytest's
    made = Listener(folder)
    yield made
    made.close()
    shutil.rmtree(folder)


class HeardReporter(Reporter):
    """A reporter whose agent listens all the time."""

    def __init__(self, listener: Listener) -> None:
        super().__init__(listener.path, interval=0.0, attempt=1)
        self._listener = listener

    def _put(self, data: bytes) -> None:
        super()._put(data)
        self._listener.receive()


@pytest.fixture
def reporter(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reporter]:
    """The process's reporter, connected to the listener; everything is due at once."""
    made = HeardReporter(listener)
    monkeypatch.setattr(reporting, "_of_process", [made])
    yield made
    made.close()
