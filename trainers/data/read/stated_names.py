"""What the names of files and folders state of all functions in them: their label and their split."""

import re
from collections.abc import Iterator

from cellgate.contract.configs import LabelWords
from cellgate.contract.source_files import without_packing
from trainers.data.read.known_fields import KNOWN_FIELDS
from trainers.data.read.values import LABEL_OF, label_key, meanings_of

SPLIT_WORD = re.compile(r"(?:^|[_.\- =])(train(?:ing)?|valid(?:ation)?|val|dev|test(?:ing)?)(?=[_.\- ]|$)")
_LABEL = re.compile(
    r"(?:^|[_.\- ])(?:(?P<no>non|not|no|in)[_\- ]?)?(?P<vulnerable>vulnerables?|vuln?|bad|unsafe|insecure)(?=[_.\- ]|$)"
)
_SAFE = re.compile(r"(?:^|[_.\- ])(?:safe|benign|secure|clean|good|fixed|patched|novul)(?=[_.\- ]|$)")


def split_in(name: str) -> str | None:
    """Return the split that a file's name states, or else the nearest folder's."""
    parts = [without_packing(name.rpartition("/")[2]), *reversed(name.lower().split("/")[:-1])]
    return next((found[1] for part in parts if (found := SPLIT_WORD.search(part))), None)


def label_in(name: str) -> int | None:
    """Return the label that a file's name states, or else the nearest folder's: `vulnerables.json`, `safe/a.json`."""
    return next(labels_in(name), None)


def labels_in(name: str) -> Iterator[int]:
    """Yield the label of each part of a path that states one, the file's own first."""
    return (label for part in reversed(name.split("/")) if (label := _label_of(part)) is not None)


def _label_of(part: str) -> int | None:
    # A column that stands in the folders' names, as Hive and Spark write it: label=1.
    column, is_column, value = part.partition("=")
    if is_column and column.casefold() in KNOWN_FIELDS["target"]:
        meaning = meanings_of(LabelWords(), column).get(label_key(value))
        return None if meaning is None else LABEL_OF[meaning]
    stem = without_packing(part)
    if found := _LABEL.search(stem):
        return 0 if found["no"] else 1
    return 0 if _SAFE.search(stem) else None
