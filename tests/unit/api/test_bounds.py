"""The bounds of single values, also of jobs that come from no file."""

import math

import pytest
from msgspec.structs import replace

from orchestrator.api.bounds import check_bounds, say_out_of_range
from orchestrator.api.types import (
    Checkpoint,
    ExitCodeAction,
    ExitCodeRule,
    JobSpec,
    Metadata,
    Recovery,
    ReplicaSpec,
    ReplicaSpecs,
    Telemetry,
    TensorFlowJob,
)

JOB = TensorFlowJob(
    metadata=Metadata(name="a"),
    spec=JobSpec(replica_specs=ReplicaSpecs(chief=ReplicaSpec(), worker=ReplicaSpec())),
)


def errors(spec: JobSpec, metadata: Metadata = JOB.metadata) -> list[str]:
    return [str(error) for error in check_bounds(replace(JOB, spec=spec, metadata=metadata))]


def test_a_job_within_bounds() -> None:
    assert errors(JOB.spec) == []


def test_every_value_out_of_bounds_is_named() -> None:
    rules = (
        ExitCodeRule(codes=(), action=ExitCodeAction.FAIL),
        ExitCodeRule(codes=(1, 0), action=ExitCodeAction.FAIL),
    )
    spec = replace(
        JOB.spec,
        replica_specs=ReplicaSpecs(worker=ReplicaSpec(replicas=0, gpus=65)),
        recovery=Recovery(exit_codes=rules),
        checkpoint=Checkpoint(directory="", from_="x" * 254),
        telemetry=Telemetry(every_seconds=math.nan),
    )
    metadata = Metadata(name="a", labels={str(number): "" for number in range(257)}, generation=-1)
    assert errors(spec, metadata) == [
        "metadata.labels: must have at most 256 entries, has 257",
        "metadata.generation: must be at least 0, is -1",
        "spec.replicaSpecs.worker.replicas: must be from 1 to 3,000, is 0",
        "spec.replicaSpecs.worker.gpus: must be from 0 to 64, is 65",
        "spec.recovery.exitCodes[0].codes: must not be empty",
        "spec.recovery.exitCodes[1].codes[1]: must be from 1 to 255, is 0",
        "spec.checkpoint.directory: must not be empty",
        "spec.checkpoint.from: must have at most 253 characters, has 254",
        "spec.telemetry.everySeconds: must be from 0.1 to 3,600, is nan",
    ]


@pytest.mark.parametrize(
    ("value", "minimum", "maximum", "words"),
    [
        (5, None, None, ""),
        (5, 5, 5, ""),
        (4, 5, None, "must be at least 5, is 4"),
        (6, None, 5, "must be from 0 to 5, is 6"),
        (6_000, 1, 5_000, "must be from 1 to 5,000, is 6,000"),
    ],
)
def test_ranges(value: float, minimum: float | None, maximum: float | None, words: str) -> None:
    assert say_out_of_range(value, minimum, maximum) == words
