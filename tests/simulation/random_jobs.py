"""Random jobs for random histories, what their programs do, and the changes that users make to them."""

from hypothesis import strategies as st
from msgspec.structs import replace

from orchestrator.api.types import (
    AgentMode,
    JobSpec,
    Recovery,
    ReplicaSpecs,
    RunPolicy,
    Strategy,
    SuccessPolicy,
    TensorFlowJob,
)
from tests.simulation.jobs import gang, make_job, servers
from tests.simulation.programs import EXIT_TERMINATED, Script


def roles() -> st.SearchStrategy[tuple[Strategy, ReplicaSpecs, SuccessPolicy]]:
    mirrored = st.builds(
        lambda workers, chief, evaluator, least, policy: (
            Strategy.MULTI_WORKER_MIRRORED,
            gang(
                workers,
                chief=chief or not workers,
                evaluator=evaluator,
                least=(least and min(least, workers)) or None,
            ),
            policy,
        ),
        st.integers(0, 3),
        st.booleans(),
        st.booleans(),
        st.sampled_from([None, None, 1]),
        st.sampled_from(SuccessPolicy),
    )
    served = st.builds(
        lambda workers, ps, evaluator: (
            Strategy.PARAMETER_SERVER,
            servers(workers, ps, evaluator=evaluator),
            SuccessPolicy.CHIEF,
        ),
        st.integers(1, 2),
        st.integers(1, 2),
        st.booleans(),
    )
    alone = st.builds(
        lambda workers, chief, policy: (Strategy.INDEPENDENT, gang(workers, chief=chief), policy),
        st.integers(1, 3),
        st.booleans(),
        st.sampled_from(SuccessPolicy),
    )
    return st.one_of(mirrored, mirrored, served, alone)


@st.composite
def jobs(draw: st.DrawFn) -> TensorFlowJob:
    strategy, specs, policy = draw(roles())
    is_elastic = specs.worker is not None and specs.worker.min_replicas is not None
    modes = [AgentMode.ENABLED] * 2 + [AgentMode.ENABLED if is_elastic else AgentMode.DISABLED]
    return make_job(
        specs,
        strategy=strategy,
        success=policy,
        run_policy=RunPolicy(
            backoff_limit=draw(st.sampled_from([0, 2, 100, 100])),
            ttl_seconds_after_finished=draw(st.sampled_from([None, None, 0, 40])),
        ),
        recovery=Recovery(
            agent=draw(st.sampled_from(modes)),
            hang_timeout_seconds=30,
            start_timeout_seconds=60,
        ),
    )


def script(job: TensorFlowJob, seed: int) -> Script:
    """What its programs know of us, and whether they ever get anywhere: no restart helps those that do not."""
    reports = seed % 5 > 0
    has_agents = job.spec.recovery.agent is AgentMode.ENABLED
    is_hopeless = has_agents and reports and job.spec.run_policy.backoff_limit < 100 and seed % 7 < 2
    return Script(
        strategy=job.spec.strategy,
        steps=40,
        saves_on_sigterm=seed % 3 > 0,
        reports=reports,
        exit_terminated=0 if has_agents and seed % 4 == 0 else EXIT_TERMINATED,
        hangs_at=(0, 15)[seed % 2] if is_hopeless else None,
    )


def suspended(spec: JobSpec, suspend: bool) -> JobSpec:
    return replace(spec, run_policy=replace(spec.run_policy, suspend=suspend))
