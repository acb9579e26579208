"""References to variables in a container's command and arguments, `$(NAME)`, as the kubelet understands them. Pure.

Pods leave this to the kubelet; the local backend calls `expand`. `escape` makes what was typed in a shell mean itself.
"""

import re
from collections.abc import Mapping

_TOKEN = re.compile(r"\$\$|\$\(([^)]*)\)")
_MEANS_SOMETHING = re.compile(r"\$(?=[$(])")


def expand(text: str, variables: Mapping[str, str]) -> str:
    """`$(NAME)` is the variable's value, `$$` one dollar; a name that is not known stays as it is."""
    return _TOKEN.sub(lambda found: _value(found, variables), text)


def _value(found: "re.Match[str]", variables: Mapping[str, str]) -> str:
    name = found[1]
    return "$" if name is None else variables.get(name, found[0])


def escape(text: str) -> str:
    """`expand` gives the text again, whatever the variables are."""
    return _MEANS_SOMETHING.sub("$$", text)
