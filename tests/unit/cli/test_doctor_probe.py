"""`tfo doctor` as a whole, and the process that looks at TensorFlow."""

import json
import sys

import pytest

from orchestrator.cli import doctor, main
from orchestrator.cli.findings import TensorFlow


def looked(program: str, limit: float = 30.0) -> TensorFlow:
    return doctor.look_at_tensorflow([sys.executable, "-c", program], limit)


@pytest.mark.process
def test_a_tensorflow_that_takes_its_process_down_is_trouble() -> None:
    assert looked("import os; os.kill(os.getpid(), 11)").trouble == "signal 11"


@pytest.mark.process
def test_the_last_line_of_an_import_error_is_the_trouble() -> None:
    assert (
        looked("raise ImportError('libcudart.so.12')").trouble == "exit code 1: ImportError: libcudart.so.12"
    )


@pytest.mark.process
def test_a_tensorflow_that_hangs_is_trouble() -> None:
    assert looked("import time; time.sleep(60)", limit=0.2).trouble == "importing it took more than 0.2 s"


@pytest.mark.process
def test_what_is_printed_before_the_answer_is_no_answer() -> None:
    answer = {"tensorflow": None, "scikitLearn": True}
    assert looked(f"print('noise'); print({json.dumps(answer)!r})") == TensorFlow(
        scikit_learn=True, needs_fix=None
    )


@pytest.mark.tensorflow
def test_the_doctor_looks_at_this_machine(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["doctor", "--output", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    seen = found["facts"]["tensorflow"]
    assert seen["trouble"] == ""
    assert seen["version"].startswith("2.")
    assert (seen["scikit_learn"], seen["needs_fix"]) == (True, True)
    subjects = [one["subject"] for one in found["findings"]]
    assert subjects == [
        "tfo",
        "Python",
        "system",
        "TensorFlow",
        "Keras",
        "GPUs",
        "processors",
        "memory",
        "disk",
    ]
    assert "tensorflow" not in sys.modules
