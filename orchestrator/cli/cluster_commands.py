"""The commands that talk to a cluster, as a table of values: part of `commands`, which hands in what it shares.

Standard library only, and no look at anything: `tfo --help` must answer at once.
"""

from dataclasses import replace

from orchestrator.cli.words import MAX_REPLICAS, OUTPUT, Command, Flag, Word, seconds, whole

IN_CLUSTER = (
    Flag(names=("-n", "--namespace"), metavar="NAMESPACE", help="Default: that of the context."),
    Flag(names=("--context",), metavar="NAME", help="Context of the kubeconfig."),
    Flag(
        names=("--kubeconfig",),
        metavar="FILE",
        help="How to reach the cluster; default: as kubectl, $KUBECONFIG or ~/.kube/config.",
    ),
)
_ALL = Flag(names=("-A", "--all-namespaces"), help="Of all namespaces.")
_JOB = Word(key="job", metavar="JOB", kind="job", help="Name of the job.")
_TIMEOUT = Flag(
    names=("--timeout",), metavar="SECONDS", convert=seconds, help="How long to wait; default: without limit."
)
_WAITED_FOR = ("succeeded", "failed", "finished", "running", "suspended", "deleted")
_MODULE = "orchestrator.cli.cluster"


def commands(target: Word, job_flags: tuple[Flag, ...]) -> tuple[Command, ...]:
    """`target`, `job_flags`: how a job is named and changed, as for `tfo run`."""
    submit = Command(
        name="submit",
        summary="Create a job on a Kubernetes cluster.",
        entry=f"{_MODULE}_submit:submit_command",
        usage=("tfo submit FILE|WORKLOAD [options]", "tfo submit [options] -- PROGRAM ARGUMENTS..."),
        details="Checks the job first, as `tfo validate` does. With --watch it shows the job as `tfo run` "
        "does until it has ended; Ctrl-C then ends the watching, not the job. Exit code: 0 it has been created, with "
        "--watch it has succeeded, 1 it has failed or was deleted, or went without anybody seeing its end, 2 wrong "
        "input or refused by the API server.",
        words=(target,),
        flags=(
            *job_flags,
            Flag(
                names=("--image",),
                metavar="IMAGE",
                help="Image of containers that name none; default: the controller's.",
            ),
            Flag(names=("-w", "--watch"), help="Show the job until it has ended."),
            replace(OUTPUT, help=f"With --watch: {OUTPUT.help}"),
            Flag(
                names=("--dry-run",),
                metavar="WHERE",
                choices=("client", "server"),
                help="client: print the job and send nothing; server: let the API server check it, and keep nothing.",
            ),
            *IN_CLUSTER,
        ),
        examples=("tfo submit job.yaml --watch", "tfo submit cnn --workers 2 --set epochs=5"),
        takes_program=True,
    )
    return (submit, *_READING, *_CHANGING)


_READING = (
    Command(
        name="get",
        summary="List jobs of a cluster, or show one.",
        entry=f"{_MODULE}_get:get_command",
        usage=("tfo get [JOB] [options]",),
        words=(Word(key="job", metavar="JOB", count="?", kind="job", help="One job; default: all."),),
        flags=(
            Flag(
                names=("-o", "--output"),
                metavar="FORMAT",
                choices=("text", "wide", "json", "yaml"),
                default="text",
                help="text, wide, json or yaml.",
            ),
            _ALL,
            *IN_CLUSTER,
        ),
        examples=("tfo get -A", "tfo get digits-cnn -o yaml"),
    ),
    Command(
        name="describe",
        summary="Tell the story of a job on a cluster in a page.",
        entry=f"{_MODULE}_describe:describe_command",
        usage=("tfo describe JOB [options]",),
        words=(_JOB,),
        flags=IN_CLUSTER,
        examples=("tfo describe digits-cnn",),
    ),
    Command(
        name="events",
        summary="Print what happened to a job on a cluster.",
        entry=f"{_MODULE}_describe:events_command",
        usage=("tfo events JOB [options]",),
        words=(_JOB,),
        flags=IN_CLUSTER,
        examples=("tfo events digits-cnn",),
    ),
    Command(
        name="wait",
        summary="Wait for a job on a cluster.",
        entry=f"{_MODULE}_wait:wait_command",
        usage=("tfo wait JOB [options]",),
        details="Exit code: 0 when it has come true, 1 when it cannot any more or the time is over.",
        words=(_JOB,),
        flags=(
            Flag(
                names=("--for",),
                metavar="STATE",
                choices=_WAITED_FOR,
                default="succeeded",
                help=f"{', '.join(_WAITED_FOR)}; default: succeeded.",
            ),
            _TIMEOUT,
            *IN_CLUSTER,
        ),
        examples=("tfo wait digits-cnn --timeout 600",),
    ),
)
_CHANGING = (
    Command(
        name="suspend",
        summary="Suspend a job on a cluster: its programs save, its pods go.",
        entry=f"{_MODULE}_change:suspend_command",
        usage=("tfo suspend JOB [options]",),
        words=(_JOB,),
        flags=IN_CLUSTER,
    ),
    Command(
        name="resume",
        summary="Let a suspended job on a cluster go on.",
        entry=f"{_MODULE}_change:resume_command",
        usage=("tfo resume JOB [options]",),
        words=(_JOB,),
        flags=IN_CLUSTER,
    ),
    Command(
        name="scale",
        summary="Change how many workers a job on a cluster has.",
        entry=f"{_MODULE}_change:scale_command",
        usage=("tfo scale JOB --replicas N [options]",),
        words=(_JOB,),
        flags=(
            Flag(names=("--replicas",), metavar="N", convert=whole(1, MAX_REPLICAS), help="Workers."),
            *IN_CLUSTER,
        ),
        examples=("tfo scale digits-cnn --replicas 4",),
    ),
    Command(
        name="delete",
        summary="Delete a job of a cluster, with its pods.",
        entry=f"{_MODULE}_change:delete_command",
        usage=("tfo delete JOB [options]",),
        words=(_JOB,),
        flags=(Flag(names=("--wait",), help="Wait until it is gone."), _TIMEOUT, *IN_CLUSTER),
        examples=("tfo delete digits-cnn --wait",),
    ),
)
