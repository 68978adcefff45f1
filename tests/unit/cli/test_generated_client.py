"""The synchronous client is the asynchronous one, generated."""

import inspect
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cellgate.client._async.client import AsyncClient
from cellgate.client._sync.client import Client

REPOSITORY = Path(__file__).resolve().parents[3]


def test_generating_again_gives_the_same_bytes() -> None:
    generate: Callable[[], dict[str, str]] = runpy.run_path(str(REPOSITORY / "scripts" / "generate_client.py"))[
        "generate"
    ]
    committed = {path.name: path.read_text() for path in (REPOSITORY / "cellgate" / "client" / "_sync").glob("*.py")}
    assert generate() == committed, "run `make client` and commit cellgate/client/_sync"


def public(of: type) -> dict[str, Any]:
    return {name: method for name, method in inspect.getmembers(of, inspect.isfunction) if name[0] != "_"}


def test_both_have_the_same_methods() -> None:
    assert public(AsyncClient).keys() == public(Client).keys()


@pytest.mark.parametrize("name", sorted(public(Client)))
def test_a_method_has_the_same_signature_and_help_in_both(name: str) -> None:
    here, there = public(Client)[name], public(AsyncClient)[name]
    parameters = inspect.signature(here).parameters
    assert str(parameters) == str(inspect.signature(there).parameters)
    assert here.__doc__ == there.__doc__
    returned = str(inspect.signature(there).return_annotation)
    for asynchronous, blocking in (("AsyncIterator", "Iterator"), ("_async", "_sync"), ("AsyncExp", "Exp")):
        returned = returned.replace(asynchronous, blocking)
    assert str(inspect.signature(here).return_annotation) == returned
