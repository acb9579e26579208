"""Importing the controller or the command line must stay cheap: no TensorFlow, and nothing that only some need.

Each test asks a fresh interpreter what an import has loaded. It is about what is loaded, not about seconds, which
the benchmarks measure.
"""

import subprocess
import sys

import pytest

from tests.checks.source_tree import ROOT

TRAINING = {"keras", "numpy", "scipy", "sklearn", "tensorboard", "tensorflow", "tf_keras"}


def _loaded(module: str) -> set[str]:
    """Names of all modules in an interpreter that has imported just this one."""
    program = f"import sys, {module}; print('\\n'.join(sys.modules))"
    command = (sys.executable, "-c", program)
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=50)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


@pytest.mark.parametrize("module", ["orchestrator.controller.reconcile", "orchestrator.cli.main"])
def test_training_libraries_are_not_loaded(module: str) -> None:
    assert _loaded(module) & TRAINING == set()


def test_the_command_line_loads_neither_grpc_nor_the_terminal_library_before_it_knows_the_command() -> None:
    assert _loaded("orchestrator.cli.main") & {"grpc", "rich", "prometheus_client", "kubernetes"} == set()


def test_the_agent_loads_the_standard_library_alone() -> None:
    top = {name.partition(".")[0] for name in _loaded("orchestrator.agent.main")}
    foreign = {name for name in top if name not in sys.stdlib_module_names and not name.startswith("_")}
    assert foreign - {"orchestrator", "editables"} == set()


def test_the_agent_loads_of_us_only_itself_and_the_protocol() -> None:
    ours = {name for name in _loaded("orchestrator.agent.main") if name.startswith("orchestrator.")}
    allowed = ("orchestrator.agent", "orchestrator.protocol", "orchestrator.version")
    assert {name for name in ours if not name.startswith(allowed)} == set()


def test_what_the_start_up_hook_loads_is_what_it_needs() -> None:
    unneeded = {"train.checkpointer", "train.checkpoint_callback", "train.stop", "protocol.messages"}
    loaded = _loaded("orchestrator.train.instrument")
    assert loaded & {f"orchestrator.{name}" for name in unneeded} == set()


def test_the_training_library_loads_without_training_libraries() -> None:
    assert _loaded("orchestrator.train") & TRAINING == set()
