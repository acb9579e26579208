"""The start-up hook in real interpreters, with a small package in Keras's place: what it does, hides and costs."""

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path

import pytest

import orchestrator
from orchestrator.protocol.environment import IN_FILE
from tests.unit.train.conftest import Listener

pytestmark = pytest.mark.process

HOOK = Path(orchestrator.__file__).parent / "train" / "hook"

TRAINER = """
class CallbackList:
    def __init__(self, callbacks):
        self.callbacks = list(callbacks)

    def __iter__(self):
        return iter(self.callbacks)

class TensorFlowTrainer:
    distribute_strategy = optimizer = None

    def fit(self, x=None, y=None, batch_size=None, epochs=1, verbose=0, callbacks=None):
        return [type(each).__name__ for each in callbacks or ()]
"""

KERAS = {
    "keras/__init__.py": "from keras.src import callbacks",
    "keras/src/__init__.py": "",
    "keras/src/callbacks.py": "class Callback:\n    pass",
    "keras/src/version.py": "__version__ = '99.0.0'",
    "keras/src/backend/__init__.py": "",
    "keras/src/backend/tensorflow/__init__.py": "",
    "keras/src/backend/tensorflow/trainer.py": TRAINER
    + "\n\ndef reduce_per_replica(values, strategy, reduction):\n    return values\n",
}

FIT = """
from keras.src.backend.tensorflow.trainer import TensorFlowTrainer
print(TensorFlowTrainer().fit([1], callbacks=[]))
"""


