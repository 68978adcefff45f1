"""Names of files of labelled functions: what they may end with, and how one is sent under a safe name."""

import re
import unicodedata
from collections.abc import Sequence

JSON_FORMS = (".jsonl", ".ndjson", ".jsonlines", ".json")
TABLE_FORMS = (".csv", ".tsv")
PARQUET_FORMS = (".parquet",)
FORMS = (*JSON_FORMS, *TABLE_FORMS, *PARQUET_FORMS)
# What a file's name may end with besides its form.
PACKED_SUFFIXES = (".gz", ".zst", ".zstd")
# For people.
READABLE = f"{', '.join(FORMS)}, also with {', '.join(PACKED_SUFFIXES)}"
# What libraries write beside the rows, in files that end like those.
BESIDE = frozenset(
    {"dataset_info.json", "dataset_infos.json", "state.json", "metadata.json", "meta_data.json", "croissant.json"}
)
MAX_NAME_CHARS = 150
UNNAMED = "functions"
_UNSAFE = re.compile(r"[^A-Za-z0-9_]+")


def without_packing(name: str) -> str:
    """Return a file's name in lower case, without the suffix that says how it is packed."""
    lower = name.lower()
    return next((lower.removesuffix(suffix) for suffix in PACKED_SUFFIXES if lower.endswith(suffix)), lower)


def is_table(name: str) -> bool:
    """Return whether a file's name ends like a table's."""
    return without_packing(name).endswith(TABLE_FORMS)


def has_form(name: str) -> bool:
    """Return whether a file's name ends like that of a file of functions."""
    return without_packing(name).endswith(FORMS)


def is_of_functions(name: str) -> bool:
    """Return whether a folder's file of this name is read: it ends like one, and is none that libraries add."""
    return has_form(name) and name not in BESIDE


def upload_pattern() -> str:
    """Return the pattern of names under which the service takes files."""

    def either(suffixes: Sequence[str]) -> str:
        names = [suffix[1:] for suffix in suffixes]
        return "|".join([*names, *map(str.upper, names)])

    return rf"^[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*\.({either(FORMS)})(\.({either(PACKED_SUFFIXES)}))?$"


def safe_name(parts: Sequence[str]) -> str:
    """Return a name of plain letters, digits, `_` and `-` for a file, with its suffix in lower case.

    Args:
        parts: Folders and file name, from which a reader may learn split and label: they all stay in the name. The
            last one ends like a file of functions.
    """
    lower = parts[-1].lower()
    packed = next((suffix for suffix in PACKED_SUFFIXES if lower.endswith(suffix)), "")
    form = next(form for form in FORMS if lower.removesuffix(packed).endswith(form))
    suffix = form + packed
    stem = "-".join([*parts[:-1], parts[-1][: len(parts[-1]) - len(suffix)]])
    # Letters without their accents; of other scripts nothing is left.
    plain = unicodedata.normalize("NFKD", stem).encode("ascii", "ignore").decode()
    safe = _UNSAFE.sub("-", plain).strip("-_") or UNNAMED
    return safe[-(MAX_NAME_CHARS - len(suffix)) :].lstrip("-_") + suffix
