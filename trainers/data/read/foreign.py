"""Whether a text begins as functions of other languages do, and none of C or C++."""

import itertools
import re
from collections.abc import Sequence

from trainers.data.c_tokens import is_name

# Access specifiers of C++ are followed by a colon. In C these may be macros, as in file(1): `private int\nf(…)`.
_MODIFIERS = frozenset({"public", "private", "protected"})
_STARTS = frozenset({"def", "func", "fn", "fun", "function", "async", "import", "package", "using", "sub"})
# After a modifier such as pub, unsafe, export or static.
_SECOND = frozenset({"fn", "function", "fun"})
_MARKS = frozenset({"@", "<"})
_CLASS = re.compile(r"class\s+\w+(?:\s*\([^()]*\)\s*:|\s+(?:extends|implements)\b)")
_GO_METHOD = re.compile(r"func\s*\([^()]*\)\s*\w+\s*\(")
# What stands in the head of a function of C, and of no other language with these modifiers.
_WORDS_OF_C = frozenset({"*", "const", "struct", "unsigned", "union", "enum"})
_TYPE_ON_ITS_OWN_LINE = re.compile(r"^[ \t]*(?:public|private|protected)\b[^\n(){};]*\n\s*\w+\s*\(", re.MULTILINE)
_BODY_OF_C = re.compile(r"\bsizeof\b|[=(,]\s*NULL\b")


def is_foreign(func: str, head: Sequence[str]) -> bool:
    """Return whether a text is of another language.

    Args:
        func: The text.
        head: Its tokens before the first brace, without comments.
    """
    first, second, third = (*head[:3], "", "", "")[:3]
    if first in _MARKS or (second in _SECOND and is_name(third or ";")):
        return True
    if first in _STARTS:
        return is_name(second or ";") or (first == "func" and _GO_METHOD.match(func.lstrip()) is not None)
    if first == "class":
        return _CLASS.match(func.lstrip()) is not None
    if first in _MODIFIERS:
        return second != ":" and not _is_c(func, head)
    # Java names the exceptions behind the parameters; C++ says `throw`.
    return any(pair == (")", "throws") for pair in itertools.pairwise(head))


def _is_c(func: str, head: Sequence[str]) -> bool:
    """Return whether a text that begins with a modifier is of C, where that is a macro."""
    if any(token in _WORDS_OF_C or token.endswith("_t") for token in head):
        return True
    is_without_parameters = any(head[at : at + 3] == ["(", "void", ")"] for at in range(len(head)))
    return is_without_parameters or bool(_TYPE_ON_ITS_OWN_LINE.search(func) or _BODY_OF_C.search(func))
