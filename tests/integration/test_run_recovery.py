"""`tfo run` on real processes without TensorFlow: what is lost is replaced, and nothing is left behind.

The programs (programs_run/training.py) count steps, save every 10 and resume. Each test kills something and checks
the cause that was recorded, the steps that were lost, the exit code and that every process is gone.
"""

import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.api.status import Cause, EndedAttempt
from orchestrator.cli.session import KILLING, STOPPING
from tests.fixtures.launcher import TRAINING, Launcher, Run, wait_until

pytestmark = pytest.mark.process


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launcher]:
    launcher = Launcher(tmp_path)
    yield launcher
    launcher.close()


def last_end(run: Run) -> EndedAttempt:
    status = run.status
    assert status is not None
    return status.attempts[-1]


def test_an_undisturbed_run_succeeds_in_one_attempt(launch: Launcher) -> None:
    run = launch.training(2)
    ended = run.end()
    assert (ended.code, ended.summary["result"], ended.summary["restarts"]) == (0, "succeeded", 0)
    assert ended.summary["event"] == "summary"
    assert ended.summary["metrics"]["accuracy"] == 1.0
    assert "is done at step 40" in run.log("worker-1")
    run.is_gone()


@pytest.mark.parametrize("victim", ["chief-0", "worker-1"])
def test_a_killed_program_costs_one_restart_from_the_last_checkpoint(launch: Launcher, victim: str) -> None:
    run = launch.training(2, STEPS="60")
    run.saved(20)
    os.kill(run.program(victim), signal.SIGKILL)
    ended = run.end()
    end = last_end(run)
    assert (ended.code, ended.summary["restarts"]) == (0, 1)
    assert (end.cause, end.member, end.signal) == (Cause.PROGRAM_SIGNAL, victim, signal.SIGKILL)
    assert 0 <= ended.summary["stepsLost"] <= 12
    assert "starts attempt 2 at step" in run.log(victim, 2)
    assert "at step 0" not in run.log(victim, 2)
    run.is_gone()


def test_an_agent_alone_killed_leaves_nothing_of_its_tree(launch: Launcher) -> None:
    run = launch.training(2, STEPS="60")
    run.saved(10)
    program = run.program("worker-0")
    os.kill(run.agent("worker-0"), signal.SIGKILL)
    ended = run.end()
    assert (ended.code, ended.summary["restarts"]) == (0, 1)
    assert (last_end(run).cause, last_end(run).member) == (Cause.AGENT_LOST, "worker-0")
    assert not Path(f"/proc/{program}").exists()
    run.is_gone()


WITHOUT_AGENT = """
import sys
from orchestrator.backends.local import agents
from orchestrator.cli import main

agents.AGENT_MODULE = "orchestrator.no_agent"
sys.exit(main.main())
"""


def test_an_agent_that_never_gets_ready_fails_the_job_with_its_last_words(launch: Launcher) -> None:
    job = launch.job(1, {"runPolicy": {"backoffLimit": 1}})
    ended = launch(str(job), program=(sys.executable, "-c", WITHOUT_AGENT)).end()
    cause = ended.summary["cause"]
    assert (ended.code, ended.summary["reason"], ended.summary["restarts"]) == (1, "BackoffLimitExceeded", 1)
    assert "lost its agent: it ended with code 1 before it was ready" in ended.summary["message"]
    assert "No module named orchestrator.no_agent" in cause["lastLines"][-1]


def test_a_python_of_its_own_is_the_programs_business(launch: Launcher) -> None:
    """PYTHONHOME=/nowhere lets no Python start: the agent still does, and says what the program said."""
    env = [{"name": "PYTHONHOME", "value": "/nowhere"}]
    container = {"name": "tensorflow", "command": ["python", "-c", "0"], "env": env}
    job = launch.job(0, {"template": {"spec": {"containers": [container]}}, "runPolicy": {"backoffLimit": 0}})
    ended = launch(str(job)).end()
    assert (ended.code, ended.summary["cause"]["cause"]) == (1, "ProgramExit")
    assert any("/nowhere" in line for line in ended.summary["cause"]["lastLines"])


