"""The words of the command line: every command with its arguments, flags and help, as a table of values.

`parser` builds argparse from it, `completion` and `reference` render it, `main` finds the command's module in it.
Standard library only, and no look at anything: `tfo --help` must answer at once.
"""

from orchestrator.cli import cluster_commands
from orchestrator.cli.cluster_commands import IN_CLUSTER
from orchestrator.cli.words import MAX_REPLICAS, OUTPUT, Command, Flag, Word, seconds, whole

STRATEGIES = ("MultiWorkerMirrored", "ParameterServer", "Independent")
SHORT_STRATEGIES = ("ps",)

_OUTPUT_TEXT_JSON = Flag(
    names=("--output",), metavar="FORMAT", choices=("text", "json"), default="text", help="text or json."
)
_RUNS_DIR = Flag(
    names=("--runs-dir",),
    metavar="DIR",
    help="Folder of all runs; default: $TFO_RUNS_DIR, else ./tfo-runs.",
)
_RUN_WORD = Word(
    key="run",
    metavar="JOB[/NUMBER]",
    kind="run",
    help="JOB is its latest run, JOB/NUMBER an older one.",
)
_TARGET = Word(
    key="target",
    metavar="FILE|WORKLOAD",
    count="?",
    kind="target",
    help="A job's YAML file, or a built-in workload: perceptron, mlp, cnn, rnn.",
)
_JOB_FLAGS = (
    Flag(
        names=("--workers",),
        metavar="N",
        convert=whole(0, MAX_REPLICAS),
        help="A chief and N workers; default: the chief alone, with a file what the file says.",
    ),
    Flag(
        names=("--set",),
        metavar="KEY=VALUE",
        repeat=True,
        help="A workload's argument, e.g. epochs=5, or a path in the job, e.g. spec.runPolicy.backoffLimit=5; with a "
        "FILE only the path: spec.workload.args.epochs=5. Repeatable.",
    ),
    Flag(names=("--name",), metavar="NAME", help="Name of the job."),
    Flag(
        names=("--gpus",),
        metavar="N",
        convert=whole(0, 64),
        help="GPUs of the chief and of each worker; default: the visible ones shared out evenly.",
    ),
    Flag(
        names=("--ps",),
        metavar="N",
        convert=whole(0, MAX_REPLICAS),
        help="Parameter servers; with them the strategy is ParameterServer unless --strategy says otherwise.",
    ),
    Flag(names=("--evaluator",), help="An evaluator beside the training."),
    Flag(
        names=("--strategy",),
        metavar="NAME",
        choices=(*STRATEGIES, *SHORT_STRATEGIES),
        help="The cluster shape that the program expects: MultiWorkerMirrored (default), ParameterServer (ps for "
        "short; with one ps unless --ps says how many) or Independent.",
    ),
)

