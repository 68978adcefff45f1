"""Text that every database can hold."""

from typing import Any

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def storable(value: Any) -> Any:
    """Return JSON values with every NUL and lone surrogate replaced, which PostgreSQL has no way to store."""
    match value:
        case str():
            clean = value.replace("\x00", REPLACEMENT)
            return clean if clean.isascii() else clean.encode("utf-8", "replace").decode()
        case dict():
            return {storable(name): storable(inner) for name, inner in value.items()}
        case list():
            return [storable(inner) for inner in value]
        case _:
            return value
