"""A job as the YAML that a user would write: only what differs from the defaults. Pure.

Called by `plan --output job`; what it writes is read back to the same job by `parse`.
"""

import msgspec
import yaml

from orchestrator.api.types import TensorFlowJob


def render_job(job: TensorFlowJob) -> str:
    fields = msgspec.to_builtins(job)
    whole = {"apiVersion": job.api_version, "kind": job.kind, **fields}
    return yaml.safe_dump(whole, sort_keys=False, allow_unicode=True, width=110)