def test_a_killed_runner_leaves_nothing(launch: Launcher) -> None:
    """No process, and no socket either, though a folder with a long path has it somewhere else."""
    with tempfile.TemporaryDirectory(prefix="t-") as elsewhere:
        run = launch.training(2, STEPS="100000", TMPDIR=elsewhere)
        run.in_attempt(1)
        places = (Path(elsewhere), run.folder.path)
        assert any(path.is_socket() for place in places for path in place.rglob("*"))
        run.process.send_signal(signal.SIGKILL)
        run.process.wait()
        run.is_gone()
        assert not [path for place in places for path in place.rglob("*") if path.is_socket()]
        assert not list(Path(elsewhere).glob("tfo-[!p]*"))
    assert "Lost" in launch.tfo("ps", "--all").stdout


def test_a_stopped_member_is_named_as_hanging(launch: Launcher) -> None:
    job = launch.job(2, {"recovery": {"hangTimeoutSeconds": 2}})
    run = launch(str(job), STEPS="250")
    run.saved(10)
    os.kill(run.program("worker-1"), signal.SIGSTOP)
    ended = run.end()
    assert (ended.code, ended.summary["restarts"]) == (0, 1)
    assert (last_end(run).cause, last_end(run).member) == (Cause.HANG, "worker-1")
    run.is_gone()


def test_a_stopped_member_is_the_cause_when_its_peers_give_up(launch: Launcher, tmp_path: Path) -> None:
    """With the default hang timer: the peers of a stopped member fail first, as TensorFlow's do after 16 s."""
    trigger = tmp_path / "give-up"
    run = launch.training(2, STEPS="60", FAIL="worker-0:1", FAIL_WHEN=str(trigger))
    run.saved(10)
    stopped = run.program("worker-1")
    os.kill(stopped, signal.SIGSTOP)
    wait_until(lambda: is_stopped(stopped), "the stop")
    trigger.touch()
    ended = run.end()
    assert (ended.code, ended.summary["restarts"]) == (0, 1)
    assert (last_end(run).cause, last_end(run).member) == (Cause.HANG, "worker-1")
    assert not Path(f"/proc/{stopped}").exists()
    run.is_gone()


def is_stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def test_a_program_that_always_fails_uses_up_its_restarts(launch: Launcher) -> None:
    job = launch.job(1, {"runPolicy": {"backoffLimit": 1}})
    run = launch(str(job), FAIL="worker-0:7")
    ended = run.end()
    summary = ended.summary
    assert (ended.code, summary["result"], summary["restarts"]) == (1, "failed", 1)
    assert summary["reason"] == "BackoffLimitExceeded"
    assert (summary["cause"]["member"], summary["cause"]["exitCode"]) == ("worker-0", 7)
    assert summary["cause"]["lastLines"][-1] == "worker-0 is about to fail"
    run.is_gone()


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"recovery": {"exitCodes": [{"codes": [7], "action": "Fail"}]}}, "ExitCodeRule"),
        ({"replicaSpecs": {"chief": {"restartPolicy": "Never"}}}, "RestartPolicyForbids"),
        ({"replicaSpecs": {"chief": {"restartPolicy": "ExitCode"}}}, "RestartPolicyForbids"),
    ],
)
def test_rules_end_a_job_at_its_first_failure(launch: Launcher, spec: dict[str, object], reason: str) -> None:
    run = launch(str(launch.job(0, spec)), FAIL="chief-0:7")
    ended = run.end()
    assert (ended.code, ended.summary["reason"], ended.summary["restarts"]) == (1, reason, 0)


def test_the_deadline_ends_a_job(launch: Launcher) -> None:
    job = launch.job(1, {"runPolicy": {"activeDeadlineSeconds": 2}})
    run = launch(str(job), STEPS="100000")
    ended = run.end()
    assert (ended.code, ended.summary["reason"]) == (1, "DeadlineExceeded")
    run.is_gone()


def test_success_is_the_chiefs(launch: Launcher) -> None:
    """The worker would go on for ever; however it ends, it changes nothing any more."""
    job = launch.job(1, {"successPolicy": "Chief"})
    run = launch(str(job), FOREVER="worker-0", STEPS="20")
    wait_until(lambda: run.status and run.status.phase == "Succeeded", "success")
    os.kill(run.program("worker-0"), signal.SIGTERM)
    assert run.end().code == 0
    run.is_gone()


def test_success_is_rank_0_without_a_chief(launch: Launcher) -> None:
    job = launch.job(0, {"replicaSpecs": {"worker": {"replicas": 2}}})
    assert launch(str(job), STEPS="10").end().code == 0


