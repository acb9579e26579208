"""What a user probably meant: the nearest known name, and the words around it.

Called wherever a name is not known (fields, roles, enum values, built-in programs, arguments). Bounded work: long
names get no suggestion.
"""

from collections.abc import Iterable, Sequence

from orchestrator.api.errors import quote

_MAX_LENGTH = 64
_CUTOFF = 0.6
_SYNONYMS = {
    "master": "chief",
    "parameterserver": "ps",
    "tfreplicaspecs": "replicaSpecs",
    "lr": "learning_rate",
    "rate": "learning_rate",
    "batch": "batch_size",
    "dataset": "data",
}
"""What other tools call it."""


def find_nearest(name: str, known: Iterable[str], cutoff: float = _CUTOFF) -> str | None:
    """The known name that `name` is a misspelling of, whatever its case, hyphens or underscores.

    `cutoff`: from 0 (anything) to 1 (the same); among thousands of names something is always a little alike.
    """
    if len(name) > _MAX_LENGTH:
        return None
    folded = {_fold(candidate): candidate for candidate in known}
    key = _fold(_SYNONYMS.get(_fold(name), name))
    if key in folded:
        return folded[key]
    # Imported here: a correct file needs none of it, and `tfo validate` is to answer at once.
    from difflib import get_close_matches

    longer = [candidate for candidate in folded if len(key) > 1 and candidate.startswith(key)]
    matches = get_close_matches(key, folded, n=1, cutoff=cutoff) or (longer if len(longer) == 1 else [])
    return folded[matches[0]] if matches else None


def _fold(name: str) -> str:
    return name.casefold().replace("_", "").replace("-", "")


def unknown(what: str, name: str, known: Sequence[str], nearest: str | None = None) -> str:
    """`unknown role 'wroker'; did you mean 'worker'? (roles: chief, worker, ps, evaluator)`."""
    nearest = nearest or find_nearest(name, known)
    meant = f"; did you mean {quote(nearest)}?" if nearest else ""
    return f"unknown {what} {quote(name)}{meant} ({what}s: {', '.join(known)})"
