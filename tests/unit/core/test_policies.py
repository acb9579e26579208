"""What the end of an attempt means: restart or fail, and how long to wait."""

import pytest
from msgspec.structs import replace

from orchestrator.api.status import Cause, JobStatus
from orchestrator.api.types import (
    ExitCodeAction,
    ExitCodeRule,
    JobSpec,
    Recovery,
    ReplicaSpec,
    ReplicaSpecs,
    RestartPolicy,
    Role,
    RunPolicy,
    WorkloadSpec,
)
from orchestrator.core import policies
from orchestrator.core.actions import Reason
from tests.simulation.jobs import make_job
from tests.unit.core.build import end, ended


def spec(
    policy: RestartPolicy = RestartPolicy.ON_FAILURE, limit: int = 3, rules: tuple[ExitCodeRule, ...] = ()
) -> JobSpec:
    specs = ReplicaSpecs(chief=ReplicaSpec(), worker=ReplicaSpec(replicas=2, restart_policy=policy))
    return make_job(
        specs, run_policy=RunPolicy(backoff_limit=limit), recovery=Recovery(exit_codes=rules)
    ).spec


def reason(of: JobSpec, made: int = 0, /, **facts: object) -> Reason | None:
    cause = facts.pop("cause", Cause.PROGRAM_EXIT)
    assert isinstance(cause, Cause)
    found = policies.failure(of, JobStatus(restarts=made), end(cause, **facts))
    return found.reason if found else None


@pytest.mark.parametrize(
    ("count", "seconds"),
    [(0, 0), (1, 0), (2, 1), (3, 2), (4, 4), (5, 8), (6, 16), (7, 32), (8, 60), (9, 60)],
)
def test_the_first_restart_is_immediate_later_ones_wait_longer(count: int, seconds: float) -> None:
    assert policies.backoff(count) == seconds


def test_an_evaluator_that_crashed_a_thousand_times_still_has_a_back_off() -> None:
    assert policies.backoff(5000) == 60


def test_backoff_counts_restarts_since_the_last_progress() -> None:
    exits = [ended(number=number) for number in range(1, 4)]
    assert policies.backoff_seconds(JobStatus()) == 0
    assert policies.backoff_seconds(JobStatus(attempts=tuple(exits))) == 2
    moved = (*exits, ended(progressed=True))
    assert policies.backoff_seconds(JobStatus(attempts=moved)) == 0
    assert policies.backoff_seconds(JobStatus(attempts=(*moved, ended()))) == 1


def test_a_disruption_waits_for_nothing_and_does_not_count() -> None:
    lost = ended(Cause.NODE_LOST)
    assert policies.backoff_seconds(JobStatus(attempts=(ended(), ended(), lost))) == 0
    assert policies.restarts_since_progress((ended(), lost, ended())) == 2


@pytest.mark.parametrize(("limit", "made", "fails"), [(0, 0, True), (3, 2, False), (3, 3, True)])
def test_backoff_limit(limit: int, made: int, fails: bool) -> None:
    assert reason(spec(limit=limit), made, exit_code=1) == (Reason.BACKOFF_LIMIT if fails else None)


@pytest.mark.parametrize("cause", [Cause.EVICTED, Cause.PREEMPTED, Cause.NODE_LOST])
def test_disruptions_never_count_against_the_limit(cause: Cause) -> None:
    assert reason(spec(limit=0), 5, cause=cause) is None


def test_one_restart_is_said_in_the_singular() -> None:
    found = policies.backoff_limit(spec(limit=1), JobStatus(restarts=1), end(exit_code=2))
    assert found is not None
    assert found.message == "worker-1 exited with code 2; no restart left (backoffLimit: 1 restart)"


def test_never_fails_at_the_first_end() -> None:
    assert reason(spec(RestartPolicy.NEVER), exit_code=1) is Reason.RESTART_POLICY


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"exit_code": 1}, Reason.RESTART_POLICY),
        ({"exit_code": 127}, Reason.RESTART_POLICY),
        ({"exit_code": 130, "signal": 2, "cause": Cause.PROGRAM_SIGNAL}, None),
        ({"exit_code": 200}, None),
        ({"cause": Cause.AGENT_LOST}, None),
    ],
)
def test_exit_code_policy_restarts_only_what_came_from_outside(
    facts: dict[str, object], expected: Reason | None
) -> None:
    assert reason(spec(RestartPolicy.EXIT_CODE), **facts) is expected


def test_always_is_like_on_failure_and_absent_roles_have_the_default() -> None:
    assert reason(spec(RestartPolicy.ALWAYS), exit_code=1) is None
    assert policies.policy_of(spec(), Role.PS) is RestartPolicy.ON_FAILURE


FAIL_ON_3 = ExitCodeRule(codes=(3,), action=ExitCodeAction.FAIL)
RESTART_ON_9 = ExitCodeRule(codes=(137,), action=ExitCodeAction.RESTART)


