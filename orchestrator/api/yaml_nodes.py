"""YAML or JSON text -> trees of nodes that know their place; the only user of the YAML library's parser.

Called by `parse` for files and `overrides` for values. Built from parser events, not by the library's composer,
so that every limit holds before memory is spent: size, depth, number of nodes with aliases written out.
Knows nothing of jobs, and constructs nothing: a scalar stays text until `reader` knows the type that is wanted.
"""

import re
from collections.abc import Iterator

import msgspec
import yaml

from orchestrator.api.errors import quote

MAX_TEXT = 2 * 1024 * 1024
MAX_NODES = 50_000
MAX_DEPTH = 64
MAX_DOCUMENTS = 256

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_CORE = "tag:yaml.org,2002:"
_PLAIN_TAGS = frozenset(_CORE + name for name in ("null", "bool", "int", "float"))
_SCALAR_TAGS = frozenset({None, "!", _CORE + "str", *_PLAIN_TAGS})
_SEQUENCE_TAGS = frozenset({None, "!", _CORE + "seq"})
_MAPPING_TAGS = frozenset({None, "!", _CORE + "map"})
_FORBIDDEN = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SURROGATES = re.compile(r"((?<!\\)(?:\\\\)*)\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")


class Refused(Exception):
    """The text cannot be read, or not within the limits. Line and column count from 1; 0: the whole text."""

    def __init__(self, message: str, line: int = 0, column: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column


class _Node(msgspec.Struct, kw_only=True):
    """`size` and `depth` count aliases as if written out. `tag`: one that means nothing to us, as it was written."""

    line: int
    column: int
    size: int = 1
    depth: int = 1
    tag: str = ""


class Scalar(_Node, kw_only=True):
    """`plain`: without quotes, so that it may mean a number, a boolean or nothing."""

    text: str
    plain: bool


class Sequence(_Node, kw_only=True):
    items: "list[Node]" = []


class Entry(msgspec.Struct):
    key: Scalar
    value: "Node"


class Mapping(_Node, kw_only=True):
    """`repeated`: keys written a second time; the first value holds. `merges`: what stands behind `<<`."""

    entries: dict[str, Entry] = {}
    repeated: list[Scalar] = []
    merges: "list[Node]" = []


Node = Scalar | Sequence | Mapping
_Start = yaml.ScalarEvent | yaml.SequenceStartEvent | yaml.MappingStartEvent


def compose(text: str) -> Iterator[Node]:
    """One tree for each document that is not empty. Raises Refused where the text cannot be read on."""
    if len(text) > MAX_TEXT:
        raise Refused(f"larger than {MAX_TEXT // 1024**2} MiB")
    forbidden = _FORBIDDEN.search(text)
    if forbidden:
        code = f"U+{ord(forbidden.group()):04X}"
        raise Refused(f"the character {code} is not allowed in YAML", *locate_offset(text, forbidden.start()))
    composer = _Composer()
    documents = 0
    for event in _read_events(_join_surrogates(text)):
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > MAX_DOCUMENTS:
                raise Refused(f"more than {MAX_DOCUMENTS} documents", *_place(event))
        elif isinstance(event, yaml.DocumentEndEvent):
            yield from composer.finish()
        else:
            composer.feed(event)


def locate_offset(text: str, offset: int) -> tuple[int, int]:
    before = text[:offset]
    return before.count("\n") + 1, offset - before.rfind("\n")


def _join_surrogates(text: str) -> str:
    """JSON writes characters beyond U+FFFF as two escapes, which YAML refuses; YAML has one longer escape."""
    return _SURROGATES.sub(_join_pair, text) if text.lstrip().startswith(("{", "[")) else text


def _join_pair(match: re.Match[str]) -> str:
    high, low = (int(match.group(group), 16) for group in (2, 3))
    return f"{match.group(1)}\\U{0x10000 + (high - 0xD800) * 0x400 + low - 0xDC00:08X}"


def _read_events(text: str) -> Iterator[yaml.Event]:
    try:
        yield from yaml.parse(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        raise _explain(error, text) from None


def _explain(error: yaml.MarkedYAMLError, text: str) -> Refused:
    """The library's words, or better ones where it is known what users do wrong."""
    mark = error.problem_mark or error.context_mark or yaml.Mark("", 0, 0, 0, "", 0)
    problem = str(error.problem)
    char = text[mark.index : mark.index + 1]
    if "cannot start any token" in problem:
        problem = f"a value cannot begin with {quote(char)}; put it in quotes"
        if char == "\t":
            problem = "a tab; YAML is indented with spaces only"
    elif "mapping values are not allowed" in problem:
        problem = (
            "a second ':' in one line; check the indentation, or put a text that contains ': ' in quotes"
        )
    elif error.context and error.context_mark and error.context_mark.line != mark.line:
        problem += f" ({error.context} that begins in line {error.context_mark.line + 1})"
    return Refused(f"not valid YAML: {problem}", mark.line + 1, mark.column + 1)


def _place(event: yaml.Event) -> tuple[int, int]:
    mark = event.start_mark
    return (mark.line + 1, mark.column + 1) if mark else (0, 0)


class _Composer:
    """Puts events together to a tree, one document at a time."""

    def __init__(self) -> None:
        self._reset()

    def _reset(self) -> None:
        self._root: Node | None = None
        self._total = 0
        self._open: list[Sequence | Mapping] = []
        self._keys: list[Scalar | None] = []
        self._anchors: dict[str, Node] = {}

    def finish(self) -> Iterator[Node]:
        root = self._root
        self._reset()
        if root is not None and not (isinstance(root, Scalar) and root.plain and not root.text):
            yield root

    def feed(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.CollectionEndEvent):
            self._close()
        elif isinstance(event, yaml.AliasEvent):
            self._attach(self._follow(event), event)
        elif isinstance(event, _Start):
            node = _begin(event)
            self._count(1, event)
            if event.anchor is not None:
                self._anchors[event.anchor] = node
            if isinstance(node, Scalar):
                self._attach(node, event)
            else:
                self._push(node, event)

    def _count(self, size: int, event: yaml.Event) -> None:
        self._total += size
        if self._total > MAX_NODES:
            raise Refused(f"more than {MAX_NODES} values (aliases written out)", *_place(event))

    def _follow(self, event: yaml.AliasEvent) -> Node:
        node = self._anchors.get(event.anchor or "")
        name = quote(f"*{event.anchor}")
        if node is None:
            raise Refused(f"the alias {name} has no anchor before it", *_place(event))
        if any(node is parent for parent in self._open):
            raise Refused(f"the alias {name} contains itself", *_place(event))
        self._count(node.size, event)
        return node

    def _push(self, node: Sequence | Mapping, event: yaml.Event) -> None:
        self._open.append(node)
        self._keys.append(None)
        if len(self._open) > MAX_DEPTH:
            raise Refused(f"nested more than {MAX_DEPTH} levels deep", *_place(event))

    def _close(self) -> None:
        node = self._open.pop()
        self._keys.pop()
        if isinstance(node, Mapping):
            _merge(node)
        self._attach(node, None)

    def _attach(self, node: Node, event: yaml.Event | None) -> None:
        if not self._open:
            self._root = node
            return
        if event is not None and len(self._open) + node.depth > MAX_DEPTH + 1:
            raise Refused(f"nested more than {MAX_DEPTH} levels deep", *_place(event))
        parent = self._open[-1]
        parent.size += node.size
        parent.depth = max(parent.depth, node.depth + 1)
        if isinstance(parent, Sequence):
            parent.items.append(node)
        else:
            self._keys[-1] = _attach_to_mapping(parent, self._keys[-1], node)


def _begin(event: _Start) -> Node:
    line, column = _place(event)
    if isinstance(event, yaml.ScalarEvent):
        text, tag = _check_text(event), _unknown_tag(event, _SCALAR_TAGS)
        return Scalar(line=line, column=column, text=text, plain=_is_plain(event), tag=tag)
    if isinstance(event, yaml.SequenceStartEvent):
        return Sequence(line=line, column=column, tag=_unknown_tag(event, _SEQUENCE_TAGS))
    return Mapping(line=line, column=column, tag=_unknown_tag(event, _MAPPING_TAGS))


def _is_plain(event: yaml.ScalarEvent) -> bool:
    return not event.style if event.tag is None else event.tag in _PLAIN_TAGS


def _check_text(event: yaml.ScalarEvent) -> str:
    text: str = event.value
    if "\0" in text:
        raise Refused("a text cannot contain a NUL character", *_place(event))
    return text


def _unknown_tag(event: _Start, known: frozenset[str | None]) -> str:
    """As the user has written it; empty for what is known, or no tag at all."""
    return "" if event.tag in known else str(event.tag).replace(_CORE, "!!")


def _attach_to_mapping(parent: Mapping, key: Scalar | None, node: Node) -> Scalar | None:
    """Returns the key that now waits for its value."""
    if key is None:
        if not isinstance(node, Scalar):
            raise Refused("a key must be a text, not a list or mapping", node.line, node.column)
        if node.tag:
            raise Refused(f"a key cannot have the tag {quote(node.tag)}", node.line, node.column)
        return node
    if key.plain and key.text == "<<":
        if node.tag:
            raise Refused("'<<' merges a mapping without a tag", node.line, node.column)
        parent.merges.append(node)
    elif key.text in parent.entries:
        parent.repeated.append(key)
    else:
        parent.entries[key.text] = Entry(key, node)
    return None


def _merge(node: Mapping) -> None:
    """`<<: *base` adds the entries of `base` that the mapping does not have itself."""
    for merged in node.merges:
        for source in merged.items if isinstance(merged, Sequence) else [merged]:
            if not isinstance(source, Mapping):
                raise Refused("'<<' merges a mapping or a list of mappings", source.line, source.column)
            for key, entry in source.entries.items():
                node.entries.setdefault(key, entry)
