"""What the values of a row mean: labels, missing values, commits and languages, as sets write them."""

import math
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from cellgate.contract.configs import LabelWords
from cellgate.contract.inspection import Meaning, Reason
from trainers.data.read.error_collector import shown
from trainers.data.read.raw_rows import Defect

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

_COMMIT_IN_PATH = re.compile(r"/commits?/(?:\?id=)?([0-9A-Za-z]{1,64})(?=$|[/?#&.])")
# What follows a project's name in a link.
_AFTER_PROJECT = frozenset({"commit", "commits", "-", "pull", "tree", "blob"})
_COMMIT_IN_QUERY = re.compile(r"(?:^|[&;?])(?:h|id)=([0-9a-f]{6,64})")
_NUMBER = re.compile(r"[-+]?\d{1,18}(?:\.\d*)?(?:e[-+]?\d{1,2})?")
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
_BETWEEN_LANGUAGES = re.compile(r"[\s/,;|&_-]+")
_STANDARD = re.compile(r"(?<=[c+px])\d\d\Z")
_MAKERS = frozenset({"gnu", "ansi", "iso", "and", "or", "header", "source", "language"})
_LANGUAGE_OF = {word: name for name, words in _C_FAMILY.items() for word in words}


def is_missing(value: object) -> bool:
    """Return whether a value says nothing: none, not a number, or one of the words for it."""
    if isinstance(value, str):
        return value.strip().casefold() in MISSING if len(value) < 16 else False
    return value is None or (isinstance(value, float) and value != value)


def label_key(value: object) -> str:
    """Return a label value as the words for labels are compared: 1.0, "1 " and 1 are one, and so are True and true."""
    text = (value if isinstance(value, str) else shown(value))[:MAX_LABEL_CHARS].strip().casefold()
    if len(text) > 2 and text[0] == text[-1] and text[0] in "'\"":
        # Quoted twice.
        text = text[1:-1].strip()
    # A column of whole numbers with a gap is written as 1.0 and 0.0, and by some as 1.000e+00.
    number = float(text) if _NUMBER.fullmatch(text) else math.nan
    return str(int(number)) if number.is_integer() else text


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
    known = _LANGUAGE_OF.get(word) or _OTHER_SUFFIXES.get(word)
    return known or _family_of(word) or word


def _family_of(word: str) -> str | None:
    """Return `c` or `c++` for a standard of theirs, such as C11, and for both: C/C++, "c, cpp, h"."""
    parts = [part for part in _BETWEEN_LANGUAGES.split(word) if part and part not in _MAKERS]
    found = {_LANGUAGE_OF.get(_STANDARD.sub("", part)) for part in parts}
    return None if None in found or not found else "c++" if "c++" in found else "c"


def language_of_file(name: str) -> str | None:
    """Return the language that a file's name shows, where that is surely another one than C or C++."""
    return _OTHER_SUFFIXES.get(name.rpartition(".")[2].casefold()) if "." in name else None


def is_c(word: str) -> bool:
    """Return whether a word for a language, or a file's name, says C or C++."""
    return language_of(word.rpartition(".")[2]) in _C_FAMILY


def defect_of_text(text: str, column: str) -> Defect | None:
    """Return why text cannot be stored or shown: half of a surrogate pair, bytes that were no UTF-8, or NUL."""
    if "\0" in text:
        return Defect(reason=Reason.UNDECODABLE, found=f"{column} holds the character NUL")
    if text.isascii():
        return None
    try:
        text.encode()
    except UnicodeEncodeError as error:
        is_byte = "\udc80" <= text[error.start] <= "\udcff"
        what = f"byte 0x{ord(text[error.start]) - 0xDC00:02x}, no UTF-8," if is_byte else "half of a surrogate pair"
        return Defect(reason=Reason.UNDECODABLE, found=f"{what} at character {error.start} of {column}")
    return None
