"""A plan as lines for people: what all replicas share once, then each replica. Pure.

Called by `plan` with as many replicas as are to be shown.
"""

import json
import shlex
from collections.abc import Sequence

from orchestrator.cli.plan_view import PlanView, ReplicaView
from orchestrator.protocol import environment as env

_LONGEST = 600
_OWN = (env.ROLE, env.INDEX, env.RANK)


def render(view: PlanView, replicas: Sequence[ReplicaView]) -> list[str]:
    shared = _shared(replicas)
    lines = [*_head(view), *_block("environment of every replica", shared)]
    for one in replicas:
        lines += ["", *_replica(one, shared)]
    if len(replicas) < view.count:
        lines += ["", f"{view.count - len(replicas):,} more replicas alike; --output json shows all"]
    if view.without_effect:
        lines += ["", "without effect on this machine: " + ", ".join(view.without_effect)]
    return lines


def _head(view: PlanView) -> list[str]:
    count = f"{view.count:,} {'replica' if view.count == 1 else 'replicas'}"
    lines = [f"{view.job} on {view.on}: {count}, {view.strategy}, attempt {view.attempt}"]
    if view.service:
        lines.append(f"  namespace  {view.namespace}")
        lines.append(f"  service    {view.service} (headless)")
        lines.append(f"  ports      {', '.join(view.ports)}, one for each attempt in turn")
    return lines


def _shared(replicas: Sequence[ReplicaView]) -> dict[str, str]:
    """Variables that are the same everywhere, and not by chance."""
    if len(replicas) < 2:
        return {}
    return {
        name: value
        for name, value in replicas[0].env.items()
        if name not in _OWN and all(one.env.get(name) == value for one in replicas)
    }


def _block(title: str, variables: dict[str, str]) -> list[str]:
    return ["", title, *(f"  {name}={value}" for name, value in variables.items())] if variables else []


def _replica(one: ReplicaView, shared: dict[str, str]) -> list[str]:
    config = json.dumps(one.tf_config, sort_keys=True, separators=(",", ":")) if one.tf_config else "none"
    facts = {
        "address": one.address,
        "command": shlex.join(one.command) or "the image's own",
        "folder": one.working_dir or "",
        "gpus": "" if one.gpus is None else str(one.gpus),
        "TF_CONFIG": config
        if len(config) <= _LONGEST
        else f"{config[:_LONGEST]}… ({len(config):,} characters)",
    }
    own = [f"{name}={value}" for name, value in one.env.items() if name not in shared]
    lines = [one.name, *(f"  {name:<11}{value}" for name, value in facts.items() if value)]
    return [*lines, *(f"  {'env' if not place else '':<11}{value}" for place, value in enumerate(own))]
