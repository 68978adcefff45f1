"""Identifiers: a prefix for the kind and a ULID, so that ids sort by age."""

from typing import Literal

from ulid import ULID

Prefix = Literal["ds", "exp", "job", "run", "tok", "bun", "wh", "dlv"]


def new_id(prefix: Prefix) -> str:
    """Return a fresh identifier, e.g. `run_01JZ0000000000000000000000`."""
    return f"{prefix}_{ULID()}"
