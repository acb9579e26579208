"""References to variables, `$(NAME)`, in a container's command, arguments and environment, as for the kubelet. Pure.

Pods leave this to the kubelet; the local backend calls `expand` and `expand_all`. `escape` makes what was typed in a
shell, and what the plan itself puts into an environment, mean itself.
"""

import re
from collections.abc import Mapping

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


def _value(found: "re.Match[str]", variables: Mapping[str, str]) -> str:
    name = found[1]
    return "$" if name is None else variables.get(name, found[0])


def escape(text: str) -> str:
    """`expand` gives the text again, whatever the variables are."""
    return _MEANS_SOMETHING.sub("$$", text)
