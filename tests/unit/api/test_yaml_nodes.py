"""Text -> nodes: what YAML is understood, what is refused and where, and that every limit holds."""

import json

import pytest

from orchestrator.api.yaml_nodes import (
    MAX_DEPTH,
    MAX_DOCUMENTS,
    MAX_NODES,
    MAX_TEXT,
    Mapping,
    Node,
    Refused,
    Scalar,
    Sequence,
    compose,
    locate_offset,
)


def plain(node: Node) -> object:
    """The node as lists, dicts and texts; a quoted text in quotes."""
    if isinstance(node, Scalar):
        return node.text if node.plain else repr(node.text)
    if isinstance(node, Sequence):
        return [plain(item) for item in node.items]
    return {key: plain(entry.value) for key, entry in node.entries.items()}


def read(text: str) -> list[object]:
    return [plain(node) for node in compose(text)]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("", []),
        ("# nothing\n", []),
        ("---\n---\na: 1", [{"a": "1"}]),
        ("a: 1\n---\nb: 2\n...\n", [{"a": "1"}, {"b": "2"}]),
        ("a: 'x'\nb: \"y\"\nc: z", [{"a": "'x'", "b": "'y'", "c": "z"}]),
        ("- [1, {a: b}]\n-\n", [[["1", {"a": "b"}], ""]]),
        ("a: |\n  x\n  y\n", [{"a": "'x\\ny\\n'"}]),
        (
            "a: !!str 5\nb: !!int '5'\nc: ! 5\nd: !!seq []\ne: !!map {}",
            [{"a": "'5'", "b": "5", "c": "'5'", "d": [], "e": {}}],
        ),
        ('{\n\t"a":1,"b":[true,null]}', [{"a": "1", "b": ["true", "null"]}]),
        ('""', ["''"]),
        ("1: 2", [{"1": "2"}]),
    ],
)
def test_documents(text: str, values: list[object]) -> None:
    assert read(text) == values


def test_json_of_other_writers_is_read_also_beyond_the_first_plane() -> None:
    value = {"a": "\U0001f600", "b": "\\ud83d\\ude00", "c": "\\\U0001f600"}
    (node,) = compose(json.dumps(value))
    assert isinstance(node, Mapping)
    texts = {key: entry.value.text for key, entry in node.entries.items() if isinstance(entry.value, Scalar)}
    assert texts == value


def test_nodes_know_their_place() -> None:
    (node,) = compose("a:\n  - x\n  - {b: 'é', c: y}\n")
    assert isinstance(node, Mapping)
    assert (node.entries["a"].key.line, node.entries["a"].key.column) == (1, 1)
    items = node.entries["a"].value
    assert isinstance(items, Sequence)
    assert [(item.line, item.column) for item in items.items] == [(2, 5), (3, 5)]
    inner = items.items[1]
    assert isinstance(inner, Mapping)
    assert inner.entries["c"].value.column == 17


def test_aliases_stand_for_what_they_name() -> None:
    assert read("a: &x [1, 2]\nb: *x\nc: &k key\n*k : 3") == [
        {"a": ["1", "2"], "b": ["1", "2"], "c": "key", "key": "3"}
    ]


def test_anchors_end_with_their_document() -> None:
    with pytest.raises(Refused, match=r"the alias '\*x' has no anchor before it"):
        read("a: &x 1\n---\nb: *x")


def test_merge_keys_add_what_is_missing() -> None:
    text = "base: &b {x: 1, y: 2}\nmore: &m {y: 3, z: 4}\none:\n  <<: *b\n  x: 9\ntwo:\n  <<: [*b, *m]\n"
    (found,) = read(text)
    assert isinstance(found, dict)
    assert found["one"] == {"x": "9", "y": "2"}
    assert found["two"] == {"x": "1", "y": "2", "z": "4"}


def test_a_quoted_merge_key_is_a_key() -> None:
    assert read("'<<': {a: 1}") == [{"<<": {"a": "1"}}]


def test_repeated_keys_are_kept_apart_and_the_first_value_holds() -> None:
    (node,) = compose("a: 1\na: 2\nb: 3\na: 4")
    assert isinstance(node, Mapping)
    assert plain(node) == {"a": "1", "b": "3"}
    assert [key.line for key in node.repeated] == [2, 4]


