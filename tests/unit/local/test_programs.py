"""The environment of a local program: what a user would have typed, plus ours."""

import os
import sys
from pathlib import Path

from orchestrator.api.types import Role
from orchestrator.backends.local import programs
from orchestrator.core.plan import ReplicaPlan


def planned(
    argv: tuple[str, ...] = ("python", "train.py"), env: dict[str, str] | None = None, where: str = ""
) -> ReplicaPlan:
    return ReplicaPlan(
        role=Role.CHIEF, index=0, name="a-chief-0", argv=argv, working_dir=where, env=env or {}, gpus=None
    )


def place(**environ: str) -> programs.Place:
    return programs.Place(folder=Path("/jobs"), environ=environ)


def test_a_bare_python_is_the_interpreter_of_tfo() -> None:
    assert programs.argv(planned()) == (sys.executable, "train.py")
    assert programs.argv(planned(("/usr/bin/python", "x"))) == ("/usr/bin/python", "x")


def test_variables_in_a_command_are_filled_in() -> None:
    words = ("sh", "-c", "echo $(TFO_INDEX) $(OTHER) $$(TFO_INDEX)")
    assert programs.argv(planned(words, {"TFO_INDEX": "3"}))[2] == "echo 3 $(OTHER) $(TFO_INDEX)"


def test_the_interpreters_folder_comes_first_on_path() -> None:
    found = programs.environ(planned(), place(PATH="/bin"), {})
    assert found["PATH"] == f"{Path(sys.executable).parent}:/bin"


def test_without_a_path_the_systems_own_follows() -> None:
    """As with `env -i`: programs find what a shell would find."""
    for nothing in (place(), place(PATH="")):
        found = programs.environ(planned(), nothing, {})
        assert found["PATH"] == f"{Path(sys.executable).parent}:{os.defpath}"


def test_defaults_give_way_to_the_user() -> None:
    found = programs.environ(planned(), place(TF_CPP_MIN_LOG_LEVEL="0"), {})
    assert (found["TF_CPP_MIN_LOG_LEVEL"], found["PYTHONUNBUFFERED"]) == ("0", "1")


def test_nothing_of_an_outer_run_is_inherited() -> None:
    found = programs.environ(planned(), place(TF_CONFIG="{}", TFO_RANK="3", TFO_RUNS_DIR="/r"), {})
    assert "TF_CONFIG" not in found
    assert "TFO_RANK" not in found
    assert found["TFO_RUNS_DIR"] == "/r"


def test_the_hook_is_put_before_the_users_own_path() -> None:
    found = programs.environ(planned(env={"TFO_INSTRUMENT": "metrics"}), place(PYTHONPATH="/mine"), {})
    assert found["PYTHONPATH"] == f"{programs.HOOK}:/mine"


def test_without_instruments_there_is_no_hook() -> None:
    assert "PYTHONPATH" not in programs.environ(planned(), place(), {})


def test_the_hook_is_really_there() -> None:
    assert (programs.HOOK / "sitecustomize.py").is_file()


def test_the_plan_wins_over_devices_and_terminal() -> None:
    found = programs.environ(planned(env={"X": "plan"}), place(X="terminal"), {"X": "devices"})
    assert found["X"] == "plan"


def test_programs_run_where_the_plan_says_or_beside_the_file() -> None:
    assert programs.working_dir(planned(), place()) == Path("/jobs")
    assert programs.working_dir(planned(where="sub"), place()) == Path("/jobs/sub")
    assert programs.working_dir(planned(where="/abs"), place()) == Path("/abs")
