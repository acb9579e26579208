"""MNIST without the internet: a clear error, soon."""

import socket
import time
from pathlib import Path

import pytest

from orchestrator.workloads import mnist
from orchestrator.workloads.data import load
from orchestrator.workloads.samples import DataError


def test_a_server_that_never_answers_is_not_waited_for() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        begun = time.monotonic()
        assert not mnist.is_reachable(f"http://127.0.0.1:{silent.getsockname()[1]}/mnist.npz", 0.2)
        assert time.monotonic() - begun < 10


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


def test_the_probe_and_its_error_fit_into_half_a_minute() -> None:
    assert mnist.PROBE_SECONDS <= 15
