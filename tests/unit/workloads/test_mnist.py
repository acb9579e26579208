"""MNIST without the internet: a clear error, soon."""

import socket
from pathlib import Path

import pytest

from orchestrator.workloads import mnist
from orchestrator.workloads.data import load
from orchestrator.workloads.samples import DataError


def test_a_server_that_never_answers_is_not_waited_for() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        assert not mnist.is_reachable(f"http://127.0.0.1:{silent.getsockname()[1]}/mnist.npz", 0.2)


def test_without_the_internet_the_error_names_what_to_use_instead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as closed:  # bound, not listening: refuses every connection
        closed.bind(("127.0.0.1", 0))
        proxy = f"http://127.0.0.1:{closed.getsockname()[1]}"
        for name in ("HTTPS_PROXY", "https_proxy"):
            monkeypatch.setenv(name, proxy)
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("KERAS_HOME", str(tmp_path))
        with pytest.raises(DataError, match=r"data mnist must be downloaded .* use data: PATH\.npz"):
            load("mnist", seed=1)


def test_what_cannot_be_reached_is_not_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One attempt, of bounded time: Keras itself would try for minutes."""
    asked: list[float] = []
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(mnist, "is_reachable", lambda url, seconds: asked.append(seconds))
    monkeypatch.setattr(mnist, "_load", lambda: pytest.fail("downloaded"))
    with pytest.raises(DataError):
        load("mnist", seed=1)
    assert asked == [mnist.PROBE_SECONDS]


def test_the_probe_and_its_error_fit_into_half_a_minute() -> None:
    assert mnist.PROBE_SECONDS <= 15
