"""What the values of a row mean: labels, missing values, commits, weaknesses and languages, as sets write them."""

import ast
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from cellgate.contract.configs import LabelWords
from cellgate.contract.inspection import Meaning
from trainers.data.read.error_collector import shown

# What sets write where they know nothing, in lower case.
MISSING = frozenset(
    {"", "none", "nan", "null", "-", "--", "unknown", "n/a", "na", "<na>", "nat", "undefined", "[]"}
) | {
    *("?", "(null)", "#n/a", "missing", "nil", "{}", "not available"),
}

_VULNERABLE = ("1", "true", "t", "yes", "y", "vulnerable", "vuln", "vul", "bad", "positive", "unsafe", "insecure")
_SAFE = (
    *("0", "false", "f", "no", "n", "safe", "good", "negative", "secure", "benign", "clean", "fixed", "patched"),
    *("not vulnerable", "not_vulnerable", "non-vulnerable", "non_vulnerable", "nonvulnerable", "invulnerable"),
    *("non vulnerable", "not-vulnerable", "non-vul", "non_vul", "nonvul", "non-vuln", "non_vuln", "not_vul"),
)
# The other label of sets that write 1 and -1; beside a 0 it may as well mean that nobody knows.
MINUS_ONE = "-1"
# Of a column that is named for the safe functions, nobody knows what these say.
_UNNAMED = frozenset({"1", "0", MINUS_ONE, "true", "t", "yes", "y", "false", "f", "no", "n", "positive", "negative"})
_NAMED_FOR_SAFE = re.compile(
    r"(?:is)?[_ -]?(?:(?:safe(?:ty)?|secure|security|benign|clean|fixed|patched|good)|(?:non?|not|in)[_ -]?vul\w*)"
)
LABEL_OF = {Meaning.VULNERABLE: 1, Meaning.SAFE: 0}

_CWE = re.compile(r"cwe[-_ ]?0*(\d+)", re.IGNORECASE)
_COMMIT_IN_PATH = re.compile(r"/commits?/(?:\?id=)?([0-9A-Za-z]{1,64})(?=$|[/?#&.])")
# What follows a project's name in a link.
_AFTER_PROJECT = frozenset({"commit", "commits", "-", "pull", "tree", "blob"})
_COMMIT_IN_QUERY = re.compile(r"(?:^|[&;?])(?:h|id)=([0-9a-f]{6,64})")
_WHOLE = re.compile(r"[-+]?\d{1,18}(?:\.0*)?")
MAX_LIST_CHARS = 10_000
MAX_LABEL_CHARS = 60

_C_FAMILY = {
    "c": ("c", "h", "ansi c", "c language"),
    "c++": ("c++", "cpp", "cc", "cxx", "hpp", "hh", "hxx", "c/c++", "c_cpp", "h++", "cplusplus"),
}
# Suffixes of files that are surely no C or C++.
_OTHER = {
    **dict.fromkeys(("py", "pyx"), "python"),
    **dict.fromkeys(("js", "jsx", "mjs"), "javascript"),
    **dict.fromkeys(("ts", "tsx"), "typescript"),
    **dict.fromkeys(("pl", "pm"), "perl"),
    "rb": "ruby",
    "rs": "rust",
    "cs": "c#",
    "kt": "kotlin",
    "sh": "shell",
    "sol": "solidity",
    "hs": "haskell",
}
_OTHER_SUFFIXES = _OTHER | {
    word: word for word in ("java", "php", "go", "swift", "scala", "lua", "html", "vue", "erl", "ex", "groovy")
}
_LANGUAGE_OF = {word: name for name, words in _C_FAMILY.items() for word in words}


def is_missing(value: object) -> bool:
    """Return whether a value says nothing: none, not a number, or one of the words for it."""
    if isinstance(value, str):
        return value.strip().casefold() in MISSING if len(value) < 16 else False
    return value is None or (isinstance(value, float) and value != value)


def label_key(value: object) -> str:
    """Return a label value as the words for labels are compared: 1.0, "1 " and 1 are one, and so are True and true."""
    text = (value if isinstance(value, str) else shown(value))[:MAX_LABEL_CHARS].strip().casefold()
    # A column of whole numbers with a gap is written as 1.0 and 0.0.
    return str(int(float(text))) if _WHOLE.fullmatch(text) else text


def meanings_of(words: LabelWords, column: str = "") -> Mapping[str, Meaning]:
    """Return what each label value means; the words of the configuration go before the known ones.

    Args:
        column: That holds them. In one named `is_safe` or `fixed`, 1 is no known word.
    """
    known = dict.fromkeys(_VULNERABLE, Meaning.VULNERABLE) | dict.fromkeys((*_SAFE, MINUS_ONE), Meaning.SAFE)
    if _NAMED_FOR_SAFE.fullmatch(column.strip().casefold()):
        known = {word: meaning for word, meaning in known.items() if word not in _UNNAMED}
    own = {Meaning.VULNERABLE: words.vulnerable, Meaning.SAFE: words.safe}
    return known | {label_key(word): meaning for meaning, listed in own.items() for word in listed}


def weakness(value: str) -> str:
    """Return a weakness, or several, as `CWE-79,CWE-89`; other text as it is."""
    if value.startswith("[") and len(value) <= MAX_LIST_CHARS:
        # A list in a CSV, as pandas writes it.
        try:
            parts = ast.literal_eval(value)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            parts = None
        if isinstance(parts, list):
            return ",".join(weakness(str(part)) for part in parts if not is_missing(part))
    whole = _CWE.fullmatch(value.strip())
    return f"CWE-{whole[1]}" if whole else value


def commit_of(value: str) -> str:
    """Return the commit that a link names; other text as it is."""
    if "://" not in value:
        return value
    found = _COMMIT_IN_PATH.search(value) or _COMMIT_IN_QUERY.search(value)
    return found[1] if found else value


def project_of(value: str) -> str:
    """Return the project that a link to a repository or a commit names, as `owner/name`; other text as it is."""
    if "://" not in value:
        return value
    try:
        parts = [part for part in urlsplit(value).path.split("/") if part]
    except ValueError:
        return value
    end = next((place for place, part in enumerate(parts) if part in _AFTER_PROJECT), 2)
    return "/".join(parts[:end]).removesuffix(".git") or value


def language_of(value: str) -> str:
    """Return a language as it is compared: `c`, `c++`, or the word in lower case."""
    word = value.strip().casefold().removeprefix(".")
    return _LANGUAGE_OF.get(word) or _OTHER_SUFFIXES.get(word) or word


def language_of_file(name: str) -> str | None:
    """Return the language that a file's name shows, where that is surely another one than C or C++."""
    return _OTHER_SUFFIXES.get(name.rpartition(".")[2].casefold()) if "." in name else None
