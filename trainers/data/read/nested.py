"""Values within objects of a row, named by their path: `meta.func` of `{"meta": {"func": …}}`."""

from collections.abc import Iterator, Mapping, Sequence

SEPARATOR = "."
# Deeper objects, and more names, are of strangers' data and of no table.
MAX_DEPTH = 4
MAX_NAMES = 500


def value_at(content: Mapping[str, object], column: str) -> object:
    """Return a row's value by its column's name or path; None where there is none.

    Of a value that MongoDB writes with its type, as `{"$oid": "…"}`, the value itself.
    """
    return _value(content, (column,) if column in content else column.split(SEPARATOR))


def is_twofold(content: Mapping[str, object], column: str) -> bool:
    """Return whether a row has two values of a name with a dot in it: one by the name, another by the path."""
    if SEPARATOR not in column or column not in content:
        return False
    return _value(content, column.split(SEPARATOR)) not in (None, _value(content, (column,)))


def _value(content: Mapping[str, object], path: Sequence[str]) -> object:
    value: object = content
    for part in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(part)
    return next(iter(value.values())) if isinstance(value, Mapping) and _is_typed(value) else value


def names_in(head: Sequence[Mapping[str, object]]) -> tuple[list[str], list[str]]:
    """Return the columns of rows, and the paths of the values in their objects, each in the order of appearance."""
    columns: dict[str, None] = {}
    paths: dict[str, None] = {}
    for content in head:
        columns |= dict.fromkeys(content)
        for name, value in content.items():
            if isinstance(value, Mapping) and SEPARATOR not in name:
                _add_paths(paths, name, value)
    return list(columns), [path for path in paths if path not in columns]


def holds_only_objects(head: Sequence[Mapping[str, object]], column: str) -> bool:
    """Return whether all of a column's values are objects or lists of objects: no text and no label."""
    values = [value for content in head if (value := value_at(content, column)) is not None]
    return bool(values) and all(isinstance(value, Mapping) or is_list_of_objects(value) for value in values)


def is_list_of_objects(value: object) -> bool:
    """Return whether a value is a list whose first one is an object."""
    return isinstance(value, list) and bool(value) and isinstance(value[0], Mapping)


def _is_typed(value: Mapping[str, object]) -> bool:
    return len(value) == 1 and next(iter(value)).startswith("$")


def _add_paths(paths: dict[str, None], name: str, value: Mapping[str, object]) -> None:
    for path in _paths(name, value, MAX_DEPTH):
        if len(paths) >= MAX_NAMES:
            return
        paths[path] = None


def _paths(name: str, value: Mapping[str, object], depth: int) -> Iterator[str]:
    if not depth or _is_typed(value):
        return
    for key, inner in value.items():
        # Of a name with a dot in it nobody could tell where an object begins.
        if not isinstance(key, str) or SEPARATOR in key:
            continue
        path = f"{name}{SEPARATOR}{key}"
        if isinstance(inner, Mapping):
            yield from _paths(path, inner, depth - 1)
        else:
            yield path
