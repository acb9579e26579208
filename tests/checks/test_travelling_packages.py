"""What travels into users' images must run there: Python 3.9, its standard library, gRPC in one module.

`make lint` adds vermin, which knows the age of each library function. These checks need no old Python to run.
"""

import ast
import sys
from collections.abc import Iterator

import pytest

from tests.checks.source_tree import TRAVELLING, list_python, parse, read

OURS = ("orchestrator.protocol", "orchestrator.version")
# Imported inside functions only, so that the package loads without them.
INSIDE_FUNCTIONS = {"orchestrator/train": {"tensorflow", "keras", "tf_keras", "numpy"}}
OLDEST = (3, 9)
PLAIN_TYPES = {
    "bool",
    "bytes",
    "dict",
    "float",
    "frozenset",
    "int",
    "list",
    "object",
    "set",
    "str",
    "tuple",
    "type",
}

files = pytest.mark.parametrize("name", list_python(*TRAVELLING))


@files
def test_syntax_is_old_enough(name: str) -> None:
    ast.parse(read(name), filename=name, feature_version=OLDEST)


@files
def test_no_union_of_types_is_evaluated(name: str) -> None:
    """`X | None` fails before 3.10 as a value, and in a dataclass whose fields are decoded by their annotations."""
    tree = parse(name)
    assert [node.lineno for node in _evaluated(tree) if _is_union(node)] == []


def _evaluated(tree: ast.Module) -> Iterator[ast.expr]:
    """Every expression outside annotations, and the annotations of dataclasses' fields."""
    lazy = {id(part) for annotation in _lazy_annotations(tree) for part in ast.walk(annotation)}
    return (node for node in ast.walk(tree) if isinstance(node, ast.expr) and id(node) not in lazy)


def _lazy_annotations(tree: ast.Module) -> Iterator[ast.expr]:
    """Annotations that nothing evaluates: local variables', and with the future import all but fields'."""
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from (node.annotation for node in ast.walk(function) if isinstance(node, ast.AnnAssign))
    if not any(isinstance(node, ast.ImportFrom) and node.module == "__future__" for node in tree.body):
        return
    fields = {id(field) for cls in ast.walk(tree) if isinstance(cls, ast.ClassDef) for field in _fields(cls)}
    for node in ast.walk(tree):
        lazy = getattr(node, "annotation", None) or getattr(node, "returns", None)
        if lazy is not None and id(node) not in fields:
            yield lazy


def _fields(cls: ast.ClassDef) -> list[ast.stmt]:
    decorators = ast.unparse(ast.Tuple(elts=cls.decorator_list, ctx=ast.Load()))
    return cls.body if "dataclass" in decorators else []


def _is_union(node: ast.expr) -> bool:
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr) and _is_type(node.left, node.right)


def _is_type(*sides: ast.expr) -> bool:
    bare = [side.value if isinstance(side, ast.Subscript) else side for side in sides]
    return any(
        (isinstance(side, ast.Constant) and side.value is None)
        or (isinstance(side, ast.Name) and side.id in PLAIN_TYPES)
        for side in bare
    )


@files
def test_imports_only_the_standard_library_at_the_top(name: str) -> None:
    assert set(_foreign(_imports_at_the_top(parse(name)))) == set()


@files
def test_imports_inside_functions_are_known_too(name: str) -> None:
    inside = next((names for folder, names in INSIDE_FUNCTIONS.items() if name.startswith(folder)), set())
    assert set(_foreign(_imports(ast.walk(parse(name))))) - inside == set()


def _imports_at_the_top(tree: ast.Module) -> Iterator[str]:
    """What importing the module imports: everything outside functions, type-checking blocks excepted."""
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop()
        yield from _imports(iter([node]))
        runs_now = not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        if runs_now and not (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)):
            waiting.extend(ast.iter_child_nodes(node))


def _imports(nodes: Iterator[ast.AST]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def _foreign(modules: Iterator[str]) -> Iterator[str]:
    """Neither the standard library nor our own travelling packages."""
    own = (*OURS, "orchestrator.agent", "orchestrator.train")
    for module in modules:
        top = module.partition(".")[0]
        if top not in sys.stdlib_module_names and not any(f"{module}.".startswith(f"{o}.") for o in own):
            yield top
