"""TensorFlowJob -> what `parse` reads: a JSON object, or YAML text.

Called by `tfo plan --output job` and by tests. Leaves out what has its default, keeps the order of the types, and puts
words such as Off into quotes, which YAML 1.1 would read as booleans.
"""

import msgspec
import yaml

from orchestrator.api.types import JsonObject, TensorFlowJob

_Dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def dump(job: TensorFlowJob) -> JsonObject:
    body: JsonObject = msgspec.to_builtins(job)
    return {"apiVersion": job.api_version, "kind": job.kind, **body}


def dump_yaml(job: TensorFlowJob) -> str:
    text: str = yaml.dump(dump(job), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
    return text