def test_an_exit_code_rule_beats_the_restart_policy() -> None:
    rules = (FAIL_ON_3, RESTART_ON_9)
    assert reason(spec(rules=rules), exit_code=3) is Reason.EXIT_CODE_RULE
    assert reason(spec(RestartPolicy.NEVER, rules=rules), cause=Cause.PROGRAM_SIGNAL, signal=9) is None
    assert reason(spec(RestartPolicy.NEVER, rules=rules), exit_code=4) is Reason.RESTART_POLICY


def test_a_restart_rule_does_not_lift_the_limit() -> None:
    of = spec(limit=0, rules=(RESTART_ON_9,))
    assert reason(of, cause=Cause.PROGRAM_SIGNAL, signal=9) is Reason.BACKOFF_LIMIT


RESTART_ON_2 = ExitCodeRule(codes=(2, 126, 127), action=ExitCodeAction.RESTART)


def test_a_program_that_is_not_there_is_not_tried_again() -> None:
    assert reason(spec(), exit_code=127, never_started=True) is Reason.CANNOT_START
    assert reason(spec(rules=(RESTART_ON_2,)), exit_code=127, never_started=True) is None
    assert reason(spec(), exit_code=127) is None


def built_in(rules: tuple[ExitCodeRule, ...] = ()) -> JobSpec:
    return replace(spec(rules=rules), workload=WorkloadSpec(name="mlp"))


def test_a_built_in_program_that_refuses_its_input_is_not_tried_again() -> None:
    assert reason(built_in(), exit_code=2) is Reason.WRONG_INPUT
    assert reason(built_in(), exit_code=74) is Reason.MODEL_LOST
    assert reason(built_in((RESTART_ON_2,)), exit_code=2) is None
    assert reason(built_in(), exit_code=1) is None
    assert reason(built_in(), cause=Cause.AGENT_LOST, exit_code=2) is None
    assert reason(spec(), exit_code=2) is None


def test_rules_judge_programs_not_losses() -> None:
    assert policies.action_for(spec(rules=(FAIL_ON_3,)), end(Cause.AGENT_LOST, exit_code=3)) is None


def test_the_first_rule_that_matches_holds() -> None:
    rules = (FAIL_ON_3, ExitCodeRule(codes=(3,), action=ExitCodeAction.RESTART))
    assert policies.action_for(spec(rules=rules), end(exit_code=3)) is ExitCodeAction.FAIL


def no_progress(*attempts: Cause, **facts: object) -> bool:
    found = tuple(ended(cause, number, **facts) for number, cause in enumerate(attempts, 1))
    return policies.no_progress(JobStatus(attempts=found)) is not None


def test_five_disruptions_without_a_higher_step_are_no_progress() -> None:
    lost = [Cause.NODE_LOST] * 5
    assert no_progress(*lost, step=7)
    assert no_progress(*lost, restore_step=7)
    assert not no_progress(*lost[:4], step=7)
    assert not no_progress(*lost, step=7, progressed=True)
    assert not no_progress(*lost[:4], Cause.HANG, step=7)


def test_what_our_own_order_ended_is_held_against_nobody() -> None:
    assert not no_progress(*[Cause.PREEMPTED] * 5, step=7, by_order=True)
    attempts = tuple(ended(Cause.EVICTED, number, step=1) for number in range(1, 6))
    ours = end(Cause.PREEMPTED, by_order=True)
    assert policies.failure(spec(RestartPolicy.NEVER), JobStatus(attempts=attempts), ours) is None


def test_a_program_that_says_nothing_cannot_be_without_progress() -> None:
    assert not no_progress(*[Cause.NODE_LOST] * 5)


def test_no_progress_fails_the_job() -> None:
    attempts = tuple(ended(Cause.EVICTED, number, step=1) for number in range(1, 6))
    found = policies.failure(spec(), JobStatus(attempts=attempts), end(Cause.EVICTED))
    assert found is not None
    assert found.reason is Reason.NO_PROGRESS


@pytest.mark.parametrize(
    ("cause", "facts", "expected"),
    [
        (Cause.PROGRAM_SIGNAL, {"signal": 9}, "worker-1 was killed by SIGKILL"),
        (Cause.PROGRAM_SIGNAL, {"signal": 40}, "worker-1 was killed by signal 40"),
        (Cause.PROGRAM_SIGNAL, {}, "worker-1 was killed by signal 0"),
        (Cause.PROGRAM_EXIT, {"exit_code": 2}, "worker-1 exited with code 2"),
        (Cause.PROGRAM_EXIT, {"exit_code": 127, "message": "no x"}, "worker-1 exited with code 127: no x"),
        (
            Cause.PROGRAM_EXIT,
            {"exit_code": 127, "message": "command x not found", "never_started": True},
            "the program of worker-1 cannot be started: command x not found",
        ),
        (Cause.OUT_OF_MEMORY, {}, "worker-1 ran out of memory"),
        (Cause.HANG, {"message": "no step for 5 s"}, "worker-1 hangs: no step for 5 s"),
        (Cause.USER, {}, "the job was stopped"),
    ],
)
def test_ends_in_words(cause: Cause, facts: dict[str, object], expected: str) -> None:
    assert policies.describe(end(cause, **facts)) == expected


def test_every_cause_has_words() -> None:
    assert all(policies.describe(end(cause)) for cause in Cause)
