"""docs/reference/controller.md, made from the table of options: `python -m orchestrator.controller.reference > FILE`.

A test compares the file with what this renders. Pure but for the print.
"""

from orchestrator.controller.options import FLAGS, PREFIX, PROGRAM, Flag

_HEAD = f"""# The controller's options

<!-- Generated: make generate -->

`{PROGRAM}`, or `python -m orchestrator.controller`, runs TensorFlowJobs on the cluster that it is in, or that kubectl
would talk to. Every flag can be given as an environment variable, `{PREFIX}` and its name in capitals with
`_`; the flag wins. Exit codes: 0 after SIGTERM (the lease is released, another controller goes on at once), 1 when it
does not lead any more or something went wrong that a new start mends, 2 for wrong options or no cluster.
"""


def render() -> str:
    parts = [_HEAD]
    for title in dict.fromkeys(flag.group for flag in FLAGS):
        rows = "\n".join(_row(flag) for flag in FLAGS if flag.group == title)
        parts.append(f"## {title.capitalize()}\n\n| flag | default | meaning |\n|---|---|---|\n{rows}\n")
    return "\n".join(parts)


def _row(flag: Flag) -> str:
    default = str(flag.default).lower() if isinstance(flag.default, bool) else str(flag.default)
    return f"| `--{flag.name}` | {f'`{default}`' if default else ''} | {flag.help} |"


if __name__ == "__main__":
    print(render(), end="")
