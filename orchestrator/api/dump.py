"""TensorFlowJob -> what `parse` reads: a JSON object, or YAML text.

Called by `tfo plan --output job` and by tests. Leaves out what has its default and keeps the order of the types. A
text that any reader of YAML, old or new, could take for something else is put into quotes.
"""

import msgspec
import yaml

from orchestrator.api import scalars
from orchestrator.api.types import JsonObject, TensorFlowJob

_BOOLEANS_OF_KUBECTL = frozenset("yYnN")


class _Dumper(yaml.SafeDumper):
    """Quotes more than the library does, which knows YAML 1.1 only: 1e9 and 0o7 are numbers in 1.2."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _represent_text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    is_ambiguous = not isinstance(scalars.resolve(text), str) or text in _BOOLEANS_OF_KUBECTL
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="'" if is_ambiguous else None)


_Dumper.add_representer(str, _represent_text)


def dump(job: TensorFlowJob) -> JsonObject:
    body: JsonObject = msgspec.json.decode(msgspec.json.encode(job))  # so that tuples are lists
    return {"apiVersion": job.api_version, "kind": job.kind, **body}


def dump_yaml(job: TensorFlowJob) -> str:
    text: str = yaml.dump(dump(job), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
    return text
