"""Docstrings follow their signatures: an argument that was renamed is renamed in `Args:` too."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.docs.pages import REPOSITORY

PACKAGES = ("cellgate", "service", "worker", "trainers", "migrations")
DOCUMENTED = re.compile(r"^    (\w+(?:, \w+)*):", re.MULTILINE)
Function = ast.FunctionDef | ast.AsyncFunctionDef


def parameters(function: Function) -> set[str]:
    found = function.args
    named = [*found.posonlyargs, *found.args, *found.kwonlyargs, found.vararg, found.kwarg]
    return {argument.arg for argument in named if argument is not None}


def fields(kind: ast.ClassDef) -> set[str]:
    """Return a class's fields and the parameters of its constructor."""
    names = {
        node.target.id for node in kind.body if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }
    made_by = [node for node in kind.body if isinstance(node, Function) and node.name == "__init__"]
    return names.union(*map(parameters, made_by))


def documented(text: str) -> list[str]:
    """Return the names in the section `Args:` of a docstring."""
    _, found, rest = text.partition("Args:\n")
    section = re.split(r"^\S", rest, maxsplit=1, flags=re.MULTILINE)[0] if found else ""
    return [name for names in DOCUMENTED.findall(section) for name in names.split(", ")]


def stale(path: Path) -> Iterator[str]:
    """Yield each documented argument that its function or class does not have."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        # The arguments of a class that inherits its constructor stand in its base.
        if isinstance(node, Function) or (isinstance(node, ast.ClassDef) and fields(node)):
            known = parameters(node) if isinstance(node, Function) else fields(node)
            yield from (
                f"{node.name}: {name}" for name in documented(ast.get_docstring(node) or "") if name not in known
            )


@pytest.mark.parametrize("package", PACKAGES)
def test_every_documented_argument_is_one_of_the_signature(package: str) -> None:
    found = {str(path): list(stale(path)) for path in sorted((REPOSITORY / package).rglob("*.py"))}

    assert {path: names for path, names in found.items() if names} == {}
