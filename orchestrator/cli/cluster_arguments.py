"""What the user asked of a cluster, as frozen values; part of `arguments`. Standard library only."""

import os
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Reach:
    """Which cluster and namespace; None: as kubectl would."""

    namespace: str | None = None
    context: str | None = None
    kubeconfig: str | None = None


@dataclass(frozen=True, kw_only=True)
class JobOnCluster:
    """One job, and what single commands want to know more."""

    reach: Reach
    name: str = ""
    output: str = "text"
    all_namespaces: bool = False
    state: str = "succeeded"
    timeout: float | None = None
    replicas: int | None = None
    wait: bool = False


def has_cluster(environ: Mapping[str, str]) -> bool:
    """Whether kubectl would find one configured."""
    return "KUBECONFIG" in environ or os.path.exists(os.path.expanduser("~/.kube/config"))


def reach(words: Namespace) -> Reach:
    return Reach(namespace=words.namespace, context=words.context, kubeconfig=words.kubeconfig)


def words_of(reach: Reach, namespace: str) -> tuple[str, ...]:
    """The flags of another command that is to find the same place."""
    named = (("-n", namespace), ("--context", reach.context), ("--kubeconfig", reach.kubeconfig))
    return tuple(word for flag, value in named if value is not None for word in (flag, value))


def job_on_cluster(words: Namespace) -> JobOnCluster:
    """Of whatever command: what it has no flag for stays at its default."""
    return JobOnCluster(
        reach=reach(words),
        name=words.job or "",
        output=getattr(words, "output", "text"),
        all_namespaces=getattr(words, "all_namespaces", False),
        state=getattr(words, "for", "succeeded"),
        timeout=getattr(words, "timeout", None),
        replicas=getattr(words, "replicas", None),
        wait=getattr(words, "wait", False),
    )
