"""Objects of one resource as last seen, by name and by the job that they belong to.

Filled by reflectors, read by `backend`. Belongs to the event loop's thread. Knows nothing of the network.
"""

from collections.abc import Callable
from typing import Generic

from orchestrator.backends.kubernetes.objects import Item

KeyOf = Callable[[Item], str | None]
Name = tuple[str, str]


class Cache(Generic[Item]):
    """`on_change` is told the key of the job that an object belongs to, whenever one of them has changed."""

    def __init__(self, key_of: KeyOf[Item]) -> None:
        self._key_of = key_of
        self._items: dict[Name, Item] = {}
        self._by_key: dict[str, dict[Name, Item]] = {}
        self._newest: dict[str, int] = {}
        self._others: set[str] = set()
        self.on_change: Callable[[str], None] = lambda key: None

    def __len__(self) -> int:
        return len(self._items)

    def get(self, namespace: str, name: str) -> Item | None:
        return self._items.get((namespace, name))

    def of(self, key: str) -> tuple[Item, ...]:
        return tuple(self._by_key.get(key, {}).values())

    def all(self) -> tuple[Item, ...]:
        return tuple(self._items.values())

    def keys(self) -> tuple[str, ...]:
        return tuple(self._by_key)

    def has_seen(self, version: str, namespace: str) -> bool:
        """Whether what was written under this version, in this namespace, has been seen.

        Versions of one server are numbers that grow, any others are compared by name:
        https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions
        """
        if not version.isdecimal():
            return version in self._others
        return int(version) <= max(self._newest.get(namespace, 0), self._newest.get("", 0))

    def put(self, item: Item) -> None:
        """A new object, or the new state of one; older news of it than we have are none."""
        found = item.metadata
        name = (found.namespace, found.name)
        known = self._items.get(name)
        if known is not None and _is_older(found.resource_version, known.metadata.resource_version):
            return
        if known is not None:
            self._take_out(name, known)
        self._items[name] = item
        key = self._key_of(item)
        if key is not None:
            self._by_key.setdefault(key, {})[name] = item
        self._tell(key)

    def remove(self, item: Item) -> None:
        """It is gone; a successor of the same name stays."""
        found = item.metadata
        name = (found.namespace, found.name)
        known = self._items.get(name)
        if known is None or known.metadata.uid != found.uid:
            return
        key = self._key_of(known)
        self._take_out(name, known)
        del self._items[name]
        self._tell(key)

    def keep_only(self, names: set[Name], namespace: str | None) -> None:
        """After a list: what is not in it is gone. Of this namespace, or of all."""
        gone = [name for name in self._items if name not in names and namespace in (None, name[0])]
        for name in gone:
            self.remove(self._items[name])

    def note(self, version: str, namespace: str | None) -> None:
        """Everything up to this version has been seen: of this namespace, or of all. Whoever fills the cache says so,
        after each change and at the end of a list, whose parts come in no order of time."""
        if version.isdecimal():
            scope = namespace or ""
            self._newest[scope] = max(self._newest.get(scope, 0), int(version))
        elif version:
            self._others.add(version)

    def _take_out(self, name: Name, known: Item) -> None:
        key = self._key_of(known)
        if key is not None:
            del self._by_key[key][name]
            if not self._by_key[key]:
                del self._by_key[key]

    def _tell(self, key: str | None) -> None:
        if key is not None:
            self.on_change(key)


def _is_older(version: str, known: str) -> bool:
    return version.isdecimal() and known.isdecimal() and int(version) < int(known)