def test_all_workers_have_to_succeed_where_the_policy_says_so(launch: Launcher) -> None:
    spec = {
        "replicaSpecs": {"worker": {"replicas": 2}},
        "successPolicy": "AllWorkers",
        "runPolicy": {"backoffLimit": 0},
    }
    run = launch(str(launch.job(0, spec)), FAIL="worker-1:3", STEPS="10")
    ended = run.end()
    assert (ended.code, ended.summary["cause"]["member"]) == (1, "worker-1")


def test_an_evaluators_crash_disturbs_nobody(launch: Launcher) -> None:
    job = launch.job(1, {"replicaSpecs": {"chief": {}, "worker": {}, "evaluator": {}}})
    run = launch(str(job), FAIL="evaluator-0:9", STEPS="60")
    ended = run.end()
    assert (ended.code, ended.summary["restarts"], ended.summary["attempt"]) == (0, 0, 1)
    assert "starts attempt 2" in run.log("evaluator-0", 2)
    run.is_gone()


def test_two_runs_of_one_name_side_by_side(launch: Launcher) -> None:
    first = launch.training(1, STEPS="100")
    first.in_attempt(1)
    second = launch.training(1, STEPS="20")
    assert (first.number, second.number) == (1, 2)
    assert second.end().code == 0
    assert first.end().code == 0


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_stops_the_run_gracefully(launch: Launcher, number: signal.Signals, code: int) -> None:
    run = launch.training(1, STEPS="100000")
    run.saved(10)
    run.process.send_signal(number)
    ended = run.end()
    assert (ended.code, ended.summary["result"], ended.summary["restarts"]) == (code, "cancelled", 0)
    assert "stops at step" in run.log("chief-0")
    run.is_gone()


def test_a_second_signal_kills(launch: Launcher) -> None:
    run = launch.training(1, STEPS="100000", IGNORE_TERM="1")
    run.saved(10)
    run.process.send_signal(signal.SIGINT)
    wait_until(lambda: run.status and run.status.attempt and run.status.attempt.stopping, "the wish to stop")
    run.process.send_signal(signal.SIGINT)
    ended = run.end(limit=10)
    assert ended.code == 130
    assert [one["message"] for one in ended.events if one["event"] == "note"] == [STOPPING, KILLING]
    run.is_gone()


def test_a_stopped_run_is_resumed_where_it_saved(launch: Launcher) -> None:
    first = launch.training(1, STEPS="100000")
    first.saved(20)
    assert launch.tfo("stop", "training").returncode == 0
    assert first.end().code == 130
    steps = sorted(int(path.name.removeprefix("ckpt-")) for path in first.folder.checkpoints.glob("ckpt-*"))
    second = launch(str(launch.job(2)), "--resume", STEPS=str(steps[-1] + 10))
    assert second.end().code == 0
    assert f"starts attempt 1 at step {steps[-1]}" in second.log("worker-1")


def test_a_run_starts_from_the_job_that_its_file_names(launch: Launcher) -> None:
    assert launch.training(0, STEPS="20").end().code == 0
    other = launch.job(1, {"checkpoint": {"everySteps": 10, "from": "training"}})
    run = launch(str(other), "--name", "other", name="other", STEPS="30")
    assert run.end().code == 0
    assert "starts attempt 1 at step 20" in run.log("chief-0")


def test_parameter_servers_end_with_the_chief_and_workers_restart_alone(launch: Launcher) -> None:
    spec = {
        "strategy": "ParameterServer",
        "replicaSpecs": {"chief": {}, "worker": {"replicas": 2}, "ps": {"replicas": 1}},
    }
    run = launch(str(launch.job(0, spec)), FOREVER="ps-0", STEPS="120")
    run.saved(10)
    os.kill(run.program("worker-1"), signal.SIGKILL)
    ended = run.end()
    assert (ended.code, ended.summary["attempt"], ended.summary["restarts"]) == (0, 1, 1)
    assert "starts attempt 2" in run.log("worker-1", 2)
    assert not run.log("worker-0", 2)
    run.is_gone()


def test_independent_replicas_fail_and_restart_alone(launch: Launcher) -> None:
    spec = {"strategy": "Independent", "replicaSpecs": {"worker": {"replicas": 2}}}
    command = [
        "sh",
        "-c",
        f'[ $TFO_INDEX$TFO_ATTEMPT = 11 ] && exit 5; test -z "$TF_CONFIG" && exec python {TRAINING}',
    ]
    run = launch(str(launch.job(0, spec, command)), STEPS="10")
    ended = run.end()
    assert (ended.code, ended.summary["restarts"]) == (0, 1)
    assert "is done" in run.log("worker-1", 2)
    assert not run.log("worker-0", 2)
