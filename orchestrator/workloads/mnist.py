"""MNIST through keras.datasets: a download on first use, then Keras' cache in the home directory.

Called by `data.load`. Without the internet it fails within half a minute and says what to do instead; members on
one machine download once, one after the other. Importing this module does not import Keras.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from orchestrator.workloads.samples import Data, DataError, Samples, combine

URL = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz"
PROBE_SECONDS = 12.0
STALL_SECONDS = 20.0


def load_mnist() -> Data:
    """The 60,000 training and 10,000 test images, values between 0 and 1."""
    cache = _cache_directory()
    try:
        if not (cache / "mnist.npz").exists() and not is_reachable(URL, PROBE_SECONDS):
            raise DataError(_unreachable("no answer"))
        cache.mkdir(parents=True, exist_ok=True)
        with _lock(cache / ".mnist.lock"):
            return _load()
    except OSError as error:
        raise DataError(_unreachable(str(error))) from None


def is_reachable(url: str, seconds: float) -> bool:
    """Asked in a thread of its own, because looking up a name has no time limit that we could set."""
    answers: list[bool] = []

    def ask() -> None:
        request = urllib.request.Request(url, method="HEAD")
        with contextlib.suppress(OSError, ValueError), urllib.request.urlopen(request, timeout=seconds):
            answers.append(True)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(seconds)
    return bool(answers)


def _load() -> Data:
    import keras

    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(STALL_SECONDS)
    try:
        (x_train, y_train), (x_test, y_test) = keras.datasets.mnist.load_data()
    except Exception as error:  # Keras raises a bare Exception when the download fails
        raise DataError(_unreachable(str(error))) from None
    finally:
        socket.setdefaulttimeout(before)
    train, test = (
        Samples((x[..., np.newaxis] / 255.0).astype(np.float32), y.astype(np.int32))
        for x, y in ((x_train, y_train), (x_test, y_test))
    )
    return combine(train, test)


def _unreachable(reason: str) -> str:
    return (
        f"data mnist must be downloaded from {URL} and that failed ({reason}). Without the internet: "
        "fetch mnist.npz elsewhere and use data: PATH.npz, or data: digits, which needs no download"
    )


def _cache_directory() -> Path:
    home = os.environ.get("KERAS_HOME") or os.path.join(os.path.expanduser("~"), ".keras")
    return Path(home) / "datasets"


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