def write(folder: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(textwrap.dedent(text))
    return folder


def run(
    code: str, *path: Path, flags: tuple[str, ...] = (), python: str = sys.executable, **env: str
) -> subprocess.CompletedProcess[str]:
    """Run the code as the agent would, with `path` as the user's PYTHONPATH, outside of this clone."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TFO_", "PYTHON"))}
    return subprocess.run(
        [python, *flags, "-c", textwrap.dedent(code)],
        env={**kept, "PYTHONPATH": os.pathsep.join(map(str, (HOOK, *path))), **env},
        cwd="/",
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture
def bare_python(tmp_path: Path) -> str:
    """An interpreter that has none of our packages installed."""
    home = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home)], check=True)
    return str(home / "bin" / "python")


def test_fit_gets_a_reporting_callback(tmp_path: Path, listener: Listener, bare_python: str) -> None:
    keras = write(tmp_path, KERAS)
    found = run(FIT, keras, python=bare_python, TFO_INSTRUMENT="metrics", TFO_REPORT_SOCKET=listener.path)
    assert (found.stdout, found.stderr) == ("['ReportCallback']\n", "")


@pytest.mark.parametrize(
    ("instrument", "with_socket"), [("", True), ("kerasFix", True), ("checkpoint", True), ("metrics", False)]
)
def test_fit_is_left_alone_where_reports_are_off_or_nobody_listens(
    tmp_path: Path, listener: Listener, instrument: str, with_socket: bool
) -> None:
    socket = listener.path if with_socket else ""
    found = run(FIT, write(tmp_path, KERAS), TFO_INSTRUMENT=instrument, TFO_REPORT_SOCKET=socket)
    assert (found.stdout, found.stderr) == ("[]\n", "")


def test_callbacks_of_every_form_are_kept_and_ours_is_no_second_one(
    tmp_path: Path, listener: Listener
) -> None:
    code = """
    from keras.src.backend.tensorflow.trainer import TensorFlowTrainer
    from keras.src.callbacks import Callback
    from orchestrator.train import ReportCallback
    class Mine(Callback):
        pass
    fit = TensorFlowTrainer().fit
    print(fit(), fit([1], None, 8, 1, 0, [Mine()]), fit(callbacks=(Mine(),)), fit(callbacks=Mine()))
    print(fit(callbacks=[ReportCallback(), Mine()]))
    try:
        fit(nonsense=1)
    except TypeError as error:
        print("TypeError", "nonsense" in str(error))
    """
    root = HOOK.parents[2]
    found = run(code, write(tmp_path, KERAS), root, TFO_INSTRUMENT="metrics", TFO_REPORT_SOCKET=listener.path)
    both = ["Mine", "ReportCallback"]
    assert found.stdout == f"['ReportCallback'] {both} {both} {both}\n{both[::-1]}\nTypeError True\n", (
        found.stderr
    )


def test_an_unknown_keras_is_warned_about_in_a_job_of_several_and_left_alone(tmp_path: Path) -> None:
    code = (
        "from keras.src.backend.tensorflow import trainer; print(trainer.reduce_per_replica(1, None, 'auto'))"
    )
    keras = write(tmp_path, KERAS)
    alone = run(code, keras, TFO_INSTRUMENT="kerasFix", TFO_WORLD_SIZE="1")
    assert (alone.stdout, alone.stderr) == ("1\n", "")
    several = run(code, keras, TFO_INSTRUMENT="kerasFix", TFO_WORLD_SIZE="3")
    assert several.stdout == "1\n"
    assert "Keras 99.0 is not among the versions known" in several.stderr
    strict = run(code, keras, flags=("-W", "error"), TFO_INSTRUMENT="kerasFix", TFO_WORLD_SIZE="3")
    assert (strict.returncode, strict.stdout) == (0, "1\n")


def test_a_failure_inside_the_hook_never_fails_the_program(tmp_path: Path) -> None:
    broken = {**KERAS, "keras/src/version.py": "raise RuntimeError('broken')"}
    code = "from keras.src.backend.tensorflow import trainer; print('fine')"
    found = run(code, write(tmp_path, broken), TFO_INSTRUMENT="metrics,kerasFix")
    assert (found.returncode, found.stdout) == (0, "fine\n")
    assert found.stderr == "tfo: start-up hook: RuntimeError: broken\n"


def test_an_import_error_of_the_program_stays_its_own(tmp_path: Path, bare_python: str) -> None:
    code = """
    try:
        import keras.src.backend.tensorflow.trainer
    except ImportError as error:
        print(type(error).__name__, error.name)
    """
    found = run(code, python=bare_python, TFO_INSTRUMENT="metrics")
    assert found.stdout == "ModuleNotFoundError keras\n"
    files = {**KERAS, "keras/src/backend/tensorflow/trainer.py": "import nowhere"}
    assert (
        run(code, write(tmp_path, files), TFO_INSTRUMENT="metrics").stdout == "ModuleNotFoundError nowhere\n"
    )


def test_the_sitecustomize_that_it_hides_still_runs(tmp_path: Path) -> None:
    site = write(tmp_path, {"sitecustomize.py": "import builtins\nbuiltins.site_ran = __name__\nmine = 5"})
    code = "import sitecustomize; print(site_ran, sitecustomize.mine, sitecustomize.__file__)"
    found = run(code, site, TFO_INSTRUMENT="metrics")
    assert found.stdout == f"sitecustomize 5 {site / 'sitecustomize.py'}\n"


def test_a_broken_sitecustomize_is_reported_as_python_does(tmp_path: Path) -> None:
    site = write(tmp_path, {"sitecustomize.py": "import nowhere"})
    found = run("print('fine')", site)
    assert found.stdout == "fine\n"
    assert "Error in sitecustomize" in found.stderr
    assert "nowhere" in found.stderr


def test_without_another_one_nothing_is_said_and_the_path_is_the_users(tmp_path: Path) -> None:
    found = run("import sys; print(sys.path[1]); print([p for p in sys.path if 'hook' in p])", tmp_path)
    assert (found.stdout, found.stderr) == (f"{tmp_path}\n[]\n", "")


@pytest.mark.parametrize("flag", ["-I", "-E", "-S"])
def test_isolated_interpreters_are_left_alone(flag: str) -> None:
    found = run("print('fine')", flags=(flag,), TFO_INSTRUMENT="metrics")
    assert (found.stdout, found.stderr) == ("fine\n", "")


def test_our_package_is_found_where_it_is_not_installed(bare_python: str) -> None:
    found = run("import orchestrator.train as t; print(t.context().rank)", python=bare_python, TFO_RANK="2")
    assert (found.stdout, found.stderr) == ("2\n", "")


@pytest.mark.parametrize("place", ["orchestrator.py", "orchestrator/__init__.py", "orchestrator/mine.py"])
def test_a_program_with_a_package_of_our_name_keeps_it(
    tmp_path: Path, listener: Listener, bare_python: str, place: str
) -> None:
    """A module, a package, and a folder without __init__.py: the program's own comes first."""
    files = write(tmp_path, {**KERAS, place: "whose = 'mine'"})
    code = FIT + "import sys, orchestrator\nprint(orchestrator.__path__ if %r else orchestrator.whose)\n" % (
        place == "orchestrator/mine.py"
    )
    code += "print([name for name in sys.modules if name.startswith('orchestrator.')])"
    found = run(code, files, python=bare_python, TFO_INSTRUMENT="metrics", TFO_REPORT_SOCKET=listener.path)
    lines = found.stdout.splitlines()
    assert lines[0] == "['ReportCallback']", found.stderr
    assert ("mine" in lines[1]) or str(files / "orchestrator") in lines[1]
    assert (lines[2], found.stderr) == ("[]", "")


FAMILY = """
import multiprocessing
from orchestrator.train.reporter import current

def report():
    print(current().send(), flush=True)

def main():
    report()
    for method in ("spawn", "fork"):
        child = multiprocessing.get_context(method).Process(target=report)
        child.start()
        child.join()
    report()
"""


def test_processes_that_the_program_starts_do_not_report_a_second_time(
    tmp_path: Path, listener: Listener
) -> None:
    program = write(tmp_path, {"family.py": FAMILY})
    found = run("import family; family.main()", program, TFO_REPORT_SOCKET=listener.path)
    assert (found.stdout.split(), found.stderr) == (["True", "False", "False", "True"], "")
    assert len({each.pid for each in listener.heard()}) == 1


LONG = json.dumps({"cluster": {"worker": ["ä" * 200_000]}, "task": {"index": 0, "type": "worker"}})
SIZES = """
import os, subprocess, sys
size = "import os; print(len(os.environ['TF_CONFIG']), flush=True)"
exec(size)
print(os.environ["TF_CONFIG"] == os.environb[b"TF_CONFIG"].decode(), flush=True)
subprocess.run([sys.executable, "-c", size], check=True)
subprocess.run(["sh", "-c", "echo ${TF_CONFIG%%/*}"], check=True)
if os.fork() == 0:
    exec(size)
    os._exit(0)
os.wait()
"""


@pytest.mark.parametrize("instrument", ["", "metrics"])
def test_a_tf_config_that_no_variable_can_hold_is_read_and_children_still_start(
    tmp_path: Path, instrument: str
) -> None:
    config = write(tmp_path, {"config": LONG}) / "config"
    found = run(SIZES, TF_CONFIG=f"{IN_FILE}{config}", TFO_INSTRUMENT=instrument)
    assert (found.stdout.split(), found.stderr) == (
        [str(len(LONG)), "True", str(len(LONG)), "@", str(len(LONG))],
        "",
    )


def test_a_tf_config_that_cannot_be_read_is_named_and_no_json(tmp_path: Path) -> None:
    found = run("import os; print(os.environ['TF_CONFIG'][0])", TF_CONFIG=f"@{tmp_path}/gone")
    assert found.stdout == "@\n"
    assert found.stderr == (
        "tfo: start-up hook: TF_CONFIG: FileNotFoundError: [Errno 2] No such file or directory: "
        f"'{tmp_path}/gone'\n"
    )


def test_a_tf_config_in_the_variable_is_left_alone() -> None:
    found = run("import os; print(os.environ['TF_CONFIG'])", TF_CONFIG='{"cluster": {}}')
    assert (found.stdout, found.stderr) == ('{"cluster": {}}\n', "")


def test_a_program_without_keras_pays_for_nothing_of_ours(tmp_path: Path) -> None:
    """What it costs is how much is loaded: the hook alone, and of the standard library nothing that was not there."""
    code = """
    import importlib.util, json, os, sys
    spec = importlib.util.spec_from_file_location("sitecustomize", FILE)
    module = importlib.util.module_from_spec(spec)
    sys.modules["sitecustomize"] = module
    before = set(sys.modules)
    spec.loader.exec_module(module)
    print(json.dumps([sorted(set(sys.modules) - before), os.environ["TF_CONFIG"]]))
    """.replace("FILE", repr(str(HOOK / "sitecustomize.py")))
    config = write(tmp_path, {"config": "{}"}) / "config"
    found = run(code, TFO_INSTRUMENT="metrics,kerasFix", TF_CONFIG=f"@{config}", PYTHONPATH="")
    assert json.loads(found.stdout) == [[], "{}"]
