import re

from service.domain import errors
from service.domain.errors import ServiceError


def drawn_tree(text: str) -> dict[str, str]:
    """Return child → parent as the module's first lines draw it."""
    parents: dict[str, str] = {}
    path: list[str] = []
    for line in text.splitlines():
        found = re.match(r"^(?P<lead>[│├└─ ]*)(?P<name>[A-Z]\w+)(?= |$)", line)
        if found is None:
            continue
        depth = len(found["lead"]) // 4
        path[depth:] = [found["name"]]
        if depth:
            parents[found["name"]] = path[depth - 1]
    return parents


def subclasses(root: type[ServiceError]) -> dict[str, str]:
    """Return child → parent of every class below `root` that the module defines."""
    found: dict[str, str] = {}
    for child in root.__subclasses__():
        if child.__module__ != errors.__name__:
            continue
        found |= {child.__name__: root.__name__} | subclasses(child)
    return found


def test_the_drawn_tree_of_errors_is_the_tree_of_classes() -> None:
    assert drawn_tree(errors.__doc__ or "") == subclasses(ServiceError)


def test_every_error_has_a_code_of_its_own() -> None:
    classes = [ServiceError, *(getattr(errors, name) for name in subclasses(ServiceError))]
    assert len({error.code for error in classes}) == len(classes)
