"""Source files of sets that are trees of them."""

from pathlib import Path
from typing import Literal

from cellgate.contract.inspection import Reason
from trainers.data.read.raw_rows import Defect, damaged

MAX_SOURCE_BYTES = 16 << 20


def read_source(path: Path, *, errors: Literal["strict", "replace"] = "strict") -> str | Defect:
    """Return a file's text, or why there is none.

    Args:
        errors: What bytes that are no UTF-8 are: a reason, or replaced.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_SOURCE_BYTES + 1)
    except OSError as error:
        return Defect(reason=Reason.MALFORMED, found=f"the file cannot be read: {error.strerror or error}")
    if len(content) > MAX_SOURCE_BYTES:
        return Defect(reason=Reason.TOO_LONG, found=f"more than {MAX_SOURCE_BYTES} bytes")
    try:
        return content.decode(errors=errors)
    except UnicodeDecodeError as error:
        return damaged(content, error)
