"""`tfo plan`: what would run, from the same planner that runs it. Starts nothing and writes nothing.

The plan is gathered into one value (`plan_view`) and printed as text or JSON; `--output job` prints the job itself.
"""

import msgspec

from orchestrator.api.dump import dump_yaml
from orchestrator.cli import exit_codes, plan_text, plan_view
from orchestrator.cli.arguments import Place, PlanOptions
from orchestrator.cli.errors import WrongJob
from orchestrator.cli.jobs import BuiltJob, job_from_options
from orchestrator.core import membership

_MANY = 20
_MOST = 3
"""Of each role, in the text for a job of many."""


def plan_command(options: PlanOptions) -> int:
    built = job_from_options(options.job)
    if not isinstance(built, BuiltJob):
        raise WrongJob("\n".join(str(error) for error in built))
    if options.output == "job":
        print(dump_yaml(built.written), end="")
        return exit_codes.OK
    print(_shown(built, options))
    return exit_codes.OK


def _shown(built: BuiltJob, options: PlanOptions) -> str:
    is_local = options.on is Place.LOCAL
    if options.output == "json":
        whole = plan_view.view(built.job, built.folder, is_local=is_local)
        return msgspec.json.format(msgspec.json.encode(whole), indent=2).decode()
    most = _MOST if len(membership.seats(built.job.spec)) > _MANY else None
    return "\n".join(plan_text.render(plan_view.view(built.job, built.folder, is_local=is_local, most=most)))
