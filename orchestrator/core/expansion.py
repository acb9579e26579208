"""References to variables, `$(NAME)`, in a container's command, arguments and environment, as for the kubelet. Pure.

Pods leave this to the kubelet; the local backend calls `expand` and `expand_all`. `plan` calls `merge` for names that
are given twice, and `escape`, which makes what was typed in a shell, or what it adds itself, mean itself.
"""

import re
from collections.abc import Iterable, Mapping

_TOKEN = re.compile(r"\$\$|\$\(([^)]*)\)")
_MEANS_SOMETHING = re.compile(r"\$(?=[$(])")


def expand(text: str, variables: Mapping[str, str]) -> str:
    """`$(NAME)` is the variable's value, `$$` one dollar; a name that is not known stays as it is."""
    return _TOKEN.sub(lambda found: _value(found, variables), text)


def expand_all(variables: Mapping[str, str]) -> dict[str, str]:
    """The same for the values of an environment, of which each may refer to those before it."""
    found: dict[str, str] = {}
    for name, value in variables.items():
        found[name] = expand(value, found)
    return found


def merge(variables: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The last value of each name. What was said of a name before is what references up to the next mean."""
    found: dict[str, str] = {}
    earlier: dict[str, str] = {}
    pairs = tuple(variables)
    last = {name: place for place, (name, _) in enumerate(pairs)}
    for place, (name, value) in enumerate(pairs):
        settled = _TOKEN.sub(lambda token: earlier.get(token[1] or "", token[0]), value)
        if last[name] == place:
            earlier.pop(name, None)
            found[name] = settled
        else:
            earlier[name] = settled
    return found


def _value(found: "re.Match[str]", variables: Mapping[str, str]) -> str:
    name = found[1]
    return "$" if name is None else variables.get(name, found[0])


def escape(text: str) -> str:
    """`expand` gives the text again, whatever the variables are."""
    return _MEANS_SOMETHING.sub("$$", text)