@pytest.mark.parametrize(
    ("text", "message", "place"),
    [
        ("!foo a: b", "a key cannot have the tag '!foo'", (1, 1)),
        ("a: &a {b: c}\n<<: !foo\n  d: e", "'<<' merges a mapping without a tag", (2, 5)),
        ("a: *x", "the alias '*x' has no anchor before it", (1, 4)),
        ("a: &x\n  b: [*x]", "the alias '*x' contains itself", (2, 7)),
        ("<<: 5", "'<<' merges a mapping or a list of mappings", (1, 5)),
        ("<<: [5]", "'<<' merges a mapping or a list of mappings", (1, 6)),
        ("? [a]\n: b", "a key must be a text, not a list or mapping", (1, 3)),
        ("a: x\0", "the character U+0000 is not allowed in YAML", (1, 5)),
        ("é: 1\n\x1b", "the character U+001B is not allowed in YAML", (2, 1)),
        ("a: \ud800", "the character U+D800 is not allowed in YAML", (1, 4)),
        ('a: "x\\0"', "a text cannot contain a NUL character", (1, 4)),
        ("a:\n\tb: 1", "not valid YAML: a tab; YAML is indented with spaces only", (2, 1)),
        ("a: @b", "not valid YAML: a value cannot begin with '@'; put it in quotes", (1, 4)),
        ("a: b: c", "not valid YAML: a second ':' in one line; check the indentation", (1, 5)),
        ("a: [1\nb: 2", "not valid YAML: did not find expected ',' or ']'", (2, 2)),
        ("a: [1\n", "(while parsing a flow sequence that begins in line 1)", (2, 1)),
        ("%YAML 2.0\n---\na: 1", "not valid YAML: found incompatible YAML document", (1, 1)),
    ],
)
def test_what_is_refused(text: str, message: str, place: tuple[int, int]) -> None:
    with pytest.raises(Refused) as refused:
        read(text)
    assert message in refused.value.message
    assert (refused.value.line, refused.value.column) == place


@pytest.mark.parametrize(
    ("value", "tag"),
    [
        ("!foo b", "!foo"),
        ("!!python/name:os.system x", "!!python/name:os.system"),
        ("!!binary x", "!!binary"),
        ("!!set {x}", "!!set"),
        ("!!map []", "!!map"),
        ("!!seq {}", "!!seq"),
        ("!!str 5", ""),
        ("!!int 5", ""),
        ("! 5", ""),
        ("!!seq []", ""),
        ("!!map {}", ""),
    ],
)
def test_tags_that_mean_nothing_to_us_are_kept_as_they_were_written(value: str, tag: str) -> None:
    (node,) = compose(f"a: {value}")
    assert isinstance(node, Mapping)
    found = node.entries["a"].value
    assert (found.tag, found.line, found.column) == (tag, 1, 4)


def _bomb(levels: int) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, levels)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x" * (MAX_TEXT + 1), "larger than 2 MiB"),
        ("- a\n" * MAX_NODES, f"more than {MAX_NODES} values"),
        (_bomb(9), f"more than {MAX_NODES} values"),
        ("a: &a {x: 1, y: 2}\nb:\n" + "  - <<: *a\n" * (MAX_NODES // 4), f"more than {MAX_NODES} values"),
        ("[" * (MAX_DEPTH + 1), f"nested more than {MAX_DEPTH} levels deep"),
        ("- " * (MAX_DEPTH + 1) + "x", f"nested more than {MAX_DEPTH} levels deep"),
        (
            "- &a " + "[" * 40 + "]" * 40 + "\n- " + "[" * 40 + "*a" + "]" * 40,
            f"nested more than {MAX_DEPTH} levels",
        ),
        ("--- a\n" * (MAX_DOCUMENTS + 1), f"more than {MAX_DOCUMENTS} documents"),
    ],
    ids=["text", "nodes", "aliases", "merges", "flow", "block", "deep aliases", "documents"],
)
def test_limits(text: str, message: str) -> None:
    with pytest.raises(Refused, match=message):
        read(text)


def test_the_limits_themselves_are_allowed() -> None:
    assert len(read("--- a\n" * MAX_DOCUMENTS)) == MAX_DOCUMENTS
    assert read("[" * MAX_DEPTH + "]" * MAX_DEPTH)
    (items,) = read("- a\n" * (MAX_NODES - 1))
    assert isinstance(items, list)
    assert len(items) == MAX_NODES - 1


@pytest.mark.parametrize(("offset", "place"), [(0, (1, 1)), (2, (1, 3)), (3, (2, 1)), (5, (2, 3))])
def test_offsets_are_found_in_lines(offset: int, place: tuple[int, int]) -> None:
    assert locate_offset("ab\ncd", offset) == place
