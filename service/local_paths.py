"""Paths that requests name: files and folders below configured roots, and models by hub name.

A path that lies elsewhere and one that is not there get the same answer, and the former is never touched: neither the
answer nor its time tells whether it exists.
"""

import os
import re
from collections.abc import Sequence
from pathlib import Path

# As huggingface_hub validates repository ids: a name, or an organisation and a name.
HUB_NAME = re.compile(r"^(?!.*(--|\.\.))[A-Za-z0-9_][A-Za-z0-9._-]{0,95}(/[A-Za-z0-9_][A-Za-z0-9._-]{0,95})?\Z")


def below(path: str, roots: Sequence[Path]) -> Path | None:
    """Return a path, resolved, if it exists below one of the roots, else None.

    Args:
        path: A relative one starts at the working directory.
        roots: Folders that may be read.
    """
    if "\x00" in path:
        return None
    written = Path(os.path.abspath(path))
    # As it is written, before anything is looked at.
    named = {Path(os.path.abspath(root)) for root in roots} | {root.resolve() for root in roots}
    if not any(written.is_relative_to(root) for root in named):
        return None
    try:
        # Neither `..` nor a symbolic link leads out of a root.
        found = Path(path).resolve(strict=True)
    except (OSError, RuntimeError):
        return None
    return found if any(found.is_relative_to(root.resolve()) for root in roots) else None


def model_source(checkpoint: str, roots: Sequence[Path]) -> str | None:
    """Return where a model is loaded from: a hub name as it is, or a folder below a model root, resolved.

    Args:
        checkpoint: As a spec has it.
        roots: Folders that models may be loaded from.

    Returns:
        None where it is neither.
    """
    if HUB_NAME.match(checkpoint):
        return checkpoint
    found = below(checkpoint, roots)
    return str(found) if found is not None and found.is_dir() else None
