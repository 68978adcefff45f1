"""What a person may have meant by the name of a field that does not exist."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel

# As alike as `epoch` and `epochs`, or `learning_rte` and `learning_rate`; not as `name` and `note`.
ALIKE = 0.7


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Return `did you mean …?` with the names that are most alike, or an empty text where none is."""
    known = sorted({*names})
    found = [known[0]] if len(known) == 1 and known[0].lower() == name.lower() else []
    found = found or get_close_matches(name.lower(), known, n=2, cutoff=ALIKE)
    return f"did you mean {' or '.join(f'`{one}`' for one in found)}?" if found else ""


def fields_at(annotation: Any, path: Sequence[str | int]) -> set[str]:
    """Return the names of the fields that a value has there; empty where it has none, or takes any.

    Args:
        annotation: Type of the whole value: a model, or a union of models.
        path: Names and places from the whole value down; a tag of a union may stand among them.
    """
    models = models_in(annotation)
    for part in path:
        tagged = [model for model in models if _has_tag(model, part)]
        if tagged:
            models = tagged
            continue
        inner = [model.model_fields[str(part)].annotation for model in models if part in model.model_fields]
        # A place in a list leaves the models as they are.
        models = models if isinstance(part, int) else [found for one in inner for found in models_in(one)]
    return {name for model in models for name in model.model_fields}


def models_in(annotation: Any) -> list[type[BaseModel]]:
    """Return the models that a type is made of: itself, or those of a union, a list or an annotated type."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in models_in(part)]


def _has_tag(model: type[BaseModel], part: str | int) -> bool:
    """Return whether a part of a path is no field, but names the member of the union of cells that was tried."""
    cell = model.model_fields.get("cell")
    return cell is not None and str(part) in {str(value) for value in get_args(cell.annotation)}
