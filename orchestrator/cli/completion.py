"""`tfo completion SHELL`: a completion script, made from the table of commands.

Words come from the table; runs are looked up by the script itself in the runs folder, which costs no start of Python
at every key. zsh reads the script of bash.
"""

from orchestrator.cli import exit_codes
from orchestrator.cli.arguments import DEFAULT_RUNS, RUNS_VARIABLE, CompletionOptions
from orchestrator.cli.commands import COMMANDS
from orchestrator.cli.words import Command, Flag

WORKLOADS = ("perceptron", "mlp", "cnn", "rnn")
_BASH_RUNS = f"""\
_tfo_runs() {{
    local dir="${{{RUNS_VARIABLE}:-{DEFAULT_RUNS}}}" file name
    find "$dir" -mindepth 3 -maxdepth 3 -name state.json 2>/dev/null | while read -r file; do
        name="${{file%/state.json}}"; name="${{name#"$dir"/}}"
        echo "${{name%/*}}"; echo "$name"
    done | sort -u
}}
"""
_BASH = """\
_tfo() {{
    local word="${{COMP_WORDS[COMP_CWORD]}}" before="${{COMP_WORDS[COMP_CWORD-1]}}" words="" place
    for ((place = 1; place < COMP_CWORD; place++)); do
        if [ "${{COMP_WORDS[place]}}" = "--" ]; then return; fi
    done
    if [ "$COMP_CWORD" -eq 1 ]; then words="{commands}"; else
        case "${{COMP_WORDS[1]}} $before" in
{values}
        *) case "${{COMP_WORDS[1]}}" in
{cases}
            esac ;;
        esac
    fi
    COMPREPLY=($(compgen -W "$words" -- "$word"))
}}
complete -o default -F _tfo tfo
"""
_ZSH = """\
(( $+functions[compdef] )) || { autoload -U +X compinit && compinit; }
autoload -U +X bashcompinit && bashcompinit
"""
_FISH_RUNS = f"""\
function __tfo_runs
    set -l dir {DEFAULT_RUNS}
    set -q {RUNS_VARIABLE}; and set dir ${RUNS_VARIABLE}
    for file in $dir/*/*/state.json
        set -l name (string replace -- $dir/ '' (string replace /state.json '' $file))
        string replace -r '/[^/]*$' '' $name
        echo $name
    end | sort -u
end
"""


def completion_command(options: CompletionOptions) -> int:
    print({"bash": bash, "zsh": zsh, "fish": fish}[options.shell](), end="")
    return exit_codes.OK


def bash() -> str:
    cases = [
        f'            {command.name}) words="{_words(command)}{_runs(command)}" ;;' for command in COMMANDS
    ]
    names = " ".join([*(command.name for command in COMMANDS), "--help", "--version"])
    return _BASH_RUNS + _BASH.format(commands=names, values="\n".join(_bash_values()), cases="\n".join(cases))


def _bash_values() -> list[str]:
    """What may stand behind a flag; behind most only the user knows, or it is a file."""
    places: dict[str, list[str]] = {}
    for command in COMMANDS:
        for flag in command.flags:
            known = "$(_tfo_runs)" if flag.optional else " ".join(flag.choices)
            names = flag.names if flag.metavar else ()
            places.setdefault(known, []).extend(f'"{command.name} {name}"' for name in names)
    return [f'        {"|".join(found)}) words="{known}" ;;' for known, found in places.items() if found]


def zsh() -> str:
    return _ZSH + bash()


def _words(command: Command) -> str:
    """What may stand behind the command."""
    known = [choice for word in command.words for choice in word.choices]
    targets = WORKLOADS if _takes(command, "target") else ()
    flags = [name for flag in command.flags for name in flag.names]
    return " ".join([*known, *targets, "--help", *flags])


def _runs(command: Command) -> str:
    return " $(_tfo_runs)" if _takes(command, "run") else ""


def _takes(command: Command, kind: str) -> bool:
    return any(word.kind == kind for word in command.words)


def fish() -> str:
    lines = [_FISH_RUNS.rstrip(), "complete -c tfo -n __fish_use_subcommand -f"]
    for command in COMMANDS:
        lines.append(
            f"complete -c tfo -n __fish_use_subcommand -a {command.name} -d {_quoted(command.summary)}"
        )
        lines += _fish_words(command)
        lines += [_fish_flag(command, flag) for flag in command.flags]
    return "\n".join(lines) + "\n"


def _fish_words(command: Command) -> list[str]:
    seen = _fish_seen(command)
    choices = [choice for word in command.words for choice in word.choices]
    found = [f"{seen} -fa {_quoted(' '.join(choices))}"] if choices else []
    if _takes(command, "target"):
        found.append(f"{seen} -a {_quoted(' '.join(WORKLOADS))}")
    if _takes(command, "run"):
        found.append(f"{seen} -fa '(__tfo_runs)'")
    return found


def _fish_seen(command: Command) -> str:
    return f"complete -c tfo -n '__fish_seen_subcommand_from {command.name}'"


def _fish_flag(command: Command, flag: Flag) -> str:
    long = [f"-l {name[2:]}" for name in flag.names if name.startswith("--")]
    short = [f"-s {name[1:]}" for name in flag.names if not name.startswith("--")]
    if flag.choices:
        value = f" -xa {_quoted(' '.join(flag.choices))}"
    else:
        value = " -r" if flag.metavar and not flag.optional else ""
    return f"{_fish_seen(command)} {' '.join([*short, *long])}{value} -d {_quoted(flag.help)}"


def _quoted(text: str) -> str:
    """In fish only the quote itself and the backslash mean something between single quotes."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