RUN = Command(
    name="run",
    summary="Run a job on this machine.",
    entry="orchestrator.cli.run:run_command",
    usage=("tfo run FILE|WORKLOAD [options]", "tfo run [options] -- PROGRAM ARGUMENTS..."),
    details="Every replica is a process of this machine. The first Ctrl-C lets programs save and stop, the second "
    "kills them, as Ctrl-\\ does at once. It goes on when whoever reads the output has gone. Exit code: 0 success, "
    "1 the job failed, 2 wrong input or TensorFlow missing, 70 an error of tfo, 129, 130, 131, 143 ended by SIGHUP, "
    "Ctrl-C, Ctrl-\\, SIGTERM.",
    words=(_TARGET,),
    flags=(
        *_JOB_FLAGS,
        Flag(
            names=("--resume",),
            metavar="JOB/NUMBER",
            optional=True,
            help="Start from the last checkpoint of the latest run of this job, or of the run that is named.",
        ),
        _RUNS_DIR,
        OUTPUT,
        Flag(
            names=("--metrics-port",),
            metavar="PORT",
            convert=whole(0, 65535),
            help="Port of /metrics on 127.0.0.1; 0: none. Default: 9400, or the next free one.",
        ),
        Flag(
            names=("--metrics-linger",),
            metavar="SECONDS",
            convert=seconds,
            default=0.0,
            help="Keep serving the final metrics for this long after the end. Default: 0.",
        ),
    ),
    examples=(
        "tfo run examples/cnn.yaml",
        "tfo run cnn --workers 2 --set epochs=5",
        "tfo run --workers 2 -- python train.py --lr 0.1",
        "tfo run cnn --workers 2 --resume",
    ),
    takes_program=True,
    linux_only=True,
)
PLAN = Command(
    name="plan",
    summary="Show what would run: replicas, TF_CONFIG, services, environment.",
    entry="orchestrator.cli.plan:plan_command",
    usage=("tfo plan FILE|WORKLOAD [options]", "tfo plan [options] -- PROGRAM ARGUMENTS..."),
    details="Starts nothing and needs neither a cluster nor TensorFlow. Shows attempt 1. --output job leaves paths as "
    "they are written: on this machine a job's programs and relative paths start in the folder of its file, so keep "
    "the printed one there, or give workingDir and directories as whole paths.",
    words=(_TARGET,),
    flags=(
        *_JOB_FLAGS,
        Flag(
            names=("--on",),
            metavar="PLACE",
            choices=("kubernetes", "local"),
            default="kubernetes",
            help="Where: kubernetes (names and ports there; default) or local.",
        ),
        Flag(
            names=("--output",),
            metavar="FORMAT",
            choices=("text", "json", "job"),
            default="text",
            help="text, json, or job: the job's YAML.",
        ),
    ),
    examples=("tfo plan examples/cnn.yaml", "tfo plan cnn --workers 2 --output job > job.yaml"),
    takes_program=True,
)
VALIDATE = Command(
    name="validate",
    summary="Check job files and print every error with its place.",
    entry="orchestrator.cli.validate:validate_command",
    usage=("tfo validate FILE...",),
    words=(
        Word(key="files", metavar="FILE", count="+", kind="file", help="Job files; - is standard input."),
    ),
    examples=("tfo validate examples/cnn.yaml",),
)
SCHEMA = Command(
    name="schema",
    summary="Print the JSON Schema of job files, for editors.",
    entry="orchestrator.cli.schema:schema_command",
    usage=("tfo schema",),
    examples=("tfo schema > tensorflowjob.schema.json",),
)
PS = Command(
    name="ps",
    summary="List runs.",
    entry="orchestrator.cli.ps:ps_command",
    usage=("tfo ps [options]",),
    details="Lost: the tfo that ran it is gone.",
    flags=(
        Flag(names=("-a", "--all"), help="Ended runs too."),
        _RUNS_DIR,
        _OUTPUT_TEXT_JSON,
    ),
    examples=("tfo ps -a",),
    linux_only=True,
)
LOGS = Command(
    name="logs",
    summary="Print what a job's programs wrote.",
    entry="orchestrator.cli.logs:logs_command",
    usage=("tfo logs JOB[/NUMBER] [ROLE-INDEX] [options]",),
    words=(
        _RUN_WORD,
        Word(
            key="replica",
            metavar="ROLE-INDEX",
            count="?",
            kind="replica",
            help="One replica, e.g. worker-1; default: all, each line with its replica's name.",
        ),
    ),
    flags=(
        Flag(names=("-f", "--follow"), help="Keep printing, new attempts too, until the run ends."),
        Flag(
            names=("--attempt",),
            metavar="N",
            convert=whole(1, 10**9),
            help="Only this attempt of a run on this machine; default: all of them.",
        ),
        Flag(
            names=("--tail",),
            metavar="N",
            convert=whole(0, 10**9),
            help="Only the last N lines of each replica.",
        ),
        Flag(
            names=("--on",),
            metavar="PLACE",
            choices=("local", "kubernetes"),
            help="Where the job is; default: local if it lies in the runs folder, else kubernetes.",
        ),
        *IN_CLUSTER,
        _RUNS_DIR,
    ),
    details="Of a job on a cluster: of its pods, new ones of a seat too.",
    examples=("tfo logs digits-cnn -f", "tfo logs digits-cnn/3 worker-1 --attempt 2"),
)
STOP = Command(
    name="stop",
    summary="Stop a run; its programs may save first.",
    entry="orchestrator.cli.stop:stop_command",
    usage=("tfo stop JOB[/NUMBER] [options]",),
    details="Waits until the run has ended.",
    words=(_RUN_WORD,),
    flags=(
        Flag(names=("--now",), help="Kill the programs, without letting them save."),
        Flag(
            names=("--timeout",),
            metavar="SECONDS",
            convert=seconds,
            help="How long to wait for the end; default: without limit.",
        ),
        _RUNS_DIR,
    ),
    examples=("tfo stop digits-cnn",),
    linux_only=True,
)
RM = Command(
    name="rm",
    summary="Remove ended runs: their logs, checkpoints and models.",
    entry="orchestrator.cli.rm:rm_command",
    usage=("tfo rm JOB[/NUMBER]... [--all]",),
    details="A live run is refused.",
    words=(
        Word(
            key="runs",
            metavar="JOB[/NUMBER]",
            count="*",
            kind="run",
            help="JOB is its latest run, JOB/NUMBER an older one.",
        ),
    ),
    flags=(
        Flag(names=("--all",), help="Every ended run of JOB; without a JOB every ended run."),
        _RUNS_DIR,
    ),
    examples=("tfo rm digits-cnn/3", "tfo rm digits-cnn --all"),
    linux_only=True,
)
DOCTOR = Command(
    name="doctor",
    summary="Check this machine: Python, TensorFlow, Keras, GPUs, memory, disk.",
    entry="orchestrator.cli.doctor:doctor_command",
    usage=("tfo doctor [options]",),
    flags=(_RUNS_DIR, _OUTPUT_TEXT_JSON),
)
COMPLETION = Command(
    name="completion",
    summary="Print a completion script for a shell.",
    entry="orchestrator.cli.completion:completion_command",
    usage=("tfo completion bash|zsh|fish",),
    words=(Word(key="shell", metavar="SHELL", choices=("bash", "zsh", "fish"), help="bash, zsh or fish."),),
    examples=("source <(tfo completion bash)",),
)
COMMANDS = (
    RUN,
    PLAN,
    VALIDATE,
    SCHEMA,
    PS,
    LOGS,
    STOP,
    RM,
    *cluster_commands.commands(_TARGET, _JOB_FLAGS),
    DOCTOR,
    COMPLETION,
)


def find(name: str) -> Command | None:
    return next((one for one in COMMANDS if one.name == name), None)
