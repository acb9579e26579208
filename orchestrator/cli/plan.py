"""`tfo plan`: what would run, from the same planner that runs it. Starts nothing and writes nothing.

`plan_view` gathers it, `plan_text` words it; `--output job` prints the job itself.
"""

import sys

import msgspec

from orchestrator.api.dump import dump_yaml
from orchestrator.api.errors import quote
from orchestrator.cli import exit_codes, folders, plan_text, plan_view
from orchestrator.cli.arguments import Place, PlanOptions
from orchestrator.cli.errors import WrongJob
from orchestrator.cli.jobs import BuiltJob, here, job_from_options

_MANY = 20
_MOST = 3
"""Of each role, in the text for a job of many."""


def plan_command(options: PlanOptions) -> int:
    built = job_from_options(options.job)
    if not isinstance(built, BuiltJob):
        raise WrongJob("\n".join(str(error) for error in built))
    if options.output == "job":
        _print_job(built)
        return exit_codes.OK
    is_local = options.on is Place.LOCAL
    if options.output == "json":
        _print_json(built, is_local=is_local)
    else:
        _print_text(built, is_local=is_local)
    return exit_codes.OK


def _print_job(built: BuiltJob) -> None:
    """With its paths as they are: the folder that they begin at is one of this machine, and means nothing in a pod."""
    print(dump_yaml(built.written), end="")
    if built.folder != here() and folders.is_tied_to_folder(built.job):
        folder = quote(str(built.folder), limit=4096)
        print(
            "tfo plan: on this machine the programs and relative paths of a job start in the folder of its file: "
            f"keep the printed one in {folder}, or give workingDir and directories as whole paths",
            file=sys.stderr,
        )


def _print_text(built: BuiltJob, *, is_local: bool) -> None:
    view = plan_view.view(built.job, is_local=is_local)
    most = _MOST if view.count > _MANY else None
    shown = list(plan_view.replicas(built.job, built.folder, is_local=is_local, most=most))
    print("\n".join(plan_text.render(view, shown)))


def _print_json(built: BuiltJob, *, is_local: bool) -> None:
    """The replicas one after the other, so that a big job costs time and not memory."""
    head = msgspec.json.encode(plan_view.view(built.job, is_local=is_local)).decode()
    print(f'{head[:-1]},"replicas":[')
    for place, one in enumerate(plan_view.replicas(built.job, built.folder, is_local=is_local)):
        print(("," if place else "") + msgspec.json.encode(one).decode())
    print("]}")
